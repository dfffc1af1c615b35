import { type App, appOf, listApps, readOfAny } from "../app/app.ts";
import type { BoardSettings } from "../app/board-settings.ts";
import { lastOfEach, parseServerSettings, type Settings } from "../app/env-file.ts";
import { doubtsOf, layersOf, readAssignments } from "../app/env-grammar.ts";
import { liveSettings, readScaling } from "../app/live.ts";
import { type Procfile, parseProcfile } from "../app/procfile.ts";
import { liveRelease } from "../app/releases.ts";
import { layered, setting, settingWarnings } from "../app/settings.ts";
import type { Host } from "../host/host.ts";
import { findTool } from "../host/tools.ts";
import { type Commit, fileOf, filesOf, namesOf } from "../repository/commit.ts";
import { includedFile } from "../repository/include.ts";
import { environmentFolder, environmentKey, isComplete } from "../runtimes/dependencies.ts";
import { generic } from "../runtimes/generic.ts";
import { detectRuntime } from "../runtimes/index.ts";
import { type Runtime, type Source, shortName } from "../runtimes/runtime.ts";
import { usualSettings } from "../runtimes/usual.ts";
import { derivedNameWarnings, nameBelow } from "../site/names.ts";
import { PikuError } from "../text/errors.ts";
import { misspeltWarnings, noProcfile, wsgiFile } from "./hints.ts";

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
  const envFile = fileOf(host, commit, "ENV") ?? "";
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
  const settings = layered({ ...base, ...derived }, layers);
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

/** The commit as runtimes see it. */
function sourceOf(
  host: Host,
  commit: Commit,
  names: readonly string[],
  given: Procfile,
  settings: Settings,
): Source {
  const files = remembered(() => filesOf(host, commit));
  return {
    workers: given.workers,
    commands: [given.preflight, given.release, ...Object.values(given.workers)].filter(
      (line) => line !== undefined,
    ),
    settings,
    names,
    files: () => files(""),
    // Lock files can have several megabytes.
    read: remembered((name) => fileOf(host, commit, name, 16 * 1024 * 1024) ?? ""),
    has: (tool) => findTool(host, tool) !== undefined,
    probe: (...argv) => host.capture(argv).status === 0,
    ask: (...argv) => host.capture(argv).stdout.trim(),
  };
}

/** A function that is asked once for each name: git takes its time, and files can be large. */
function remembered<T>(ask: (name: string) => T): (name: string) => T {
  const answers = new Map<string, { is: T }>();
  return (name) => {
    const answer = answers.get(name) ?? { is: ask(name) };
    answers.set(name, answer);
    return answer.is;
  };
}

/** The commit that is live as runtimes see it, and what its processes got; none before it is. */
function liveSource(host: Host, app: App): { source: Source; settings: Settings } | undefined {
  const id = liveRelease(host, app)?.commit;
  if (id === undefined) return undefined;
  const commit = { id, app };
  const names = namesOf(host, commit);
  const settings = liveSettings(host, app);
  return {
    source: sourceOf(host, commit, names, readableProcfile(host, commit), settings),
    settings,
  };
}

/**
 * The runtime of an app, and warnings about detected runtimes whose tools are missing. Throws when
 * no usable runtime remains.
 */
function chooseRuntime(
  source: Source,
  { release, workers }: Procfile,
): { runtime: Runtime; warnings: string[] } {
  const { runtime, lacking } = detectRuntime(source);
  // Like the original: an app with `release` and `web` runs even if the tools of a language that it
  // also uses are missing.
  const brings = release !== undefined && "web" in workers;
  if (lacking[0] && !brings && (!runtime || runtime === generic))
    throw new PikuError(...missingTools(lacking[0], source));
  if (!runtime) throw new PikuError("Could not detect runtime!");
  return {
    runtime,
    warnings: [
      ...lacking.map((one) => missingTools(one, source).join("; ")),
      ...(runtime.warns?.(source) ?? []),
    ],
  };
}

/** The message and the remedy when a runtime's tools are missing. */
const missingTools = (runtime: Runtime, { has }: Source): [string, string] => {
  // Of several ways, the one that lacks least.
  const [missing = []] = runtime.needs
    .map((tools) => tools.filter((tool) => !has(tool)))
    .sort((a, b) => a.length - b.length);
  const names = missing.map((tool) => toolNames[tool] ?? tool);
  return [
    `this looks like a ${shortName(runtime)} app, but the server has no ${names.join(" and no ")}`,
    `on the server: ${runtime.remedy ?? "install it"}`,
  ];
};

/** What a program is called where that is not its name. */
const toolNames: Record<string, string> = {
  bundle: "bundler",
  mvn: "Maven",
  uwsgi_php: "PHP plugin for uWSGI",
};

/** The Procfile of a commit that is live; empty where the original took lines that piku does not. */
function readableProcfile(host: Host, commit: Commit): Procfile {
  try {
    return parseProcfile(fileOf(host, commit, "Procfile") ?? "");
  } catch {
    return { workers: {}, warnings: [] };
  }
}

function readProcfile(host: Host, commit: Commit, names: readonly string[]): Procfile {
  const content = fileOf(host, commit, "Procfile");
  const top = { names, read: (path: string) => readOrNothing(host, commit, path) };
  if (content === undefined) throw new PikuError(...noProcfile(top));
  const procfile = parseProcfile(content);
  const file = wsgiFile(top, procfile.workers.wsgi);
  if (file) throw new PikuError(...file);
  return { ...procfile, warnings: [...procfile.warnings, ...misspeltWarnings(names)] };
}

/** A file that a hint looks into; it must not fail for the file's sake. */
function readOrNothing(host: Host, commit: Commit, path: string): string | undefined {
  try {
    return fileOf(host, commit, path);
  } catch {
    return undefined;
  }
}

/** The settings that every app has; its own take precedence. */
export function baseSettings(host: Host, app: App, environment: string | undefined): Settings {
  const env = host.env();
  const folder = environment ?? app.envs;
  return {
    APP: app.name,
    LOG_ROOT: app.paths.logs,
    DATA_ROOT: app.data,
    HOME: app.paths.home,
    USER: env.USER ?? env.LOGNAME ?? "piku",
    PATH: `${folder}/bin:${env.PATH ?? ""}`,
    PWD: app.tree,
    VIRTUAL_ENV: folder,
  };
}

/**
 * Refuses a kind whose vassal would have the file name of another app's: app `foo` with `bar_web`,
 * app `foo_bar` with `web`.
 */
function refuseTwinFiles(host: Host, app: App, kinds: readonly string[]): void {
  for (const other of listApps(host, app.paths)) {
    if (other === app.name) continue;
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
