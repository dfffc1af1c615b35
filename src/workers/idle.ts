import type { App } from "../app/app.ts";
import { isUwsgiKind } from "../app/procfile.ts";
import { setting } from "../app/settings.ts";
import type { Host } from "../host/host.ts";
import { isSocketHeld, linkOf } from "../host/processes.ts";
import { filesOf, heldBeside, socketOf, type Vassal, type Worker } from "./worker.ts";

/** The variable by which a vassal knows that its emperor can hold its socket while it sleeps. */
export const onDemand = "PIKU_ON_DEMAND";

/** After how many seconds without a request a worker leaves memory (PIKU_IDLE); 0 for never. */
export const idleOf = ({ kind, listen, settings }: Worker): number =>
  isUwsgiKind(kind) && listen && "socket" in listen ? setting(settings, "PIKU_IDLE") : 0;

type Run = Pick<Worker, "kind" | "ordinal" | "release">;

/** Whether a worker that may sleep was ready since it was last started. */
export function wasReady(host: Host, app: App, worker: Run): boolean {
  const { ready, starts } = filesOf(app, worker);
  const [at, began] = [ready, starts].map((file) => host.stat(file)?.modified);
  return at !== undefined && began !== undefined && at >= began;
}

/**
 * Whether a worker without a process sleeps: the emperor holds its socket, and starts it for the
 * next request. One that did not start when it was woken is down.
 */
export const isAsleep = (host: Host, app: App, worker: Run): boolean =>
  hasSocket(host, app, worker) && wasReady(host, app, worker);

/** Whether somebody holds the socket of a worker that may sleep: itself, or the emperor. */
export const hasSocket = (host: Host, app: App, worker: Run): boolean =>
  host.stat(filesOf(app, worker).held) !== undefined &&
  isSocketHeld(host, socketOf(app, worker.ordinal, worker.release));

/** Wakes a worker by a connection on which nothing is said. */
export function wakeWorker(host: Host, app: App, { ordinal, release }: Run): void {
  const socket = socketOf(app, ordinal, release);
  host.capture(["curl", "-s", "-m", "0.1", "--unix-socket", socket, "telnet://localhost"]);
}

/**
 * Tells the emperor which socket it is to hold for a vassal, before it sees the vassal. It opens the
 * socket to all, so the folder is closed to them instead.
 */
export function holdSocket(host: Host, app: App, worker: Run): void {
  const { heldCopy, held } = filesOf(app, worker);
  if (!host.stat(heldCopy)) return;
  const { sockets } = app.paths;
  const mode = host.stat(sockets)?.mode ?? 0;
  if ((mode & 0o007) !== 0) host.chmod(sockets, mode & ~0o007);
  host.note(held, `${socketOf(app, worker.ordinal, worker.release)}\n`, 0o600);
}

/**
 * Whether a worker's process, which was to sleep, cannot: its emperor was started by an earlier
 * version, so it has the socket from nobody.
 */
export function staysAwake(
  host: Host,
  { paths }: App,
  { file }: Vassal,
  master: () => number | undefined,
): boolean {
  if (!host.stat(`${paths.enabled}/${file}${heldBeside}`)) return false;
  const pid = master();
  return pid !== undefined && linkOf(host, pid, "fd/0")?.startsWith("/dev/") === true;
}
