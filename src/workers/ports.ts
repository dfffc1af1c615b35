import { type App, appOf, listApps, readOfAny } from "../app/app.ts";
import { liveSettings } from "../app/live.ts";
import { withLock } from "../app/locks.ts";
import type { Slot } from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { isListening } from "../host/processes.ts";
import { PikuError } from "../text/errors.ts";

/** Where an app listens, and whether two generations can listen at the same time. */
export interface PortNeeds {
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
  own?: OwnPorts;
  /** nginx's own port, of a site without a name. */
  ownPort?: number;
  ports: Record<Slot, number[]>;
}

/** The ports that belong to an app. */
export interface OwnPorts extends Record<Slot, number[]> {
  /** nginx's own port for a site without a name. */
  site?: number;
}

const portsFile = (app: App) => `${app.releases}/ports.json`;
// Below the range for outgoing connections (ip_local_port_range).
const firstWorkerPort = 20_000;
const portCount = 10_000;

/**
 * The two sets of ports of an app, completed with free ports; `claimPorts` reserves them. Throws
 * when no port is free.
 */
export function choosePorts(host: Host, app: App, count: number): OwnPorts {
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
      const port = firstWorkerPort + ((start + i) % portCount);
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
  return { ...own, a: filled(own.a), b: filled(own.b) };
}

/** The port of nginx's own that an app without a name has. */
export const sitePortOf = (host: Host, app: App): number | undefined => readPorts(host, app).site;

const sitePortCount = 1000;

/**
 * A port of nginx's own for an app without a name, the first that is free from `first` on;
 * `claimPorts` reserves it. Undefined when none is free.
 */
export function chooseSitePort(host: Host, app: App, first: number): number | undefined {
  const taken = takenPorts(host, app);
  const all = Array.from({ length: sitePortCount }, (_, i) => first + i);
  return all.find((port) => port < 65_536 && !taken.has(port) && host.canBind("0.0.0.0", port));
}

/**
 * Reserves ports for an app permanently, so that its site need not change with a deploy. Returns
 * false if another app has reserved one of them since they were chosen.
 */
export function claimPorts(host: Host, app: App, chosen: OwnPorts): boolean {
  return withLock(host, app.paths, "machine", undefined, "", () => {
    const own = new Set(allOf(readPorts(host, app)));
    const wanted = allOf(chosen).filter((port) => !own.has(port));
    if (wanted.length === 0) return true;
    const taken = takenPorts(host, app);
    if (wanted.some((port) => taken.has(port))) return false;
    host.mkdir(app.releases, 0o700);
    host.write(portsFile(app), JSON.stringify(chosen));
    return true;
  });
}

const allOf = ({ a, b, site }: OwnPorts) => [...a, ...b, ...(site === undefined ? [] : [site])];

/** The ports reserved by other apps, also by those that `destroy --undo` may bring back. */
const takenPorts = (host: Host, app: App) => {
  const { destroyed } = app.paths;
  const isOther = (name: string) => name !== app.name;
  const apps = listApps(host, app.paths).filter(isOther);
  const kept = host
    .list(destroyed)
    .filter(isOther)
    .map((name) => `${destroyed}/${name}/releases/ports.json`);
  return new Set([
    ...apps.flatMap((name) => appPorts(host, app, name)),
    ...kept.flatMap((file) => allOf(parsePorts(readOfAny(host, file)))),
  ]);
};

const readPorts = (host: Host, app: App): OwnPorts => parsePorts(host.read(portsFile(app)) ?? "");

/** The ports that an app has reserved, or has by its settings. */
function appPorts(host: Host, app: App, name: string): number[] {
  const own = parsePorts(readOfAny(host, `${app.paths.releases}/${name}/ports.json`));
  const live = Number(liveSettings(host, appOf(app.paths, name), readOfAny).PORT);
  return [...allOf(own), ...(live > 0 ? [live] : [])];
}

/** Parses an app's list of ports; a damaged list counts as empty. */
function parsePorts(content: string): OwnPorts {
  const numbers = (set: unknown) => (Array.isArray(set) ? set.filter(Number.isInteger) : []);
  try {
    const { a, b, site } = JSON.parse(content) as Record<keyof OwnPorts, unknown>;
    return {
      a: numbers(a),
      b: numbers(b),
      ...(Number.isInteger(site) ? { site: site as number } : {}),
    };
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
