/** A process that is alive, as proc(5) has it. */
export interface ProcessFacts {
  pid: number;
  parent: number;
  group: number;
  session: number;
  /** Its CPU time with that of its children that have ended, in ticks of 10 ms. */
  ticks: number;
  /** When it began, in such ticks since the machine did. */
  began: number;
}

/** What `stat` tells of one directory entry, the entry itself and not what a link points to. */
export interface Entry {
  type: "file" | "directory" | "link" | "socket" | "other";
  /** Bytes. */
  size: number;
  /** Time of the last change, milliseconds since 1970. */
  modified: number;
  /** Permission bits, e.g. 0o644. */
  mode: number;
  inode: number;
}

/**
 * There was more to read than there may be. Its message is a sentence for people; `explain` shows
 * it as it is.
 */
export class TooLarge extends Error {
  /** `what`: the file or the program, as the beginning of a sentence; `most`: bytes. */
  constructor(what: string, verb: "is larger than" | "printed more than", most: number) {
    const size =
      most >= 1024 * 1024
        ? `${Math.floor(most / 1024 / 1024)} MB`
        : `${Math.floor(most / 1024)} KB`;
    super(`${what.replace(/\p{Cc}/gu, "?")} ${verb} ${size}`);
    this.name = "TooLarge";
  }
}

/**
 * What was to be read is not a file, but a pipe or a device that might never give anything. Its
 * message is a sentence as well.
 */
export class NotAFile extends Error {
  constructor(path: string) {
    super(`'${path.replace(/\p{Cc}/gu, "?")}' is not a file`);
    this.name = "NotAFile";
  }
}

/**
 * How many bytes a file may have that is read whole, or a child may print, unless the caller says
 * otherwise.
 */
export const defaultMaxBytes = 4 * 1024 * 1024;

/** How a child is run. Without `env` it gets `host.env()`; with it, nothing else. */
export interface Exec {
  cwd?: string;
  env?: Record<string, string>;
}

/**
 * How a captured child ended. A child that cannot be started has status 127 and says so in
 * `stderr`.
 */
export interface Ran {
  /** Exit status; 128 and the signal's number for one that a signal ended. */
  status: number;
  stdout: string;
  stderr: string;
}

/** A child in a session of its own, started by `start`. */
export interface Job {
  /** The file that will hold the exit status; beside it `<file>.pid` holds the session's id. */
  status: string;
}

/** A held lock. It is the kernel's: it ends with `release`, or with this process. */
export interface Lock {
  release(): void;
}

/**
 * Everything the outside world can do for us, and the only thing that knows an engine. All of it is
 * synchronous. Paths are absolute and UTF-8. A failing system call throws an Error whose message
 * names the call, the path and the errno's name (`ENOSPC`, `EACCES`, ...), unless said otherwise.
 */
export interface Host {
  /** Name and version of the engine, e.g. `bun 1.4.5`. */
  readonly engine: string;
  /** The target this executable was built for, e.g. `linux-armv7`. */
  readonly target: string;
  /** Absolute path of the running executable, and the arguments after its name. */
  readonly self: string;
  readonly args: readonly string[];
  /**
   * This process's id, its parent's now (1 once that is gone), and the user's and group's numbers.
   */
  readonly pid: number;
  parent(): number;
  readonly uid: number;
  readonly gid: number;

  /**
   * The environment of this process, a copy. `setEnv` replaces it for the process and for later
   * children.
   */
  env(): Record<string, string>;
  setEnv(env: Record<string, string>): void;

  /**
   * The whole of a text file (also one below /proc), or undefined when it is not there. Throws
   * `TooLarge` for one of more than `most` bytes (4 MB unless given), and, as the next two,
   * `NotAFile` for a pipe or a device that is not below /dev.
   */
  read(path: string, most?: number): string | undefined;
  /**
   * A piece of a text file, but not through a link: from byte `offset` to the last whole line within
   * `most` bytes (1 MB unless given), and the offset after it. Empty when there is nothing more, or no file. A line
   * longer than `most` is given in parts. `whole`: also the last, unended line.
   */
  readFrom(
    path: string,
    offset: number,
    whole?: boolean,
    most?: number,
  ): { text: string; offset: number };
  /**
   * Gives the lines of a text file to `test`, some at a time and never more than fit into little
   * memory, until it is true for some. Whether it was. Starts at byte `offset`; false when the file
   * is not there.
   */
  search(path: string, test: (lines: string) => boolean, offset?: number): boolean;
  /**
   * Replaces a file whole: written beside its place as `.<name>.tmp`, synced, renamed, its folder
   * synced. Mode 0644 unless given.
   */
  write(path: string, text: string, mode?: number): void;
  /**
   * The same without syncing anything: a power cut may take it back, or leave a part of it. For what
   * is only a help, or is synced with more of its kind.
   */
  note(path: string, text: string, mode?: number): void;
  /**
   * Adds to a file, but not through a link; it is made with this mode (0600 unless given) when it is
   * not there.
   */
  append(path: string, text: string, mode?: number): void;
  /** Names in a folder, sorted, without `.` and `..`; empty when there is no such folder. */
  list(dir: string): string[];
  stat(path: string): Entry | undefined;
  /**
   * Makes a folder and its parents, with this mode (0755 unless given); nothing when it is there.
   */
  mkdir(dir: string, mode?: number): void;
  chmod(path: string, mode: number): void;
  /**
   * Removes a file, a link or a whole tree (never following links); nothing when it is not there.
   */
  remove(path: string): void;
  /**
   * Brings all that has been written to the file systems of these paths to the disk, by whomever
   * (syncfs(2)): what comes after it is never there without it. Paths that are not there are passed
   * over.
   */
  sync(paths: readonly string[]): void;
  /** Renames over whatever file is there, and syncs the folder. */
  rename(from: string, to: string): void;
  /** The same without syncing, as `note` writes. */
  move(from: string, to: string): void;
  /**
   * Makes `path` a symbolic link to `target`, atomically in the place of a link or file that is
   * there; nothing is synced.
   */
  link(target: string, path: string): void;
  /** What a symbolic link says, or undefined when `path` is none. */
  readLink(path: string): string | undefined;
  /** The path with every link resolved, or undefined when it is not there. */
  realPath(path: string): string | undefined;
  /**
   * Free space for this user on the file system of `path`: bytes and inodes (Infinity where
   * unlimited).
   */
  free(path: string): { bytes: number; inodes: number };

  /**
   * Runs a child on our own stdin, stdout and stderr; its exit status as in `Ran`. 127 when it
   * cannot be started.
   */
  run(argv: readonly string[], how?: Exec): number;
  /**
   * Runs a child with `input` (nothing unless given) as its stdin and collects what it prints. Ends
   * it and throws `TooLarge` when that is more than `most` bytes on stdout or on stderr (4 MB
   * unless given).
   */
  capture(argv: readonly string[], how?: Exec & { input?: string; most?: number }): Ran;
  /**
   * Starts a child in a session of its own that reads nothing and appends its output to the file
   * `log`.
   */
  start(argv: readonly string[], how: Exec & { log: string; status: string }): Job;
  /** Starts a child in a session of its own that reads and says nothing, and forgets it. */
  detach(argv: readonly string[], how?: Exec): void;
  /**
   * The exit status of a job, or undefined while it runs. A job that vanished without one has 137.
   */
  poll(job: Job): number | undefined;
  /** Ends a job's session: TERM, and KILL after `grace` milliseconds. */
  end(job: Job, grace: number): void;
  /**
   * Sends a signal (`TERM`, `KILL`, `WINCH`, ...) to a process, or to a group when negative. False
   * when there is none, or it is another user's.
   */
  signal(pid: number, name: string): boolean;

  /** Every process of the machine that is alive, other users' as well. */
  processes(): ProcessFacts[];
  /** From now on HUP, INT and TERM do not end this process; its children take them as usual. */
  ignoreHangup(): void;

  /** Writes a line to stdout, or to stderr. Throws `EPIPE` when nobody reads. */
  say(line: string): void;
  sayError(line: string): void;
  /**
   * Writes as much of `text` to stdout as it takes without waiting; the number of characters taken,
   * -1 when nobody reads.
   */
  writeNonBlocking(text: string): number;
  /** All of stdin as text. Throws `TooLarge` when it has more than `most` bytes. */
  stdin(most: number): string;
  /** Whether this descriptor (0, 1, 2) is a terminal. */
  isTerminal(descriptor: number): boolean;

  /** Milliseconds since 1970, and milliseconds that only move on whatever the clock is set to. */
  now(): number;
  ticks(): number;
  sleep(milliseconds: number): void;

  /**
   * Takes the exclusive kernel lock on this file (made when it is not there, 0600), or undefined
   * when it is held. Never inherited by children. Its holder may remove the file: the next one then
   * gets the lock of a new file.
   */
  lock(path: string): Lock | undefined;
  /** Whether a TCP port of this IPv4 address can be bound right now. */
  canBind(address: string, port: number): boolean;
}
