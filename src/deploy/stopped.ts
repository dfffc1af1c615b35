import type { App } from "../app/app.ts";
import { stoppedFile, syncApp } from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { settlePage } from "../site/maintenance.ts";
import { listVassals } from "../workers/emperor.ts";
import { stopVassals } from "../workers/stop.ts";

/** Removes the mark and the page of a stopped app, whose release is live again. */
export function markStarted(host: Host, app: App): void {
  if (host.stat(stoppedFile(app))) {
    host.remove(stoppedFile(app));
    syncApp(host, app);
  }
  settlePage(host, app, false);
}

/**
 * The site is closed before the workers end: whatever takes their port next must not answer for the
 * app.
 */
export function finishStop(host: Host, app: App, grace: number): void {
  settlePage(host, app, true);
  stopVassals(host, app, listVassals(host, app.paths, app.name), grace);
}
