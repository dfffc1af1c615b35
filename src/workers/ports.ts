import { type App, appOf, listApps, readOfAny } from "../app/app.ts";
import { liveSettings } from "../app/live.ts";
import { withLock } from "../app/locks.ts";
import type { Slot } from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { isListening } from "../host/processes.ts";
import { PikuError } from "../text/errors.ts";

/** Where an app listens, and whether two generations can listen at the same time. */
export interface Place {
  /** The site's names; none for an app without a site. */
  names: string[];
  /** Whether any worker answers http. */
  networked: boolean;
  bind: string;
  /**
   * Whether a new generation may run beside the old one, and whether it uses a second set of ports
   * for that.
   */
  overlap: boolean;
  switches: boolean;
  slot: Slot;
  /** The ports that will belong to the app, and those it listens on: PORT may name another. */
  own?: Record<Slot, number[]>;
  ports: Record<Slot, number[]>;
}

const portsFile = (app: App) => `${app.releases}/ports.json`;
// Below the range for outgoing connections (ip_local_port_range).
const firstPort = 20_000;
const portCount = 10_000;

/**
 * The two sets of ports of an app, completed with free ports; `claimPorts` reserves them. Throws
 * when no port is free.
 */
export function choosePorts(host: Host, app: App, count: number): Record<Slot, number[]> {
  const own = readPorts(host, app);
  if (Math.min(own.a.length, own.b.length) >= count) return own;
  const taken = new Set([...takenPorts(host, app), ...appPorts(host, app, app.name)]);
  // Apps start their search far apart, so that two that choose at once do not choose the same
  // ports.
  const start = [...app.releases].reduce(
    (sum, letter) => (sum * 31 + letter.charCodeAt(0)) % portCount,
    7,
  );
  const free = (): number => {
    for (let i = 0; i < portCount; i++) {
      const port = firstPort + ((start + i) % portCount);
      if (taken.has(port) || !host.canBind("127.0.0.1", port)) continue;
      taken.add(port);
      return port;
    }
    throw new PikuError("no TCP port between 20000 and 30000 is free on the server");
  };
  const filled = (ports: readonly number[]) => [
    ...ports,
    ...Array.from({ length: Math.max(0, count - ports.length) }, free),
  ];
  return { a: filled(own.a), b: filled(own.b) };
}

/**
 * Reserves ports for an app permanently, so that its site need not change with a deploy. Returns
 * false if another app has reserved one of them since they were chosen.
 */
export function claimPorts(host: Host, app: App, chosen: Record<Slot, number[]>): boolean {
  return withLock(host, app.paths, "machine", undefined, "", () => {
    const { a, b } = readPorts(host, app);
    const own = new Set([...a, ...b]);
    const wanted = [...chosen.a, ...chosen.b].filter((port) => !own.has(port));
    if (wanted.length === 0) return true;
    const taken = takenPorts(host, app);
    if (wanted.some((port) => taken.has(port))) return false;
    host.mkdir(app.releases, 0o700);
    host.write(portsFile(app), JSON.stringify(chosen));
    return true;
  });
}

/** The ports reserved by other apps, also by those that `destroy --undo` may bring back. */
const takenPorts = (host: Host, app: App) => {
  const { destroyed } = app.paths;
  const apps = listApps(host, app.paths).filter((name) => name !== app.name);
  const kept = host.list(destroyed).map((name) => `${destroyed}/${name}/releases/ports.json`);
  return new Set([
    ...apps.flatMap((name) => appPorts(host, app, name)),
    ...kept.flatMap((file) => Object.values(parsePorts(readOfAny(host, file))).flat()),
  ]);
};

const readPorts = (host: Host, app: App): Record<Slot, number[]> =>
  parsePorts(host.read(portsFile(app)) ?? "");

/** The ports that an app has reserved, or has by its settings. */
function appPorts(host: Host, app: App, name: string): number[] {
  const { a, b } = parsePorts(readOfAny(host, `${app.paths.releases}/${name}/ports.json`));
  const live = Number(liveSettings(host, appOf(app.paths, name), readOfAny).PORT);
  return [...a, ...b, ...(live > 0 ? [live] : [])];
}

/** Parses an app's list of ports; a damaged list counts as empty. */
function parsePorts(content: string): Record<Slot, number[]> {
  const numbers = (set: unknown) => (Array.isArray(set) ? set.filter(Number.isInteger) : []);
  try {
    const { a, b } = JSON.parse(content) as Record<Slot, unknown>;
    return { a: numbers(a), b: numbers(b) };
  } catch {
    return { a: [], b: [] };
  }
}

/** Refuses a port that belongs to another app or is used by another program. */
export function refuseTakenPort(host: Host, app: App, port: number): void {
  const owner = listApps(host, app.paths).find(
    (name) => name !== app.name && appPorts(host, app, name).includes(port),
  );
  const isOwn = appPorts(host, app, app.name).includes(port) && host.stat(app.tree) !== undefined;
  if (!owner && !isOwn && isListening(host, port)) {
    throw new PikuError(
      `PORT ${port} is taken by another program of the server`,
      "choose another PORT, or leave it out and piku picks one",
    );
  }
  if (owner)
    throw new PikuError(
      `PORT ${port} belongs to app '${owner}'`,
      "choose another PORT, or leave it out and piku picks one",
    );
}
