import type { App } from "../app/app.ts";
import { liveSettings } from "../app/live.ts";
import { isHeld, withLock } from "../app/locks.ts";
import {
  forgetRelease,
  liveRelease,
  numbersOf,
  outdated,
  type Release,
  readJournal,
  readRelease,
  releaseFiles,
} from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { holdCommit } from "../repository/push.ts";
import { linkEnvironment } from "../runtimes/dependencies.ts";
import { endStrays } from "../workers/detached.ts";
import { boundLogs, forgetLogs } from "../workers/logs.ts";
import { drain, staleVassals, stopVassals } from "../workers/stop.ts";
import { graceOf, runFolder } from "../workers/worker.ts";

/** Retires what is no longer live in a process of its own, so that the caller need not wait. */
export function retireLater(host: Host, app: App): void {
  const isBusy = staleVassals(host, app).length > 0;
  // Nor for the cleaning up: whoever holds the lock does that.
  if (!isBusy && isHeld(host, app.paths, "deploy", app)) return;
  if (!isBusy) retire(host, app);
  else host.detach([host.self, "retire", app.name]);
}

/**
 * Stops the workers that do not belong to the live release as soon as nobody is connected to them,
 * and removes their files.
 */
export function retire(host: Host, app: App): void {
  if (!liveRelease(host, app)) return;
  const grace = graceOf(liveSettings(host, app));
  const leaving = staleVassals(host, app);
  if (leaving.length > 0) drain(host, app, leaving, grace);
  // Much may have happened while their connections drained, so everything is examined again.
  withLock(host, app.paths, "deploy", app, "the former release to end", () => {
    const live = liveRelease(host, app);
    if (!live || readJournal(host, app)) return;
    const stale = staleVassals(host, app);
    if (stale.length > 0) stopVassals(host, app, stale, grace);
    else endStrays(host, app);
    cleanUp(host, app, live);
  });
}

/** Removes what is needed neither by the live release nor for a rollback to the previous one. */
function cleanUp(host: Host, app: App, live: Release): void {
  const numbers = numbersOf(host, app);
  const earlier = numbers.filter((number) => number < live.number);
  const used = new Set(live.vassals.map((file) => Number(/-(\d+)\.ini$/.exec(file)?.[1] ?? 0)));
  for (const number of earlier) {
    if (!used.has(number)) host.remove(runFolder(app, number));
    host.remove(releaseFiles(app, number).before);
  }
  const before = earlier.filter((number) => host.stat(releaseFiles(app, number).record)).at(-1);
  forgetLogs(host, app, live.number);
  boundLogs(host, app.paths);
  linkEnvironment(
    host,
    app,
    live,
    before === undefined ? undefined : readRelease(host, app, before),
  );
  for (const number of outdated(numbers, live.number)) {
    forgetRelease(host, app, number);
    host.remove(releaseFiles(app, number).transcript);
    holdCommit(host, app, number, undefined);
  }
}
