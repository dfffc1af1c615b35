import { checked, type System, tolerate } from "./system.ts";

// Flags of open(2). The same numbers on x86 and on all ARM; others, such as O_NOFOLLOW, are not.
export const readOnly = 0;
export const writeOnly = 1;
export const readWrite = 2;
export const create = 0o100;
export const exclusive = 0o200;
export const appending = 0o2000;
export const nonBlocking = 0o4000;

const pipePause = 5; // milliseconds, until a pipe has something or room again

/** Opens a file (open(2)), and closes it whatever `use` does. */
export function withOpen<T>(
  system: System,
  path: string,
  flags: number,
  mode: number,
  use: (descriptor: number) => T,
): T {
  const descriptor = system.open(checked(path), flags, mode);
  try {
    return use(descriptor);
  } finally {
    system.close(descriptor);
  }
}

/**
 * Whether what was opened is the file of this name itself. O_NOFOLLOW would say so at once, and has
 * another number on each processor.
 */
export const isItself = (system: System, descriptor: number, path: string) =>
  tolerate(() => system.stat(path, false), "ENOENT", "ENOTDIR")?.inode ===
  system.stat(`/proc/self/fd/${descriptor}`, true).inode;

/**
 * Writes all of a text; waits for a reader where there is one. `path` is for an error's message.
 */
export function writeAll(system: System, descriptor: number, text: string, path: string): void {
  let rest = system.encode(text);
  while (rest.length > 0) {
    const taken = tolerate(() => system.write(descriptor, rest, path), "EAGAIN");
    if (taken === undefined) system.sleep(pipePause);
    else rest = rest.subarray(taken);
  }
}

const blockSize = 65_536;
// One for all reads: below /proc the kernel gives 4 KB a call, and a buffer for each would be kept
// with them.
const block = new Uint8Array(blockSize);

/**
 * Gives what is read from byte `offset` on, or from where the descriptor stands, to `take`, which
 * must not keep it, until that is true or there is no more.
 */
export function readBlocks(
  system: System,
  descriptor: number,
  offset: number | undefined,
  path: string,
  take: (bytes: Uint8Array) => boolean,
): void {
  for (let total = 0; ; ) {
    const at = offset === undefined ? undefined : offset + total;
    const taken = tolerate(() => system.read(descriptor, block, at, path), "EAGAIN");
    if (taken === undefined) system.sleep(pipePause);
    else if (taken === 0 || take(block.subarray(0, taken))) return;
    total += taken ?? 0;
  }
}

/** All that there is, or the first bytes of it that are more than `most`. */
export function readAll(
  system: System,
  descriptor: number,
  offset: number | undefined,
  path: string,
  most: number,
): Uint8Array {
  const parts: Uint8Array[] = [];
  let total = 0;
  readBlocks(system, descriptor, offset, path, (bytes) => {
    parts.push(bytes.slice());
    total += bytes.length;
    return total > most;
  });
  return joined(parts);
}

/** Some bytes and those that follow as one. */
export function joined(parts: Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
