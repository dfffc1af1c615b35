import type { Host, Lock } from "../host/host.ts";
import { waitUntil } from "../host/wait.ts";
import type { App } from "./app.ts";
import { callerOf } from "./caller.ts";
import type { Paths } from "./paths.ts";

/**
 * What is done one at a time: pushes to an app, changes of an app, restores of an app, the short
 * parts that all apps share, updates of piku, and making or clearing the folders of backups.
 */
export type Turn = "push" | "deploy" | "restore" | "machine" | "update" | "backup";

const fileOf = (paths: Paths, turn: Turn, app?: App) =>
  `${paths.locks}/${app ? `${app.name}.` : ""}${turn}`;

/** Who holds a lock, since when, and for what: written beside it for the one who waits. */
const noteOf = (file: string) => `${file}.by`;

/** Whether somebody holds this lock right now. */
export function isHeld(host: Host, paths: Paths, turn: Turn, app?: App): boolean {
  const file = fileOf(paths, turn, app);
  if (!host.stat(file)) return false;
  const lock = host.lock(file);
  lock?.release();
  return lock === undefined;
}

/**
 * The processes that hold this lock, as /proc tells (proc(5), fdinfo): one, or none. On Bun the
 * process that the kernel itself names is gone, since the lock was taken by a child.
 */
export function holdersOf(host: Host, paths: Paths, turn: Turn, app?: App): number[] {
  const file = fileOf(paths, turn, app);
  const holds = (pid: string) => {
    try {
      const descriptors = host
        .list(`/proc/${pid}/fd`)
        .filter((name) => host.readLink(`/proc/${pid}/fd/${name}`) === file);
      return descriptors.some((name) =>
        host.read(`/proc/${pid}/fdinfo/${name}`)?.includes("FLOCK"),
      );
    } catch {
      return false; // somebody else's
    }
  };
  return host
    .list("/proc")
    .filter((name) => /^\d+$/.test(name) && holds(name))
    .map(Number);
}

/**
 * Does something while holding a lock of the kernel's, which ends with this process however it
 * ends. Waits for its turn, and says once for whom; `meanwhile` is called about once a second. The
 * lock files of an app of which nothing is left go with whoever held its turn last.
 */
export function withTurn<T>(
  host: Host,
  paths: Paths,
  turn: Turn,
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
        `${what} by ${callerOf(host)}, since ${new Date(host.now()).toISOString()}\n`,
        0o600,
      );
    return action();
  } finally {
    // Those who wait open the file anew each time, and see when they have locked one that is gone
    // (`Host.lock`).
    if (app && isGone(host, app)) for (const path of [noteOf(file), file]) host.remove(path);
    lock.release();
  }
}

function waitForLock(host: Host, file: string, tells: boolean, meanwhile: () => void): Lock {
  if (tells)
    host.complain(`-----> Waiting for ${host.read(noteOf(file))?.trim() ?? "another command"}`);
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
