import { command } from "../commands/command.ts";
import { suggestedLine } from "../deploy/hints.ts";
import type { Host } from "../host/host.ts";
import { must, PikuError, usageError } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { printable } from "../text/text.ts";
import type { Wanted } from "./place.ts";
import { parseBoard, urlOf } from "./remotes.ts";
import { shellArgv } from "./ssh.ts";

/**
 * The boards that announce themselves on the network, by what `avahi-browse -rptk _piku._tcp`
 * prints: fields between `;`, resolved ones begin with `=`, the seventh is the host's name
 * (avahi-browse(1)).
 */
export const boardsIn = (printed: string): string[] => [
  ...new Set(
    printed.split("\n").flatMap((line) => {
      const fields = line.split(";");
      return fields[0] === "=" && /^\w[\w.-]*$/.test(fields[6] ?? "") ? [fields[6]!] : [];
    }),
  ),
];

/** The name of an app that a directory makes; undefined for one of which no name can be made. */
export function appNameOf(directory: string): string | undefined {
  const last = directory.replace(/[/\\]+$/, "").replace(/^.*[/\\]/, "");
  const name = last
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, "-")
    .replace(/^[-_]+|[-_]+$/g, "")
    .slice(0, 40);
  return name || undefined;
}

/** The board that was named, the only one that answers on the network, or the one typed now. */
function findBoard(host: Host, typed: string | undefined) {
  if (typed !== undefined) return parseBoard(typed);
  const found = boardsIn(host.capture(["avahi-browse", "-rptk", "_piku._tcp"]).stdout);
  if (found.length === 1) return parseBoard(found[0]!);
  const why =
    found.length > 1
      ? `there are several boards: ${found.join(", ")}`
      : "no board announces itself on this network";
  const answer = host.isTerminal(0)
    ? askFor(host, `${why[0]!.toUpperCase()}${why.slice(1)}.\nThe board's name or address: `)
    : "";
  if (answer !== "") return parseBoard(answer);
  throw usageError(why, `say which: piku init ${found[0] ?? "board.local"}`);
}

/** What somebody at the terminal answers. */
function askFor(host: Host, question: string): string {
  const script = 'printf %s "$1" >/dev/tty && IFS= read -r answer </dev/tty && printf %s "$answer"';
  return host.capture(shellArgv(script, [question])).stdout.trim();
}

export const init = (wanted: Wanted) =>
  command({
    name: "init",
    group: "Your computer",
    description: "Connect this directory with an app on a board",
    details:
      "Makes a git repository if there is none, the remote `piku`, and a Procfile for what it sees. Finds the board itself where it announces itself on the network (avahi), else asks for it.",
    examples: ["piku init board.local", "piku -a blog init piku@board.local"],
    args: {
      board: {
        type: "positional",
        description: "board.local, piku@board.local or ssh://piku@board.local:2222",
        required: false,
      },
    },
    run({ args, host }) {
      const board = findBoard(host, args.board);
      const voice = voiceOf(host);
      if (host.capture(["git", "rev-parse", "--git-dir"]).status !== 0) {
        must(host, ["git", "init", "-q", "-b", "main"], "cannot make a git repository");
        voice.log("Made a git repository.");
      }
      const top = must(
        host,
        ["git", "rev-parse", "--show-toplevel"],
        "this is not a git repository's directory",
      ).stdout.trim();
      const app = wanted.app ?? appNameOf(top);
      if (app === undefined)
        throw usageError(
          "no app's name can be made of this directory's",
          "piku -a NAME init BOARD",
        );
      const name = wanted.remote ?? "piku";
      addRemote(host, name, urlOf(board, app));
      voice.log(`Remote '${name}' is ${urlOf(board, app)}.`);
      const line = writeProcfile(host, top);
      if (line) voice.log(`Wrote a Procfile with the line \`${line}\`; look whether it is right.`);
    },
  });

/** Writes a Procfile for what is in a directory, where there is none. Gives its line. */
function writeProcfile(host: Host, folder: string): string | undefined {
  if (host.stat(`${folder}/Procfile`)) return undefined;
  const names = host
    .list(folder)
    .map((name) => (host.stat(`${folder}/${name}`)?.type === "directory" ? `${name}/` : name));
  const line = suggestedLine({ names, read: (path) => host.read(`${folder}/${path}`) });
  if (line) host.write(`${folder}/Procfile`, `${line}\n`);
  return line;
}

/** Adds a git remote; nothing where it is there already. Throws where it leads elsewhere. */
function addRemote(host: Host, name: string, url: string): void {
  const listed = host.capture(["git", "remote", "get-url", "--push", name]);
  const present = listed.stdout.trim();
  if (listed.status === 0 && present !== url)
    throw new PikuError(
      `the git remote '${printable(name)}' leads to ${printable(present)} already`,
      `to change it: git remote set-url ${name} ${url}`,
    );
  if (listed.status !== 0) must(host, ["git", "remote", "add", name, url], "cannot add the remote");
}
