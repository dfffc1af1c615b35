import { PikuError } from "../text/errors.ts";
import { printable } from "../text/text.ts";

/** One line of a vassal's file; keys may come several times. */
export type Pair = readonly [key: string, value: string | number];

// Placeholders for `(`, and for nothing (after a trailing space).
const placeholders = "set-placeholder = pikunil=\nset-placeholder = pikulp=(\n";

/**
 * Escapes a value for uWSGI's ini files, which expand `%d`, `%(name)`, `$(VAR)` and `@(exec://…)`.
 * Throws for control characters, and for the one form that cannot be escaped.
 */
export function escapeValue(value: string, what: string): string {
  if (/[\x00-\x08\x0a-\x1f\x7f]/.test(value))
    throw new PikuError(`${what} has a control character in it`);
  const from = value.indexOf("%(");
  const to = value.indexOf(")", from);
  if (from >= 0 && to >= 0)
    throw new PikuError(
      `${what} has '${printable(value.slice(from, to + 1))}' in it, which uWSGI would replace`,
      "write it without the brackets, or take the trailing blank away",
    );
  const escaped = value.replaceAll("%", "%%").replaceAll("(", "%(pikulp)");
  return /[ \t]$/.test(escaped) ? `${escaped}%(pikunil)` : escaped;
}

/** The text of a vassal's file. */
export const renderVassal = (pairs: readonly Pair[]) =>
  `[uwsgi]\n; Written by piku; changes are lost.\n${pairs.map(([key, value]) => `${key} = ${value}\n`).join("")}${placeholders}`;
