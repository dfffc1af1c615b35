import { type App, readOfAny } from "../app/app.ts";
import type { Paths } from "../app/paths.ts";
import { isStopped, readableLive } from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { commandLines, pidIn, titleOf } from "../host/processes.ts";
import { serviceCommand } from "../host/services.ts";
import { PikuError } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { onDemand } from "./idle.ts";
import { renderVassal } from "./ini.ts";
import { heldBeside, parseVassal, type Vassal } from "./worker.ts";

/** The emperor's own configuration: only what an emperor needs, since a board has little memory. */
export const renderEmperor = (paths: Paths) =>
  renderVassal([
    ["chdir", paths.uwsgi],
    ["emperor", paths.enabled],
    ["emperor-pidfile", emperorPidfile(paths)],
    // The emperor kills a vassal that takes longer than this to stop; a worker's own grace period
    // is shorter.
    ["emperor-curse-tolerance", 3600],
    ["emperor-graceful-shutdown", "true"],
    ["emperor-no-blacklist", "true"],
    // It holds the sockets of those that sleep (PIKU_IDLE), and its vassals know by the variable.
    ["emperor-on-demand-extension", heldBeside],
    ["env", `${onDemand}=true`],
    // What does not end within this time when the emperor does, it kills; and for one that sleeps it
    // would say kill(-1): everything that this user runs. systemd has a shorter time.
    ["reload-mercy", 999_999],
    // log-maxsize would need a master process of 3 MB; `piku daily` rotates the log instead.
    ["logto", emperorLog(paths)],
  ]);

/**
 * Writes the emperor's file. One with a second hard link is shared with another service, which
 * would no longer see what is written here.
 */
export function writeEmperor(host: Host, paths: Paths): void {
  const file = `${paths.uwsgi}/uwsgi.ini`;
  if (host.read(file) === renderEmperor(paths)) return;
  const isShared = Number(host.capture(["stat", "-c", "%h", file]).stdout) > 1;
  if (isShared)
    voiceOf(host).warn(
      `${file} is shared with another service (a hard link), and was left as it is.`,
    );
  else host.write(file, renderEmperor(paths));
}

/** Where the emperor writes its process id and its log. */
const emperorPidfile = (paths: Paths) => `${paths.uwsgi}/emperor.pid`;

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
