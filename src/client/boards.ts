import type { Command } from "../commands/command.ts";
import type { Host } from "../host/host.ts";
import { usageError } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { findPlace, type Place, remotesHere, type Wanted } from "./place.ts";
import { parseBoard } from "./remotes.ts";
import { end, hasTerminal, lineOf, sshTo } from "./ssh.ts";

/** The commands that are given to several boards at once: those that only look. */
const lookers = ["apps", "ps", "doctor"];

/**
 * The boards of a call that names several: `-r ONE,OTHER`, or PIKU_BOARDS outside of an app's
 * directory. Each is a git remote of this directory, or a board's address. Undefined for a call to
 * one board.
 */
export function namedBoards(
  host: Host,
  wanted: Wanted,
  row: Command | undefined,
): string[] | undefined {
  const looks = row !== undefined && lookers.includes(row.name);
  if (wanted.remote?.includes(",")) {
    if (looks) return namesIn(wanted.remote);
    throw usageError(
      `only ${lookers.join(", ")} are given to several boards at once`,
      "name one board at a time: piku -r BOARD ...",
    );
  }
  const { PIKU_BOARDS: boards = "" } = host.env();
  if (!looks || wanted.remote !== undefined || namesIn(boards).length === 0) return undefined;
  return remotesHere(host).some(({ name }) => name === "piku") ? undefined : namesIn(boards);
}

const namesIn = (names: string) => [...new Set(names.split(/[\s,]+/).filter(Boolean))];

const placeOf = (host: Host, name: string, wanted: Wanted): Place =>
  remotesHere(host).some((remote) => remote.name === name)
    ? findPlace(host, { ...wanted, remote: name })
    : { board: parseBoard(name), ...(wanted.app ? { app: wanted.app } : {}) };

/**
 * Asks each board in turn and shows what it says under its name; for scripts, each line begins with
 * the board's name, and `--json` gives one object of what each board prints. A board that does not
 * answer, or fails, does not keep the others from being asked; the call ends with its exit status.
 * `words`: what to ask the board of a place for.
 */
export function askBoards(
  host: Host,
  names: readonly string[],
  wanted: Wanted,
  words: (place: Place) => readonly string[],
): void {
  const asked = names.map((name) => {
    const place = placeOf(host, name, wanted);
    return { name, board: place.board, words: words(place) };
  });
  const isJson = asked.some((one) => one.words.includes("--json"));
  const isShown = hasTerminal(host) && !isJson;
  const ask = ({ name, board, words }: (typeof asked)[number]): Answer => {
    // A board that is switched off is told from a slow one within seconds.
    const ssh = sshTo(board, isShown).toSpliced(1, 0, "-o", "ConnectTimeout=10");
    const argv = [...ssh, lineOf(words)];
    if (!isShown) return { name, ...host.capture(argv) };
    voiceOf(host).start(name);
    return { name, status: host.run(argv), stdout: "", stderr: "" };
  };
  const answers = asked.map((one) => {
    const answer = ask(one);
    for (const line of linesIn(answer.stderr)) host.sayError(`${answer.name}: ${line}`);
    if (!isJson) for (const line of linesIn(answer.stdout)) host.say(`${answer.name}: ${line}`);
    return answer;
  });
  if (isJson) host.say(joinJson(answers));
  end(answers.find(({ status }) => status !== 0)?.status ?? 0);
}

interface Answer {
  name: string;
  status: number;
  stdout: string;
  stderr: string;
}

const linesIn = (printed: string) => printed.split("\n").filter(Boolean);

/** One object: what each board printed, by its name; null for one that printed no JSON. */
export function joinJson(answers: readonly Pick<Answer, "name" | "stdout">[]): string {
  const parsed = answers.map(({ name, stdout }) => {
    try {
      return [name, JSON.parse(stdout)];
    } catch {
      return [name, null];
    }
  });
  return JSON.stringify(Object.fromEntries(parsed));
}
