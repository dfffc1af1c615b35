import { askProgram } from "../app/answers.ts";
import type { App } from "../app/app.ts";
import type { Settings } from "../app/env-file.ts";
import { liveSettings } from "../app/live.ts";
import { type Procfile, parseProcfile } from "../app/procfile.ts";
import { liveRelease } from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { findTool } from "../host/tools.ts";
import { type Commit, fileOfCommit, filesOfCommit, namesOf } from "../repository/commit.ts";
import type { Source } from "../runtimes/runtime.ts";
import { PikuError } from "../text/errors.ts";
import { misspeltWarnings, noProcfile, wsgiFile } from "./hints.ts";

/** The commit as runtimes see it. */
export function sourceOf(
  host: Host,
  commit: Commit,
  names: readonly string[],
  given: Procfile,
  settings: Settings,
): Source {
  const files = remembered(() => filesOfCommit(host, commit));
  return {
    workers: given.workers,
    commands: [given.preflight, given.release, ...Object.values(given.workers)].filter(
      (line) => line !== undefined,
    ),
    settings,
    names,
    files: () => files(""),
    // Lock files can have several megabytes.
    read: remembered((name) => fileOfCommit(host, commit, name, 16 * 1024 * 1024) ?? ""),
    has: (tool) => findTool(host, tool) !== undefined,
    probe: (...argv) => host.capture(argv).status === 0,
    ask: (...argv) => askProgram(host, argv).stdout.trim(),
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
export function liveSource(
  host: Host,
  app: App,
): { source: Source; settings: Settings } | undefined {
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

/** The Procfile of a commit that is live; empty where the original took lines that piku does not. */
function readableProcfile(host: Host, commit: Commit): Procfile {
  try {
    return parseProcfile(fileOfCommit(host, commit, "Procfile") ?? "");
  } catch {
    return { workers: {}, warnings: [] };
  }
}

export function readProcfile(host: Host, commit: Commit, names: readonly string[]): Procfile {
  const content = fileOfCommit(host, commit, "Procfile");
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
    return fileOfCommit(host, commit, path);
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
