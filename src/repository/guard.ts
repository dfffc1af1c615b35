import type { App } from "../app/app.ts";
import type { Host } from "../host/host.ts";

/**
 * The beginning of the command that does something behind an isolated app's wall, as JSON. The app
 * runs on while piku works in its tree: a folder could become a link to elsewhere at any moment, and
 * git asks files of the tree what to run. So git, tar and rm see no more there than the app does.
 */
const guardFile = (releases: string) => `${releases}/guard.json`;

/** From now on work trees of an app are only touched behind its wall. */
export function guard(host: Host, { releases }: App, words: readonly string[]): void {
  const text = JSON.stringify(words);
  if (host.read(guardFile(releases)) !== text) host.write(guardFile(releases), text, 0o600);
}

/** Whether they are. */
export const isGuarded = (host: Host, { releases }: App) =>
  host.stat(guardFile(releases)) !== undefined;

/** The opposite, for an app whose live release has no wall. */
export const dropGuard = (host: Host, { releases }: App) => host.remove(guardFile(releases));

/** Where the guard of a tree, or of a directory in one, may be: piku's folder can be called `apps`. */
const guardsOf = (dir: string): string[] =>
  [...`${dir}/`.matchAll(/\/(?:apps|releases)\/(?=([^/]+)\/)/g)].map(({ 1: name, index }) =>
    guardFile(`${dir.slice(0, index)}/releases/${name}`),
  );

const guardIn = (host: Host, dir: string) =>
  guardsOf(dir)
    .map((file) => host.read(file))
    .find((text) => text !== undefined);

/** Whether a tree is only to be touched behind a wall. */
export const isGuardedIn = (host: Host, dir: string) => guardIn(host, dir) !== undefined;

/**
 * A command that works in a directory, which of an isolated app runs behind its wall. `files`: what
 * it writes of piku's own.
 */
export function guarded(
  host: Host,
  dir: string,
  argv: readonly string[],
  files: readonly string[] = [],
): string[] {
  const text = guardIn(host, dir);
  if (text === undefined) return [...argv];
  for (const file of files) if (!host.stat(file)) host.write(file, "", 0o600);
  return [...(JSON.parse(text) as string[]), ...files.map((file) => `file=${file}`), "--", ...argv];
}
