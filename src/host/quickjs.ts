import * as native from "piku:native";
import * as os from "quickjs:os";
import * as std from "quickjs:std";
import type { Host } from "./host.ts";
import { posixHost } from "./posix.ts";
import { type Child, type Collected, SystemError, typeOf } from "./system.ts";

const closeInChildren = 0o2000000;

/** The Host on QuickJS 2025-04-26, whose `os` module `quickjs.c` completes. */
export const host: Host = posixHost({
  engine: "quickjs 2025-04-26",
  target: native.target,
  self: os.readlink("/proc/self/exe")[0] || scriptArgs[0]!,
  args: scriptArgs.slice(1),
  pid: os.getpid(),
  uid: native.getuid(),
  gid: native.getgid(),
  environment: std.getenviron(),
  parent: native.getppid,
  encode: (text) => new Uint8Array(native.encode(text.toWellFormed())),
  decode: (bytes) => native.decode(bytes.buffer, bytes.byteOffset, bytes.byteOffset + bytes.length),
  open: (path, flags, mode) => succeed(os.open(path, flags | closeInChildren, mode), "open", path),
  close: (descriptor) => os.close(descriptor),
  read(descriptor, into, offset, path) {
    if (offset !== undefined) succeed(os.seek(descriptor, offset, 0), "seek", path);
    return succeed(os.read(descriptor, into.buffer, into.byteOffset, into.length), "read", path);
  },
  write,
  sync: (descriptor, path) => succeed(native.fsync(descriptor), "fsync", path),
  syncDisks(paths) {
    const open = paths.map((path) => succeed(os.open(path, closeInChildren, 0), "open", path));
    try {
      succeed(native.syncfs(open), "syncfs", paths[0] ?? "");
    } finally {
      for (const descriptor of open) os.close(descriptor);
    }
  },
  stat(path, follow) {
    const [stat, error] = follow ? os.stat(path) : os.lstat(path);
    if (!stat) throw failure(error, "stat", path);
    return {
      type: typeOf(stat.mode),
      size: stat.size,
      modified: stat.mtime,
      mode: stat.mode & 0o7777,
      inode: stat.ino,
    };
  },
  names: (dir) =>
    given(os.readdir(dir), "readdir", dir).filter((name) => name !== "." && name !== ".."),
  makeFolder: (path, mode) => succeed(native.mkdir(path, mode), "mkdir", path),
  removeFolder: (path) => succeed(os.remove(path), "rmdir", path),
  unlink: (path) => succeed(os.remove(path), "unlink", path),
  chmod: (path, mode) => succeed(native.chmod(path, mode), "chmod", path),
  rename: (from, to) => succeed(os.rename(from, to), "rename", to),
  symlink: (target, path) => succeed(os.symlink(target, path), "symlink", path),
  readLink: (path) => given(os.readlink(path), "readlink", path),
  realPath: (path) => given(os.realpath(path), "realpath", path),
  free(path) {
    const [error, bytes, inodes, all] = native.free(path);
    succeed(error, "statvfs", path);
    return { bytes, inodes: all === 0 ? Number.POSITIVE_INFINITY : inodes };
  },
  run: (argv, child) => runChild(argv, child, 0, 1, 2),
  capture,
  launch: (argv, { cwd, env }) => succeed(native.launch(argv, pairsOf(env), cwd), "run", argv[0]!),
  processes() {
    const all = new Float64Array(native.processes());
    return Array.from({ length: all.length / 6 }, (_, i) => ({
      pid: all[6 * i]!,
      parent: all[6 * i + 1]!,
      group: all[6 * i + 2]!,
      session: all[6 * i + 3]!,
      ticks: all[6 * i + 4]!,
      began: all[6 * i + 5]!,
    }));
  },
  kill: (pid, signal) => succeed(os.kill(pid, signal), "kill", String(pid)),
  flock(descriptor, path) {
    const error = native.flock(descriptor);
    if (error < 0 && native.errorName(-error) === "EAGAIN") return false;
    succeed(error, "flock", path);
    return true;
  },
  ignoreHangup: native.ignoreHangup,
  canBind: native.canBind,
  isTerminal: os.isatty,
  ticks: os.now,
  sleep: os.sleep,
});

/** Ends this process now. */
export const exit: (status: number) => never = std.exit;

function write(descriptor: number, bytes: Uint8Array, path: string): number {
  return succeed(os.write(descriptor, bytes.buffer, bytes.byteOffset, bytes.length), "write", path);
}

function runChild(
  argv: readonly string[],
  { cwd, env }: Child,
  stdin: number,
  stdout: number,
  stderr: number,
): number {
  return succeed(native.run(argv, pairsOf(env), cwd, stdin, stdout, stderr), "run", argv[0]!);
}

const pairsOf = (env: Child["env"]) =>
  Object.entries(env).map(([name, value]) => `${name}=${value}`);

/** The child reads from a file in memory, so that nobody waits for it to read before it writes. */
function capture(
  argv: readonly string[],
  { cwd, env, input, most }: Child & { input?: Uint8Array; most: number },
): Collected {
  const stdin = succeed(native.memoryFile(), "memfd_create", argv[0]!);
  try {
    for (let rest = input ?? new Uint8Array(0); rest.length > 0; )
      rest = rest.subarray(write(stdin, rest, "stdin"));
    os.seek(stdin, 0, 0);
    const [status, stdout, stderr, isCut] = native.capture(argv, pairsOf(env), cwd, stdin, most);
    succeed(status, "run", argv[0]!);
    return { status, stdout: new Uint8Array(stdout), stderr: new Uint8Array(stderr), isCut };
  } finally {
    os.close(stdin);
  }
}

const failure = (error: number, call: string, path: string) =>
  new SystemError(native.errorName(Math.abs(error)), call, path);

function succeed(result: number, call: string, path: string): number {
  if (result < 0) throw failure(result, call, path);
  return result;
}

function given<T>([value, error]: [T, number], call: string, path: string): T {
  if (error !== 0) throw failure(error, call, path);
  return value;
}

// consola clears a timer that it only ever sets when it is told to throttle, and we tell it not to.
Object.assign(globalThis, { clearTimeout: () => {} });
