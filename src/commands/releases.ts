import { type App, findApp, remainsOf } from "../app/app.ts";
import {
  liveNumber,
  type Release,
  readRelease,
  recordedNumbers,
  releaseFiles,
} from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { PikuError } from "../text/errors.ts";
import { appArg, command, jsonArg } from "./command.ts";
import { renderReleases } from "./releases-table.ts";

export const numberArg = {
  type: "positional",
  description: "a release's number, as releases lists them",
  required: true,
  pattern: /^v?\d{1,9}$/,
} as const;

/** What was typed, also as others write it: `v12`. */
export const numberOf = (typed: string) => Number(typed.replace("v", ""));

/** The releases that have been live, the newest first. */
export const listReleases = (host: Host, app: App): Release[] =>
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
