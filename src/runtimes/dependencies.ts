import type { App } from "../app/app.ts";
import type { Release } from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { contentHash } from "../repository/commit.ts";
import type { Runtime, Source } from "./runtime.ts";

/**
 * The key of an app's dependency folder: a hash of everything that determines its content.
 * Undefined if there are no dependencies.
 */
export function environmentKey(host: Host, runtime: Runtime, source: Source): string | undefined {
  const parts = runtime.madeFrom?.(source);
  return parts && contentHash(host, [runtime.name, ...parts].join("\0")).slice(0, 16);
}

/**
 * The dependency folder with this key. It is created in this place and never moved: scripts in it
 * contain their interpreter's path.
 */
export const environmentFolder = (app: App, key: string) => `${app.envs}/.${key}`;

const complete = (folder: string) => `${folder}/.complete`;

/** Whether a dependency folder is complete. */
export const isComplete = (host: Host, folder: string) => host.stat(complete(folder)) !== undefined;

export const markComplete = (host: Host, folder: string) => host.write(complete(folder), "");

/**
 * Names in `envs/<app>` that the original used and scripts may rely on; they are links into the
 * live folder.
 */
const linked = ["bin", "lib", "include", "pyvenv.cfg", "node_modules"];

/**
 * Points the old names in `envs/<app>` to the live folder, and removes folders that neither the
 * live release, nor the previous one, nor carried-over workers need. What the original had there is
 * kept until then.
 */
export function linkEnvironment(
  host: Host,
  app: App,
  live: Release,
  before: Release | undefined,
): void {
  if (live.environment) {
    const folder = environmentFolder(app, live.environment);
    for (const name of linked) {
      const path = `${app.envs}/${name}`;
      const entry = host.stat(path);
      if (entry && entry.type !== "link") {
        host.mkdir(`${app.envs}/.original`);
        host.rename(path, `${app.envs}/.original/${name}`);
      }
      if (host.stat(`${folder}/${name}`)) host.link(`.${live.environment}/${name}`, path);
      else if (entry?.type === "link") host.remove(path);
    }
  }
  const needed = new Set([
    ...[live, before].flatMap((release) =>
      release?.environment ? [`.${release.environment}`] : [".original"],
    ),
    ...Object.values(live.held ?? {}).map((key) => `.${key}`),
  ]);
  for (const name of host.list(app.envs))
    if (/^\.([0-9a-f]{16}|original)$/.test(name) && !needed.has(name))
      host.remove(`${app.envs}/${name}`);
}
