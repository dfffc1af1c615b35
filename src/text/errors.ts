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
    hint: diskFull.includes(system)
      ? "its disk is full; make room and try again"
      : "look at the disk, and at who owns ~/.piku",
  };
}

/** Why a program failed, by the last line of its stderr, or else by its exit status. */
export const reasonOf = ({ status, stderr }: Ran) =>
  stderr.trim().split("\n").at(-1) || `exit status ${status}`;

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
  if (ran.status !== 0) throw new PikuError(`${failure}: ${reasonOf(ran)}`);
  return ran;
}
