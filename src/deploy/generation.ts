import type { App } from "../app/app.ts";
import { callerOf } from "../app/caller.ts";
import { siteKinds } from "../app/procfile.ts";
import type { Release } from "../app/releases.ts";
import { setting } from "../app/settings.ts";
import type { Host } from "../host/host.ts";
import { subjectOf } from "../repository/commit.ts";
import { listVassals } from "../workers/emperor.ts";
import { type Explain, waitUntilHealthy } from "../workers/health.ts";
import { isInPlace, isUnchanged, startWorkers, writeWorker } from "../workers/start.ts";
import { drain, staleVassals, stopVassals } from "../workers/stop.ts";
import {
  graceOf,
  predecessorRelease,
  type Vassal,
  vassalName,
  type Worker,
} from "../workers/worker.ts";
import { explainFailure } from "./explain.ts";
import { refuseMissingFolder } from "./missing-folder.ts";
import type { Plan, PlannedWorker } from "./plan.ts";
import type { Recorder } from "./transcript.ts";

/** The processes of a new release: which are started, which continue, and the release's record. */
export interface Generation {
  fresh: PlannedWorker[];
  /** Those of the previous release that continue to run. */
  kept: PlannedWorker[];
  release: Release;
}

/** Decides which workers are started and which continue, and what the release's record says. */
export function planGeneration(
  host: Host,
  plan: Plan,
  live: Release | undefined,
  number: number,
): Generation {
  const { app, cause, target } = plan;
  const carried = new Map(
    plan.workers.flatMap((worker) => {
      const file = carriedOver(host, app, live, worker);
      return file === undefined ? [] : [[worker, file] as const];
    }),
  );
  return {
    fresh: plan.workers.filter((worker) => !carried.has(worker)),
    kept: [...carried.keys()],
    release: {
      number,
      cause,
      commit: target.commit.id,
      branch: target.branch,
      subject: subjectOf(host, target.commit),
      who: callerOf(host),
      changed: target.changed ?? [],
      slot: plan.slot,
      environment: plan.environment?.key,
      workers: plan.procfile.workers,
      scaling: plan.scaling,
      vassals: plan.workers.map((worker) => carried.get(worker) ?? vassalName(app.name, worker)),
      held: carried.size > 0 ? heldBy(live, [...carried.values()]) : undefined,
      steps: [],
    },
  };
}

/**
 * The vassal of the live release that continues in a worker's place: that of an unchanged cron
 * worker, or of a worker that is kept and listens at the expected address.
 */
function carriedOver(
  host: Host,
  app: App,
  live: Release | undefined,
  worker: PlannedWorker,
): string | undefined {
  const earlier = predecessorRelease(live, worker);
  if (earlier === undefined) return undefined;
  const same = { ...worker, release: earlier };
  const goesOn = worker.keeps
    ? isInPlace(host, app, same)
    : worker.cron !== undefined && isUnchanged(host, app, same);
  return goesOn ? vassalName(app.name, same) : undefined;
}

/** The dependency folders that these vassals of the live release were started with. */
const heldBy = (live: Release | undefined, files: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    files.flatMap((file) => {
      const key = live?.held?.[file] ?? live?.environment;
      return key === undefined ? [] : [[file, key]];
    }),
  );
/**
 * Starts the new processes and waits until they are healthy: beside those they replace where that
 * is possible, otherwise after stopping them.
 */
export function startGeneration(
  { host, show }: Recorder,
  plan: Plan,
  { fresh, release }: Generation,
): void {
  const { app, settings, site, procfile } = plan;
  refuseMissingFolder(host, app, procfile.workers, site?.statics ?? []);
  const explain: Explain = ({ kind, ordinal, command }, log, advice) => {
    const failed = { name: `${kind}.${ordinal}`, kind, command, tree: app.tree, advice };
    return explainFailure(host, plan, failed, log);
  };
  const grace = graceOf(settings);
  const timeout = 1000 * setting(settings, "PIKU_HEALTHCHECK_TIMEOUT");
  const start = (workers: readonly Worker[]) => {
    if (workers.length > 0)
      waitUntilHealthy(host, app, startWorkers(host, app, workers, grace), timeout, show, explain);
  };
  for (const worker of fresh) writeWorker(host, app, worker);
  // If the terminal were closed now, the app would have no workers until the next command.
  host.ignoreHangup();
  // Processes that the previous deploy replaced may still hold the ports that are needed now.
  const leaving = staleVassals(host, app);
  if (leaving.length > 0) drain(host, app, leaving, grace);
  stopVassals(host, app, leaving, grace);
  start(fresh.filter(({ overlaps }) => overlaps));
  const instead = fresh.filter(({ overlaps }) => !overlaps);
  stopVassals(host, app, mustStopFirst(host, app, release, instead), grace);
  start(instead);
}

/** Vassals that must end before workers of the same kind, or on the same port, can start. */
function mustStopFirst(
  host: Host,
  app: App,
  release: Release,
  instead: readonly Worker[],
): Vassal[] {
  const kinds = new Set(instead.map(({ kind }) => kind));
  const takesPort = instead.some(({ listen }) => listen && "port" in listen);
  return listVassals(host, app.paths, app.name).filter(
    ({ file, kind }) =>
      !release.vassals.includes(file) &&
      (kinds.has(kind) || (takesPort && siteKinds.includes(kind))),
  );
}
