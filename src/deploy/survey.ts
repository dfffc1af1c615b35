import { type App, appOf, listApps, readOfAny } from "../app/app.ts";
import type { BoardSettings } from "../app/board-settings.ts";
import { lastOfEach, parseServerSettings, type Settings } from "../app/env-file.ts";
import { doubtsOf, layersOf, readAssignments } from "../app/env-grammar.ts";
import { limitWarnings, tightened } from "../app/limits.ts";
import { readScaling } from "../app/live.ts";
import type { Procfile } from "../app/procfile.ts";
import { layered, setting, settingWarnings } from "../app/settings.ts";
import type { Host } from "../host/host.ts";
import { type Commit, fileOfCommit, namesOf } from "../repository/commit.ts";
import { includedFile } from "../repository/include.ts";
import { environmentFolder, environmentKey, isComplete } from "../runtimes/dependencies.ts";
import type { Runtime, Source } from "../runtimes/runtime.ts";
import { usualSettings } from "../runtimes/usual.ts";
import { derivedNameWarnings, nameBelow } from "../site/names.ts";
import { PikuError } from "../text/errors.ts";
import { chooseRuntime } from "./choose-runtime.ts";
import { baseSettings, liveSource, readProcfile, sourceOf } from "./source.ts";

/** What a commit asks for, and what the board has for it. */
export interface Survey {
  /** The Procfile, including the worker that the runtime adds. */
  procfile: Procfile;
  names: readonly string[];
  machine: BoardSettings;
  runtime: Runtime;
  source: Source;
  /** The key and the folder of its dependencies. */
  environment?: { key: string; folder: string };
  /** The app's settings from all layers, before its addresses are known. */
  settings: Settings;
  warnings: string[];
}

/**
 * Reads a commit and changes nothing. Throws for what cannot work, with file and line where
 * possible. `kept`: for a deploy without a build, the key of the dependencies that the app has.
 */
export function surveyCommit(
  host: Host,
  commit: Commit,
  serverSettings: string,
  machine: BoardSettings,
  kept?: string,
): Survey {
  const { app } = commit;
  const names = namesOf(host, commit);
  const given = readProcfile(host, commit, names);
  const envFile = fileOfCommit(host, commit, "ENV") ?? "";
  const shipped = readAssignments(envFile, "ENV");
  const ofServer = parseServerSettings(serverSettings);
  const layers = [machine.settings, ...layersOf(shipped), ofServer];
  const source = sourceOf(
    host,
    commit,
    names,
    given,
    layered(baseSettings(host, app, undefined), layers),
  );
  const { runtime, warnings } = chooseRuntime(source, given);
  const web = runtime.web?.(source);
  const procfile = web === undefined ? given : { ...given, workers: { ...given.workers, web } };
  refuseTwinFiles(host, app, Object.keys(procfile.workers));
  const stays =
    kept !== undefined &&
    runtime.madeFrom?.linked &&
    isComplete(host, environmentFolder(app, kept));
  const key = stays ? kept : environmentKey(host, runtime, source);
  const environment = key === undefined ? undefined : { key, folder: environmentFolder(app, key) };
  const common = baseSettings(host, app, environment?.folder);
  const base = {
    ...common,
    ...usualSettings(source, () => liveSource(host, app)),
    ...runtime.settings(environment?.folder ?? app.envs, common, source),
  };
  const derived = nameBelow(machine, app, procfile.workers);
  const asked = layered({ ...base, ...derived }, layers);
  const settings = tightened(asked, layered({}, [machine.settings]));
  // Only a push uses it, which could not be told of a wrong one before it is refused.
  setting(settings, "PIKU_BRANCH");
  return {
    procfile,
    names,
    machine,
    runtime,
    source: { ...source, settings },
    environment,
    settings,
    warnings: [
      ...given.warnings,
      ...warnings,
      ...derivedNameWarnings(app, derived, settings),
      ...doubtsOf(shipped, envFile),
      ...limitWarnings(
        { ...lastOfEach(shipped), ...ofServer },
        settings,
        Object.keys(procfile.workers),
      ),
      ...settingWarnings({ ...lastOfEach(shipped), ...ofServer }, "app", () => [
        ...source.commands,
        textOfInclude(host, commit, settings),
      ]),
    ],
  };
}

/** The app's own nginx directives, or nothing where the plan refuses the file. */
function textOfInclude(host: Host, commit: Commit, settings: Settings): string {
  try {
    return includedFile(host, commit, settings, "NGINX_INCLUDE_FILE")?.content ?? "";
  } catch {
    return "";
  }
}

/**
 * Refuses a kind whose vassal would have the file name of another app's: app `foo` with `bar_web`,
 * app `foo_bar` with `web`.
 */
function refuseTwinFiles(host: Host, app: App, kinds: readonly string[]): void {
  const isNear = (other: string) =>
    other.startsWith(`${app.name}_`) || app.name.startsWith(`${other}_`);
  for (const other of listApps(host, app.paths).filter(isNear)) {
    const theirs = Object.keys(readScaling(host, appOf(app.paths, other), readOfAny)).map(
      (kind) => `${other}_${kind}`,
    );
    const twin = kinds.find((kind) => theirs.includes(`${app.name}_${kind}`));
    if (twin)
      throw new PikuError(
        `the files of worker '${twin}' would be those of app '${other}'`,
        "give the worker, or the app, another name",
      );
  }
}
