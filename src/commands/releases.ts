import { type App, findApp, remainsOf } from "../app/app.ts";
import {
  liveNumber,
  liveRelease,
  type Release,
  readRelease,
  recordedNumbers,
  releaseFiles,
} from "../app/releases.ts";
import type { Target } from "../deploy/request.ts";
import type { Host } from "../host/host.ts";
import { PikuError } from "../text/errors.ts";
import { appArg, command, jsonArg } from "./command.ts";
import { choiceArgs, choicesOf, redeploy } from "./redeploy.ts";
import { renderReleases } from "./releases-table.ts";

const numberArg = {
  type: "positional",
  description: "a release's number, as releases lists them",
  required: true,
  pattern: /^v?\d{1,9}$/,
} as const;

/** What was typed, also as others write it: `v12`. */
const numberOf = (typed: string) => Number(typed.replace("v", ""));

/** The releases that have been live, the newest first. */
const listReleases = (host: Host, app: App): Release[] =>
  recordedNumbers(host, app)
    .map((number) => readRelease(host, app, number))
    .reverse();

export const releases = command({
  name: "releases",
  group: "Deploys",
  description: "List an app's releases, newest first",
  examples: ["ssh piku@board releases blog"],
  alias: ["history"],
  args: { app: appArg, json: jsonArg },
  run({ args, host }) {
    const app = findApp(host, args.app);
    const live = liveNumber(host, app);
    const all = listReleases(host, app);
    if (args.json)
      return host.say(
        JSON.stringify(all.map((release) => ({ ...release, live: release.number === live }))),
      );
    for (const line of renderReleases(host, all, live)) host.say(line);
  },
});

export const releasesOutput = command({
  name: "releases:output",
  group: "Deploys",
  description: "Show what a deploy printed, even if it failed",
  examples: ["ssh piku@board releases:output blog 12"],
  args: { app: appArg, number: numberArg },
  run({ args, host }) {
    const app = remainsOf(host, args.app);
    const { transcript } = releaseFiles(app, numberOf(args.number));
    if (!host.stat(transcript))
      throw new PikuError(
        `there is no output of release ${args.number} of app '${app.name}'`,
        `releases ${app.name} lists what there is`,
      );
    // By a program: version 1 kept all that a build printed, and that may be too much for us.
    host.run(["cat", "--", transcript]);
  },
});

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
