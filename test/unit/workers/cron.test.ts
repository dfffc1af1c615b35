// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are the shell's.
import { expect, test } from "bun:test";
import * as fs from "node:fs";
import { join } from "node:path";
import { Cron as Reference } from "croner";
import { nextRun, parseCron } from "../../../src/app/cron.ts";
import { cronTimes } from "../../../src/workers/cron.ts";
import { renderLauncher } from "../../../src/workers/launcher.ts";
import { appBelow, launch, path, realApp, temporaryFolder, workerOf } from "./example.ts";

const app = appBelow("/p");
const folder = temporaryFolder();

test.each([
  ["* * * * * a", ["-1 -1 -1 -1 -1"]],
  ["*/5 */2 * * * a", ["-5 -2 -1 -1 -1"]],
  ["0-55/5 * * * * a", ["-5 -1 -1 -1 -1"]],
  ["*/7 * * * * a", ["-7 -1 -1 -1 -1"]],
  ["*/45 * * * * a", ["-45 -1 -1 -1 -1"]],
  ["1-59/20 * * * * a", ["1 -1 -1 -1 -1", "21 -1 -1 -1 -1", "41 -1 -1 -1 -1"]],
  ["0 * * * * a", ["0 -1 -1 -1 -1"]],
  ["0 0 1 1 * a", ["0 0 1 1 -1"]],
  ["0 0 */15 * * a", ["0 0 1 -1 -1", "0 0 16 -1 -1", "0 0 31 -1 -1"]],
  ["0 6 * * 7 a", ["0 6 -1 -1 0"]],
  ["0 0 13 * 5 a", ["0 0 13 -1 5"]],
  ["0 0 1,15 * 5 a", ["0 0 -1 -1 -1"]],
  ["0 0 1 jan,jul * a", ["0 0 1 1 -1", "0 0 1 7 -1"]],
])("cronTimes: %s", (line, times) => {
  expect(cronTimes(parseCron(line, ""))).toEqual(times);
});

const day = 86_400_000;
const start = Date.UTC(2023, 11, 20);
const dates = Array.from({ length: 75 }, (_, i) => new Date(start + i * day));

/**
 * Whether uWSGI runs a job on a day (its core/master_utils.c: -n is every n-th; the two days count
 * either way when both are numbers).
 */
function uwsgiRunsOn(time: string, date: Date): boolean {
  const [, , mday, month, wday] = time.split(" ").map(Number);
  const fits = (wanted: number, value: number) =>
    wanted < 0 ? value % -wanted === 0 : value === wanted;
  const [fitsDay, fitsWeek] = [fits(mday!, date.getUTCDate()), fits(wday!, date.getUTCDay())];
  return (
    fits(month!, date.getUTCMonth() + 1) &&
    (mday! >= 0 && wday! >= 0 ? fitsDay || fitsWeek : fitsDay && fitsWeek)
  );
}

// A `date` in front of the real one, so that a launcher believes what day it is.
const fakeBin = join(folder, "bin");
fs.mkdirSync(fakeBin);
fs.writeFileSync(
  join(fakeBin, "date"),
  `#!/bin/sh\nexec ${Bun.which("date")} -u -d "$TODAY" "$@"\n`,
  { mode: 0o755 },
);

/**
 * The days on which a cron worker's command runs: uWSGI's part by its rule, the launcher's by
 * running it.
 */
function daysOf(line: string): string[] {
  const cron = parseCron(`${line} echo ran`, "");
  const times = cronTimes(cron);
  const worker = workerOf({ kind: "cron", cron });
  const real = realApp(folder, "cron");
  return dates
    .filter((date) => times.some((time) => uwsgiRunsOn(time, date)))
    .map((date) => date.toISOString().slice(0, 10))
    .filter(
      (today) =>
        launch(real, worker, { PATH: `${fakeBin}:${path}`, TODAY: today }).stdout === "ran\n",
    );
}

test.each([
  "0 0 * * *",
  "0 0 13 * 5",
  "0 0 1,15 * 1",
  "0 0 1 * 0,3",
  "0 0 8-9 * 6,7",
  "0 0 31 1 1-5",
  "0 0 1-31/10 2 *",
  "0 0 * 2 mon-wed",
  "0 0 1-31 * 1",
  "0 0 29 2 0-6",
])("a cron job runs on the days of %s, as croner says", (line) => {
  const cron = new Reference(line, { timezone: "UTC", paused: true });
  expect(daysOf(line)).toEqual(
    dates.filter((date) => cron.match(date)).map((date) => date.toISOString().slice(0, 10)),
  );
});

// crontab(5), and the original: a field that begins with `*` does not name days, so both must fit.
test.each([
  ["0 0 */10 * 1", ["2024-01-01"]],
  ["0 0 1-9 * */6", ["2024-01-06", "2024-01-07"]],
])("a cron job runs on the days that fit both: %s", (line, expected) => {
  expect(daysOf(line).filter((date) => date.startsWith("2024-01"))).toEqual(expected);
});

test("a cron job's launcher", () => {
  const worker = workerOf({
    kind: "cron",
    command: "0 0 1,15 * 1 a; b",
    cron: parseCron("0 0 1,15 * 1 a; b", ""),
    settings: { A: "1" },
  });
  expect(renderLauncher(app, worker)).toBe(`# Written by piku; changes are lost.
unset UWSGI_EMPEROR_FD UWSGI_RELOADS UWSGI_ORIGINAL_PROC_NAME
set -- $(date '+%-H %-d %-m %w')
{ { case ,1,15, in *,$2,*) ;; *) false ;; esac; } || case ,1, in *,$4,*) ;; *) false ;; esac; } || exit 0
: >/p/releases/blog/run-7/cron.1.began
trap 'echo $? >/p/releases/blog/run-7/cron.1.ended' EXIT
cd /p/apps/blog || exit 1
export A='1'
export PIKU_PROCESS='/p/releases/blog/run-7/cron.1'
a; b
`);
});

// From Thursday 26 November 2026, 10:30:20, by the clock of this machine.
test.each<[string, string | undefined]>([
  ["* * * * * a", "2026-11-26 10:31"],
  ["*/15 * * * * a", "2026-11-26 10:45"],
  ["30 10 * * * a", "2026-11-27 10:30"],
  ["0 4 * * * a", "2026-11-27 04:00"],
  ["@hourly a", "2026-11-26 11:00"],
  ["0 12 * * sun a", "2026-11-29 12:00"],
  ["0 0 1 1 * a", "2027-01-01 00:00"],
  ["0 0 13 * fri a", "2026-11-27 00:00"],
  ["59 23 31 12 * a", "2026-12-31 23:59"],
  ["0 0 29 2 * a", "2028-02-29 00:00"],
  ["0 0 31 2 * a", undefined],
])("the next run of %s", (line, expected) => {
  const now = new Date(2026, 10, 26, 10, 30, 20).getTime();
  const next = nextRun(parseCron(line, "Procfile"), now);
  expect(next).toBe(
    expected === undefined ? undefined : new Date(`${expected.replace(" ", "T")}:00`).getTime(),
  );
});
