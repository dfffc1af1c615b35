import type { Host, Lock } from "../host/host.ts";
import { waitUntil } from "../host/wait.ts";
import type { App } from "./app.ts";
import { callerOf } from "./caller.ts";
import type { Paths } from "./paths.ts";

/**
 * What is done one at a time: pushes to an app, changes of an app, restores of an app, short
 * changes of what all apps share, updates of piku, and creating or clearing backup folders.
 */
export type LockName = "push" | "deploy" | "restore" | "machine" | "update" | "backup";

const fileOf = (paths: Paths, turn: LockName, app?: App) =>
  `${paths.locks}/${app ? `${app.name}.` : ""}${turn}`;

/**
 * Who holds a lock, since when, and for what, written beside it for the one who waits; in a second
 * line the number of the process that holds it.
 */
const noteOf = (file: string) => `${file}.by`;

/** Whether somebody holds this lock right now. */
export function isHeld(host: Host, paths: Paths, turn: LockName, app?: App): boolean {
  const file = fileOf(paths, turn, app);
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
  const [, pid] = host.read(noteOf(fileOf(paths, turn, app)))?.split("\n") ?? [];
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
  const file = fileOf(paths, turn, app);
  host.mkdir(paths.locks, 0o700);
  const lock = host.lock(file) ?? waitForLock(host, file, app !== undefined, meanwhile);
  try {
    if (app)
      host.write(
        noteOf(file),
        `${what} by ${callerOf(host)}, since ${new Date(host.now()).toISOString()}\n${host.pid}\n`,
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

function waitForLock(host: Host, file: string, tells: boolean, meanwhile: () => void): Lock {
  if (tells)
    host.sayError(
      `-----> Waiting for ${host.read(noteOf(file))?.split("\n")[0] ?? "another command"}`,
    );
  let lock: Lock | undefined;
  const take = () => {
    lock = host.lock(file);
    return lock !== undefined;
  };
  while (!waitUntil(host, take, { every: 100, atMost: 1000 })) meanwhile();
  return lock!;
}

const isGone = (host: Host, { tree, repo, envs, releases }: App) =>
  [tree, repo, envs, releases].every((path) => !host.stat(path));
