import type { App } from "../app/app.ts";
import { siteKinds } from "../app/procfile.ts";
import type { Release } from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { listVassals } from "../workers/emperor.ts";
import { awaitHealthy } from "../workers/health.ts";
import { isInPlace, isUnchanged, startWorkers, writeWorker } from "../workers/start.ts";
import { drain, staleVassals, stopVassals } from "../workers/stop.ts";
import {
  followedBy,
  graceOf,
  type Vassal,
  vassalName,
  type Worker,
  wholeNumber,
} from "../workers/worker.ts";
import type { Plan } from "./plan.ts";
import type { Recorder } from "./transcript.ts";

/**
 * Starts the new processes and waits until they are healthy: beside those that they follow, or in
 * their place.
 */
export function startGeneration(
  { host, show }: Recorder,
  plan: Plan,
  release: Release,
  fresh: readonly Worker[],
): void {
  const { app } = plan;
  const grace = graceOf(plan.settings);
  const start = (workers: readonly Worker[]) => {
    if (workers.length > 0)
      awaitHealthy(host, app, startWorkers(host, app, workers, grace), patienceOf(plan), show);
  };
  for (const worker of fresh) writeWorker(host, app, worker);
  // A terminal that is closed now would leave an app without its workers until the next command.
  host.persist();
  // What the deploy before has replaced may still be leaving, on the very ports that are needed
  // now.
  const leaving = staleVassals(host, app);
  if (leaving.length > 0) drain(host, app, leaving, grace);
  stopVassals(host, app, leaving, grace);
  start(fresh.filter(plan.overlaps));
  const instead = fresh.filter((worker) => !plan.overlaps(worker));
  stopVassals(host, app, rivals(host, app, release, instead), grace);
  start(instead);
}

/** Milliseconds that a process has to become healthy. */
const patienceOf = ({ settings }: Plan) => 1000 * wholeNumber(settings, "PIKU_HEALTHCHECK_TIMEOUT");
/**
 * An unchanged cron worker of the live release goes on under its old name, and with
 * PIKU_AUTO_RESTART=false every worker that runs where it is looked for: none, or one pair of
 * worker and file.
 */
export function keptVassal(
  host: Host,
  { app, keeps }: Plan,
  live: Release | undefined,
  worker: Worker,
): [Worker, string][] {
  const earlier = followedBy(live, worker);
  if (earlier === undefined) return [];
  const same = { ...worker, release: earlier };
  const goesOn = keeps(worker.kind)
    ? isInPlace(host, app, same)
    : worker.cron !== undefined && isUnchanged(host, app, same);
  return goesOn ? [[worker, vassalName(app.name, same)]] : [];
}
/** The folders of dependencies that these vassals of the live release were started with. */
export const heldBy = (
  live: Release | undefined,
  files: readonly string[],
): Record<string, string> =>
  Object.fromEntries(
    files.flatMap((file) => {
      const key = live?.held?.[file] ?? live?.environment;
      return key === undefined ? [] : [[file, key]];
    }),
  );
/**
 * Vassals that must have ended before those start which cannot run beside them: of the same kind,
 * or on the same port.
 */
function rivals(host: Host, app: App, release: Release, instead: readonly Worker[]): Vassal[] {
  const kinds = new Set(instead.map(({ kind }) => kind));
  const takesPort = instead.some(({ listen }) => listen && "port" in listen);
  return listVassals(host, app.paths, app.name).filter(
    ({ file, kind }) =>
      !release.vassals.includes(file) &&
      (kinds.has(kind) || (takesPort && siteKinds.includes(kind))),
  );
}
