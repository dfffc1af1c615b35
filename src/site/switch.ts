import type { App } from "../app/app.ts";
import { readBoardSettings } from "../app/board-settings.ts";
import { withLock } from "../app/locks.ts";
import { isUwsgiKind } from "../app/procfile.ts";
import { type Release, releaseFiles } from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { voiceOf } from "../text/output.ts";
import { filesOf, predecessorRelease, slotFlag, socketLink, socketOf } from "../workers/worker.ts";
import { type KeyPair, makeCertificate, needsCertificate, pairChange } from "./certificate.ts";
import { changeNginx } from "./change.ts";
import { clearLogs, forgetRefused, refusedSite, tellAside } from "./refused.ts";
import { renderSite } from "./render.ts";
import type { Site } from "./site.ts";

/** The site that an app is to have. `reload`: PIKU_NGINX_RELOAD, if it is set. */
interface WantedSite {
  app: App;
  site?: Site;
  reload?: string;
}

/**
 * Installs a site, or removes it. nginx itself checks it during the reload, with the rights that it
 * has: what it refuses is undone.
 */
export function switchSite(host: Host, { app, site, reload }: WantedSite): void {
  withLock(host, app.paths, "machine", undefined, "", () => {
    if (!site) return replaceSite(host, app, reload, undefined);
    const staged =
      site.ownPort === undefined && needsCertificate(host, site)
        ? makeCertificate(host, app, site)
        : undefined;
    const voice = voiceOf(host);
    if (staged) voice.start("generating self-signed certificate");
    const { password } = site;
    if (password && host.read(password.file) !== password.users)
      host.write(password.file, password.users, 0o600);
    const wanted = renderSite(site);
    if (host.read(app.site) === wanted && !staged) return;
    if (site.logs) {
      host.mkdir(site.logs);
      clearLogs(host, site.logs);
    }
    voice.start(
      site.ownPort === undefined
        ? `nginx will map app '${app.name}' to hostname(s) '${site.names.join(" ")}'`
        : `nginx will serve app '${app.name}' on port ${site.ownPort}`,
    );
    replaceSite(host, app, reload, wanted, staged && { staged, site });
  });
}

/**
 * Replaces or removes an app's site, and replaces its certificate; the caller holds the machine's
 * lock. Throws nginx's message if it refuses the change, which is undone then.
 */
function replaceSite(
  host: Host,
  app: App,
  reload: string | undefined,
  wanted: string | undefined,
  certificate?: { staged: KeyPair; site: KeyPair },
): void {
  const before = host.read(app.site);
  const pair = certificate && pairChange(host, certificate.site, certificate.staged);
  if (before === wanted && !pair && !host.stat(refusedSite(app.paths, app.name))) return;
  const aside = changeNginx(host, app.paths, reload, {
    app,
    make() {
      pair?.make();
      writeOrRemove(host, app.site, wanted);
    },
    undo() {
      writeOrRemove(host, app.site, before);
      pair?.undo();
    },
  });
  forgetRefused(host, app.paths, app.name);
  tellAside(host, aside);
}

const writeOrRemove = (host: Host, path: string, content: string | undefined) =>
  content === undefined ? host.remove(path) : host.write(path, content);

/**
 * Sends requests to a release, by the links to its sockets, also of `web` workers that sleep, and
 * the flag for its ports. Release 0, the original's, has neither.
 */
export function routeTo(host: Host, app: App, release: Release): void {
  if (release.number === 0) return;
  const inside = Object.keys(release.workers).find(isUwsgiKind);
  const kind = inside ?? "web";
  for (let ordinal = 1; ordinal <= (release.scaling[kind] ?? 0); ordinal++) {
    // A worker that was carried over has the socket of the release that started it.
    const number = predecessorRelease(release, { kind, ordinal }) ?? release.number;
    const { heldCopy } = filesOf(app, { kind, ordinal, release: number });
    if (inside !== undefined || host.stat(heldCopy))
      host.link(socketOf(app, ordinal, number).split("/").at(-1)!, socketLink(app, ordinal));
  }
  // The previous site may still depend on it.
  if (inside !== undefined) return;
  if (release.slot === "b") host.note(slotFlag(app), "");
  else host.remove(slotFlag(app));
}

/** Restores the site of a release. */
export function restoreSite(host: Host, app: App, release: Release): void {
  const site = host.read(releaseFiles(app, release.number).site);
  if (site !== host.read(app.site)) changeSite(host, app, site);
}

/** Removes an app's site. */
export const removeSite = (host: Host, app: App): void => changeSite(host, app, undefined);

function changeSite(host: Host, app: App, wanted: string | undefined): void {
  const { reload } = readBoardSettings(host, app.paths.settings);
  withLock(host, app.paths, "machine", undefined, "", () => replaceSite(host, app, reload, wanted));
}
