import type { App } from "../app/app.ts";
import { callerOf } from "../app/caller.ts";
import { siteKinds } from "../app/procfile.ts";
import type { Release } from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { subjectOf } from "../repository/commit.ts";
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
import type { Plan, PlannedWorker } from "./plan.ts";
import type { Recorder } from "./transcript.ts";

/** What runs once a release is live: the workers to be started, and its record. */
export interface Generation {
  fresh: PlannedWorker[];
  /** Those that go on as they are, from the release before. */
  kept: PlannedWorker[];
  release: Release;
}

/** Says which workers are started and which go on, and what the record of the release will be. */
export function planGeneration(
  host: Host,
  plan: Plan,
  live: Release | undefined,
  number: number,
): Generation {
  const { app, request } = plan;
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
      cause: request.cause,
      commit: request.commit.id,
      branch: request.branch,
      subject: subjectOf(host, request.commit),
      who: callerOf(host),
      changed: request.changed ?? [],
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
 * The vassal of the live release that goes on in a worker's place: of an unchanged cron worker, and
 * of one that is kept and runs where it is looked for.
 */
function carriedOver(
  host: Host,
  app: App,
  live: Release | undefined,
  worker: PlannedWorker,
): string | undefined {
  const earlier = followedBy(live, worker);
  if (earlier === undefined) return undefined;
  const same = { ...worker, release: earlier };
  const goesOn = worker.keeps
    ? isInPlace(host, app, same)
    : worker.cron !== undefined && isUnchanged(host, app, same);
  return goesOn ? vassalName(app.name, same) : undefined;
}

/** The folders of dependencies that these vassals of the live release were started with. */
const heldBy = (live: Release | undefined, files: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    files.flatMap((file) => {
      const key = live?.held?.[file] ?? live?.environment;
      return key === undefined ? [] : [[file, key]];
    }),
  );
/**
 * Starts the new processes and waits until they are healthy: beside those that they follow, or in
 * their place.
 */
export function startGeneration(
  { host, show }: Recorder,
  { app, settings }: Plan,
  { fresh, release }: Generation,
): void {
  const grace = graceOf(settings);
  const timeout = 1000 * wholeNumber(settings, "PIKU_HEALTHCHECK_TIMEOUT");
  const start = (workers: readonly Worker[]) => {
    if (workers.length > 0)
      awaitHealthy(host, app, startWorkers(host, app, workers, grace), timeout, show);
  };
  for (const worker of fresh) writeWorker(host, app, worker);
  // A terminal that is closed now would leave an app without its workers until the next command.
  host.persist();
  // What the deploy before has replaced may still be leaving, on the very ports that are needed
  // now.
  const leaving = staleVassals(host, app);
  if (leaving.length > 0) drain(host, app, leaving, grace);
  stopVassals(host, app, leaving, grace);
  start(fresh.filter(({ overlaps }) => overlaps));
  const instead = fresh.filter(({ overlaps }) => !overlaps);
  stopVassals(host, app, mustStopFirst(host, app, release, instead), grace);
  start(instead);
}

/**
 * Vassals that must have ended before those start which cannot run beside them: of the same kind,
 * or on the same port.
 */
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
