import type { App } from "./app.ts";
import type { Host } from "./host/host.ts";
import { filesOf, type Worker } from "./uwsgi.ts";

// What an old process writes while a new one starts would bury why the new one fails. A process goes on writing into the file
// that it has opened, whatever that is called by then.
const setAside = /^(.+\.log)\.before-(\d+)$/;

/** The log from before a worker's release, as `setLogAside` calls it. */
const logBefore = (log: string, release: number) => `${log}.before-${release}`;

/** Gives a worker that is about to start a log of its own. */
export function setLogAside(host: Host, app: App, worker: Worker): void {
  const { log } = filesOf(app, worker);
  if (host.stat(log)?.size) host.rename(log, logBefore(log, worker.release));
}

/** Puts the logs from before a release that did not go live back, with what that release said at their ends. */
export function restoreLogs(host: Host, app: App, release: number): void {
  for (const name of host.list(app.logs)) {
    const [, log, number] = setAside.exec(name) ?? [];
    if (log === undefined || Number(number) !== release) continue;
    const said = host.read(`${app.logs}/${log}`);
    if (said) host.append(`${app.logs}/${name}`, said);
    host.rename(`${app.logs}/${name}`, `${app.logs}/${log}`);
  }
}

/** Removes logs from before releases that are not the live one. */
export function forgetLogs(host: Host, app: App, live: number): void {
  for (const name of host.list(app.logs)) {
    const number = setAside.exec(name)?.[2];
    if (number !== undefined && Number(number) !== live) host.remove(`${app.logs}/${name}`);
  }
}
