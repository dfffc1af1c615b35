import type { App } from "../app/app.ts";
import type { BoardSettings } from "../app/board-settings.ts";
import type { Settings } from "../app/env-file.ts";
import { siteKinds, type Workers } from "../app/procfile.ts";
import { setting } from "../app/settings.ts";
import { PikuError } from "../text/errors.ts";

/** The names of an app's site; the default site needs none of its own. */
export function siteNames(settings: Settings): string[] {
  const names = setting(settings, "NGINX_SERVER_NAME");
  return names.length === 0 && setting(settings, "NGINX_DEFAULT") ? ["_"] : names;
}

/**
 * The names from which visitors are redirected to the first of `names`. Throws when that is none
 * that a browser can be sent to.
 */
export function parseRedirected(settings: Settings, names: readonly string[]): string[] {
  const redirected = setting(settings, "NGINX_REDIRECT_FROM").filter(
    (name) => !names.includes(name),
  );
  if (redirected.length > 0 && /^[_.]|\*|\.$/.test(names[0]!))
    throw new PikuError(
      `NGINX_REDIRECT_FROM: visitors cannot be redirected to '${names[0]}'`,
      "put a name without '*' and '_' first in NGINX_SERVER_NAME",
    );
  return redirected;
}

/**
 * The server name below the board's PIKU_DOMAIN for an app that serves something; its own settings
 * take precedence.
 */
export const nameBelow = ({ domain }: BoardSettings, app: App, workers: Workers): Settings =>
  domain && [...siteKinds, "static"].some((kind) => kind in workers)
    ? { NGINX_SERVER_NAME: `${app.name}.${domain}` }
    : {};

/**
 * What is wrong with a name that `nameBelow` made, where the app has no other: app names may have
 * what host names may not. Throws for one that nginx cannot have.
 */
export function derivedNameWarnings(app: App, derived: Settings, settings: Settings): string[] {
  const name = derived.NGINX_SERVER_NAME;
  if (name === undefined || name !== settings.NGINX_SERVER_NAME) return [];
  const label = app.name.replace(/[^A-Za-z0-9.]+/g, "-").replace(/-*(\.|$)-*/g, "$1");
  const remedy = `config:set ${app.name} NGINX_SERVER_NAME=${`${label}${name.slice(app.name.length)}`.toLowerCase()}`;
  try {
    siteNames(derived);
  } catch {
    throw new PikuError(
      `app '${app.name}' cannot be served at ${name}: no part of a host name ends with '-'`,
      `give the app another name, or: ${remedy}`,
    );
  }
  return name.includes("_")
    ? [
        `a host name has no '_', so some programs refuse ${name.toLowerCase()}; for another: ${remedy}`,
      ]
    : [];
}
