import { isAppName } from "../app/app.ts";
import type { BoardSettings } from "../app/board-settings.ts";
import type { Host } from "../host/host.ts";
import { type Commit, linksOf } from "../repository/commit.ts";
import { defaultPortsIn, listensIn, serverNamesIn } from "../site/directives.ts";
import { refuseCacheFolder, refuseServedLinks } from "../site/folders.ts";
import { withIncluded } from "../site/include.ts";
import { readSites, refuseSecondDefault, refuseTakenNames } from "../site/nginx.ts";
import { renderSite } from "../site/render.ts";
import type { Site } from "../site/site.ts";
import { refuseLinksOut } from "../site/static.ts";
import { PikuError } from "../text/errors.ts";
import { printable } from "../text/text.ts";

/**
 * Refuses a site that would take something from another app: a server name, the role of the default
 * site, or a folder.
 */
export function refuseSite(
  host: Host,
  commit: Commit,
  site: Site,
  { ports, folders }: BoardSettings,
  isShared: boolean,
): void {
  const { app } = commit;
  // An include file of another app that cannot be read must not block this deploy.
  const whole = (theirs: string) => {
    try {
      return withIncluded(host, theirs);
    } catch {
      return theirs;
    }
  };
  const sites = new Map(
    [...readSites(host, app.paths)]
      // The board's page gives way.
      .filter(([name]) => isAppName(name))
      .map(([name, theirs]) => [name, whole(theirs)]),
  );
  const text = withIncluded(host, renderSite(site));
  const hostname = host.read("/proc/sys/kernel/hostname")?.trim();
  refuseTakenNames([...serverNamesIn(text, hostname)], app.name, sites, hostname);
  refuseTakenAddress(listensIn(text), app.name, sites);
  if (defaultPortsIn(text).some((port) => Object.values(ports).includes(port)))
    refuseSecondDefault(host, app.name, sites, ports, isShared);
  if (site.cache) refuseCacheFolder(host, app, site.cache.folder, folders, sites);
  if (site.statics.length === 0) return;
  refuseServedLinks(
    host,
    app,
    site.statics.map(({ folder }) => folder),
    folders,
  );
  refuseLinksOut(app, site.statics, linksOf(host, commit));
}

/**
 * Refuses a listen address of its own while other sites listen on all addresses: nginx would send
 * every request for this address to this site, whatever the server name. What a site already has
 * stays.
 */
export function refuseTakenAddress(
  listens: readonly string[],
  app: string,
  sites: ReadonlyMap<string, string>,
): void {
  const own = new Set(listensIn(sites.get(app) ?? ""));
  const isEverywhere = (listen: string) => /^(\*|\[::\]):/.test(listen);
  const everywhere = (listen: string) =>
    listen.replace(/^(\[)?.*:/, (_, six) => (six ? "[::]:" : "*:"));
  for (const listen of listens.filter((one) => !isEverywhere(one) && !own.has(one))) {
    const other = [...sites].find(
      ([name, site]) => name !== app && listensIn(site).includes(everywhere(listen)),
    )?.[0];
    if (other)
      throw new PikuError(
        `the address ${printable(listen)} would be taken from app '${other}', which listens everywhere`,
        "leave the address out (NGINX_IPV4_ADDRESS, NGINX_IPV6_ADDRESS, NGINX_INCLUDE_FILE), or give the other apps one of their own first: config:set --global NGINX_IPV4_ADDRESS=...",
      );
  }
}
