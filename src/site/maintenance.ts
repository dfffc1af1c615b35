import type { App } from "../app/app.ts";
import { withLock } from "../app/locks.ts";
import type { Host } from "../host/host.ts";
import { text } from "../text/text.ts";
import { ownPage } from "./own-page.ts";
import { renderPage, stoppedPage } from "./page.ts";

/**
 * The page that nginx shows instead of an app as long as this file exists: that of maintenance:on,
 * or of `stop`.
 */
export const maintenanceFile = (app: App) => `${app.paths.sockets}/${app.name}.html`;

const closed = "/.piku-closed";
const page = "/.piku-maintenance";

/**
 * The part of a site that closes it as long as `file` exists: one stat(2) a request, and no reload
 * to switch. Certificate authorities are let through. The page may disappear between nginx's check
 * and its reading: that is an error within an error page, which nginx handles only if the location
 * of the first error allows it (recursive_error_pages). It has a location of its own, so that an
 * app's own error pages are not affected.
 */
export const renderMaintenance = (file: string) =>
  text`
  set $piku_closed $uri;
  if (!-f ${file}) { set $piku_closed ""; }
  if ($piku_closed ~ ^/(?!\.well-known/acme-challenge/|${page.slice(1).replace(".", "\\.")}\z)) { rewrite ^ ${closed} last; }
  location = ${closed} {
    internal;
    recursive_error_pages on;
    error_page 503 ${page};
    return 503;
  }
  location = ${page} {
    internal;
    root ${file.slice(0, file.lastIndexOf("/"))};
    try_files ${file.slice(file.lastIndexOf("/"))} =503;
    recursive_error_pages on;
    error_page 404 = @piku_opened;
    add_header Retry-After 300 always;
    add_header Cache-Control no-store always;
  }
  location @piku_opened {
    if ($request_uri = ${page}) { return 404; }
    return 503;
  }`.trimEnd();

const byStop = "piku stop";

/** Whether a page is that of a stopped app; any other was made by maintenance:on or by hand. */
const isOfStop = (page: string) =>
  page.includes(`<meta name="generator" content="${byStop}">`) || page.endsWith(ownByStop);

/** What marks an app's own page as that of a stopped app. */
const ownByStop = `\n<!-- ${byStop} -->\n`;

/** The page of a stopped app: whatever listens on its port by then must not answer. */
function stoppedHtml(host: Host, app: App): string {
  const own = ownPage(host, app);
  return own === undefined ? renderPage(stoppedPage(app.name, byStop)) : own + ownByStop;
}

/**
 * The page that an app is to have: that of maintenance:on if there is one, else that of a stopped
 * app.
 */
const pageFor = (
  host: Host,
  app: App,
  present: string | undefined,
  isStopped: boolean,
): string | undefined => {
  if (present !== undefined && (isStopped || !isOfStop(present))) return present;
  return isStopped ? stoppedHtml(host, app) : undefined;
};

/** Whether an app is closed by maintenance:on. */
export function isClosed(host: Host, app: App): boolean {
  const present = host.read(maintenanceFile(app));
  return present !== undefined && !isOfStop(present);
}

/** Writes or removes an app's page as its state requires. */
export function settlePage(host: Host, app: App, isStopped: boolean): void {
  changePage(host, app, (present) => pageFor(host, app, present, isStopped));
}

/** Closes an app's site with a page that says `message`; without one, with the app's own page. */
export function closeSite(host: Host, app: App, message?: string): void {
  const says = message || "This site is being worked on. Please come back later.";
  const own = message ? undefined : ownPage(host, app);
  const page = { title: "Closed for maintenance", says: [says], generator: "piku maintenance:on" };
  changePage(host, app, () => own ?? renderPage(page));
}

/** Opens it again; a stopped app then shows that it is stopped. */
export const openSite = (host: Host, app: App, isStopped: boolean) =>
  changePage(host, app, () => pageFor(host, app, undefined, isStopped));

/**
 * One at a time: the page of maintenance:on must not be removed by a deploy that ends at the same
 * moment.
 */
function changePage(
  host: Host,
  app: App,
  change: (present: string | undefined) => string | undefined,
): void {
  const file = maintenanceFile(app);
  const present = host.read(file);
  if (change(present) === present) return;
  withLock(host, app.paths, "machine", undefined, "", () => {
    const page = change(host.read(file));
    if (page === undefined) return host.remove(file);
    host.mkdir(app.paths.sockets);
    host.write(file, page);
  });
}
