import { printable } from "./app.ts";
import { PikuError } from "./errors.ts";
import { expandVars, literal, meaningfulLines } from "./text.ts";

/** Names and values of environment variables, in the order in which they were written. */
export type Settings = Record<string, string>;

const keyPattern = /^[A-Za-z_][A-Za-z0-9_]*$/;
const largestValue = 100_000;

/**
 * Reads the ENV file of a repository, or of the machine: `KEY=value` a line, with `#` comments (also behind a value,
 * after a blank), blank lines, `export`, and values in single quotes (as they are) or double quotes (`\"` and `\\`).
 * A `$` that must stay one comes back as `\$`, for `expandVars`. Throws with file and line for a line that is none.
 */
export function parseSettings(content: string, file = "ENV"): Settings {
  const settings = new Map<string, string>();
  for (const { line, where } of meaningfulLines(content, file)) {
    const [, key, written] = /^(?:export\s+)?([^=]*?)\s*=(.*)$/.exec(line) ?? [];
    if (key === undefined)
      throw new PikuError(`${where}: '${printable(line)}' is not 'KEY=value'`, "put a '#' in front of a comment");
    checkKey(key, where);
    const value = unquoted(written!, where);
    checkValue(key, value, where);
    settings.set(key, value);
  }
  return Object.fromEntries(settings);
}

/** A value of an ENV file without its quotes and the comment behind it. */
function unquoted(behindEquals: string, where: string): string {
  const written = behindEquals.trimStart();
  const quote = written[0];
  if (quote !== "'" && quote !== '"') return behindEquals.replace(/\s+#.*$/, "").trim();
  const [, inside, behind] = (quote === "'" ? /^'([^']*)'(.*)$/ : /^"((?:[^"\\]|\\.)*)"(.*)$/).exec(written) ?? [];
  if (inside === undefined)
    throw new PikuError(`${where}: the quote ${quote} is not closed`, `end the value with ${quote}`);
  // Such as CMD="a b" --flag: not a quoted value but one with quotes in it.
  if (!/^\s*(#.*)?$/.test(behind!)) return /^(?:"(?:[^"\\]|\\.)*"|'[^']*'|\s(?!\s*#)|\S)*/.exec(written)![0];
  return quote === "'" ? literal(inside) : inside.replace(/\\(["\\])(?!\$)/g, "$1");
}

/** One line of a server-side ENV file: a setting, or a line that is kept as it is. */
export type ServerLine = { key: string; value: string } | { kept: string };

/** Reads `envs/<app>/ENV`, which `config:set` writes: the value is all that follows the first `=`, to the letter. */
export function parseServerLines(content: string): ServerLine[] {
  const lines = content.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line) => {
    const at = line.indexOf("=");
    return line.startsWith("#") || at < 1
      ? { kept: line }
      : { key: line.slice(0, at).trim(), value: line.slice(at + 1) };
  });
}

/** The settings of a server-side ENV file, to the letter. */
export const parseServerSettings = (content: string): Settings =>
  Object.fromEntries(parseServerLines(content).flatMap((line) => ("key" in line ? [[line.key, line.value]] : [])));

/**
 * The server-side ENV file with settings set (a string) or taken out (null); comments and the order of lines stay.
 * Throws for a name or a value that cannot be written.
 */
export function changeServerSettings(content: string, changes: Readonly<Record<string, string | null>>): string {
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) continue;
    checkKey(key, "ENV");
    checkValue(key, value, "ENV");
  }
  const left = new Map(Object.entries(changes));
  const lines = parseServerLines(content).flatMap((line) => {
    if (!("key" in line)) return [line.kept];
    const value = left.get(line.key);
    if (value === undefined) return Object.hasOwn(changes, line.key) ? [] : [`${line.key}=${line.value}`];
    left.delete(line.key);
    return value === null ? [] : [`${line.key}=${value}`];
  });
  const added = [...left].flatMap(([key, value]) => (value === null ? [] : [`${key}=${value}`]));
  return [...lines, ...added].map((line) => `${line}\n`).join("");
}

/** Reads what `config:set` got: `KEY=value` words. Throws for a word that is none, or a value that cannot be kept. */
export function parseAssignments(words: readonly string[]): Settings {
  return Object.fromEntries(
    words.map((word) => {
      const at = word.indexOf("=");
      if (at < 0) throw new PikuError(`malformed setting '${printable(word)}'`, "write KEY=value, such as DEBUG=1", 2);
      const key = word.slice(0, at).trim();
      checkKey(key, "config:set");
      checkValue(key, word.slice(at + 1), "config:set");
      return [key, word.slice(at + 1)];
    }),
  );
}

function checkKey(key: string, where: string): void {
  if (!keyPattern.test(key)) {
    throw new PikuError(
      `${where}: '${printable(key)}' cannot be the name of a setting`,
      "a name is letters, digits and '_', and does not begin with a digit",
    );
  }
}

function checkValue(key: string, value: string, where: string): void {
  if (/[\n\r\0]/.test(value)) {
    throw new PikuError(
      `${where}: the value of ${key} has a line break in it`,
      "a setting is one line; put longer things in a file, or encode them with base64",
    );
  }
  if (value.length > largestValue)
    throw new PikuError(
      `${where}: the value of ${key} is larger than 100 KB`,
      "put it in a file below the data folder",
    );
}

/**
 * What an app's processes get: the layers one after the other, the later ones winning, `$NAME` replaced by what is
 * known so far, as the original did when it read its files.
 */
export function layered(base: Settings, layers: readonly Settings[]): Settings {
  const live = Object.assign(Object.create(null) as Settings, base);
  for (const layer of layers) {
    for (const [key, value] of Object.entries(layer)) {
      if (keyPattern.test(key)) live[key] = expandVars(value, live);
    }
  }
  return { ...live };
}

/** A setting that is a whole number, or what it usually is. Throws for one that is none. */
export function wholeNumberIn<Key extends string>(settings: Settings, usual: Readonly<Record<Key, string>>, key: Key) {
  const value = settings[key] ?? usual[key];
  if (!/^\d{1,9}$/.test(value))
    throw new PikuError(`${key} is '${printable(value)}'`, `it must be a whole number, such as ${usual[key]}`);
  return Number(value);
}

/** Writes LIVE_ENV. */
export const renderSettings = (settings: Settings) =>
  Object.entries(settings)
    .map(([key, value]) => `${key}=${value}\n`)
    .join("");

/** Names of the settings that the original read differently out of this ENV file: it kept quotes and comments. */
export function readDifferently(content: string): string[] {
  const theirs: Settings = {};
  for (const line of content.split("\n")) {
    if (line.startsWith("#") || line.trim() === "") continue;
    const at = line.indexOf("=");
    // The original ignored the rest of a file behind a line that it could not read.
    if (at < 0) break;
    theirs[line.slice(0, at).trim()] = line.slice(at + 1).trim();
  }
  const ours = parseSettings(content);
  // It also replaced a name behind a backslash.
  return Object.keys(ours).filter((key) => ours[key] !== theirs[key] || /\\\$/.test(theirs[key] ?? ""));
}
