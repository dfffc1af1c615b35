import { PikuError } from "../text/errors.ts";
import { expandVars, linesOf, literal, meaningfulLines, splitWords } from "../text/text.ts";
import { printable } from "./app.ts";

/** Names and values of environment variables, in the order in which they were written. */
export type Settings = Record<string, string>;

const keyPattern = /^[A-Za-z_][A-Za-z0-9_]*$/;
// The kernel takes no more than 128 KiB for one, and 2 MiB for all that a program is started with (execve(2)).
const largestValue = 100_000;
const largestSum = 1_000_000;
const mostSettings = 5000;

/** Bytes of settings that can be given at once: all that there may be, with their quotes and comments. */
export const largestImport = 2 * largestSum;

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
    const { value } = readValue(line.slice(equals + 1), where);
    checkValue(key, value, where);
    settings.set(key, value);
  }
  return Object.fromEntries(settings);
}

/** A value of an ENV file without its quotes, and what stands behind it: nothing, or a comment with the blanks before it. */
function readValue(behindEquals: string, where: string): { value: string; behind: string } {
  const written = behindEquals.trimStart();
  const quote = written[0];
  if (quote !== "'" && quote !== '"') {
    // Not with `\s+`, which takes minutes for a line of blanks.
    const comment = behindEquals.search(/\s#/);
    const until = (comment < 0 ? behindEquals : behindEquals.slice(0, comment)).trimEnd();
    return { value: until.trimStart(), behind: behindEquals.slice(until.length) };
  }
  const [, inside, behind] = (quote === "'" ? /^'([^']*)'(.*)$/s : /^"((?:[^"\\]|\\.)*)"(.*)$/s).exec(written) ?? [];
  if (inside === undefined)
    throw new PikuError(`${where}: the quote ${quote} is not closed`, `end the value with ${quote}`);
  // Such as CMD="a b" --flag: not a quoted value but one with quotes in it.
  if (!/^\s*(#.*)?$/s.test(behind!)) {
    const value = /^(?:"(?:[^"\\]|\\.)*"|'[^']*'|["'].*|\s+(?![\s#])|[^\s"'])*/s.exec(written)![0];
    return { value, behind: written.slice(value.length) };
  }
  return { value: quote === "'" ? literal(inside) : inside.replace(/\\(["\\])(?!\$)/g, "$1"), behind: behind! };
}

/** One line of a server-side ENV file: a setting, or a line that is kept as it is. */
export type ServerLine = { key: string; value: string; line: string } | { kept: string };

/** Reads `envs/<app>/ENV`, which `config:set` writes: the value is all that follows the first `=`, to the letter. */
export function parseServerLines(content: string): ServerLine[] {
  const lines = linesOf(content, "the app's file of settings");
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
  const changed = [...lines, ...added].map((line) => `${line}\n`).join("");
  // Taking some away must always be possible.
  if (changed.length > content.length) checkSum(parseServerSettings(changed));
  return changed;
}

/**
 * An ENV file that people write, with settings set (a string, which `parseSettings` then gives back) or taken out (null).
 * All other lines, and a comment behind a value, stay byte for byte. Throws for a file that cannot be read, and for a value
 * that cannot be written.
 */
export function changeSettings(
  content: string,
  changes: Readonly<Record<string, string | null>>,
  file: string,
): string {
  parseSettings(content, file);
  return Object.entries(changes).reduce((text, [key, value]) => {
    const pattern = new RegExp(`^\\ufeff?\\s*(?:export\\s+)?${key}\\s*=`);
    const lines = text.split(/(?<=\n)/);
    if (value === null) return lines.filter((line) => !pattern.test(line)).join("");
    // Of several lines the last one counts.
    const at = lines.findLastIndex((line) => pattern.test(line));
    if (at < 0) return `${text}${/[^\n]$/.test(text) ? "\n" : ""}${key}=${written(key, value, file)}\n`;
    const [, head, tail, end] = /^([^=]*=)(.*?)(\r?\n?)$/.exec(lines[at]!)!;
    const { behind } = readValue(tail!, file);
    const blanks = /^\s*/.exec(tail!.slice(0, tail!.length - behind.length))![0];
    const comment = behind.startsWith("#") ? ` ${behind}` : behind.trimEnd();
    return lines.with(at, `${head}${blanks}${written(key, value, file)}${comment}${end || "\n"}`).join("");
  }, content);
}

/** A value as it has to stand in an ENV file. */
function written(key: string, value: string, file: string): string {
  // `parseSettings` leaves a single backslash in front of a `$` to `expandVars`.
  const escaped = value.replace(/\\+|"/g, (found, at: number) =>
    found === '"'
      ? '\\"'
      : "\\".repeat(value[at + found.length] === "$" ? Math.max(1, 2 * found.length - 2) : 2 * found.length),
  );
  const forms = [...(/^\s*['"]/.test(value) ? [] : [value]), `"${escaped}"`];
  const form = forms.find((text) => parseSettings(`${key}=${text} # x`)[key] === value);
  if (form !== undefined) return form;
  throw new PikuError(`${file}: the value of ${key} cannot be written in an ENV file`, "encode it with base64");
}

/** Reads what `config:set` got: `KEY=value` words. Throws for a word that is none, or a value that cannot be kept. */
export function parseAssignments(words: readonly string[], where = "config:set"): Settings {
  return Object.fromEntries(
    words.map((word) => {
      const at = word.indexOf("=");
      if (at < 0)
        throw new PikuError(
          `malformed setting '${printable(word)}'`,
          "write KEY=value; quotes around blanks must arrive at the server: \"config:set blog NAME='two words'\"",
          2,
        );
      const key = word.slice(0, at).trim();
      checkKey(key, where);
      checkValue(key, word.slice(at + 1), where);
      return [key, word.slice(at + 1)];
    }),
  );
}

/**
 * Reads what `config:import` got: lines such as a shell reads them (`KEY='a b'`, `export`, `#` comments), or a JSON object
 * of strings. Values are to the letter. Throws, naming the line or the key, when anything in it is no setting.
 */
export function parseImport(content: string, where = "stdin"): Settings {
  if (content.includes("\ufffd")) throw new PikuError(`${where} is not a text in UTF-8`);
  const settings = /^\ufeff?\s*\{/.test(content) ? parseJson(content, where) : parseShell(content, where);
  checkSum(settings);
  if (Object.keys(settings).length > 0) return settings;
  throw new PikuError(`there is no setting in ${where}`, "e.g.: piku config:import blog <settings.txt");
}

function parseJson(content: string, file: string): Settings {
  const where = (error: unknown) => new PikuError(`${file} is not JSON: ${(error as Error).message}`);
  let found: Record<string, unknown>;
  try {
    found = JSON.parse(content.replace(/^\ufeff/, ""));
  } catch (error) {
    throw where(error);
  }
  return parseAssignments(
    Object.entries(found).map(([key, value]) => {
      if (typeof value !== "string")
        throw new PikuError(`${file}: the value of '${printable(key)}' is not a string`, 'write it as "KEY": "value"');
      checkKey(key, file);
      return `${key}=${value}`;
    }),
    file,
  );
}

function parseShell(content: string, file: string): Settings {
  const settings: Settings = {};
  for (const { line, where } of meaningfulLines(content, file)) {
    const words = wordsOfLine(line.replace(/^export\s+/, ""), where);
    const comment = words.findIndex((word) => word.startsWith("#"));
    const assignments = comment < 0 ? words : words.slice(0, comment);
    const bad = assignments.find((word) => !word.includes("="));
    if (bad !== undefined)
      throw new PikuError(`${where}: '${printable(bad)}' is not KEY='value'`, "quote a value that has blanks in it");
    Object.assign(settings, parseAssignments(assignments, where));
  }
  return settings;
}

function wordsOfLine(line: string, where: string): string[] {
  let words: string[];
  try {
    words = splitWords(line, mostSettings + 1).words;
  } catch {
    throw new PikuError(`${where}: a quote is not closed`, "a setting is one line");
  }
  if (words.length > mostSettings) throw new PikuError(`${where} has more than ${mostSettings} words`);
  return words;
}

/** Where the value of a setting comes from. */
export interface Origin {
  key: string;
  value: string;
  /** The name of its layer, or `piku`. */
  from: string;
  /** Whether the app's processes have this value: they do not when it waits for the next deploy. */
  isLive: boolean;
}

// What `liveSettings` of a plan says about addresses, whatever the layers say.
const addresses = ["PORT", "BIND_ADDRESS"];

/**
 * Where each setting of an app comes from. `live`: LIVE_ENV; `layers`: the files, by name, the later ones winning;
 * `deployed`: the server's settings as the live release has them.
 */
export function originsOf(live: Settings, layers: Readonly<Record<string, Settings>>, deployed: Settings): Origin[] {
  const names = Object.keys(layers);
  const keys = [...new Set([live, ...Object.values(layers)].flatMap((settings) => Object.keys(settings)))];
  return keys.map((key): Origin => {
    const layer = names.findLast((name) => Object.hasOwn(layers[name]!, key));
    const raw = layer === undefined ? undefined : layers[layer]![key]!;
    const now = Object.hasOwn(live, key) ? live[key]! : undefined;
    if (layer === undefined || raw === undefined || (addresses.includes(key) && now !== undefined && now !== raw))
      return { key, value: now ?? "", from: "piku", isLive: true };
    // What another value is put into cannot be told from the value alone.
    const isLive =
      now !== undefined && (raw.includes("$") ? layer !== names.at(-1) || deployed[key] === raw : now === raw);
    return { key, value: isLive ? now : expandVars(raw, live), from: layer, isLive };
  });
}

const secretName = /SECRET|TOKEN|PASS|PWD|CREDENTIAL|PRIVATE|SALT|AUTH(?!OR)|KEYS?(_|\d|$)/i;

/** A value without what should not be read over somebody's shoulder: all of it by the setting's name, or the password in an address. */
export const masked = ({ key, value, from }: Origin): string =>
  value === "" || from === "piku" ? value : secretName.test(key) ? "********" : value.replace(/\S+/g, maskedPassword);

/** A word without the password of the address in it. Not by one pattern, which would look for the `@` from each `://` again. */
function maskedPassword(word: string): string {
  const found = /:\/\/[^/:@]*:/.exec(word);
  const [from, to] = found ? [found.index + found[0].length, word.lastIndexOf("@")] : [0, 0];
  return from < to ? `${word.slice(0, from)}********${word.slice(to)}` : word;
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
  checkSum(live);
  return { ...live };
}

/** Refuses more than a process can get. */
function checkSum(settings: Settings): void {
  const entries = Object.entries(settings);
  const sum = entries.reduce((bytes, [key, value]) => bytes + bytesOf(key) + bytesOf(value), 0);
  if (sum > largestSum)
    throw new PikuError(
      "the settings together are larger than 1 MB",
      "put large things in files below the data folder",
    );
  if (entries.length > mostSettings)
    throw new PikuError(`there are more than ${mostSettings} settings`, "put them in a file below the data folder");
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
