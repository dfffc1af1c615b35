import { listApps } from "../app/app.ts";
import type { Paths } from "../app/paths.ts";
import type { Host } from "../host/host.ts";
import { shellQuote } from "../text/text.ts";
import { emperorLog, wakeEmperor } from "./emperor.ts";
import { renderVassal } from "./ini.ts";

/**
 * What is done once a day: the vassal that says when, what it runs, and when it ran last. No app's
 * name begins like the vassal's, so that the original, which takes what begins with an app's name
 * for the app's, leaves it alone.
 */
export const dailyFiles = (paths: Paths) => ({
  vassal: `${paths.enabled}/~daily.ini`,
  launcher: `${paths.uwsgi}/daily.sh`,
  done: `${paths.uwsgi}/daily.done`,
  log: `${paths.uwsgi}/daily.log`,
});

/**
 * The minute of each hour at which a board looks whether it is time: not all of them at once, for
 * the sake of those whom they ask.
 */
export const dailyMinute = (seed: string) =>
  [...seed].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 6007, 7) % 60;

const almostDay = 23 * 3_600_000;

/**
 * Whether it is time: a board that is switched off at night has no fixed hour. A clock that was set
 * back makes it time, too.
 */
export function isTime(host: Host, paths: Paths): boolean {
  const passed = host.now() - Number(host.read(dailyFiles(paths).done) || Number.NaN);
  return !(passed >= 0 && passed < almostDay);
}

const longestLog = 1_048_576;

/**
 * Puts the emperor's log aside once it has more than 1 MB. The emperor goes on writing into the
 * same file (open(2): O_APPEND).
 */
export function boundEmperorLog(host: Host, paths: Paths): void {
  const log = emperorLog(paths);
  if ((host.stat(log)?.size ?? 0) <= longestLog) return;
  host.capture(["sh", "-c", 'cp -f "$1" "$2"; : >"$1"', "sh", log, `${paths.uwsgi}/uwsgi.old.log`]);
}

/** The text of the vassal. `seed` is what the minute comes from. */
export function renderDaily(paths: Paths, seed: string): string {
  const { launcher, log } = dailyFiles(paths);
  return renderVassal([
    ["chdir", paths.uwsgi],
    ["master", "true"],
    ["processes", 0],
    ["procname-prefix", "piku:daily:"],
    ["log-maxsize", 262_144],
    ["logto2", log],
    ["log-backupname", `${log}.old`],
    ["cron", `${dailyMinute(seed)} -1 -1 -1 -1 exec sh ${launcher}`],
  ]);
}

/** The text of what it runs. */
export const renderDailyLauncher = (paths: Paths, self: string) =>
  [
    "# Written by piku; changes are lost.",
    "unset UWSGI_EMPEROR_FD UWSGI_RELOADS UWSGI_ORIGINAL_PROC_NAME BUN_OPTIONS BUN_BE_BUN",
    `export HOME=${shellQuote(paths.home)} PIKU_ROOT=${shellQuote(paths.root)}`,
    `exec ${shellQuote(self)} daily --if-time`,
    "",
  ].join("\n");

/**
 * Sees to it that the timer is there, as it has to be. A board without any app has none. The
 * emperor is told of a new one: what it finds by itself while it is being stopped is stopped by
 * nobody, and holds the stop up for half a minute (uWSGI 2.0.21: tried).
 */
export function ensureDaily(host: Host, paths: Paths): void {
  if (listApps(host, paths).length === 0) return;
  const { vassal, launcher } = dailyFiles(paths);
  // Boards are made from one image, so their paths do not tell them apart.
  const seed = host.read("/etc/machine-id") ?? paths.root;
  const files: [string, string][] = [
    [launcher, renderDailyLauncher(paths, host.self)],
    [vassal, renderDaily(paths, seed)],
  ];
  const changed = files.filter(([path, content]) => host.read(path) !== content);
  for (const [path, content] of changed) host.write(path, content, 0o600);
  if (changed.length > 0) wakeEmperor(host, paths);
}
