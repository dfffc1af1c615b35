/// <reference types="bun" />
import { dlopen } from "bun:ffi";
import * as fs from "node:fs";
import { appending, create, exclusive, nonBlocking } from "./descriptor.ts";
import type { Host } from "./host.ts";
import { posixHost } from "./posix.ts";
import { type Child, SystemError, statusOfSignal, typeOf } from "./system.ts";

// Put in by build.ts; not there when run from source.
declare const PIKU_TARGET: string | undefined;

/** The Host on Bun. */
export const host: Host = posixHost({
  engine: `bun ${Bun.version}`,
  target: typeof PIKU_TARGET === "string" ? PIKU_TARGET : "development",
  self: process.execPath,
  args: process.argv.slice(2),
  pid: process.pid,
  // Windows has neither; nothing that the client does there asks for them.
  uid: process.getuid?.() ?? -1,
  gid: process.getgid?.() ?? -1,
  environment: { ...process.env } as Record<string, string>,
  parent: () => process.ppid,
  encode: (text) => Buffer.from(text),
  decode: (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString(),
  open: (path, flags, mode) =>
    attempt("open", path, () => fs.openSync(path, flagsHere(flags), mode)),
  close: (descriptor) => fs.closeSync(descriptor),
  read: (descriptor, into, offset, path) =>
    attempt("read", path, () => fs.readSync(descriptor, into, 0, into.length, offset ?? null)),
  write: (descriptor, bytes, path) => attempt("write", path, () => fs.writeSync(descriptor, bytes)),
  sync: (descriptor, path) => attempt("fsync", path, () => fs.fsyncSync(descriptor)),
  syncDisks(paths) {
    const disks = new Map(paths.map((path) => [fs.statSync(path).dev, path]));
    for (const path of disks.values()) syncDisk(path);
  },
  stat(path, follow) {
    const stat = attempt("stat", path, () => (follow ? fs.statSync(path) : fs.lstatSync(path)));
    return {
      type: typeOf(stat.mode),
      size: stat.size,
      modified: Math.floor(stat.mtimeMs),
      mode: stat.mode & 0o7777,
      inode: stat.ino,
    };
  },
  names: (dir) => attempt("readdir", dir, () => fs.readdirSync(dir)),
  makeFolder: (path, mode) => attempt("mkdir", path, () => fs.mkdirSync(path, mode)),
  removeFolder: (path) => attempt("rmdir", path, () => fs.rmdirSync(path)),
  unlink: (path) => attempt("unlink", path, () => fs.unlinkSync(path)),
  chmod: (path, mode) => attempt("chmod", path, () => fs.chmodSync(path, mode)),
  rename: (from, to) => attempt("rename", to, () => fs.renameSync(from, to)),
  symlink: (target, path) => attempt("symlink", path, () => fs.symlinkSync(target, path)),
  readLink: (path) => attempt("readlink", path, () => fs.readlinkSync(path)),
  realPath: (path) => attempt("realpath", path, () => fs.realpathSync(path)),
  free(path) {
    const { bavail, bsize, ffree, files } = attempt("statvfs", path, () => fs.statfsSync(path));
    return { bytes: bavail * bsize, inodes: files === 0 ? Number.POSITIVE_INFINITY : ffree };
  },
  run(argv, child) {
    // Like a shell, we leave ^C and ^\ to the child while it runs.
    const ignore = () => {};
    process.on("SIGINT", ignore).on("SIGQUIT", ignore);
    try {
      return spawn(argv, { ...child, stdin: "inherit", stdout: "inherit", stderr: "inherit" })
        .status;
    } finally {
      process.off("SIGINT", ignore).off("SIGQUIT", ignore);
    }
  },
  capture: (argv, { input, most, ...child }) =>
    spawn(argv, {
      ...child,
      stdin: input ?? "ignore",
      stdout: "pipe",
      stderr: "pipe",
      maxBuffer: most,
      killSignal: "SIGKILL",
    }),
  launch(argv, child) {
    const stdio = { stdin: "ignore", stdout: "ignore", stderr: "ignore" } as const;
    const started = attempt("run", argv[0]!, () =>
      Bun.spawn([...argv], { ...child, ...stdio, detached: true }),
    );
    started.unref();
    return started.pid;
  },
  kill: (pid, signal) => attempt("kill", String(pid), () => process.kill(pid, signal)),
  flock(descriptor, path) {
    if (libc()?.flock(descriptor, exclusiveLock | notWaiting) === 0) return true;
    // The program can tell a lock that is held from one that cannot be taken.
    // The lock is on the open file description that we share with the child, so it stays when the
    // child is gone.
    const { status } = spawn(["flock", "-n", "-x", "0"], {
      // What we were asked for stands in our own environment, secrets of `config:set` included.
      env: { PATH: process.env.PATH ?? "/usr/bin:/bin" },
      stdin: descriptor,
      stdout: "ignore",
      stderr: "ignore",
    });
    if (status > 1) throw new SystemError("EIO", "flock", path);
    return status === 0;
  },
  ignoreHangup() {
    for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) process.on(signal, () => {});
  },
  canBind(address, port) {
    try {
      Bun.listen({ hostname: address, port, socket: { data() {} } }).stop(true);
      return true;
    } catch {
      return false;
    }
  },
  // node:tty takes 10 ms to load.
  isTerminal: (descriptor) =>
    process.platform === "linux"
      ? /^\/dev\/(pts\/|tty|console)/.test(readLinkOf(`/proc/self/fd/${descriptor}`))
      : [process.stdin, process.stdout, process.stderr][descriptor]?.isTTY === true,
  ticks: () => performance.now(),
  sleep: (milliseconds) => Bun.sleepSync(milliseconds),
});

/** Ends this process now. */
export const exit: (status: number) => never = (status) => process.exit(status);

interface Stdio {
  stdin: "inherit" | "ignore" | number | Uint8Array;
  stdout: "inherit" | "ignore" | "pipe";
  stderr: "inherit" | "ignore" | "pipe";
  maxBuffer?: number;
  killSignal?: "SIGKILL";
}

function spawn(argv: readonly string[], options: Child & Stdio) {
  const ran = attempt("run", argv[0]!, () => Bun.spawnSync([...argv], options as object));
  return {
    status: ran.exitCode ?? statusOfSignal(String(ran.signalCode)),
    stdout: (ran.stdout ?? new Uint8Array(0)) as Uint8Array,
    stderr: (ran.stderr ?? new Uint8Array(0)) as Uint8Array,
    isCut: ran.exitedDueToMaxBuffer === true,
  };
}

// Of flock(2), the same on all Linux.
const exclusiveLock = 2;
const notWaiting = 4;

const signatures = {
  flock: { args: ["i32", "i32"], returns: "i32" },
  syncfs: { args: ["i32"], returns: "i32" },
} as const;
const libcNames = ["libc.so.6", `libc.musl-${process.arch === "x64" ? "x86_64" : "aarch64"}.so.1`];

type Libc = ReturnType<typeof dlopen<typeof signatures>>["symbols"];
let found: Libc | false | undefined;

/** The system calls that Bun lacks; undefined where it cannot call them, and programs are run. */
function libc(): Libc | undefined {
  for (const name of found === undefined ? libcNames : []) {
    try {
      found = dlopen(name, signatures).symbols;
      break;
    } catch {
      found = false;
    }
  }
  return found || undefined;
}

function syncDisk(path: string): void {
  const descriptor = attempt("open", path, () => fs.openSync(path, "r"));
  try {
    const done = libc()?.syncfs(descriptor);
    if (done === 0) return;
  } finally {
    fs.closeSync(descriptor);
  }
  const child = { env: { PATH: process.env.PATH ?? "/usr/bin:/bin" } };
  const how = { stdin: "ignore", stdout: "ignore", stderr: "ignore" } as const;
  if (spawn(["sync", "-f", path], { ...child, ...how }).status !== 0)
    throw new SystemError("EIO", "syncfs", path);
}

function attempt<T>(call: string, path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new SystemError((error as NodeJS.ErrnoException).code ?? "EUNKNOWN", call, path);
  }
}

/** Flags of open(2), which the host has as Linux numbers them, as this system does. */
function flagsHere(flags: number): number {
  if (process.platform === "linux") return flags;
  const { O_CREAT, O_EXCL, O_APPEND, O_NONBLOCK } = fs.constants;
  const others = [
    [create, O_CREAT],
    [exclusive, O_EXCL],
    [appending, O_APPEND],
    [nonBlocking, O_NONBLOCK],
  ] as const;
  return others.reduce((all, [linux, here]) => all | (flags & linux ? (here ?? 0) : 0), flags & 3);
}

function readLinkOf(path: string): string {
  try {
    return fs.readlinkSync(path);
  } catch {
    return "";
  }
}
