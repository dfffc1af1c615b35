import type { App } from "../app/app.ts";
import type { BoardSettings } from "../app/board-settings.ts";
import { isCalledPrivately } from "../app/caller.ts";
import type { Settings } from "../app/env-file.ts";
import { type Scaling, siteKinds } from "../app/procfile.ts";
import type { Release } from "../app/releases.ts";
import { setting } from "../app/settings.ts";
import type { Host } from "../host/host.ts";
import { siteNames } from "../site/names.ts";
import {
  choosePorts,
  chooseSitePort,
  type PortNeeds,
  refuseTakenPort,
  sitePortOf,
} from "../workers/ports.ts";
import type { Survey } from "./survey.ts";

export function planPlace(
  host: Host,
  app: App,
  { procfile, settings, machine }: Survey,
  scaling: Scaling,
  live: Release | undefined,
  keeps: boolean,
): PortNeeds {
  const networked = Object.keys(procfile.workers).some((kind) => siteKinds.includes(kind));
  const serves = networked || "static" in procfile.workers || settings.NGINX_STATIC_PATHS;
  const site = serves ? planSitePort(host, app, settings, machine, live) : undefined;
  const names = site === undefined ? siteNames(settings) : ["_"];
  const fixed = setting(settings, "PORT");
  const bind = setting(settings, "BIND_ADDRESS");
  const overlap = names.length > 0 && setting(settings, "PIKU_OVERLAP");
  const switches = overlap && "web" in procfile.workers && fixed === undefined;
  const count = Math.max(...siteKinds.map((kind) => scaling[kind] ?? 0), 1);
  const chosen = networked ? choosePorts(host, app, count) : { a: [], b: [] };
  const own =
    networked || site !== undefined
      ? { ...chosen, site: site ?? sitePortOf(host, app) }
      : undefined;
  const { a, b } = chosen;
  const ports = networked && fixed !== undefined ? { a: [fixed, ...a.slice(1)], b } : { a, b };
  if (fixed !== undefined) refuseTakenPort(host, app, fixed);
  const other = switches && live?.slot === "a" && live.number > 0 ? "b" : "a";
  const slot = keeps && live ? live.slot : other;
  return { names, networked, bind, overlap, switches, slot, own, ownPort: site, ports };
}

/**
 * The port of nginx's own for an app that serves and has no name. Undefined where its settings say
 * where it is to be found, or where that could open an app to strangers: only a first push gets
 * one, since an app of an earlier piku may have no site on purpose.
 */
function planSitePort(
  host: Host,
  app: App,
  settings: Settings,
  { firstPort }: BoardSettings,
  live: Release | undefined,
): number | undefined {
  const { NGINX_SERVER_NAME, PORT, BIND_ADDRESS } = settings;
  const isPlaced = [NGINX_SERVER_NAME, PORT, BIND_ADDRESS].some((value) => value !== undefined);
  if (firstPort === "off" || isPlaced || siteNames(settings).length > 0) return undefined;
  const kept = sitePortOf(host, app);
  if (kept !== undefined || live) return kept;
  const first = firstPort ?? (isCalledPrivately(host) ? usualFirstPort : undefined);
  return first === undefined ? undefined : chooseSitePort(host, app, first);
}

const usualFirstPort = 8001;
