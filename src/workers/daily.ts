import { listApps } from "../app/app.ts";
import type { Paths } from "../app/paths.ts";
import type { Host } from "../host/host.ts";
import { shellQuote } from "../text/text.ts";
import { emperorLog, wakeEmperor } from "./emperor.ts";
import { renderVassal } from "./ini.ts";
import publisherScript from "./mdns.py" with { type: "text" };

/**
 * The files of the daily job: its vassal, its script, and the time of its last run. No app's name
 * can begin like the vassal's: the original takes every file that begins with an app's name for the
 * app's.
 */
export const dailyFiles = (paths: Paths) => ({
  vassal: `${paths.enabled}/~daily.ini`,
  launcher: `${paths.uwsgi}/daily.sh`,
  done: `${paths.uwsgi}/daily.done`,
  log: `${paths.uwsgi}/daily.log`,
  /** Publishes the names of apps by mDNS. */
  publisher: `${paths.uwsgi}/mdns.py`,
});

/** Whether avahi, which answers for names below `.local`, runs on this board. */
export const hasAvahi = (host: Host): boolean => host.stat("/run/avahi-daemon/pid") !== undefined;

/**
 * The minute of each hour at which a board checks whether the daily job is due. It differs between
 * boards so that they do not contact servers all at once.
 */
export const dailyMinute = (seed: string) =>
  [...seed].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 6007, 7) % 60;

const almostDay = 23 * 3_600_000;

/**
 * Whether the daily job is due. There is no fixed hour, since boards are switched off at night; it
 * is due as well when the clock was set back.
 */
export function isTime(host: Host, paths: Paths): boolean {
  const passed = host.now() - Number(host.read(dailyFiles(paths).done) || Number.NaN);
  return !(passed >= 0 && passed < almostDay);
}

const maxEmperorLogBytes = 1_048_576;

/**
 * Rotates the emperor's log once it is larger than 1 MB. The emperor keeps writing to the same file
 * (open(2): O_APPEND).
 */
export function boundEmperorLog(host: Host, paths: Paths): void {
  const log = emperorLog(paths);
  if ((host.stat(log)?.size ?? 0) <= maxEmperorLogBytes) return;
  host.capture(["sh", "-c", 'cp -f "$1" "$2"; : >"$1"', "sh", log, `${paths.uwsgi}/uwsgi.old.log`]);
}

/**
 * The text of the vassal. `seed`: what the minute is derived from; `publishes`: whether it runs the
 * publisher of names beside the job, which so needs no process of uWSGI's.
 */
export function renderDaily(paths: Paths, seed: string, publishes: boolean): string {
  const { launcher, log, publisher } = dailyFiles(paths);
  return renderVassal([
    ["chdir", paths.uwsgi],
    ["master", "true"],
    ["processes", 0],
    ["procname-prefix", "piku:daily:"],
    ["log-maxsize", 262_144],
    ["logto2", log],
    ["log-backupname", `${log}.old`],
    ["cron", `${dailyMinute(seed)} -1 -1 -1 -1 exec sh ${launcher}`],
    // Without the modules that Python loads for every program it takes half of the memory.
    ...(publishes
      ? [["attach-daemon", `exec python3 -I -S ${publisher} ${paths.nginx}`] as const]
      : []),
  ]);
}

/** The text of its script. */
const renderDailyLauncher = (paths: Paths, self: string) =>
  [
    "# Written by piku; changes are lost.",
    "unset UWSGI_EMPEROR_FD UWSGI_RELOADS UWSGI_ORIGINAL_PROC_NAME BUN_OPTIONS BUN_BE_BUN",
    `export HOME=${shellQuote(paths.home)} PIKU_ROOT=${shellQuote(paths.root)}`,
    `exec ${shellQuote(self)} daily --if-time`,
    "",
  ].join("\n");

/**
 * Installs or updates the daily job. A board without apps has none. The emperor is notified: a
 * vassal that it discovers by itself while it is shutting down is not stopped, and delays the
 * shutdown by half a minute (uWSGI 2.0.21: tried). `domain`: PIKU_DOMAIN; with `local` the names of
 * apps are published where avahi runs.
 */
export function ensureDaily(host: Host, paths: Paths, domain: string | undefined): void {
  if (listApps(host, paths).length === 0) return;
  const { vassal, launcher, publisher } = dailyFiles(paths);
  const publishes = domain === "local" && hasAvahi(host);
  // Boards are cloned from one image, so their paths are all the same.
  const seed = host.read("/etc/machine-id") ?? paths.root;
  const files: [string, string][] = [
    [launcher, renderDailyLauncher(paths, host.self)],
    ...(publishes ? [[publisher, publisherScript] as [string, string]] : []),
    [vassal, renderDaily(paths, seed, publishes)],
  ];
  const changed = files.filter(([path, content]) => host.read(path) !== content);
  for (const [path, content] of changed) host.write(path, content, 0o600);
  if (changed.length > 0) wakeEmperor(host, paths);
}
