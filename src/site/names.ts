import type { Settings } from "../app/env-file.ts";
import { PikuError } from "../text/errors.ts";
import { isOn, printable } from "../text/text.ts";

const namePattern =
  /^(_|(\*\.|\.)?([A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?\.)*[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.\*)?\.?|\[[0-9a-fA-F:.]+\])$/;

/**
 * The names in a setting, with commas or blanks between them. Throws for what nginx would read as
 * something else.
 */
export function parseServerNames(value: string | undefined, key = "NGINX_SERVER_NAME"): string[] {
  const names = (value ?? "").split(/[\s,]+/).filter((name) => name !== "");
  const bad = names.find((name) => name.length > 253 || !namePattern.test(name));
  if (bad !== undefined) {
    throw new PikuError(
      `${key}: '${printable(bad)}' cannot be a server's name`,
      "write names such as app.example.com, with commas between them",
    );
  }
  return [...new Set(names.map((name) => name.toLowerCase()))];
}

/** The names of an app's site. The one that answers for unknown names needs none of its own. */
export function siteNames(settings: Settings): string[] {
  const names = parseServerNames(settings.NGINX_SERVER_NAME);
  return names.length === 0 && isOn(settings.NGINX_DEFAULT) ? ["_"] : names;
}

/**
 * The names from which people are sent on to the first of `names`. Throws when there is no telling
 * where to.
 */
export function parseRedirected(settings: Settings, names: readonly string[]): string[] {
  const key = "NGINX_REDIRECT_FROM";
  const redirected = parseServerNames(settings[key], key).filter((name) => !names.includes(name));
  if (redirected.length > 0 && /^[_.]|\*|\.$/.test(names[0]!))
    throw new PikuError(
      `${key}: nobody can be sent to '${names[0]}'`,
      "put a name without '*' and '_' first in NGINX_SERVER_NAME",
    );
  return redirected;
}
