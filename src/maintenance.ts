import type { App } from "./app.ts";
import { text } from "./text.ts";

/** The page that nginx shows in the place of an app while this file is there. */
export const maintenanceFile = (app: App) => `${app.paths.sockets}/${app.name}.html`;

// A status that nothing else uses, so that an app's own pages for 503 stay what they are.
const closed = 555;
const page = "/.piku-maintenance";

/**
 * The part of a site that closes it while `file` is there: one stat(2) a request, and no reload to switch. A certificate
 * authority is let through.
 */
export const renderMaintenance = (file: string) =>
  text`
  error_page ${closed} =503 ${page};
  set $piku_closed $uri;
  if (!-f ${file}) { set $piku_closed ""; }
  if ($piku_closed ~ ^/(?!\.well-known/acme-challenge/|${page.slice(1).replace(".", "\\.")}\z)) { return ${closed}; }
  location = ${page} {
    internal;
    root ${file.slice(0, file.lastIndexOf("/"))};
    try_files ${file.slice(file.lastIndexOf("/"))} =503;
    add_header Retry-After 300 always;
    add_header Cache-Control no-store always;
  }`.trimEnd();

const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** The page itself; `message` is text, not HTML. */
export const renderPage = (message: string) => text`
  <!doctype html>
  <html>
  <head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width">
  <title>503</title>
  <style>body { font: 1.25em/1.5 sans-serif; max-width: 30em; margin: 20vh auto; padding: 0 1em; text-align: center }</style>
  </head>
  <body>
  <p>${message.replace(/[&<>"']/g, (letter) => entities[letter]!).replace(/\s*\n\s*/g, "<br>")}</p>
  </body>
  </html>`;
