import { findApp } from "../app/app.ts";
import { liveRelease } from "../app/releases.ts";
import { branchesOf } from "../repository/push.ts";
import { printable } from "../text/text.ts";
import { appArg, command } from "./command.ts";

/** A list that a shell completes from must come at once. */
const most = 100;

export const branches = command({
  name: "branches",
  group: "Deploys",
  description: "List the branches that were pushed; * marks the live one",
  details: `The ${most} that were committed to last. \`deploy APP BRANCH\` deploys one.`,
  examples: ["ssh piku@board branches blog"],
  args: { app: appArg },
  run({ args, host }) {
    const app = findApp(host, args.app);
    const live = liveRelease(host, app)?.branch;
    for (const name of branchesOf(host, app, most))
      host.say(`${name === live ? "*" : " "}${printable(name)}`);
  },
});
