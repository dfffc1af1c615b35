import { defineCommand } from "citty";
import { findApp } from "../app/app.ts";
import { liveSettings } from "../app/live.ts";
import type { Host } from "../host/host.ts";
import { programEnvironment } from "../host/tools.ts";
import { Ended, usageError } from "../text/errors.ts";
import { appArg } from "./arguments.ts";

export const run = (host: Host) =>
  defineCommand({
    meta: {
      description: "Run a command with an app's settings, in its folder",
      example: "piku run blog -- python3 manage.py migrate",
    },
    args: {
      app: appArg,
      command: {
        type: "positional",
        description: "what to run; its own flags go behind `--`",
        required: true,
      },
    },
    run({ rawArgs }) {
      const [name = "", ...words] = rawArgs;
      const app = findApp(host, name);
      const command = (
        words[0] === "--" ? words.slice(1) : words.filter((word, i) => word !== "--" || i === 0)
      ).join(" ");
      if (command === "")
        throw usageError("the command is missing", "e.g.: piku run blog -- ls -l");
      const env = {
        ...programEnvironment(host.env()),
        ...liveSettings(host, app),
        PWD: app.tree,
      };
      const status = host.run(["sh", "-c", command], { cwd: app.tree, env });
      if (status !== 0) throw new Ended(status);
    },
  });
