import { type App, findApp } from "../app/app.ts";
import { liveRelease, type Release, releaseFiles } from "../app/releases.ts";
import type { Target } from "../deploy/request.ts";
import type { Host } from "../host/host.ts";
import { PikuError } from "../text/errors.ts";
import { appArg, command } from "./command.ts";
import { choiceArgs, choicesOf, redeploy } from "./redeploy.ts";
import { listReleases, numberArg, numberOf } from "./releases.ts";

export const rollback = command({
  name: "rollback",
  group: "Deploys",
  description: "Go back to an earlier release: its code and its settings",
  examples: ["ssh piku@board rollback blog", "ssh piku@board rollback blog 12"],
  alias: ["releases:rollback"],
  args: {
    app: appArg,
    number: {
      ...numberArg,
      description: "a release's number; the one before unless given",
      required: false,
    },
    ...choiceArgs,
  },
  run({ args, host }) {
    const app = findApp(host, args.app);
    const wanted = args.number === undefined ? undefined : numberOf(args.number);
    const from = liveRelease(host, app)?.branch;
    redeploy(host, app, "rollback", (_, live) => ({
      ...backTo(host, app, live, wanted),
      choices: choicesOf(args),
    }));
    const isOther = from !== undefined && from !== liveRelease(host, app)?.branch;
    host.say(`       To go forward again: deploy ${app.name}${isOther ? ` ${from}` : ""}`);
  },
});

/** What brings an earlier release back; `wanted` undefined: the one before. Throws when there is none, or its commit is not known. */
export function backTo(
  host: Host,
  app: App,
  live: Release | undefined,
  wanted: number | undefined,
): Partial<Target> {
  const target = listReleases(host, app).find(({ number }) =>
    wanted === undefined ? number < (live?.number ?? 0) : number === wanted,
  );
  if (!target?.commit) {
    const which = wanted === undefined ? "release before the live one" : `release ${wanted}`;
    throw new PikuError(
      `app '${app.name}' has no ${which} to go back to`,
      `releases ${app.name} lists what there is`,
    );
  }
  const settings = host.read(releaseFiles(app, target.number).settings);
  return {
    commit: { id: target.commit, app },
    branch: target.branch ?? live?.branch,
    back: target,
    ...(settings === undefined ? {} : { serverSettings: settings }),
    scaling: target.scaling,
    changed: [`to ${target.number}`],
    builds: true,
  };
}
