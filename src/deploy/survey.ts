import { type App, appOf, listApps, readOfAny } from "../app/app.ts";
import type { BoardSettings } from "../app/board-settings.ts";
import { lastOfEach, parseServerSettings, type Settings } from "../app/env-file.ts";
import { doubtsOf, layersOf, readAssignments } from "../app/env-grammar.ts";
import { readScaling } from "../app/live.ts";
import { type Procfile, parseProcfile, siteKinds } from "../app/procfile.ts";
import { layered, settingWarnings } from "../app/settings.ts";
import type { Host } from "../host/host.ts";
import { findTool } from "../host/tools.ts";
import { type Commit, fileOf, namesOf } from "../repository/commit.ts";
import { includedFile } from "../repository/include.ts";
import { environmentFolder, environmentKey } from "../runtimes/dependencies.ts";
import { generic } from "../runtimes/generic.ts";
import { detectRuntime } from "../runtimes/index.ts";
import type { Runtime, Source } from "../runtimes/runtime.ts";
import { PikuError } from "../text/errors.ts";
import { printable } from "../text/text.ts";

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
 * possible.
 */
export function surveyCommit(
  host: Host,
  commit: Commit,
  serverSettings: string,
  machine: BoardSettings,
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
  const key = environmentKey(host, runtime, source);
  const environment = key === undefined ? undefined : { key, folder: environmentFolder(app, key) };
  const common = baseSettings(host, app, environment?.folder);
  const base = { ...common, ...runtime.settings(environment?.folder ?? app.envs, common, source) };
  const settings = layered({ ...base, ...nameBelow(machine, app, procfile) }, layers);
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

/**
 * The server name below the board's PIKU_DOMAIN for an app that serves something; its own settings
 * take precedence.
 */
const nameBelow = ({ domain }: BoardSettings, app: App, { workers }: Procfile): Settings =>
  domain && [...siteKinds, "static"].some((kind) => kind in workers)
    ? { NGINX_SERVER_NAME: `${app.name}.${domain}` }
    : {};

/** The commit as runtimes see it. */
const sourceOf = (
  host: Host,
  commit: Commit,
  names: readonly string[],
  given: Procfile,
  settings: Settings,
): Source => ({
  workers: given.workers,
  commands: [given.preflight, given.release, ...Object.values(given.workers)].filter(
    (line) => line !== undefined,
  ),
  settings,
  names,
  commit: commit.id,
  // Lock files can have several megabytes.
  read: (name) => fileOf(host, commit, name, 16 * 1024 * 1024) ?? "",
  has: (tool) => findTool(host, tool) !== undefined,
  probe: (...argv) => host.capture(argv).status === 0,
  ask: (...argv) => host.capture(argv).stdout.trim(),
});

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
    throw new PikuError(...missingTools(lacking[0]));
  if (!runtime) throw new PikuError("Could not detect runtime!");
  return {
    runtime,
    warnings: [
      ...lacking.map((one) => missingTools(one).join(". ")),
      ...(runtime.warns?.(source) ?? []),
    ],
  };
}

/** The message and the remedy when a runtime's tools are missing. */
const missingTools = ({ name, needs, remedy }: Runtime): [string, string] => [
  `this looks like a ${name} app, but the server has no ${needs.map((tools) => tools.join(" and ")).join(", or ")}`,
  `on the server: ${remedy ?? "install it"}`,
];

function readProcfile(host: Host, commit: Commit, names: readonly string[]): Procfile {
  const content = fileOf(host, commit, "Procfile");
  if (content !== undefined) return parseProcfile(content);
  const near = names.find((name) => /^procfile(\.|$)/i.test(name));
  throw new PikuError(
    near ? `there is no Procfile, but '${printable(near)}'` : "there is no Procfile",
    near
      ? "call it Procfile, with a capital P and no ending; a link to something outside does not count"
      : "add a file called Procfile with a line such as `web: python3 app.py`",
  );
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
