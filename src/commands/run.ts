import { findApp } from "../app/app.ts";
import { readBoardSettings } from "../app/board-settings.ts";
import { tightened } from "../app/limits.ts";
import { liveSettings } from "../app/live.ts";
import { layered } from "../app/settings.ts";
import { programEnvironment } from "../host/tools.ts";
import { Ended, usageError } from "../text/errors.ts";
import { wallOf, withSettings } from "../workers/isolation.ts";
import { shellFor } from "../workers/launcher.ts";
import { limitStep } from "../workers/limits.ts";
import { appArg, command } from "./command.ts";

export const run = command({
  name: "run",
  group: "Apps",
  description: "Run a command with an app's settings, in its directory",
  details:
    "Its exit status is the command's; input and output pass through unchanged. With `ssh -t` it has the terminal.",
  examples: [
    "ssh piku@board run blog -- python3 manage.py migrate",
    "ssh -t piku@board run blog bash",
  ],
  alias: ["exec"],
  passthrough: true,
  args: {
    app: appArg,
    command: {
      type: "positional",
      description: "what to run, as a shell reads it; may follow `--`",
      required: true,
      many: true,
    },
  },
  run({ args, words, host }) {
    const app = findApp(host, args.app);
    const typed = words.slice(words[1] === "--" ? 2 : 1).join(" ");
    if (typed === "")
      throw usageError("the command is missing", "e.g.: ssh piku@board run blog -- ls -l");
    const { settings: ofBoard } = readBoardSettings(host, app.paths.settings);
    const settings = tightened(liveSettings(host, app), layered({}, [ofBoard]));
    const walled = {
      kind: "run",
      wall: wallOf(ofBoard, settings),
      outside: programEnvironment(host.env()),
      inside: { ...settings, PWD: app.tree },
      argv: shellFor(settings, typed),
      mark: host.pid,
    } as const;
    const status = withSettings(host, app, walled, (argv, env) =>
      host.run(limitStep(host, settings, "run", argv), { cwd: app.tree, env }),
    );
    if (status !== 0) throw new Ended(status);
  },
});
