import type { Host, Lock } from "../host/host.ts";
import { waitUntil } from "../host/wait.ts";
import { span } from "../text/text.ts";
import type { App } from "./app.ts";
import { callerName, callerOf } from "./caller.ts";
import type { Paths } from "./paths.ts";

/**
 * What is done one at a time: pushes to an app, changes of an app, restores of an app, short
 * changes of what all apps share, updates of piku, and creating or clearing backup folders.
 */
export type LockName = "push" | "deploy" | "restore" | "machine" | "update" | "backup";

const lockFile = (paths: Paths, turn: LockName, app?: App) =>
  `${paths.locks}/${app ? `${app.name}.` : ""}${turn}`;

/**
 * For what a lock is held, and by whom, written beside it for the one who waits; in a second line
 * the number of the process that holds it. The time of the file says since when.
 */
const noteOf = (file: string) => `${file}.by`;

/** Whether somebody holds this lock right now. */
export function isHeld(host: Host, paths: Paths, turn: LockName, app?: App): boolean {
  const file = lockFile(paths, turn, app);
  if (!host.stat(file)) return false;
  const lock = host.lock(file);
  lock?.release();
  return lock === undefined;
}

/**
 * The process that holds a lock of an app's, as it wrote it down; undefined when it is not known.
 * The kernel's own answer is of no use: on Bun it is a child, gone long since, that took the lock.
 */
export function holderOf(host: Host, paths: Paths, turn: LockName, app: App): number | undefined {
  const [, pid] = host.read(noteOf(lockFile(paths, turn, app)))?.split("\n") ?? [];
  return Number(pid) || undefined;
}

/**
 * Does something while holding a kernel lock, which is released when this process ends, however it
 * ends. Waits for the lock and says once for whom; `meanwhile` is called about once a second. When
 * nothing is left of an app the last holder removes its lock files.
 */
export function withLock<T>(
  host: Host,
  paths: Paths,
  turn: LockName,
  app: App | undefined,
  what: string,
  action: () => T,
  meanwhile: () => void = () => {},
): T {
  const file = lockFile(paths, turn, app);
  host.mkdir(paths.locks, 0o700);
  const lock = host.lock(file) ?? waitForLock(host, file, app !== undefined, meanwhile);
  try {
    if (app)
      host.note(
        noteOf(file),
        `${what}${isAsked(what) ? ` by ${callerName(callerOf(host))}` : ""}\n${host.pid}\n`,
        0o600,
      );
    return action();
  } finally {
    // Waiting processes open the file again each time and notice when they have locked a deleted
    // one (`Host.lock`).
    if (app && isGone(host, app)) for (const path of [noteOf(file), file]) host.remove(path);
    lock.release();
  }
}

/** Whether somebody asked for it: a command, not something that goes on by itself. */
const isAsked = (what: string) => !what.startsWith("the ");

/** How long piku is silent at most before it says what it is at, in milliseconds. */
export const longestSilence = 30_000;

function waitForLock(host: Host, file: string, tells: boolean, meanwhile: () => void): Lock {
  if (tells) host.sayError(`-----> Waiting for ${holderNote(host, file)}`);
  let lock: Lock | undefined;
  const take = () => {
    lock = host.lock(file);
    return lock !== undefined;
  };
  let told = host.ticks();
  while (!waitUntil(host, take, { every: 100, atMost: 1000 })) {
    meanwhile();
    if (!tells || host.ticks() - told < longestSilence) continue;
    told = host.ticks();
    host.sayError(`       still waiting for ${holderNote(host, file)}`);
  }
  return lock!;
}

/** Such as `push by anna, which began 12s ago`. */
function holderNote(host: Host, file: string): string {
  const note = noteOf(file);
  const what = host.read(note)?.split("\n")[0];
  if (!what) return "another command";
  const age = host.now() - (host.stat(note)?.modified ?? host.now());
  return isAsked(what) && age >= 1000 ? `${what}, which began ${span(age)} ago` : what;
}

const isGone = (host: Host, { tree, repo, envs, releases }: App) =>
  [tree, repo, envs, releases].every((path) => !host.stat(path));
