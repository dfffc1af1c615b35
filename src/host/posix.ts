import {
  type Entry,
  type Exec,
  type Host,
  NotAFile,
  type Ran,
  TooLarge,
  usualMost,
} from "./host.ts";
import { endJob, pollJob, startJob } from "./jobs.ts";

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
  /** Bytes that are no UTF-8 become U+FFFD. */
  decode(bytes: Uint8Array): string;
  /** The descriptor is closed in children. */
  open(path: string, flags: number, mode: number): number;
  close(descriptor: number): void;
  /** `path` is for the message of an error, here and below. */
  read(descriptor: number, into: Uint8Array, offset: number | undefined, path: string): number;
  write(descriptor: number, bytes: Uint8Array, path: string): number;
  sync(descriptor: number, path: string): void;
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
  kill(pid: number, signal: number): void;
  /** False when it is held by someone else. */
  flock(descriptor: number, path: string): boolean;
  persist(): void;
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

// The same numbers on x86 and on all ARM; others, such as O_NOFOLLOW, are not.
const readOnly = 0;
const writeOnly = 1;
const readWrite = 2;
const create = 0o100;
const exclusive = 0o200;
const appending = 0o2000;
const nonBlocking = 0o4000;

const signals: Record<string, number> = {
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

const types = new Map<number, Entry["type"]>([
  [0o040000, "directory"],
  [0o100000, "file"],
  [0o120000, "link"],
  [0o140000, "socket"],
]);

/** What the type bits of a mode say. */
export const typeOf = (mode: number): Entry["type"] => types.get(mode & 0o170000) ?? "other";

// PIPE_BUF is 4096: such a write goes into a pipe whole or not at all, so a character is never cut
// in two.
const unitsPerChunk = 4096 / 4;

const blockSize = 65_536;
const pieceSize = 1024 * 1024;

/** Builds the Host that both engines share. */
export function posixHost(system: System): Host {
  let environment = system.environment;
  let offering: number | "plain" | "gone" | undefined;

  const childOf = (argv: readonly string[], how: Exec): Child => {
    const env = how.env ?? environment;
    const texts = [...argv, how.cwd ?? "", ...Object.keys(env), ...Object.values(env)];
    const bad =
      texts.some((text) => text.includes("\0")) ||
      Object.keys(env).some((name) => !name || name.includes("="));
    if (bad || !argv[0]) throw new SystemError("EINVAL", "run", argv[0] ?? "");
    return { cwd: how.cwd, env };
  };

  const writeAll = (descriptor: number, text: string, path: string) => {
    let rest = system.encode(text);
    while (rest.length > 0) {
      const taken = tolerate(() => system.write(descriptor, rest, path), "EAGAIN");
      if (taken === undefined) system.sleep(5);
      else rest = rest.subarray(taken);
    }
  };

  // One for all reads: below /proc the kernel gives 4 KB a call, and a buffer for each would be
  // kept with them.
  const block = new Uint8Array(blockSize);

  /**
   * Gives what is read to `take`, which must not keep it, until that is true or there is no more.
   */
  const readBlocks = (
    descriptor: number,
    offset: number | undefined,
    path: string,
    take: (bytes: Uint8Array) => boolean,
  ) => {
    for (let total = 0; ; ) {
      const at = offset === undefined ? undefined : offset + total;
      const taken = tolerate(() => system.read(descriptor, block, at, path), "EAGAIN");
      if (taken === undefined) system.sleep(5);
      else if (taken === 0 || take(block.subarray(0, taken))) return;
      total += taken ?? 0;
    }
  };

  /** All that there is, or the first bytes of it that are more than `most`. */
  const readAll = (descriptor: number, offset: number | undefined, path: string, most: number) => {
    const parts: Uint8Array[] = [];
    let total = 0;
    readBlocks(descriptor, offset, path, (bytes) => {
      parts.push(bytes.slice());
      total += bytes.length;
      return total > most;
    });
    return joined(parts);
  };

  const withOpen = <T>(
    path: string,
    flags: number,
    mode: number,
    use: (descriptor: number) => T,
  ): T => {
    const descriptor = system.open(checked(path), flags, mode);
    try {
      return use(descriptor);
    } finally {
      system.close(descriptor);
    }
  };

  const reading = <T>(path: string, use: (file: number) => T) =>
    tolerate(
      () => {
        // An app may put a pipe in a file's place, which would be waited for for ever. What a shell
        // names for `<(...)` is below /dev.
        if (!path.startsWith("/dev/") && system.stat(checked(path), true).type === "other")
          throw new NotAFile(path);
        return withOpen(path, readOnly, 0, use);
      },
      // ESRCH: a process that ended while its file below /proc was read.
      "ENOENT",
      "ENOTDIR",
      "ESRCH",
    );

  // Some file systems cannot sync a folder and say EINVAL; there is nothing more to do then.
  const syncFolder = (path: string) =>
    tolerate(
      () => withOpen(folderOf(path), readOnly, 0, (folder) => system.sync(folder, folderOf(path))),
      "EINVAL",
    );

  /** Makes the new thing beside its place, and puts it there in one step. */
  const replace = (path: string, make: (temporary: string) => void) => {
    const temporary = `${folderOf(checked(path))}/.${path.slice(path.lastIndexOf("/") + 1)}.tmp`;
    tolerate(() => system.unlink(temporary), "ENOENT");
    try {
      make(temporary);
      system.rename(temporary, path);
    } catch (error) {
      tolerate(() => system.unlink(temporary), "ENOENT", "ENOTDIR", "EROFS", "EACCES", "EIO");
      throw error;
    }
    syncFolder(path);
  };

  const statOf = (path: string) =>
    tolerate(() => system.stat(checked(path), false), "ENOENT", "ENOTDIR");

  const removeTree = (path: string) => {
    for (const name of system.names(path)) {
      const child = `${path}/${name}`;
      if (statOf(child)?.type === "directory") removeTree(child);
      else tolerate(() => system.unlink(child), "ENOENT");
    }
    tolerate(() => system.removeFolder(path), "ENOENT");
  };

  const openOffer = () => {
    const path = "/proc/self/fd/1";
    try {
      if (system.stat(path, true).type !== "other" || system.isTerminal(1)) return "plain";
      // A new open file description: those who share stdout with us do not get our O_NONBLOCK.
      return system.open(path, writeOnly | nonBlocking, 0);
    } catch (error) {
      // A pipe without a reader cannot be opened at all; nor can a socket, but that one is no
      // "other".
      return codeOf(error) === "ENXIO" ? "gone" : "plain";
    }
  };

  const host: Host = {
    engine: system.engine,
    target: system.target,
    self: system.self,
    args: system.args,
    pid: system.pid,
    uid: system.uid,
    gid: system.gid,
    parent: () => system.parent(),
    persist: () => system.persist(),

    env: () => ({ ...environment }),
    setEnv(env) {
      environment = { ...env };
    },

    read(path, most = usualMost) {
      const bytes = reading(path, (file) => readAll(file, undefined, path, most));
      if (bytes && bytes.length > most)
        throw new TooLarge(`the file '${path}'`, "is larger than", most);
      return bytes && system.decode(bytes);
    },
    readFrom(path, offset, whole = false, most = pieceSize) {
      const all = reading(path, (file) => readAll(file, offset, path, most)) ?? new Uint8Array(0);
      const bytes = all.subarray(0, most);
      const isPart = all.length > most;
      const lines = bytes.lastIndexOf(10) + 1;
      const length =
        lines > 0 && (isPart || !whole)
          ? lines
          : isPart
            ? wholeCharacters(bytes)
            : whole
              ? bytes.length
              : 0;
      return { text: system.decode(bytes.subarray(0, length)), offset: offset + length };
    },
    search(path, test, offset = 0) {
      let rest = new Uint8Array(0);
      let isFound = false;
      reading(path, (file) =>
        readBlocks(file, offset === 0 ? undefined : offset, path, (bytes) => {
          const all = joined([rest, bytes]);
          const lines = all.lastIndexOf(10) + 1;
          const length = lines === 0 && all.length > pieceSize ? wholeCharacters(all) : lines;
          rest = all.slice(length);
          isFound = length > 0 && test(system.decode(all.subarray(0, length)));
          return isFound;
        }),
      );
      return isFound || (rest.length > 0 && test(system.decode(rest)));
    },
    write(path, text, mode = 0o644) {
      replace(path, (temporary) => {
        withOpen(temporary, writeOnly | create | exclusive, mode, (file) => {
          system.chmod(temporary, mode);
          writeAll(file, text, path);
          system.sync(file, path);
        });
      });
    },
    append(path, text, mode = 0o600) {
      const made = tolerate(
        () => withOpen(path, writeOnly | create | exclusive, mode, () => true),
        "EEXIST",
      );
      if (made) system.chmod(path, mode);
      withOpen(path, writeOnly | create | appending, mode, (file) => writeAll(file, text, path));
    },
    list: (dir) => (tolerate(() => system.names(checked(dir)), "ENOENT", "ENOTDIR") ?? []).sort(),
    stat: statOf,
    mkdir(dir, mode = 0o755) {
      const there = tolerate(() => system.stat(checked(dir), true), "ENOENT");
      if (there?.type === "directory") return;
      if (there) throw new SystemError("ENOTDIR", "mkdir", dir);
      host.mkdir(folderOf(dir.replace(/\/+$/, "")), mode);
      const made = tolerate(() => {
        system.makeFolder(dir, mode);
        return true;
      }, "EEXIST");
      if (made) system.chmod(dir, mode);
    },
    chmod: (path, mode) => system.chmod(checked(path), mode),
    remove(path) {
      const type = statOf(path)?.type;
      if (type === undefined) return;
      if (type !== "directory") {
        tolerate(() => system.unlink(path), "ENOENT");
        return;
      }
      // `rm` also removes names that are no UTF-8; when it fails, going there ourselves tells the
      // reason.
      if (host.capture(["rm", "-rf", "--", path]).status !== 0) removeTree(path);
    },
    rename(from, to) {
      system.rename(checked(from), checked(to));
      syncFolder(to);
    },
    link(target, path) {
      replace(path, (temporary) => system.symlink(checked(target), temporary));
    },
    readLink: (path) =>
      tolerate(() => system.readLink(checked(path)), "ENOENT", "ENOTDIR", "EINVAL"),
    realPath: (path) =>
      tolerate(() => system.realPath(checked(path)), "ENOENT", "ENOTDIR", "ELOOP"),
    free: (path) => system.free(checked(path)),

    run(argv, how = {}) {
      const child = childOf(argv, how);
      try {
        return system.run(argv, child);
      } catch (error) {
        host.complain(cannotRun(argv, error));
        return 127;
      }
    },
    capture(argv, how = {}): Ran {
      const child = childOf(argv, how);
      const input = how.input === undefined ? undefined : system.encode(how.input);
      const most = how.most ?? usualMost;
      let ran: Collected;
      try {
        ran = system.capture(argv, { ...child, input, most });
      } catch (error) {
        return { status: 127, stdout: "", stderr: `${cannotRun(argv, error)}\n` };
      }
      if (ran.isCut) throw new TooLarge(`'${argv[0]}'`, "printed more than", most);
      return {
        status: ran.status,
        stdout: system.decode(ran.stdout),
        stderr: system.decode(ran.stderr),
      };
    },
    start: (argv, how) => startJob(host, argv, how),
    poll: (job) => pollJob(host, job),
    end: (job, grace) => endJob(host, job, grace),
    signal(pid, name) {
      const number = signals[name];
      // 0 and -1 mean "my own group" and "everybody" to the kernel.
      if (number === undefined || !Number.isInteger(pid) || pid === 0 || pid === -1) {
        throw new SystemError("EINVAL", `kill ${name}`, String(pid));
      }
      const sent = tolerate(
        () => {
          system.kill(pid, number);
          return true;
        },
        "ESRCH",
        "EPERM",
      );
      return sent === true;
    },

    say: (line) => writeAll(1, `${line}\n`, "stdout"),
    complain: (line) => writeAll(2, `${line}\n`, "stderr"),
    offer(text) {
      offering ??= openOffer();
      if (offering === "gone") return -1;
      let taken = 0;
      while (taken < text.length) {
        const chunk = chunkAt(text, taken);
        try {
          if (offering === "plain") writeAll(1, chunk, "stdout");
          else system.write(offering, system.encode(chunk), "stdout");
        } catch (error) {
          if (codeOf(error) === "EPIPE") return -1;
          if (codeOf(error) === "EAGAIN") return taken;
          throw error;
        }
        taken += chunk.length;
      }
      return taken;
    },
    stdin(most) {
      const bytes = readAll(0, undefined, "stdin", most);
      if (bytes.length > most) throw new TooLarge("what comes on stdin", "is larger than", most);
      return system.decode(bytes);
    },
    isTerminal: (descriptor) => system.isTerminal(descriptor),

    now: () => Date.now(),
    ticks: () => system.ticks(),
    sleep: (milliseconds) => system.sleep(Math.max(0, milliseconds)),

    lock(path) {
      const descriptor = system.open(checked(path), readWrite | create, 0o600);
      let open = true;
      const release = () => {
        if (open) system.close(descriptor);
        open = false;
      };
      try {
        if (system.flock(descriptor, path)) {
          // Whoever held it may have removed the file: then this is a lock on nothing, and others
          // hold the new file's.
          if (statOf(path)?.inode === system.stat(`/proc/self/fd/${descriptor}`, true).inode)
            return { release };
          release();
          return host.lock(path);
        }
      } catch (error) {
        release();
        throw error;
      }
      release();
      return undefined;
    },
    canBind: (address, port) => system.canBind(address, port),
  };
  return host;
}

/** What `work` gives, or undefined when it fails in one of these ways. */
function tolerate<T>(work: () => T, ...codes: string[]): T | undefined {
  try {
    return work();
  } catch (error) {
    if (codes.includes(codeOf(error))) return undefined;
    throw error;
  }
}

const codeOf = (error: unknown) => (error instanceof SystemError ? error.code : "");

function checked(path: string): string {
  if (path.includes("\0") || path === "") throw new SystemError("EINVAL", "open", path);
  return path;
}

const folderOf = (path: string) => path.slice(0, Math.max(0, path.lastIndexOf("/"))) || "/";

function cannotRun(argv: readonly string[], error: unknown): string {
  if (error instanceof SystemError) return `cannot run '${argv[0]}': ${error.message}`;
  throw error;
}

function joined(parts: Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/**
 * How many of these bytes are whole characters of UTF-8: the last one may be cut. All of them where
 * there is no end in sight.
 */
function wholeCharacters(bytes: Uint8Array): number {
  for (let back = 1; back <= 4 && back < bytes.length; back++) {
    const byte = bytes[bytes.length - back]!;
    if (byte < 0x80) break;
    if (byte >= 0xc0) return bytes.length - back;
  }
  return bytes.length;
}

function chunkAt(text: string, at: number): string {
  const end = at + unitsPerChunk;
  const cutsPair = end < text.length && (text.charCodeAt(end - 1) & 0xfc00) === 0xd800;
  return text.slice(at, cutsPair ? end - 1 : end);
}
