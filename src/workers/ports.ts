import { type App, appOf, listApps, readOfAny } from "../app/app.ts";
import { liveSettings } from "../app/live.ts";
import { withTurn } from "../app/locks.ts";
import type { Slot } from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { isListening } from "../host/processes.ts";
import { PikuError } from "../text/errors.ts";

/** Where an app listens, and whether it can do so twice. */
export interface Place {
  /** The site's names; none for an app without a site. */
  names: string[];
  /** Whether any worker answers http. */
  networked: boolean;
  bind: string;
  /**
   * Whether a new generation may run beside the old one; and whether it is reached by a second set
   * of ports then.
   */
  overlap: boolean;
  switches: boolean;
  slot: Slot;
  ports: Record<Slot, number[]>;
}

const portsFile = (app: App) => `${app.releases}/ports.json`;
// Below the ports that the kernel gives to outgoing connections (ip_local_port_range).
const firstPort = 20_000;
const portCount = 10_000;

/**
 * The ports of an app, two sets of them: kept for good, so that a site need not change with a
 * deploy.
 */
export function takePorts(
  host: Host,
  app: App,
  count: number,
  fixed: number | undefined,
): Record<Slot, number[]> {
  return withTurn(host, app.paths, "machine", undefined, "", () => {
    const own = readPorts(host, app);
    const lacking = count - Math.min(own.a.length, own.b.length);
    if (lacking > 0) {
      const taken = new Set(listApps(host, app.paths).flatMap((name) => appPorts(host, app, name)));
      for (const port of [...own.a, ...own.b]) taken.add(port);
      // Far apart for each app of each user, so that two who choose at once do not choose the same.
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
      while (own.a.length < count) own.a.push(free());
      while (own.b.length < count) own.b.push(free());
      host.mkdir(app.releases, 0o700);
      host.write(portsFile(app), JSON.stringify(own));
    }
    return fixed === undefined ? own : { a: [fixed, ...own.a.slice(1)], b: own.b };
  });
}

const readPorts = (host: Host, app: App): Record<Slot, number[]> =>
  parsePorts(host.read(portsFile(app)) ?? "");

/** Ports that an app has, or has been given by its settings. */
function appPorts(host: Host, app: App, name: string): number[] {
  const { a, b } = parsePorts(readOfAny(host, `${app.paths.releases}/${name}/ports.json`));
  const live = Number(liveSettings(host, appOf(app.paths, name), readOfAny).PORT);
  return [...a, ...b, ...(live > 0 ? [live] : [])];
}

/** The two sets of ports in an app's list; none of a list that the app has spoilt. */
function parsePorts(content: string): Record<Slot, number[]> {
  const numbers = (set: unknown) => (Array.isArray(set) ? set.filter(Number.isInteger) : []);
  try {
    const { a, b } = JSON.parse(content) as Record<Slot, unknown>;
    return { a: numbers(a), b: numbers(b) };
  } catch {
    return { a: [], b: [] };
  }
}

/** Refuses a port that another app has, or another program. */
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
