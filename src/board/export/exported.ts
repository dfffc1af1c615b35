import type { App } from "../../app/app.ts";
import { readBoardSettings } from "../../app/board-settings.ts";
import { parseServerSettings, type Settings } from "../../app/env-file.ts";
import { parseSettings } from "../../app/env-grammar.ts";
import { leastOf, limitsOf } from "../../app/limits.ts";
import { readScaling } from "../../app/live.ts";
import { type Procfile, type Scaling, siteKinds } from "../../app/procfile.ts";
import { liveRelease } from "../../app/releases.ts";
import { setting } from "../../app/settings.ts";
import { baseSettings } from "../../deploy/source.ts";
import { surveyCommit } from "../../deploy/survey.ts";
import type { Host } from "../../host/host.ts";
import { isComplete } from "../../runtimes/dependencies.ts";
import type { Runtime, Source } from "../../runtimes/runtime.ts";
import { siteNames } from "../../site/names.ts";
import { type Mapping, parseMappings } from "../../site/static.ts";
import { PikuError } from "../../text/errors.ts";

/** A live app in the terms of any engine that could run it. */
export interface Exported {
  app: App;
  /** The number of the live release, and its commit. */
  number: number;
  commit: string;
  procfile: Procfile;
  scaling: Scaling;
  /** The kind that answers visitors; none for an app without a site. */
  front?: string;
  /** The site's names that an engine can route by. */
  names: string[];
  /** Paths that the board's nginx serves from a folder. */
  mappings: Mapping[];
  runtime: Runtime;
  source: Source;
  /** The folder of dependencies. */
  environment?: string;
  /** Names of the settings that are its own, in the repository or on the board. */
  set: string[];
  /** Every setting, piku's own among them. */
  all: Settings;
  /** What belongs to the image: paths, and how the language runs. */
  base: Settings;
  /** What the app is told, secrets among it. */
  own: Settings;
  /** The board's time zone, such as `Europe/Berlin`. */
  timeZone: string;
  /** How many processors the board has; PIKU_CPU is a share of them. */
  processors: number;
}

/** The port that a container listens on. */
export const containerPort = 8000;

// What an engine says by itself; what uWSGI would take for options of its own (uWSGI's
// documentation: "Environment variables"); and what no app gets.
const notTheApps = /^(PORT|BIND_ADDRESS|UWSGI_.*|PIKU_PASSWORD)$/;

/** Reads what is live of an app. Throws where nothing is, or where its dependencies are gone. */
export function surveyExport(host: Host, app: App): Exported {
  const live = liveRelease(host, app);
  if (live?.commit === undefined)
    throw new PikuError(`nothing of app '${app.name}' is live`, `push it, or: deploy ${app.name}`);
  const machine = readBoardSettings(host, app.paths.settings);
  const server = host.read(`${app.envs}/ENV`) ?? "";
  const commit = { app, id: live.commit };
  const { procfile, runtime, source, environment, settings } = surveyCommit(
    host,
    commit,
    server,
    machine,
    live.environment,
  );
  const folder = environment?.folder;
  if (folder !== undefined && !isComplete(host, folder))
    throw new PikuError(
      `the dependencies of app '${app.name}' are not those that it would get today`,
      `make them first: deploy ${app.name}`,
    );
  const common = baseSettings(host, app, folder);
  const ofImage = { ...common, ...runtime.settings(folder ?? app.envs, common, source) };
  const pick = (isWanted: (name: string) => boolean) =>
    Object.fromEntries(Object.entries(settings).filter(([name]) => isWanted(name)));
  const fronts = [...siteKinds, "static"];
  return {
    app,
    number: live.number,
    commit: live.commit,
    procfile,
    scaling: readScaling(host, app),
    front: fronts.find((kind) => kind in procfile.workers),
    names: siteNames(settings).filter((name) => /^(\*\.)?[a-z0-9.-]+$/.test(name)),
    mappings: parseMappings(app, procfile.workers, settings, machine.folders),
    runtime,
    source,
    environment: folder,
    set: Object.keys({
      ...parseSettings(source.read("ENV")),
      ...parseServerSettings(server),
    }).sort(),
    all: settings,
    base: pick((name) => Object.hasOwn(ofImage, name)),
    own: pick((name) => !Object.hasOwn(ofImage, name) && !notTheApps.test(name)),
    timeZone: settings.TZ || host.read("/etc/timezone")?.trim() || "Etc/UTC",
    processors: Number(host.capture(["nproc"]).stdout) || 1,
  };
}

/** How long a process may take to end, in seconds. */
export const endingTime = ({ all }: Exported) => setting(all, "PIKU_GRACE");

/** The kinds that are processes of their own, with their lines; `static` only where it is all. */
export const kindsOf = ({ procfile, front }: Exported) =>
  Object.entries(procfile.workers).filter(([kind]) => kind !== "static" || kind === front);

/** The limits of a kind: memory such as `200M` or `1536K` (of 1024), and how many processors. */
export function resourcesFor({ all, processors }: Exported, kind: string) {
  const { memory, cpu } = leastOf(limitsOf(all, kind));
  const kilobytes = memory === undefined ? undefined : Math.ceil(memory / 1024);
  return {
    memory: kilobytes && (kilobytes % 1024 === 0 ? `${kilobytes / 1024}M` : `${kilobytes}K`),
    cpu: cpu && String((cpu * processors) / 100),
  };
}
