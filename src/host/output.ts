import { nonBlocking, writeAll, writeOnly } from "./descriptor.ts";
import type { Host } from "./host.ts";
import { codeOf, type System } from "./system.ts";

/** What a Host writes to stdout and stderr. */
export type Output = Pick<Host, "say" | "sayError" | "writeNonBlocking">;

/** That part of the Host. */
export function outputOf(system: System): Output {
  let stdout: NonBlocking | undefined;
  return {
    say: (line) => writeAll(system, 1, `${line}\n`, "stdout"),
    sayError: (line) => writeAll(system, 2, `${line}\n`, "stderr"),
    writeNonBlocking(text) {
      stdout ??= openStdout(system);
      return stdout === "closed" ? -1 : writeChunks(system, stdout, text);
    },
  };
}

/** A descriptor; `plain`: stdout as it is, which never blocks; `closed`: nobody reads. */
type NonBlocking = number | "plain" | "closed";

function openStdout(system: System): NonBlocking {
  const path = "/proc/self/fd/1";
  try {
    if (system.stat(path, true).type !== "other" || system.isTerminal(1)) return "plain";
    // A new open file description: those who share stdout with us do not get our O_NONBLOCK.
    return system.open(path, writeOnly | nonBlocking, 0);
  } catch (error) {
    // A pipe without a reader cannot be opened at all; nor can a socket, but that one is no
    // "other".
    return codeOf(error) === "ENXIO" ? "closed" : "plain";
  }
}

/** The number of characters taken; -1 when nobody reads. */
function writeChunks(system: System, stdout: number | "plain", text: string): number {
  let taken = 0;
  while (taken < text.length) {
    const chunk = chunkAt(text, taken);
    try {
      if (stdout === "plain") writeAll(system, 1, chunk, "stdout");
      else system.write(stdout, system.encode(chunk), "stdout");
    } catch (error) {
      if (codeOf(error) === "EPIPE") return -1;
      if (codeOf(error) === "EAGAIN") return taken;
      throw error;
    }
    taken += chunk.length;
  }
  return taken;
}

// PIPE_BUF is 4096: such a write goes into a pipe whole or not at all, so a character is never cut
// in two.
const unitsPerChunk = 4096 / 4;

function chunkAt(text: string, at: number): string {
  const end = at + unitsPerChunk;
  const cutsPair = end < text.length && (text.charCodeAt(end - 1) & 0xfc00) === 0xd800;
  return text.slice(at, cutsPair ? end - 1 : end);
}
