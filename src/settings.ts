import { printable } from "./app.ts";
import { PikuError } from "./errors.ts";
import { expandVars, literal, meaningfulLines } from "./text.ts";

/** Names and values of environment variables, in the order in which they were written. */
export type Settings = Record<string, string>;

const keyPattern = /^[A-Za-z_][A-Za-z0-9_]*$/;
// The kernel takes no more than 128 KiB for one, and 2 MiB for all that a program is started with (execve(2)).
const largestValue = 100_000;
const largestSum = 1_000_000;

/** At most so many bytes a text is in UTF-8. */
const bytesOf = (text: string) => text.length + 2 * (text.match(/[^\x00-\x7f]/g)?.length ?? 0);

/**
 * Reads the ENV file of a repository, or of the machine: `KEY=value` a line, with `#` comments (also behind a value,
 * after a blank), blank lines, `export`, and values in single quotes (as they are) or double quotes (`\"` and `\\`).
 * A `$` that must stay one comes back as `\$`, for `expandVars`. Throws with file and line for a line that is none.
 */
export function parseSettings(content: string, file = "ENV"): Settings {
  const settings = new Map<string, string>();
  for (const { line, where } of meaningfulLines(content, file)) {
    const equals = line.indexOf("=");
    if (equals < 0)
      throw new PikuError(`${where}: '${printable(line)}' is not 'KEY=value'`, "put a '#' in front of a comment");
    const key = line
      .slice(0, equals)
      .replace(/^export\s+/, "")
      .trim();
    checkKey(key, where);
    const value = unquoted(line.slice(equals + 1), where);
    checkValue(key, value, where);
    settings.set(key, value);
  }
  return Object.fromEntries(settings);
}

/** A value of an ENV file without its quotes and the comment behind it. */
function unquoted(behindEquals: string, where: string): string {
  const written = behindEquals.trimStart();
  const quote = written[0];
  if (quote !== "'" && quote !== '"') {
    const comment = behindEquals.search(/\s#/);
    return (comment < 0 ? behindEquals : behindEquals.slice(0, comment)).trim();
  }
  const [, inside, behind] = (quote === "'" ? /^'([^']*)'(.*)$/s : /^"((?:[^"\\]|\\.)*)"(.*)$/s).exec(written) ?? [];
  if (inside === undefined)
    throw new PikuError(`${where}: the quote ${quote} is not closed`, `end the value with ${quote}`);
  // Such as CMD="a b" --flag: not a quoted value but one with quotes in it.
  if (!/^\s*(#.*)?$/s.test(behind!))
    return /^(?:"(?:[^"\\]|\\.)*"|'[^']*'|["'].*|\s+(?![\s#])|[^\s"'])*/s.exec(written)![0];
  return quote === "'" ? literal(inside) : inside.replace(/\\(["\\])(?!\$)/g, "$1");
}

/** One line of a server-side ENV file: a setting, or a line that is kept as it is. */
export type ServerLine = { key: string; value: string; line: string } | { kept: string };

/** Reads `envs/<app>/ENV`, which `config:set` writes: the value is all that follows the first `=`, to the letter. */
export function parseServerLines(content: string): ServerLine[] {
  const lines = content.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line) => {
    const at = line.indexOf("=");
    return line.startsWith("#") || at < 1
      ? { kept: line }
      : { key: line.slice(0, at).trim(), value: line.slice(at + 1), line };
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
  if (content.includes("\ufffd"))
    throw new PikuError(
      "the app's file of settings is not UTF-8, and would not be what it was",
      "mend ~/.piku/envs/APP/ENV",
    );
  const left = new Map(Object.entries(changes));
  const lines = parseServerLines(content).flatMap((line) => {
    if (!("key" in line)) return [line.kept];
    const value = left.get(line.key);
    if (value === undefined) return Object.hasOwn(changes, line.key) ? [] : [line.line];
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
  // Debian's shell ends when it is given anything but a number.
  if (key === "OPTIND") throw new PikuError(`${where}: 'OPTIND' is a variable of the shell's own`, "take another name");
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
  // What could not be read as UTF-8 has become this character, and would come to the app as something else.
  if (value.includes("\ufffd"))
    throw new PikuError(`${where}: the value of ${key} is not UTF-8`, "save it as UTF-8, or encode it with base64");
  if (bytesOf(value) > largestValue)
    throw new PikuError(
      `${where}: the value of ${key} is larger than 100 KB`,
      "put it in a file below the data folder",
    );
}

/**
 * What an app's processes get: the layers one after the other, the later ones winning, `$NAME` replaced by what is
 * known so far, as the original did when it read its files. Throws for a value that cannot be, or more than a process can get.
 */
export function layered(base: Settings, layers: readonly Settings[]): Settings {
  const live = Object.assign(Object.create(null) as Settings, base);
  for (const layer of layers) {
    for (const [key, value] of Object.entries(layer)) {
      if (!keyPattern.test(key)) continue;
      live[key] = expandVars(value, live);
      checkValue(key, live[key], "settings");
    }
  }
  const sum = Object.entries(live).reduce((bytes, [key, value]) => bytes + bytesOf(key) + bytesOf(value), 0);
  if (sum > largestSum)
    throw new PikuError(
      "the settings together are larger than 1 MB",
      "put large things in files below the data folder",
    );
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
