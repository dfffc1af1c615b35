import type { App } from "../app/app.ts";
import { isUwsgiKind } from "../app/procfile.ts";
import type { Host } from "../host/host.ts";
import { isListening } from "../host/processes.ts";
import { waitUntil } from "../host/wait.ts";
import { PikuError } from "../text/errors.ts";
import type { Asked } from "./answer.ts";
import { emperorLog, wakeEmperor } from "./emperor.ts";
import { holdSocket, idleOf, renderSleeper } from "./idle.ts";
import { renderVassal } from "./ini.ts";
import { ensureWallScript, startedBy, workerArgv } from "./isolation.ts";
import { envdirFiles, renderLauncher } from "./launcher.ts";
import { isLimited, killedWithoutLimit, limitArgv, renderLimitScript } from "./limits.ts";
import type { WrongPlace } from "./listening.ts";
import { setLogAside } from "./logs.ts";
import { vassalPairs } from "./vassal.ts";
import { filesOf, markName, runFolder, socketOf, type Worker } from "./worker.ts";

/** Writes the files that a worker is started from: launcher or envdir, and a copy of its vassal. */
export function writeWorker(host: Host, app: App, worker: Worker): void {
  const files = filesOf(app, worker);
  host.mkdir(runFolder(app, worker.release), 0o700);
  if (isUwsgiKind(worker.kind)) {
    host.remove(files.envdir);
    host.mkdir(files.envdir, 0o700);
    const settings = { ...worker.settings, [markName]: files.mark };
    for (const [key, value] of Object.entries(envdirFiles(settings)))
      host.append(`${files.envdir}/${key}`, value, 0o600);
  } else {
    host.note(files.launcher, renderLauncher(app, worker), 0o600);
  }
  for (const [path, text] of vassalFiles(host, app, worker)) host.note(path, text, 0o600);
  if (!worker.wall) return;
  ensureWallScript(host, app.paths);
  // The wall keeps an app from writing into a file that is there.
  host.note(files.master, "", 0o600);
}

/**
 * A worker's vassal, as it is copied to the emperor; of one with limits or a wall also what
 * its own uWSGI reads behind them.
 */
export function vassalFiles(
  user: { uid: number },
  app: App,
  worker: Worker,
): [path: string, text: string][] {
  const { copy, heldCopy, inner, limits, mark, sleeper } = filesOf(app, worker);
  const { wall } = worker;
  const isIn = isLimited(worker);
  const pairs = vassalPairs(app, worker, user);
  const held = idleOf(worker) > 0 ? socketOf(app, worker.ordinal, worker.release) : undefined;
  const sleeps: [string, string][] = held === undefined ? [] : [[heldCopy, `${held}\n`]];
  if (!isIn && !wall && worker.held === undefined) return [[copy, renderVassal(pairs)], ...sleeps];
  const sockets = pairs
    .filter(([key, value]) => key.endsWith("socket") && String(value).startsWith("/"))
    .map(([, path]) => String(path));
  const uwsgi = ["uwsgi", "--ini", inner];
  const walled = wall ? workerArgv(app, wall, { run: mark, sockets, held }, uwsgi) : uwsgi;
  const limited = isIn ? limitArgv(app, worker, walled) : walled;
  const isAsleepAtTimes = worker.held !== undefined;
  return [
    ...sleeps,
    // Processes have other numbers behind a wall.
    [inner, renderVassal(wall ? pairs.filter(([key]) => key !== "pidfile") : pairs)],
    [copy, renderVassal(startedBy(app, isAsleepAtTimes ? ["sh", sleeper] : limited))],
    ...(isAsleepAtTimes
      ? [[sleeper, renderSleeper(app, worker, limited)] satisfies [string, string]]
      : []),
    ...(isIn ? [[limits, renderLimitScript(app, worker)] satisfies [string, string]] : []),
  ];
}

/**
 * Whether a worker of an earlier release is identical: a deploy must not start an unchanged cron
 * job a second time.
 */
export function isUnchanged(host: Host, app: App, worker: Worker): boolean {
  const files = filesOf(app, worker);
  return (
    host.stat(files.vassal) !== undefined &&
    vassalFiles(host, app, worker).every(([path, text]) => host.read(path) === text) &&
    host.read(files.launcher) === renderLauncher(app, worker)
  );
}

/**
 * Whether a worker of an earlier release exists and listens at the address expected of this one.
 */
export function isInPlace(host: Host, app: App, worker: Worker): boolean {
  const files = filesOf(app, worker);
  const { listen, ordinal, release } = worker;
  if (!host.stat(files.vassal)) return false;
  // One that runs without its wall, or with another, does not go on; the board's limits may have
  // become tighter.
  const outer = vassalFiles(host, app, worker).filter(([path]) => path !== files.inner);
  const isChanged = outer.some(([path, text]) => host.read(path) !== text);
  if (isChanged && (worker.wall || isLimited(worker) || host.stat(files.limits))) return false;
  if (!listen) return true;
  if (!isUwsgiKind(worker.kind))
    return (
      "port" in listen &&
      (host.stat(files.heldCopy) !== undefined) === (worker.held !== undefined) &&
      (host.read(files.launcher) ?? "").includes(`\nexport PORT='${listen.port}'\n`)
    );
  const line =
    "port" in listen
      ? `http-socket = ${listen.address}:${listen.port}`
      : `socket = ${socketOf(app, ordinal, release)}`;
  return (host.read(files.inner) ?? host.read(files.copy) ?? "").includes(`\n${line}\n`);
}

/** A worker that was handed to the emperor, and the size of the emperor's log at that time. */
export interface Started {
  worker: Worker;
  /** How many processes the kernel had killed for lack of memory until then. */
  killedBefore: number;
  emperorLogAt: number;
  /** When its process was first seen (`host.ticks`). */
  seen?: number;
  /** How it was last asked for a page, and what came of it. */
  asked?: Asked;
  /** Since when it listens and answers (`host.ticks`). */
  ready?: number;
  /** Where it listens instead of where it is to. */
  wrongPlace?: WrongPlace;
}

/**
 * Waits until nothing listens on these workers' ports: another listener would be mistaken for them.
 */
function waitForPorts(host: Host, workers: readonly Worker[], patience: number): void {
  const taken = () =>
    workers.flatMap(({ kind, listen }) =>
      listen && "port" in listen && isListening(host, listen.port) ? [{ kind, ...listen }] : [],
    )[0];
  const areFree = waitUntil(host, () => taken() === undefined, {
    every: 50,
    atMost: patience,
    tell: () => host.say(`-----> Waiting for port ${taken()?.port} to become free`),
  });
  const still = areFree ? undefined : taken();
  if (still)
    throw new PikuError(
      `port ${still.port} of '${still.kind}' is taken by another program of the server`,
      "end that program, or choose another PORT",
    );
}

/**
 * Hands workers to the emperor, after waiting at most `grace` milliseconds for their ports to be
 * released.
 */
export function startWorkers(
  host: Host,
  app: App,
  workers: readonly Worker[],
  grace: number,
): Started[] {
  waitForPorts(host, workers, grace);
  host.mkdir(app.logs);
  host.mkdir(app.paths.sockets);
  const emperorLogAt = host.stat(emperorLog(app.paths))?.size ?? 0;
  const killedBefore = killedWithoutLimit(host, app.paths);
  const started = workers.map((worker) => ({ worker, emperorLogAt, killedBefore }));
  for (const worker of workers) setLogAside(host, app, worker);
  for (const worker of workers) {
    host.say(`-----> spawning '${app.name}:${worker.kind}.${worker.ordinal}'`);
    enableVassal(host, app, worker);
  }
  wakeEmperor(host, app.paths);
  return started;
}

/** Copies a vassal into the emperor's folder. */
function enableVassal(
  host: Host,
  app: App,
  worker: Pick<Worker, "kind" | "ordinal" | "release">,
): void {
  const files = filesOf(app, worker);
  holdSocket(host, app, worker);
  host.note(files.vassal, host.read(files.copy) ?? "", 0o600);
}
