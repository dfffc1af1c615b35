import type { Entry, ProcessFacts } from "./host.ts";

/**
 * What differs between the engines: system calls, one each, and little else. A failing one throws a
 * SystemError. `posixHost` makes a whole Host of it, so that both engines behave alike.
 */
export interface System {
  engine: string;
  target: string;
  self: string;
  args: readonly string[];
  pid: number;
  uid: number;
  gid: number;
  environment: Record<string, string>;
  parent(): number;
  encode(text: string): Uint8Array;
  /** Bytes that are not UTF-8 become U+FFFD. */
  decode(bytes: Uint8Array): string;
  /** The descriptor is closed in children. */
  open(path: string, flags: number, mode: number): number;
  close(descriptor: number): void;
  /** `path` is for the message of an error, here and below. */
  read(descriptor: number, into: Uint8Array, offset: number | undefined, path: string): number;
  write(descriptor: number, bytes: Uint8Array, path: string): number;
  sync(descriptor: number, path: string): void;
  /** Syncs each file system that one of these files or folders is on, once. */
  syncDisks(paths: readonly string[]): void;
  stat(path: string, follow: boolean): Entry;
  names(dir: string): string[];
  makeFolder(path: string, mode: number): void;
  removeFolder(path: string): void;
  unlink(path: string): void;
  chmod(path: string, mode: number): void;
  rename(from: string, to: string): void;
  symlink(target: string, path: string): void;
  readLink(path: string): string;
  realPath(path: string): string;
  free(path: string): { bytes: number; inodes: number };
  /** With our own stdin, stdout and stderr. */
  run(argv: readonly string[], how: Child): number;
  /** Ends the child when it has printed more than `most` bytes on either. */
  capture(argv: readonly string[], how: Child & { input?: Uint8Array; most: number }): Collected;
  /**
   * Starts a child in a session of its own that reads and says nothing, and does not wait for it.
   * Its number.
   */
  launch(argv: readonly string[], how: Child): number;
  /** `Host.processes`, where that is quicker than to read the files. */
  processes?(): ProcessFacts[];
  kill(pid: number, signal: number): void;
  /** False when it is held by someone else. */
  flock(descriptor: number, path: string): boolean;
  ignoreHangup(): void;
  canBind(address: string, port: number): boolean;
  isTerminal(descriptor: number): boolean;
  ticks(): number;
  sleep(milliseconds: number): void;
}

export interface Child {
  cwd?: string;
  env: Record<string, string>;
}

export interface Collected {
  status: number;
  stdout: Uint8Array;
  stderr: Uint8Array;
  /** Whether there was more than there may be. */
  isCut: boolean;
}

/** A failed system call: `ENOSPC: write '/a/b'`. */
export class SystemError extends Error {
  readonly code: string;

  constructor(code: string, call: string, path: string) {
    super(`${code}: ${call} '${path}'`);
    this.name = "SystemError";
    this.code = code;
  }
}

/** Numbers of signals, the same on x86 and on all ARM. */
export const signals: Record<string, number> = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  KILL: 9,
  USR1: 10,
  USR2: 12,
  PIPE: 13,
  ALRM: 14,
  TERM: 15,
  CHLD: 17,
  CONT: 18,
  STOP: 19,
  TSTP: 20,
  WINCH: 28,
};

/** The status of a child that a signal ended, as a shell gives it. */
export const statusOfSignal = (name: string) => 128 + (signals[name.replace(/^SIG/, "")] ?? 0);

const entryTypes = new Map<number, Entry["type"]>([
  [0o040000, "directory"],
  [0o100000, "file"],
  [0o120000, "link"],
  [0o140000, "socket"],
]);

/** What the type bits of a mode say. */
export const typeOf = (mode: number): Entry["type"] => entryTypes.get(mode & 0o170000) ?? "other";

/** What `work` gives, or undefined when it fails in one of these ways. */
export function tolerate<T>(work: () => T, ...codes: string[]): T | undefined {
  try {
    return work();
  } catch (error) {
    if (codes.includes(codeOf(error))) return undefined;
    throw error;
  }
}

/** The errno's name of a failed system call; empty for any other error. */
export const codeOf = (error: unknown) => (error instanceof SystemError ? error.code : "");

/** A path that the kernel takes whole. Throws for an empty one and for one with a NUL. */
export function checked(path: string): string {
  if (path.includes("\0") || path === "") throw new SystemError("EINVAL", "open", path);
  return path;
}

/** The folder that a path lies in. */
export const folderOf = (path: string) => path.slice(0, Math.max(0, path.lastIndexOf("/"))) || "/";
