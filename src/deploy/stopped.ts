import type { App } from "../app/app.ts";
import { stoppedFile } from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { settlePage } from "../site/maintenance.ts";
import { listVassals } from "../workers/emperor.ts";
import { stopVassals } from "../workers/stop.ts";

/**
 * Says that an app runs again, and takes the page of a stopped one away. For a release that is
 * live.
 */
export function markStarted(host: Host, app: App): void {
  host.remove(stoppedFile(app));
  settlePage(host, app, false);
}

/**
 * Nobody is asked any more before anybody is ended: whoever has the port next is not to answer for
 * the app.
 */
export function finishStop(host: Host, app: App, grace: number): void {
  settlePage(host, app, true);
  stopVassals(host, app, listVassals(host, app.paths, app.name), grace);
}
