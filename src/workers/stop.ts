import type { App } from "../app/app.ts";
import { isInside } from "../app/procfile.ts";
import { liveRelease } from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import {
  commandLines,
  endGroup,
  hasConnections,
  isAlive,
  isSocketConnected,
  pidIn,
  statOf,
  titleOf,
} from "../host/processes.ts";
import { listVassals, wakeEmperor } from "./emperor.ts";
import { filesOf, socketOf, type Vassal, type Worker } from "./worker.ts";

/** Whether anybody is still connected to a worker of a generation that is to leave. */
function isBusy(host: Host, app: App, { kind, ordinal, release }: Vassal): boolean {
  if (release === undefined) return false;
  if (isInside(kind)) return isSocketConnected(host, socketOf(app, ordinal, release));
  const port = portOf(host, app, { kind, ordinal, release });
  return port !== undefined && hasConnections(host, port);
}

/** The port that a worker was given, from its launcher. */
export function portOf(
  host: Host,
  app: App,
  worker: Pick<Worker, "kind" | "ordinal" | "release">,
): number | undefined {
  const port = /^export PORT='(\d+)'$/m.exec(host.read(filesOf(app, worker).launcher) ?? "")?.[1];
  return port === undefined || worker.kind !== "web" ? undefined : Number(port);
}

const quiet = 150;

/** Waits until nobody is connected to these workers for a moment, at most `grace` milliseconds. */
export function drain(host: Host, app: App, vassals: readonly Vassal[], grace: number): void {
  const start = host.ticks();
  // nginx may have chosen an address before the switch and not connected yet.
  host.sleep(300);
  for (let idleSince: number | undefined; host.ticks() - start < grace; ) {
    const look = host.ticks();
    idleSince = vassals.some((vassal) => isBusy(host, app, vassal))
      ? undefined
      : (idleSince ?? look);
    if (idleSince !== undefined && look - idleSince >= quiet) return;
    // Where there are tens of thousands of sockets a look takes the kernel 40 ms: a tenth of a
    // processor is enough.
    host.sleep(Math.max(50, 10 * (host.ticks() - look)));
  }
}

/** The processes of a vassal: uWSGI's own, and the group of the program below it. */
export function processesOf(
  host: Host,
  app: App,
  vassal: Vassal,
): { masters: number[]; group?: number } {
  // What uWSGI calls its processes (procname-prefix): a number in a file may have been given to
  // somebody else since.
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
  const daemon = pidIn(host, filesOf(app, { ...vassal, release: vassal.release }).daemon);
  const stat = daemon === undefined ? undefined : statOf(host, daemon);
  return {
    masters: [master],
    group: stat?.parent === master && stat.group === daemon ? daemon : undefined,
  };
}

/** The number that uWSGI's own process of a vassal wrote down. */
const pidOf = (host: Host, app: App, { release, ...vassal }: Vassal) =>
  release === undefined ? undefined : pidIn(host, filesOf(app, { ...vassal, release }).master);

const endPatience = 5_000;

/**
 * Takes vassals from the emperor and waits until their processes have ended; after `grace`
 * milliseconds they are made to.
 */
export function stopVassals(host: Host, app: App, vassals: readonly Vassal[], grace: number): void {
  if (vassals.length === 0) return;
  const processes = vassals.map((vassal) => processesOf(host, app, vassal));
  for (const { file } of vassals) host.remove(`${app.paths.enabled}/${file}`);
  const masters = processes.flatMap((found) => found.masters);
  const groups = processes.flatMap(({ group }) => group ?? []);
  const left = () => masters.some((pid) => isAlive(host, pid));
  wakeEmperor(host, app.paths);
  const start = host.ticks();
  for (let round = 1; left() && host.ticks() - start < grace + endPatience; round++) {
    if (round % 4 === 0) wakeEmperor(host, app.paths);
    host.sleep(50);
  }
  for (const pid of masters) if (isAlive(host, pid)) host.signal(pid, "KILL");
  // What a shell line left behind: its shell ends at once, what it started may not.
  for (const group of groups) endGroup(host, group, 1_000);
  for (const { kind, ordinal, release } of vassals) {
    if (!isInside(kind) || release === undefined) continue;
    host.remove(socketOf(app, ordinal, release));
    host.remove(filesOf(app, { kind, ordinal, release }).http);
  }
}

/** The vassals of an app that belong to no live release. */
export function staleVassals(host: Host, app: App): Vassal[] {
  const live = new Set(liveRelease(host, app)?.vassals);
  return listVassals(host, app.paths, app.name).filter(({ file }) => !live.has(file));
}
