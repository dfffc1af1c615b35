import { type App, readOfAny } from "../app/app.ts";
import type { Paths } from "../app/paths.ts";
import { isStopped, readableLive } from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { commandLines, pidIn, titleOf } from "../host/processes.ts";
import { serviceCommand } from "../host/services.ts";
import { PikuError } from "../text/errors.ts";
import { parseVassal, type Vassal } from "./worker.ts";

/** Where the emperor writes its process id and its log. */
export const emperorPidfile = (paths: Paths) => `${paths.uwsgi}/emperor.pid`;
export const emperorLog = (paths: Paths) => `${paths.uwsgi}/uwsgi.log`;

/** The emperor's process, or all that may be it: the original's writes no pidfile. */
export function emperors(host: Host, paths: Paths): number[] {
  const noted = pidIn(host, emperorPidfile(paths));
  if (noted && titleOf(host, noted).includes("uwsgi")) return [noted];
  const names = [`${paths.uwsgi}/uwsgi.ini`, paths.enabled, "/piku.ini"];
  const fits = (title: string) =>
    title.includes("uwsgi") && names.some((name) => title.includes(name));
  return commandLines(host, fits).map(({ pid }) => pid);
}

/** Throws when there is no emperor to start workers. */
export function requireEmperor(host: Host, paths: Paths): void {
  if (emperors(host, paths).length > 0) return;
  if (host.capture(["uwsgi", "--version"]).status === 127) {
    throw new PikuError(
      "uWSGI is not installed on the server",
      "on the server: sudo apt install uwsgi-core uwsgi-plugin-python3",
    );
  }
  throw new PikuError(
    "uWSGI's emperor is not running on the server",
    `on the server: sudo ${serviceCommand(host, "start", "uwsgi-piku")} (or: uwsgi --ini ${paths.uwsgi}/uwsgi.ini)`,
  );
}

/** Makes the emperor scan its folder now: SIGWINCH, which other programs ignore. */
export const wakeEmperor = (host: Host, paths: Paths) => {
  for (const pid of emperors(host, paths)) host.signal(pid, "WINCH");
};

const wakesAgainAfter = 200;

/**
 * What to do while waiting for the emperor: a signal that arrives between its scan and its sleep is
 * lost, so it is sent again every 200 ms.
 */
export function wakingEmperor(host: Host, paths: Paths): (passed: number) => void {
  let woken = 0;
  return (passed) => {
    if (passed - woken < wakesAgainAfter) return;
    woken = passed;
    wakeEmperor(host, paths);
  };
}

// A name with one underscore is unambiguous, and reading hundreds of files would take long.
const isClear = (file: string) => file.indexOf("_") === file.lastIndexOf("_");

/** The vassals of one app, or of all apps. */
export const listVassals = (host: Host, paths: Paths, app?: string): Vassal[] =>
  host
    .list(paths.enabled)
    .filter((file) => file.endsWith(".ini") && (app === undefined || file.startsWith(`${app}_`)))
    .flatMap(
      (file) =>
        parseVassal(file, isClear(file) ? "" : readOfAny(host, `${paths.enabled}/${file}`)) ?? [],
    )
    .filter((vassal) => app === undefined || vassal.app === app);

/** The same by apps, for a call for many of them. */
export const vassalsByApp = (host: Host, paths: Paths): ReadonlyMap<string, Vassal[]> =>
  Map.groupBy(listVassals(host, paths), ({ app }) => app);

/** Names of the apps that have workers. */
export const appsWithWorkers = (host: Host, paths: Paths): Set<string> =>
  new Set(listVassals(host, paths).map(({ app }) => app));

/**
 * Whether an app is up: it has workers, or a site without any that is not stopped. `working`: those
 * that have, for a call for many apps.
 */
export const isUp = (host: Host, app: App, working?: ReadonlySet<string>) =>
  (working ? working.has(app.name) : listVassals(host, app.paths, app.name).length > 0) ||
  (host.stat(app.site) !== undefined &&
    !isStopped(host, app) &&
    readableLive(host, app)?.vassals.length === 0);
