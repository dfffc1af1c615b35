import type { App } from "../app/app.ts";
import { stoppedFile } from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { recover } from "./recover.ts";
import { finishStop } from "./stopped.ts";

const stopTimeout = 30_000;

/** Stops an app's workers; its site shows a page that says so. The caller holds the app's lock. */
export function stop(host: Host, app: App): void {
  recover(host, app);
  host.mkdir(app.releases, 0o700);
  host.write(stoppedFile(app), "");
  finishStop(host, app, stopTimeout);
}
