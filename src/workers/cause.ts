import type { Resource } from "../app/limits.ts";
import { nearest, printable, printableUpTo } from "../text/text.ts";

/** What is known about an app that failed, beside what it printed. */
export interface Scene {
  app: string;
  /** The kind and the command of its line of the Procfile; both empty for a step of a build. */
  kind: string;
  command: string;
  /** The folder of its files, as it stands in what it printed. */
  tree: string;
  /** Names at the top of the commit, folders with a `/` behind them. */
  names: readonly string[];
  /** The text of a file of the commit, or undefined. */
  read(path: string): string | undefined;
  /** The limits that it has, by the setting that says so, and the command that would change it. */
  limits?: Partial<Record<Resource, { setting: string; change: string }>>;
  /** What piku advises by how the process looks; the words of its log take precedence. */
  advice?: string;
  /** Whether this commit has deleted a file. */
  deletes(path: string): boolean;
}

/** What a row says: a text with `$1` for what its pattern has caught, or a function of both. */
export type Words =
  | string
  | ((found: readonly string[], scene: Scene, log: string) => string | undefined);

/**
 * A mistake that a log shows: the pattern, what is wrong, and what to do. The pattern's last match
 * counts. A row whose sentence is undefined does not apply.
 */
export type Cause = readonly [log: RegExp, what: Words, next: Words];

/** What is wrong, in one sentence without a full stop, and what to type. */
export interface Reason {
  what: string;
  next: string;
}

// What matters stands at the end, and a pattern must not take long.
const maxLogLetters = 64 * 1024;
const maxLines = 1000;
const maxLineLetters = 1000;
const maxShownLetters = 200;

/** A log as the patterns expect it: without colours and blank lines, paths below the app's folder relative. */
export const readable = (log: string, tree: string) =>
  log
    .slice(-maxLogLetters)
    .replace(/\x1b\[[\d;]*[A-Za-z]/g, "")
    .replaceAll(`'${tree}/`, "'./")
    .replaceAll(`file://${tree}/`, "")
    .replaceAll(`${tree}/`, "")
    .replaceAll('File "./', 'File "')
    .split("\n")
    .filter((line) => line.trim() !== "")
    .slice(-maxLines)
    .map((line) => line.slice(0, maxLineLetters))
    .join("\n");

/** The first row that applies to a log. */
export function findCause(
  rows: readonly Cause[],
  log: string,
  scene: Scene,
): (Reason & { place?: string }) | undefined {
  const text = readable(log, scene.tree);
  for (const [pattern, what, next] of rows) {
    const match = [...text.matchAll(global(pattern))].at(-1);
    if (!match) continue;
    const found = match.map((group) => printableUpTo(maxShownLetters, group ?? ""));
    const say = (words: Words) =>
      typeof words === "string"
        ? words.replace(/\$(\d)/g, (_, index) => found[index] ?? "").replaceAll("$APP", scene.app)
        : words(found, scene, text);
    const sentence = say(what);
    if (sentence !== undefined)
      return { what: sentence, next: say(next) ?? "", place: placeIn(text) };
  }
  return undefined;
}

const global = (pattern: RegExp) => new RegExp(pattern.source, `${pattern.flags}gm`);

const pythonPlace = /File "([\w@+][\w.@+/-]*\.py)", line (\d+)/g;
const otherPlace =
  /(?:^|[\s("'[<])(?:\.\/)?([\w@+-][\w.@+/-]*\.(?:py|[cm]?[jt]s|[jt]sx|rb|ru|go|php|java|kt|rs))(?:", line |:\[|:| on line |\()(\d+)/gm;
const othersCode = /^(node_modules|vendor|\.?venv|env|target)\//;

/**
 * Where the app's own code failed: `app.py line 3`. Python's calls stand with the last one at the
 * end, everybody else's with the last one first.
 */
export function placeIn(text: string): string | undefined {
  const own = (pattern: RegExp) =>
    [...text.matchAll(pattern)].filter(([, file]) => !othersCode.test(file!));
  const at = own(pythonPlace).at(-1) ?? own(otherPlace)[0];
  return at && `${printable(at[1]!)} line ${at[2]}`;
}

/** What was probably meant by a name that is not there, as the end of a sentence. */
export function meant(name: string, names: readonly string[]): string {
  if (names.includes(name)) return "";
  const same = names.find((one) => one.toLowerCase() === name.toLowerCase());
  if (same) return `; it has '${printable(same)}' (Linux tells capital letters apart)`;
  const near = nearest(name, names);
  return near ? `; it has '${printable(near)}'` : "";
}

/** Whether the commit has a file, or a folder, of this name at its top. */
export const isAtTop = ({ names }: Scene, name: string) =>
  names.includes(name) || names.includes(`${name}/`);
