import { listApps } from "./app.ts";
import type { Host } from "./host/host.ts";
import type { Paths } from "./paths.ts";
import { shellQuote } from "./text.ts";
import { renderVassal } from "./uwsgi.ts";

/** What is done once a day: the vassal that says when, and what it runs. Its name is none of an app's worker. */
export const dailyFiles = (paths: Paths) => ({
  vassal: `${paths.enabled}/piku-daily.ini`,
  launcher: `${paths.uwsgi}/daily.sh`,
  log: `${paths.uwsgi}/daily.log`,
});

/** The time of day at which a board has its turn: not all of them at once, for the sake of those whom they ask. */
export function dailyTime(seed: string): { hour: number; minute: number } {
  const hash = [...seed].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 1440, 7);
  return { hour: Math.floor(hash / 60), minute: hash % 60 };
}

/** The text of the vassal. `seed` is what the time comes from. */
export function renderDaily(paths: Paths, seed: string): string {
  const { launcher, log } = dailyFiles(paths);
  const { hour, minute } = dailyTime(seed);
  return renderVassal([
    ["chdir", paths.uwsgi],
    ["master", "true"],
    ["processes", 0],
    ["procname-prefix", "piku:daily:"],
    ["log-maxsize", 262_144],
    ["logto2", log],
    ["log-backupname", `${log}.old`],
    ["cron", `${minute} ${hour} -1 -1 -1 exec sh ${launcher}`],
  ]);
}

/** The text of what it runs. */
export const renderDailyLauncher = (paths: Paths, self: string) =>
  [
    "# Written by piku; changes are lost.",
    "unset UWSGI_EMPEROR_FD UWSGI_RELOADS UWSGI_ORIGINAL_PROC_NAME BUN_OPTIONS BUN_BE_BUN",
    `export HOME=${shellQuote(paths.home)} PIKU_ROOT=${shellQuote(paths.root)}`,
    `exec ${shellQuote(self)} daily`,
    "",
  ].join("\n");

/** Sees to it that the timer is there, as it has to be. A board without any app has none. */
export function ensureDaily(host: Host, paths: Paths): void {
  if (listApps(host, paths).length === 0) return;
  const { vassal, launcher } = dailyFiles(paths);
  // Boards are made from one image, so their paths do not tell them apart.
  const seed = host.read("/etc/machine-id") ?? paths.root;
  const files: [string, string][] = [
    [launcher, renderDailyLauncher(paths, host.self)],
    [vassal, renderDaily(paths, seed)],
  ];
  for (const [path, content] of files) if (host.read(path) !== content) host.write(path, content, 0o600);
}
