import type { App } from "../app/app.ts";
import type { Release } from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { contentHash } from "../repository/commit.ts";
import type { MadeFrom, Runtime, Source } from "./runtime.ts";

/**
 * The files of a commit that an install may read, and the folders of which it may read anything;
 * all of the commit is `.`.
 */
export function countedFiles(
  source: Source,
  { files, folders = [], elsewhere }: MadeFrom,
): { files: string[]; folders: string[] } {
  const all = source.files();
  const names = [...all.keys()].filter(
    (path) => files.test(path) && !/(^|\/)node_modules\//.test(path),
  );
  const inside = new Set(folders);
  const seen = new Set<string>();
  const follow = (name: string) => {
    if (!elsewhere?.in.test(name) || seen.has(name)) return;
    seen.add(name);
    for (const [, path] of source.read(name).matchAll(elsewhere.by)) {
      const led = path === undefined ? "." : withoutDots(`${name}/../${path}`);
      inside.add(led);
      if (all.has(led)) follow(led);
    }
  };
  for (const name of names) follow(name);
  // What a link leads to is not among them.
  if ([...names, ...inside].some((name) => all.get(name)?.startsWith("120000"))) inside.add(".");
  return { files: names, folders: [...inside] };
}

/** Whether a path is a folder, or below it. */
export const isIn = (path: string, folder: string) => `${path}/`.startsWith(`${folder}/`);

/** A path without `.` and `..`; one that leads out of the commit is all of it. */
function withoutDots(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/") || ".";
}

/**
 * The key of an app's dependency folder: a hash of everything that determines its content.
 * Undefined if there are no dependencies.
 */
export function environmentKey(host: Host, runtime: Runtime, source: Source): string | undefined {
  const { madeFrom } = runtime;
  if (!madeFrom) return undefined;
  const { files, folders } = countedFiles(source, madeFrom);
  const names = new Set(files);
  const counts = (path: string, id: string) =>
    names.has(path) ||
    // What is in a submodule is not listed.
    id.startsWith("160000") ||
    folders.some((folder) => folder === "." || isIn(path, folder));
  const parts = [
    runtime.name,
    ...madeFrom.facts(source),
    ...Object.entries(source.settings)
      .filter(([name]) => madeFrom.settings?.test(name))
      .map((pair) => pair.join("="))
      .sort(),
    ...[...source.files()].filter(([path, id]) => counts(path, id)).flat(),
  ];
  return contentHash(host, parts.join("\0")).slice(0, 16);
}

/**
 * The dependency folder with this key. It is created in this place and never moved: scripts in it
 * contain their interpreter's path.
 */
export const environmentFolder = (app: App, key: string) => `${app.envs}/.${key}`;

const complete = (folder: string) => `${folder}/.complete`;

/** Whether a dependency folder is complete. */
export const isComplete = (host: Host, folder: string) => host.stat(complete(folder)) !== undefined;

/** Marks it as complete, when all of it is on the disk: a power cut must not leave the mark alone. */
export function markComplete(host: Host, folder: string): void {
  host.sync([folder]);
  host.note(complete(folder), "");
}

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
      const target = `.${live.environment}/${name}`;
      if (host.readLink(path) === target) continue;
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
