import type { App } from "./app.ts";
import { PikuError } from "./errors.ts";
import type { Host } from "./host/host.ts";
import { withTurn } from "./locks.ts";
import { readMachine } from "./machine.ts";
import { readSites, reloadNginx, stagingOf, testSites } from "./nginx.ts";
import { followedBy, type Plan } from "./plan.ts";
import { type Release, releaseFiles } from "./releases.ts";
import { renderSite } from "./site.ts";
import { makeCertificate, needsCertificate } from "./tls.ts";
import { isInside, slotFlag, socketLink, socketOf } from "./uwsgi.ts";
import { voiceOf } from "./voice.ts";

/** Makes the site the one of the plan: tested with all others, then put in place, then seen to have taken. */
export function switchSite(host: Host, plan: Plan): void {
  const { app, site, nginx, reload } = plan;
  withTurn(host, app.paths, "machine", undefined, "", () => {
    const before = host.read(app.site);
    if (!site) {
      if (before !== undefined) reloadNginx(host, app.paths, reload, () => host.remove(app.site));
      return;
    }
    const wanted = renderSite(site);
    const staged = needsCertificate(host, site) ? makeCertificate(host, app, site) : undefined;
    if (before === wanted && !staged) return;
    if (site.logs) host.mkdir(site.logs);
    const voice = voiceOf(host);
    if (staged) voice.start("generating self-signed certificate");
    const sites = readSites(host, app.paths);
    const complaint = testSites(host, app.paths, sites.set(app.name, renderSite({ ...site, ...staged })), nginx);
    if (complaint) throw badSite(host, plan, sites, complaint);
    const install = () => {
      if (staged) {
        host.rename(staged.key, site.key);
        host.rename(staged.certificate, site.certificate);
      }
      const file = `${stagingOf(app.paths)}/${app.name}.conf`;
      host.write(file, wanted);
      host.rename(file, app.site);
    };
    voice.start(`nginx will map app '${app.name}' to hostname(s) '${site.names.join(" ")}'`);
    try {
      reloadNginx(host, app.paths, reload, install);
    } catch (error) {
      if (before === undefined) host.remove(app.site);
      else host.write(app.site, before);
      throw error;
    }
  });
}

/** nginx's complaint, with the name of the app whose site it is about: the one that nginx refuses also when it is alone. */
function badSite(host: Host, { app, nginx }: Plan, sites: ReadonlyMap<string, string>, complaint: string): PikuError {
  const alone = (name: string) => testSites(host, app.paths, new Map([[name, sites.get(name)!]]), nginx);
  const guilty = [app.name, ...sites.keys()].find(alone) ?? app.name;
  if (guilty === app.name) {
    return new PikuError(
      `nginx refuses the site of app '${app.name}': ${complaint}`,
      "look at the NGINX_ settings and NGINX_INCLUDE_FILE",
    );
  }
  return new PikuError(
    `nginx refuses the site of app '${guilty}', so no site can be changed: ${complaint}`,
    `deploy '${guilty}' again, or destroy it`,
  );
}

/** Sends requests to a release: the links to its sockets, and the flag for its ports. Release 0, the original's, has neither. */
export function pointTo(host: Host, app: App, release: Release): void {
  if (release.number === 0) return;
  const kind = Object.keys(release.workers).find(isInside);
  for (let ordinal = 1; kind !== undefined && ordinal <= (release.scaling[kind] ?? 0); ordinal++) {
    // A worker that went on has the socket of the release that started it.
    const number = followedBy(release, { kind, ordinal }) ?? release.number;
    host.link(socketOf(app, ordinal, number).split("/").at(-1)!, socketLink(app, ordinal));
  }
  // The site from before may still look at it.
  if (kind !== undefined) return;
  if (release.slot === "b") host.write(slotFlag(app), "");
  else host.remove(slotFlag(app));
}

/** Makes the site that of a release again. */
export function restoreSite(host: Host, app: App, release: Release): void {
  const site = host.read(releaseFiles(app, release.number).site);
  if (site === undefined) removeSite(host, app);
  else if (site !== host.read(app.site)) changeSite(host, app, () => host.write(app.site, site));
}

/** Takes an app's site away. */
export function removeSite(host: Host, app: App): void {
  if (host.stat(app.site)) changeSite(host, app, () => host.remove(app.site));
}

function changeSite(host: Host, app: App, change: () => void): void {
  const { reload } = readMachine(host, app.paths.settings);
  withTurn(host, app.paths, "machine", undefined, "", () => reloadNginx(host, app.paths, reload, change));
}
