import { type App, appOf } from "../app/app.ts";
import { readBoardSettings } from "../app/board-settings.ts";
import { withLock } from "../app/locks.ts";
import type { Paths } from "../app/paths.ts";
import type { Host } from "../host/host.ts";
import type { Line } from "../workers/log-lines.ts";
import type { Log } from "../workers/logs.ts";
import { months } from "./certificate.ts";
import { reopenLogs } from "./change.ts";
import { webFiles } from "./main-file.ts";
import { nginxLogs } from "./nginx.ts";
import { siteLogFolder } from "./site.ts";

/**
 * The time of a line in milliseconds since 1970: `[25/Nov/2026:09:16:30 +0000]`, or `2026/11/25
 * 09:16:30` in local time.
 */
export function nginxTime(line: string): number | undefined {
  const access = /\[(\d\d)\/(\w{3})\/(\d{4}):(\d\d:\d\d:\d\d) ([+-]\d\d)(\d\d)\]/.exec(line);
  if (access) {
    const [, day, month, year, time, hours, minutes] = access;
    const number = String(months.indexOf(month!) + 1).padStart(2, "0");
    return Date.parse(`${year}-${number}-${day}T${time}${hours}:${minutes}`);
  }
  const error = /^(\d{4})\/(\d\d)\/(\d\d) (\d\d):(\d\d):(\d\d) /.exec(line)?.slice(1).map(Number);
  return error && new Date(error[0]!, error[1]! - 1, ...error.slice(2)).getTime();
}

/** The lines of an nginx log. `before`: the time of a line that has none. */
function readNginx(raw: readonly string[], before: number): Line[] {
  let time = before;
  return raw.map((text) => {
    time = nginxTime(text) ?? time;
    return { time, text };
  });
}

/** The nginx logs of an app's site. */
export const siteLogs = (host: Host, app: App): Log[] =>
  [app.logs, siteLogFolder(app)]
    .flatMap((folder) =>
      nginxLogs.map((name) => ({
        label: `nginx.${name}`,
        file: `${folder}/nginx.${name}.log`,
        read: readNginx,
      })),
    )
    .filter(({ file }) => host.stat(file)?.type === "file")
    .map((log) => ({ ...log, former: host.stat(`${log.file}.old`) ? [`${log.file}.old`] : [] }));

const maxNginxLogBytes = 1024 * 1024;

/** Rotates nginx logs that have become large. */
export function turnSiteLogs(host: Host, paths: Paths): void {
  const { errors, accesses } = webFiles(paths);
  const files = new Set([
    errors,
    accesses,
    ...host
      .list(paths.logs)
      .flatMap((name) => siteLogs(host, appOf(paths, name)).map(({ file }) => file)),
  ]);
  const large = [...files].filter((file) => (host.stat(file)?.size ?? 0) > maxNginxLogBytes);
  if (large.length === 0) return;
  const { reload } = readBoardSettings(host, paths.settings);
  withLock(host, paths, "machine", undefined, "", () =>
    reopenLogs(host, paths, reload, {
      make: () => {
        for (const file of large) host.rename(file, `${file}.old`);
      },
      // nginx still writes to them: they get back the names under which they are found and rotated
      // next time.
      undo: () => {
        for (const file of large) if (!host.stat(file)) host.rename(`${file}.old`, file);
      },
    }),
  );
}
