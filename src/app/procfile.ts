import { PikuError, usageError } from "../text/errors.ts";
import { linesOf, meaningfulLines, printable } from "../text/text.ts";
import { parseCron } from "./cron.ts";
import { slipIn, slipWarnings } from "./procfile-slips.ts";

/** Kind -> command, in the order of the Procfile. */
export type Workers = Record<string, string>;

/** Kind -> how many processes. */
export type Scaling = Record<string, number>;

export interface Procfile {
  /** Everything but `preflight` and `release`. */
  workers: Workers;
  preflight?: string;
  release?: string;
  warnings: string[];
}

const maxBytes = 64 * 1024;
const maxKinds = 50;
const maxProcesses = 64;
const example = "a Procfile has lines such as `web: python3 app.py`";

/** Kinds that nginx reaches through uWSGI; each of them disables `web`. */
const uwsgiKinds = ["wsgi", "jwsgi", "rwsgi"];

const insideKinds = [...uwsgiKinds, "php"];

/** Kinds that serve http. */
export const siteKinds = [...insideKinds, "web"];

/** Whether workers of this kind run inside uWSGI. */
export const isUwsgiKind = (kind: string) => insideKinds.includes(kind);

/** Whether a kind of worker runs on a schedule. */
export const isCron = (kind: string) => kind.startsWith("cron");

/**
 * Reads a Procfile: a line is `kind: command`, `#` begins a comment line, and the last line of a
 * kind wins. Throws with file and line for anything else.
 */
export function parseProcfile(content: string, file = "Procfile"): Procfile {
  if (content.length > maxBytes) throw new PikuError(`${file} is larger than 64 KB`, example);
  if (content.includes("\0") || content.includes("\ufffd"))
    throw new PikuError(`${file} is not a text file`, example);
  const found: Workers = {};
  const warnings: string[] = [];
  for (const { line, where } of meaningfulLines(content, file)) {
    const slip = slipIn(line);
    if (slip) throw new PikuError(`${where}: ${slip.what}`, slip.next);
    const colon = line.indexOf(":");
    const [kind, command] = [
      line.slice(0, Math.max(0, colon)).trim(),
      line.slice(colon + 1).trim(),
    ];
    if (colon < 0 || command === "")
      throw new PikuError(`${where}: '${printable(line)}' is not 'kind: command'`, example);
    if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$/.test(kind)) {
      throw new PikuError(
        `${where}: invalid kind of worker '${printable(kind)}'`,
        "a kind is up to 40 letters, digits, '_' and '-'",
      );
    }
    if (/[\x00-\x08\x0b-\x1f]/.test(command))
      throw new PikuError(`${where}: the command contains a control character`);
    if (isCron(kind)) parseCron(command, where);
    warnings.push(...slipWarnings(command).map((warning) => `${where}: ${warning}`));
    if (Object.hasOwn(found, kind))
      warnings.push(`${where}: there are several '${kind}' workers, only the last one is used.`);
    found[kind] = command;
  }
  if (Object.keys(found).length === 0) throw new PikuError(`${file} has no workers`, example);
  if (Object.keys(found).length > maxKinds)
    throw new PikuError(`${file} has more than ${maxKinds} kinds of worker`);
  const { preflight, release, ...workers } = found;
  const rival = uwsgiKinds.find((kind) => kind in workers);
  if (rival && "web" in workers) {
    warnings.push(`found both '${rival}' and 'web' workers, disabling 'web'.`);
    delete workers.web;
  }
  return { workers, preflight, release, warnings };
}

/** Reads SCALING: `kind:count` a line, as the original writes it. Other lines are ignored. */
export function parseScaling(content: string): Scaling {
  const entries = linesOf(content, "SCALING").map((line) =>
    /^\s*([\w-]+)\s*:\s*(\d{1,4})\s*$/.exec(line),
  );
  return Object.fromEntries(
    entries.filter((entry) => entry !== null).map(([, kind, count]) => [kind!, Number(count)]),
  );
}

/** Writes SCALING. */
export const renderScaling = (scaling: Scaling) =>
  Object.entries(scaling)
    .map(([kind, count]) => `${kind}:${count}\n`)
    .join("");

/**
 * How many processes of each kind an app has: the count in `changes`, else the one it had, else
 * one. Throws for a kind that is not in the Procfile, and for more than one process of a cron or
 * static kind.
 */
export function planScaling(workers: Workers, was: Scaling, changes: Scaling = {}): Scaling {
  for (const [kind, count] of Object.entries(changes)) {
    if (!Object.hasOwn(workers, kind)) {
      throw new PikuError(
        `worker type '${kind}' is not in the Procfile`,
        `it has ${Object.keys(workers).join(", ")}`,
      );
    }
    if (count > 1 && isSingle(kind)) throw new PikuError(`'${kind}' can only be scaled to 0 or 1`);
  }
  const count = (kind: string) =>
    Math.min(entry(changes, kind) ?? entry(was, kind) ?? 1, isSingle(kind) ? 1 : maxProcesses);
  return Object.fromEntries(Object.keys(workers).map((kind) => [kind, count(kind)]));
}

const entry = (scaling: Scaling, kind: string) =>
  Object.hasOwn(scaling, kind) ? scaling[kind] : undefined;

/** A second process of these kinds would only repeat the first. */
const isSingle = (kind: string) => isCron(kind) || kind === "static";

/**
 * Reads the arguments of `ps:scale`: `kind=count` words. Throws a usage error, and for a count
 * out of range.
 */
export function parseScale(words: readonly string[]): Scaling {
  return Object.fromEntries(
    words.map((word) => {
      const [, kind, count] = /^([\w-]+)=(-?\d+)$/.exec(word) ?? [];
      if (kind === undefined)
        throw new PikuError(
          `malformed setting '${printable(word)}'`,
          "write kind=count, such as web=2",
          2,
        );
      if (Number(count) < 0) throw usageError(`cannot scale type '${kind}' below 0`);
      if (Number(count) > maxProcesses)
        throw usageError(`cannot scale type '${kind}' above ${maxProcesses}`);
      return [kind, Number(count)];
    }),
  );
}
