import type { Host } from "../host/host.ts";
import { Ended } from "../text/errors.ts";
import { shellQuote } from "../text/text.ts";
import type { Board } from "./remotes.ts";

/** ssh's arguments up to the command. `terminal`: whether the board's side gets one. */
export const sshTo = ({ address, port }: Board, terminal = false): string[] => [
  "ssh",
  // `-t` says that the connection is closed; what goes wrong is said all the same.
  ...(terminal ? ["-t", "-o", "LogLevel=ERROR"] : []),
  ...(port ? ["-p", port] : []),
  "--",
  address,
];

/** The name and the port that ssh connects to for a board, by its own configuration (ssh -G). */
export function destinationOf(host: Host, board: Board): { name: string; port: string } {
  const shown = host.capture(sshTo(board).toSpliced(1, 0, "-G")).stdout;
  const value = (key: string) => new RegExp(`^${key} (.+)$`, "m").exec(shown)?.[1];
  return { name: value("hostname") ?? board.address, port: value("port") ?? "22" };
}

/**
 * The command line that the board reads as these words. What `run` runs is a line for the app's
 * shell: one word is that line as it was typed, several are quoted so that they arrive as they are.
 */
export function lineOf(words: readonly string[]): string {
  const [name, app, ...rest] = words;
  if (!/^(run|exec)$/.test(name ?? "") || app === undefined) return words.map(shellQuote).join(" ");
  const command = rest[0] === "--" ? rest.slice(1) : rest;
  const typed = command.length === 1 ? command[0]! : command.map(shellQuote).join(" ");
  return `run ${shellQuote(app)} -- ${typed}`;
}

/**
 * A line of shell with words as `$1`, `$2` and so on. By git, which brings a shell on Windows too
 * and runs it for an alias that begins with `!` (git-config(1)).
 */
export const shellArgv = (script: string, words: readonly string[]): string[] => [
  ...["git", "-c", `alias.piku-shell=!f() { ${script}; }; f`, "piku-shell"],
  ...words,
];

/** Whether a person sits at all three ends: only then does a terminal on the board help. */
export const hasTerminal = (host: Host) => [0, 1, 2].every((one) => host.isTerminal(one));

/** Runs a command on the board with our own input and output; its exit status. */
export const runThere = (
  host: Host,
  board: Board,
  words: readonly string[],
  terminal = hasTerminal(host),
): number => host.run([...sshTo(board, terminal), lineOf(words)]);

/** Passes on how a program ended that had our input and output. */
export function end(status: number): void {
  if (status !== 0) throw new Ended(status);
}
