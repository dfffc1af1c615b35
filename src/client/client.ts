import { takesApp } from "../commands/arguments.ts";
import type { Command } from "../commands/command.ts";
import { completion } from "../commands/completion.ts";
import { help } from "../commands/help.ts";
import { dispatch, everyCommand, runCommandOf } from "../commands/index.ts";
import type { Host } from "../host/host.ts";
import { usageError } from "../text/errors.ts";
import { askBoards, namedBoards } from "./boards.ts";
import { download, upload } from "./files.ts";
import { init } from "./init.ts";
import { move } from "./move.ts";
import { findPlace, type Place, requireApp, type Wanted } from "./place.ts";
import { addKey, open, pushBranch, shell } from "./push.ts";
import { end, runThere } from "./ssh.ts";

const commands = await everyCommand();

/** What runs on the computer in front of its user, whatever is on the board. */
export const clientCommands = (wanted: Wanted = {}): Command[] =>
  [init, pushBranch, open, shell, download, upload, addKey, move].map((row) => row(wanted));

const isCalled =
  (name: string) =>
  ({ name: own, alias }: Command) =>
    own === name || alias?.includes(name);

/** Takes `-r REMOTE` and `-a APP` from in front of the command's name. Throws a usage error. */
export function readWanted(words: readonly string[]): { wanted: Wanted; rest: string[] } {
  const names: Readonly<Record<string, keyof Wanted>> = {
    "-r": "remote",
    "--remote": "remote",
    "-a": "app",
    "--app": "app",
  };
  const wanted: Wanted = {};
  let rest = [...words];
  for (let name = names[rest[0] ?? ""]; name; name = names[rest[0] ?? ""]) {
    if (!rest[1]) throw usageError(`${rest[0]} needs a value`, "e.g.: piku -r board2 logs");
    wanted[name] = rest[1];
    rest = rest.slice(2);
  }
  return { wanted, rest };
}

/**
 * The words that the board is given: a command that is about an app gets it as its first argument,
 * and so does what only the board knows, a plugin, as from the original's client.
 */
export function wordsForBoard(words: readonly string[], app: () => string): string[] {
  const [name = "", ...rest] = words;
  const row = commands.find(isCalled(name));
  if (rest.length === 1 && /^(-h|--help)$/.test(rest[0]!)) return [...words];
  const isOfApp = row === undefined || (row.group !== "The board" && takesApp(row));
  const isGlobal = row?.args && "global" in row.args && rest.includes("--global");
  return isOfApp && !isGlobal ? [name, app(), ...rest] : [...words];
}

/** The same for one of several boards, where `ps` without an app is about all of them. */
const wordsForSeveral = (words: readonly string[], { app }: Place): readonly string[] =>
  app === undefined ? words : wordsForBoard(words, () => app);

const options = `
In the directory of an app the client fills in its name. Before a command:
  -r, --remote REMOTE  the board and the app of another git remote than piku;
                       of several boards, -r ONE,OTHER: apps, ps and doctor
  -a, --app APP        another app`;

/** Runs a call of the client. Throws what the command throws, and how the board's ended. */
export async function runClient(host: Host, typed: readonly string[]): Promise<void> {
  const { wanted, rest } = readWanted(typed);
  const [name = "help", ...words] = rest;
  const own = clientCommands(wanted);
  const all = [...own, ...commands];
  const find = async (_: Host, named: string) => {
    const found = all.find(isCalled(named));
    if (found) return found;
    throw usageError(`there is no command '${named}'`, "`piku help` lists them");
  };
  const here = [...own, help(async () => all, find), completion(async () => all)].find(
    isCalled(name),
  );
  if (here) {
    await runCommandOf(here, { host }, words);
    if (here.name === "help" && words.length === 0) host.say(options);
    return;
  }
  if (name === "update" && words[0] === "--client")
    return dispatch(host, ["update", ...words.slice(1)]);
  const boards = namedBoards(host, wanted, commands.find(isCalled(name)));
  if (boards) return askBoards(host, boards, wanted, (place) => wordsForSeveral(rest, place));
  const place = findPlace(host, wanted);
  end(
    runThere(
      host,
      place.board,
      wordsForBoard(rest, () => requireApp(place)),
    ),
  );
}
