import type { App } from "../app/app.ts";
import type { Settings } from "../app/env-file.ts";
import { isUwsgiKind } from "../app/procfile.ts";
import { setting } from "../app/settings.ts";
import type { Host } from "../host/host.ts";
import { isSocketHeld, linkOf, statOf } from "../host/processes.ts";
import { findTool, isExecutable } from "../host/tools.ts";
import { shellQuote } from "../text/text.ts";
import script from "./sleeper.sh" with { type: "text" };
import {
  filesOf,
  heldBeside,
  parseVassal,
  portOfSite,
  socketOf,
  type Vassal,
  type Worker,
} from "./worker.ts";

/** The variable by which a vassal knows that its emperor can hold its socket while it sleeps. */
export const onDemand = "PIKU_ON_DEMAND";

/** After how many seconds without a request a worker leaves memory (PIKU_IDLE); 0 for never. */
export const idleOf = ({ kind, listen, held, settings }: Worker): number =>
  held !== undefined || (isUwsgiKind(kind) && listen && "socket" in listen)
    ? setting(settings, "PIKU_IDLE")
    : 0;

/** What brings connections from a socket to a port (systemd-socket-proxyd(8)). */
const proxies = ["/usr/lib/systemd/systemd-socket-proxyd", "/lib/systemd/systemd-socket-proxyd"];

/**
 * Whether the `web` workers of an app with a site sleep. Its port is asked by nginx alone then: not
 * where the app names the port or its address, or has lines of its own for nginx. `missing`: what
 * this board lacks for it.
 */
export function webSleeps(host: Host, settings: Settings): { sleeps: boolean; missing?: string } {
  const theirs = ["PORT", "BIND_ADDRESS", "NGINX_INCLUDE_FILE"];
  if (setting(settings, "PIKU_IDLE") === 0 || theirs.some((name) => settings[name]))
    return { sleeps: false };
  const missing = !proxies.some((path) => isExecutable(host, path))
    ? "systemd-socket-proxyd"
    : findTool(host, "perl")
      ? undefined
      : "perl";
  return { sleeps: missing === undefined, missing };
}

/** The script that a `web` worker which sleeps is started by; `argv`: what would start it otherwise. */
export function renderSleeper(app: App, worker: Worker, argv: readonly string[]): string {
  const { starts, ready } = filesOf(app, worker);
  const { port } = portOfSite(worker)!;
  const values: Record<string, string> = {
    socket: worker.held!,
    to: `127.0.0.1:${port}`,
    hex: port.toString(16).toUpperCase().padStart(4, "0"),
    seconds: String(idleOf(worker)),
    starts,
    ready,
  };
  const lines = Object.entries(values).map(([name, value]) => `${name}=${shellQuote(value)}\n`);
  return `# Written by piku; changes are lost.\n${lines.join("")}set -- ${argv.map(shellQuote).join(" ")}\n${script}`;
}

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
export function holdSocket(
  host: Host,
  app: App,
  worker: Run,
  put: "note" | "write" = "note",
): void {
  const { heldCopy, held } = filesOf(app, worker);
  if (!host.stat(heldCopy)) return;
  const { sockets } = app.paths;
  const mode = host.stat(sockets)?.mode ?? 0;
  if ((mode & 0o007) !== 0) host.chmod(sockets, mode & ~0o007);
  host[put](held, `${socketOf(app, worker.ordinal, worker.release)}\n`, 0o600);
}

/** Removes an app's notes of sockets whose vassals are not there, which a power cut may leave. */
export function forgetSockets(host: Host, { name, paths: { enabled } }: App): void {
  for (const file of host.list(enabled).filter((one) => one.endsWith(heldBeside))) {
    const vassal = file.slice(0, -heldBeside.length);
    if (parseVassal(vassal, "")?.app === name && !host.stat(`${enabled}/${vassal}`))
      host.remove(`${enabled}/${file}`);
  }
}

/**
 * Whether a worker's process, which was to sleep, cannot: its emperor was started by an earlier
 * version, so it has the socket from nobody. What brings connections to a port is its parent.
 */
export function staysAwake(
  host: Host,
  { paths }: App,
  { file, kind }: Vassal,
  master: () => number | undefined,
): boolean {
  if (!host.stat(`${paths.enabled}/${file}${heldBeside}`)) return false;
  const pid = master();
  if (pid === undefined) return false;
  const stdin = isUwsgiKind(kind)
    ? linkOf(host, pid, "fd/0")
    : linkOf(host, statOf(host, pid)?.parent ?? 0, "fd/3");
  return stdin?.startsWith("/dev/") === true;
}
