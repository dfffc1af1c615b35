import { command } from "../commands/command.ts";
import { must, PikuError } from "../text/errors.ts";
import { currentBranch, findPlace, requireApp, type Wanted } from "./place.ts";
import { urlOf } from "./remotes.ts";
import { listedIn } from "./speak.ts";
import { end, lineOf, runThere, sshTo } from "./ssh.ts";

export const pushBranch = (wanted: Wanted) =>
  command({
    name: "deploy",
    group: "Your computer",
    description: "Push the branch that is checked out, or go to another one",
    details: "Only what is committed is pushed. A branch that is named was pushed before.",
    examples: ["piku deploy", "piku deploy main"],
    alias: ["push"],
    args: {
      branch: {
        type: "positional",
        description: "one of `piku branches`, to deploy without a push",
        required: false,
      },
    },
    run({ args, host }) {
      const place = findPlace(host, wanted);
      if (args.branch !== undefined)
        return end(runThere(host, place.board, ["deploy", requireApp(place), args.branch]));
      const to =
        wanted.app === undefined && place.remote
          ? place.remote
          : urlOf(place.board, requireApp(place));
      const branch = currentBranch(host);
      if (host.capture(["git", "rev-parse", "--verify", "-q", "HEAD"]).status !== 0)
        throw new PikuError("nothing is committed yet", "git add . && git commit -m First");
      end(host.run(["git", "push", to, `HEAD:refs/heads/${branch}`]));
    },
  });

/** What opens an address in a browser, by the operating system of a target. */
const openers: readonly (readonly [RegExp, string[]])[] = [
  [/^darwin/, ["open"]],
  [/^windows/, ["cmd", "/c", "start", ""]],
  [/./, ["xdg-open"]],
];

export const open = (wanted: Wanted) =>
  command({
    name: "open",
    group: "Your computer",
    description: "Open the app in a browser, and print its address",
    examples: ["piku open"],
    alias: ["url"],
    run({ host }) {
      const place = findPlace(host, wanted);
      const app = requireApp(place);
      const listed = must(
        host,
        [...sshTo(place.board), lineOf(["apps", "--json"])],
        "cannot ask the board",
      ).stdout;
      const url = urlIn(listed, app);
      if (url === undefined)
        throw new PikuError(
          `app '${app}' has no address`,
          "give it one: piku config:set NGINX_SERVER_NAME=NAME",
        );
      host.say(url);
      const [, opener] = openers.find(([target]) => target.test(host.target))!;
      // Where nothing can open it, it has been printed.
      host.capture([...opener, url]);
    },
  });

/** The address of an app in what `apps --json` prints. Throws where it is not among them. */
export function urlIn(listed: string, app: string): string | undefined {
  const found = listedIn(listed, app);
  if (!found) throw new PikuError(`app '${app}' is not on the board`, "first: piku deploy");
  return found.url !== undefined && /^https?:\/\/[\w.:[\]/~-]+$/.test(found.url)
    ? found.url
    : undefined;
}

export const shell = (wanted: Wanted) =>
  command({
    name: "shell",
    group: "Your computer",
    description: "Open a shell on the board, in the app's directory",
    examples: ["piku shell"],
    alias: ["bash", "sh"],
    run({ host }) {
      const place = findPlace(host, wanted);
      const line = 'exec "$(command -v bash || command -v sh)"';
      end(runThere(host, place.board, ["run", requireApp(place), "--", line]));
    },
  });

export const addKey = (wanted: Wanted) =>
  command({
    name: "add-key",
    group: "Your computer",
    description: "Let another public key push and give commands",
    details: "A key that is on the board already adds it.",
    examples: ["piku add-key anna.pub anna"],
    args: {
      file: { type: "positional", description: "a public key", required: true },
      name: {
        type: "positional",
        description: "whose key it is; the file's name unless given",
        required: false,
      },
    },
    run({ args, host }) {
      const key = host.read(args.file, 64 * 1024);
      if (key === undefined) throw new PikuError(`there is no file '${args.file}'`);
      const name = args.name ?? args.file.replace(/^.*[/\\]/, "").replace(/\.pub$/, "");
      const { board } = findPlace(host, wanted);
      const added = host.capture([...sshTo(board), lineOf(["keys:add", name])], { input: key });
      if (added.stdout) host.say(added.stdout.trimEnd());
      if (added.stderr) host.sayError(added.stderr.trimEnd());
      end(added.status);
    },
  });
