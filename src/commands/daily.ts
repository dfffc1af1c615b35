import { type App, appOf, listApps } from "../app/app.ts";
import { type BoardSettings, readBoardSettings } from "../app/board-settings.ts";
import { liveSettings } from "../app/live.ts";
import { withLock } from "../app/locks.ts";
import { pathsOf } from "../app/paths.ts";
import { dropStage } from "../board/backup/stage.ts";
import { keepCurrent } from "../board/newer.ts";
import { expireKept } from "../deploy/kept.ts";
import { minFree } from "../deploy/space.ts";
import type { Host } from "../host/host.ts";
import { tidyRepository } from "../repository/push.ts";
import { refreshRanges } from "../site/cloudflare.ts";
import { turnSiteLogs } from "../site/logs.ts";
import { renew } from "../site/renew.ts";
import { certifiedOf } from "../site/site.ts";
import { Ended, explain } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { boundEmperorLog, dailyFiles, isTime } from "../workers/daily.ts";
import { boundLogs } from "../workers/logs.ts";
import { command } from "./command.ts";

export const daily = command({
  name: "daily",
  group: "Internal",
  description: "Renew certificates, rotate logs, tidy up",
  examples: ["ssh piku@board daily"],
  args: {
    "if-time": { type: "boolean", description: "only when the last run was almost a day ago" },
  },
  run({ args, host }) {
    const paths = pathsOf(host);
    let failed = false;
    /** One failure must not keep the rest from being done. */
    const attempt = (what: string, action: () => void) => {
      try {
        action();
      } catch (error) {
        failed = true;
        const { message, hint } = explain(error);
        voiceOf(host).error(`${what}: ${message}${hint ? `. Hint: ${hint}` : ""}`);
      }
    };
    attempt("the emperor's log", () => boundEmperorLog(host, paths));
    attempt("leftovers of a backup", () => dropStage(host));
    attempt("destroyed apps", () => expireKept(host, paths, minFree.doctor));
    attempt("nginx's logs", () => turnSiteLogs(host, paths));
    if (!args["if-time"] || isTime(host, paths)) {
      const machine = readBoardSettings(host, paths.settings);
      host.write(dailyFiles(paths).done, String(host.now()));
      for (const app of listApps(host, paths).map((name) => appOf(paths, name))) {
        attempt(`app '${app.name}'`, () => renewSite(host, app, machine));
        attempt(`the repository of app '${app.name}'`, () => {
          if (host.stat(`${app.repo}/HEAD`)) tidyRepository(host, app);
        });
      }
      attempt("logs", () => boundLogs(host, paths));
      attempt("Cloudflare", () =>
        withLock(host, paths, "machine", undefined, "", () => refreshRanges(host, paths, machine)),
      );
      // Last: from here on it may be another piku.
      attempt("update", () =>
        withLock(host, paths, "update", undefined, "", () => keepCurrent(host, paths, machine)),
      );
    }
    if (failed) throw new Ended(1);
  },
});

/** Renews the certificate of an app that has a site of ours. */
function renewSite(host: Host, app: App, { ports, reload }: BoardSettings): void {
  withLock(host, app.paths, "deploy", app, "daily", () => {
    const settings = liveSettings(host, app);
    const site = certifiedOf(app, settings, ports);
    if (site.names.length > 0 && host.stat(app.site)) renew(host, { app, site, settings, reload });
  });
}
