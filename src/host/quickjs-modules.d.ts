/** Just what `quickjs.ts` uses of QuickJS 2025-04-26 and of the calls that `quickjs.c` adds. */
declare module "quickjs:std" {
  export function exit(status: number): never;
  export function getenviron(): Record<string, string>;
}

declare module "quickjs:os" {
  interface Stat {
    mode: number;
    ino: number;
    size: number;
    mtime: number;
  }
  export function open(path: string, flags: number, mode: number): number;
  export function close(descriptor: number): number;
  export function read(
    descriptor: number,
    buffer: ArrayBufferLike,
    offset: number,
    length: number,
  ): number;
  export function write(
    descriptor: number,
    buffer: ArrayBufferLike,
    offset: number,
    length: number,
  ): number;
  export function seek(descriptor: number, offset: number, whence: number): number;
  export function isatty(descriptor: number): boolean;
  export function remove(path: string): number;
  export function rename(from: string, to: string): number;
  export function stat(path: string): [Stat | null, number];
  export function lstat(path: string): [Stat | null, number];
  export function readdir(path: string): [string[], number];
  export function symlink(target: string, path: string): number;
  export function readlink(path: string): [string, number];
  export function realpath(path: string): [string, number];
  export function getpid(): number;
  export function kill(pid: number, signal: number): number;
  export function sleep(milliseconds: number): number;
  export function now(): number;
}

declare module "piku:native" {
  export const target: string;
  export function errorName(errno: number): string;
  export function decode(bytes: ArrayBufferLike, from: number, to: number): string;
  export function encode(text: string): ArrayBuffer;
  export function chmod(path: string, mode: number): number;
  export function mkdir(path: string, mode: number): number;
  export function fsync(descriptor: number): number;
  export function syncfs(descriptors: readonly number[]): number;
  export function flock(descriptor: number): number;
  export function getuid(): number;
  export function getgid(): number;
  export function getppid(): number;
  export function memoryFile(): number;
  export function free(
    path: string,
  ): [error: number, bytes: number, inodes: number, allInodes: number];
  export function canBind(address: string, port: number): boolean;
  export function run(
    argv: readonly string[],
    env: readonly string[],
    cwd: string | undefined,
    stdin: number,
    stdout: number,
    stderr: number,
  ): number;
  export function capture(
    argv: readonly string[],
    env: readonly string[],
    cwd: string | undefined,
    stdin: number,
    most: number,
  ): [status: number, stdout: ArrayBuffer, stderr: ArrayBuffer, isCut: boolean];
  export function launch(
    argv: readonly string[],
    env: readonly string[],
    cwd: string | undefined,
  ): number;
  export function processes(): ArrayBuffer;
  export function ignoreHangup(): void;
}

/** The name this program was called by, and its arguments. */
declare const scriptArgs: string[];

/** ECMAScript 2024; both engines have it. */
interface String {
  toWellFormed(): string;
}
