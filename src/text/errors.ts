import { type Exec, type Host, NotAFile, type Ran, TooLarge } from "../host/host.ts";

/**
 * Something went wrong that the user can put right: what happened, and in `hint` what to do next.
 * `exitCode` is 1, or 2 for a command line that was not understood. Shown by `main.ts` and nowhere
 * else.
 */
export class PikuError extends Error {
  readonly hint?: string;
  readonly exitCode: number;

  constructor(message: string, hint?: string, exitCode = 1) {
    super(message);
    this.name = "PikuError";
    this.hint = hint;
    this.exitCode = exitCode;
  }
}

/** A command line that was not understood (exit code 2). */
export const usageError = (message: string, hint?: string) => new PikuError(message, hint, 2);

/** Ends the command with this exit code; whatever there was to say has been said. */
export class Ended extends Error {
  readonly exitCode: number;

  constructor(exitCode: number) {
    super(`ended with ${exitCode}`);
    this.name = "Ended";
    this.exitCode = exitCode;
  }
}

const diskFull = ["ENOSPC", "EDQUOT"];
const roomHint = "the server's disk is full; make room and try again";
const systemPattern =
  /^(ENOSPC|EDQUOT|EROFS|EACCES|EPERM|EIO|EMFILE|ENFILE|ENOTDIR|EISDIR|ENAMETOOLONG)\b/;

/**
 * What to tell of any error: a sentence, and what to do next; the stack only for what nobody has
 * foreseen.
 */
export function explain(error: unknown): { message: string; hint?: string } {
  if (error instanceof PikuError) return error;
  if (error instanceof TooLarge)
    return { message: error.message, hint: "this is more than piku reads at once" };
  if (error instanceof NotAFile)
    return { message: error.message, hint: "remove it, or put back what was there" };
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  const system = systemPattern.exec(message)?.[1];
  if (system === undefined)
    return { message: `this is a fault of piku's own: ${message}`, hint: stack };
  return {
    message: `the server says: ${message}`,
    hint: diskFull.includes(system) ? roomHint : "look at the disk, and at who owns ~/.piku",
  };
}

const fullDisk = /No space left on device|Disk quota exceeded/;
// What the kernel says (errno(3)), and the last words of tar, which follow the reason.
const ofKernel =
  /: (Read-only file system|Input\/output error|Permission denied|Too many open files)$/;
const lastWords = /^tar: (Error is not recoverable|Exiting with failure status)/;

/**
 * Why a program failed: the line of its stderr in which the kernel says so, the disk first, or else
 * its last line, or its exit status.
 */
export function reasonOf({ status, stderr }: Pick<Ran, "status" | "stderr">): string {
  const lines = stderr
    .trim()
    .split("\n")
    .filter((line) => !lastWords.test(line));
  const told = [fullDisk, ofKernel].map((pattern) => lines.findLast((line) => pattern.test(line)));
  return told.find(Boolean) ?? (lines.at(-1) || `exit status ${status}`);
}

/** What `failure` (such as `tar failed`) was, by what the program has said. */
export function failedRun(failure: string, ran: Ran): PikuError {
  const reason = reasonOf(ran);
  return new PikuError(`${failure}: ${reason}`, fullDisk.test(reason) ? roomHint : undefined);
}

/**
 * Runs a program that has to succeed, and gives what it printed. Throws a PikuError that says
 * `failure` (such as `tar failed`) and why.
 */
export function must(
  host: Host,
  argv: readonly string[],
  failure: string,
  how?: Exec & { input?: string; most?: number },
): Ran {
  const ran = host.capture(argv, how);
  if (ran.status !== 0) throw failedRun(failure, ran);
  return ran;
}
