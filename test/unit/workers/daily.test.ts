import { expect, test } from "bun:test";
import { pathsOf } from "../../../src/app/paths.ts";
import { dispatch } from "../../../src/commands/index.ts";
import {
  dailyFiles,
  dailyMinute,
  ensureDaily,
  isTime,
  renderDaily,
} from "../../../src/workers/daily.ts";
import { parseVassal } from "../../../src/workers/worker.ts";
import { memoryHost } from "../../host/memory.ts";

const hostWith = (files: Record<string, string>) =>
  memoryHost({ env: { HOME: "/home/piku", PIKU_ROOT: "/p" }, files });
const paths = pathsOf(hostWith({}));

test("the daily timer's vassal", () => {
  expect(renderDaily(paths, "a board", false)).toBe(`[uwsgi]
; Written by piku; changes are lost.
chdir = /p/uwsgi
master = true
processes = 0
procname-prefix = piku:daily:
log-maxsize = 262144
logto2 = /p/uwsgi/daily.log
log-backupname = /p/uwsgi/daily.log.old
cron = ${dailyMinute("a board")} -1 -1 -1 -1 exec sh /p/uwsgi/daily.sh
set-placeholder = pikunil=
set-placeholder = pikulp=(
`);
});

test("boards have their turn at different minutes", () => {
  const minutes = Array.from({ length: 200 }, (_, i) => dailyMinute(`machine ${i}`));
  expect(minutes.every((minute) => minute >= 0 && minute < 60)).toBe(true);
  expect(new Set(minutes).size).toBeGreaterThan(40);
});

test.each([
  ["never", undefined, true],
  ["an hour ago", 1, false],
  ["22 hours ago", 22, false],
  ["23 hours ago", 23, true],
  ["in the future, by a clock that was wrong", -5, true],
])("done last %s", (_, hours, expected) => {
  const host = hostWith({ "/p/uwsgi/x": "" });
  if (hours !== undefined)
    host.write(dailyFiles(paths).done, String(host.now() - hours * 3_600_000));
  expect(isTime(host, paths)).toBe(expected);
});

test("the timer is no app's worker", () => {
  const { vassal } = dailyFiles(paths);
  expect(parseVassal(vassal.split("/").at(-1)!, renderDaily(paths, "", true))).toBeUndefined();
});

test("ensureDaily: with the first app, and nothing is written twice", () => {
  const host = hostWith({ "/p/nginx/x": "" });
  ensureDaily(host, paths, undefined);
  expect(host.stat(dailyFiles(paths).vassal)).toBeUndefined();
  for (const folder of ["/p/apps/blog", "/p/uwsgi", "/p/uwsgi-enabled"]) host.mkdir(folder);
  ensureDaily(host, paths, undefined);
  const { vassal, launcher } = dailyFiles(paths);
  expect(host.read(launcher)).toBe(`# Written by piku; changes are lost.
unset UWSGI_EMPEROR_FD UWSGI_RELOADS UWSGI_ORIGINAL_PROC_NAME BUN_OPTIONS BUN_BE_BUN
export HOME=/home/piku PIKU_ROOT=/p
exec ${host.self} daily --if-time
`);
  const before = host.stat(vassal)?.inode;
  ensureDaily(host, paths, undefined);
  expect(host.stat(vassal)?.inode).toBe(before);
});

test("daily: with an ENV of the machine that cannot be read it was done for that day", async () => {
  const host = hostWith({ "/p/ENV": "PIKU_HTTP_PORT=many\n", "/p/uwsgi/x": "" });
  const told = await dispatch(host, ["daily", "--if-time"]).catch(({ message }) => message);
  expect(told).toBe("/p/ENV: PIKU_HTTP_PORT: invalid port 'many'");
  expect(isTime(host, paths)).toBe(true);
});

test("names below .local are published where avahi runs", () => {
  const host = memoryHost();
  for (const folder of ["/p/apps/blog", "/p/uwsgi", "/p/uwsgi-enabled", "/run/avahi-daemon"])
    host.mkdir(folder);
  const { vassal, publisher } = dailyFiles(paths);
  ensureDaily(host, paths, "local");
  expect(host.read(vassal)).not.toContain("attach-daemon");
  host.write("/run/avahi-daemon/pid", "1\n");
  ensureDaily(host, paths, "school.lan");
  expect(host.read(vassal)).not.toContain("attach-daemon");
  ensureDaily(host, paths, "local");
  expect(host.read(vassal)).toContain(
    `attach-daemon = exec python3 -I -S ${publisher} ${paths.nginx}\n`,
  );
  expect(host.read(publisher)).toContain("CNAME");
});
