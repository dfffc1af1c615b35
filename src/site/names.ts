import type { Settings } from "../app/env-file.ts";
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
