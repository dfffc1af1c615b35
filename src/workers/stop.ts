import type { App } from "../app/app.ts";
import { isCron, isUwsgiKind } from "../app/procfile.ts";
import { isStopped, liveRelease } from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { restOfLine } from "../host/lines.ts";
import {
  aliveOf,
  childKnownAs,
  commandLines,
  endGroups,
  everyProcess,
  familyOf,
  hasConnections,
  isAlive,
  isSocketConnected,
  isSocketHeld,
  pidIn,
  type Running,
  statOf,
  titleOf,
} from "../host/processes.ts";
import { waitUntil } from "../host/wait.ts";
import { endStrays } from "./detached.ts";
import { listVassals, wakeEmperor, wakingEmperor } from "./emperor.ts";
import { removeGroups } from "./limits.ts";
import { filesOf, heldBeside, socketFolder, socketOf, type Vassal, type Worker } from "./worker.ts";

/** Whether a worker that is being retired still has connections. */
function isBusy(host: Host, app: App, { kind, ordinal, release }: Vassal): boolean {
  if (release === undefined) return false;
  const { held } = filesOf(app, { kind, ordinal, release });
  if (isUwsgiKind(kind) || host.stat(held))
    return isSocketConnected(host, socketOf(app, ordinal, release));
  const port = portOf(host, app, { kind, ordinal, release });
  return port !== undefined && hasConnections(host, port);
}

/** The port of a worker, read from its launcher. */
export function portOf(
  host: Host,
  app: App,
  worker: Pick<Worker, "kind" | "ordinal" | "release">,
): number | undefined {
  if (worker.kind !== "web") return undefined;
  const port = restOfLine(host.read(filesOf(app, worker).launcher) ?? "", "export PORT='");
  return port === undefined ? undefined : Number.parseInt(port, 10);
}

const settleTime = 300;
const quietTime = 150;

/** Waits until these workers have had no connection for 150 ms, at most `grace` milliseconds. */
export function drain(host: Host, app: App, vassals: readonly Vassal[], grace: number): void {
  // nginx may have chosen an address before the switch and not have connected yet.
  host.sleep(settleTime);
  let idleSince: number | undefined;
  let cost = 0;
  const isQuiet = () => {
    const look = host.ticks();
    const isIdle = vassals.every((vassal) => !isBusy(host, app, vassal));
    idleSince = isIdle ? (idleSince ?? look) : undefined;
    cost = host.ticks() - look;
    return idleSince !== undefined && look - idleSince >= quietTime;
  };
  // With tens of thousands of sockets one check takes the kernel 40 ms: use at most a tenth of a
  // processor.
  waitUntil(host, isQuiet, {
    every: () => Math.max(50, 10 * cost),
    atMost: grace - settleTime,
    tell: () => tellWait(host, grace, "the last requests of the former processes"),
  });
}

/** Says what may take long, in milliseconds. */
const tellWait = (host: Host, atMost: number, what: string) => {
  if (atMost > 10_000) host.say(`-----> Waiting up to ${Math.round(atMost / 1000)} s for ${what}`);
};

/** The processes of a vassal: uWSGI's master, and the process group of the program it runs. */
export function processesOf(
  host: Host,
  app: App,
  vassal: Vassal,
): { masters: number[]; group?: number } {
  // uWSGI's name for its processes (procname-prefix): a process id in a file may have been reused
  // since.
  const title = `${app.name}:${vassal.kind}:uWSGI master`;
  if (vassal.release === undefined) {
    const ours = new Set(
      listVassals(host, app.paths, app.name).flatMap((other) => pidOf(host, app, other) ?? []),
    );
    const isOf = (word: string) => word === vassal.file || word.endsWith(`/${vassal.file}`);
    const named = commandLines(host, (line) => line === title || line.split(" ").some(isOf));
    return { masters: named.map(({ pid }) => pid).filter((pid) => !ours.has(pid)) };
  }
  const master = pidOf(host, app, vassal);
  if (master === undefined || titleOf(host, master) !== title) return { masters: [] };
  const own = pidIn(host, filesOf(app, { ...vassal, release: vassal.release }).daemon);
  const daemon = own === undefined ? undefined : childKnownAs(host, master, own);
  const stat = daemon === undefined ? undefined : statOf(host, daemon);
  return {
    masters: [master],
    group: stat?.parent === master && stat.group === daemon ? daemon : undefined,
  };
}

/**
 * What has been started by vassals that are to end, also in sessions of its own; without the jobs
 * of cron lines, which end by themselves.
 */
function descendantsOf(
  host: Host,
  app: App,
  vassals: readonly Vassal[],
  processes: readonly { masters: number[]; group?: number }[],
): Running[] {
  const roots = processes.flatMap(({ masters, group }, i) =>
    isCron(vassals[i]!.kind) && !isStopped(host, app)
      ? []
      : [...masters, ...(group ? [group] : [])],
  );
  return roots.length > 0 ? familyOf(everyProcess(host), roots) : [];
}

/** The process id of a vassal's master. */
const pidOf = (host: Host, app: App, { release, ...vassal }: Vassal) =>
  release === undefined ? undefined : pidIn(host, filesOf(app, { ...vassal, release }).master);

const killDelay = 5_000;

/**
 * Removes vassals and waits until their processes have ended; kills them after `grace`
 * milliseconds.
 */
export function stopVassals(host: Host, app: App, vassals: readonly Vassal[], grace: number): void {
  if (vassals.length === 0) return;
  const processes = vassals.map((vassal) => processesOf(host, app, vassal));
  const started = descendantsOf(host, app, vassals, processes);
  const held = vassals.flatMap(({ file, ordinal, release }) =>
    release !== undefined && host.stat(`${app.paths.enabled}/${file}${heldBeside}`)
      ? [socketOf(app, ordinal, release)]
      : [],
  );
  for (const { file } of vassals)
    for (const end of ["", heldBeside]) host.remove(`${app.paths.enabled}/${file}${end}`);
  const masters = processes.flatMap((found) => found.masters);
  const groups = processes.flatMap(({ group }) => group ?? []);
  wakeEmperor(host, app.paths);
  const areGone = () =>
    !masters.some((pid) => isAlive(host, pid)) &&
    // The emperor's own are seen by it a moment later, and it would go on with one that came back.
    !held.some((socket) => isSocketHeld(host, socket));
  waitUntil(host, areGone, {
    every: 50,
    atMost: grace + killDelay,
    tell: () => tellWait(host, grace + killDelay, "processes to end"),
    meanwhile: wakingEmperor(host, app.paths),
  });
  for (const pid of masters) if (isAlive(host, pid)) host.signal(pid, "KILL");
  // What a shell command left behind: the shell exits at once, its children may not.
  endGroups(host, () => aliveOf(host, groups), 1_000);
  endStrays(host, app, started);
  for (const { kind, ordinal, release } of vassals) {
    if (release === undefined) continue;
    if (!isUwsgiKind(kind) && !held.includes(socketOf(app, ordinal, release))) continue;
    for (const path of [
      socketOf(app, ordinal, release),
      filesOf(app, { kind, ordinal, release }).http,
    ]) {
      host.remove(path);
      host.remove(`${socketFolder(app)}/${path.split("/").at(-1)}`);
    }
  }
  removeGroups(host, app);
}

/** The vassals of an app that belong to no live release. */
export function staleVassals(host: Host, app: App): Vassal[] {
  const live = new Set(liveRelease(host, app)?.vassals);
  return listVassals(host, app.paths, app.name).filter(({ file }) => !live.has(file));
}
