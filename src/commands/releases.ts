import { defineCommand } from "citty";
import { type App, findApp } from "../app/app.ts";
import { liveNumber, numbersOf, type Release, readRelease, releaseFiles } from "../app/releases.ts";
import { deploy } from "../deploy/deploy.ts";
import type { Host } from "../host/host.ts";
import { PikuError, usageError } from "../text/errors.ts";
import { printable } from "../text/text.ts";
import { appArg, jsonArg } from "./arguments.ts";
import { again } from "./requests.ts";

const numberArg = {
  type: "positional",
  description: "a release's number",
  required: true,
} as const;

/** The releases that have been live, the newest first. */
const listReleases = (host: Host, app: App): Release[] =>
  numbersOf(host, app)
    .filter((number) => host.stat(releaseFiles(app, number).record))
    .map((number) => readRelease(host, app, number))
    .reverse();

/** A release as one line; a `*` marks the one that is live. */
function renderRelease(
  { number, when, cause, commit, subject, who, changed }: Release,
  live: number | undefined,
): string {
  const what = [cause, ...changed].join(" ");
  const day = when?.replace(/\.\d+Z$/, "Z") ?? "before piku kept records";
  return `${number === live ? "*" : " "}${number}  ${day}  ${commit?.slice(0, 7) ?? "-"}  ${what}  ${who ?? "-"}  ${subject ?? ""}`.trimEnd();
}

function numberOf(typed: string): number {
  if (!/^\d{1,9}$/.test(typed))
    throw usageError(`'${printable(typed)}' is no release's number`, "`releases` lists them");
  return Number(typed);
}

export const releases = (host: Host) =>
  defineCommand({
    meta: {
      description: "List an app's releases, the newest first",
      example: "piku releases blog",
    },
    args: { app: appArg, json: jsonArg },
    run({ args }) {
      const app = findApp(host, args.app);
      const live = liveNumber(host, app);
      const all = listReleases(host, app);
      if (args.json)
        return host.say(
          JSON.stringify(all.map((release) => ({ ...release, live: release.number === live }))),
        );
      for (const release of all) host.say(renderRelease(release, live));
    },
  });

export const releasesOutput = (host: Host) =>
  defineCommand({
    meta: {
      description: "Show what a release's deploy said, also of one that failed",
      example: "piku releases:output blog 12",
    },
    args: { app: appArg, number: numberArg },
    run({ args }) {
      const app = findApp(host, args.app);
      const { transcript } = releaseFiles(app, numberOf(args.number));
      if (!host.stat(transcript))
        throw new PikuError(
          `nothing is kept of release ${args.number} of app '${app.name}'`,
          "`releases` lists what is",
        );
      // Not by us: version 1 kept all that a build printed.
      host.run(["cat", "--", transcript]);
    },
  });

export const rollback = (host: Host) =>
  defineCommand({
    meta: {
      description: "Go back to the release before, or to another one: its code and its settings",
      example: "piku rollback blog",
    },
    args: { app: appArg, number: { ...numberArg, required: false } },
    run({ args }) {
      const app = findApp(host, args.app);
      const wanted = args.number === undefined ? undefined : numberOf(args.number);
      deploy(host, app, (live) => backTo(host, app, live, wanted), "rollback");
      host.say(`       To go forward again: deploy ${app.name}`);
    },
  });

/** What brings an earlier release back. Throws when there is none, or its commit is not known. */
function backTo(host: Host, app: App, live: Release | undefined, wanted: number | undefined) {
  const target = listReleases(host, app).find(({ number }) =>
    wanted === undefined ? number < (live?.number ?? 0) : number === wanted,
  );
  if (!target?.commit) {
    const which = wanted === undefined ? "release before the live one" : `release ${wanted}`;
    throw new PikuError(
      `app '${app.name}' has no ${which} to go back to`,
      "`releases` lists what there is",
    );
  }
  const settings = host.read(releaseFiles(app, target.number).settings);
  return {
    ...again(host, app, live, "rollback"),
    commit: { id: target.commit, app },
    serverSettings: settings ?? again(host, app, live, "rollback").serverSettings,
    scaling: target.scaling,
    changed: [`to ${target.number}`],
    builds: true,
  };
}
