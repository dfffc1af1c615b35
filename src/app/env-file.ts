import { PikuError } from "../text/errors.ts";
import { linesOf, literal, meaningfulLines, printable } from "../text/text.ts";
import { refuseWideText } from "./encoding.ts";

/** Names and values of environment variables, in the order in which they were written. */
export type Settings = Record<string, string>;

export const keyPattern = /^[A-Za-z_][A-Za-z0-9_]*$/;
// The kernel takes no more than 128 KiB for one, and 2 MiB for all that a program is started with
// (execve(2)).
const maxValueBytes = 100_000;

/** At most so many bytes a text is in UTF-8. */
const bytesOf = (text: string) => text.length + 2 * (text.match(/[^\x00-\x7f]/g)?.length ?? 0);

/**
 * Reads the ENV file of a repository or of the board: one `KEY=value` a line, with `#` comments
 * (also after a value and a space), blank lines, `export`, and values in single quotes (taken as
 * they are) or double quotes (with `\"` and `\\`). A `$` that must stay a `$` comes back as `\$`,
 * for `expandVars`. Throws with file and line for any other line.
 */
export function parseSettings(content: string, file = "ENV"): Settings {
  refuseWideText(content, file);
  const settings = new Map<string, string>();
  for (const { line, where } of meaningfulLines(content, file)) {
    const equals = line.indexOf("=");
    if (equals < 0)
      throw new PikuError(
        `${where}: '${printable(line)}' is not 'KEY=value'`,
        "put a '#' in front of a comment",
      );
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

/**
 * A value of an ENV file without its quotes, and what follows it: nothing, or a comment with the
 * spaces before it.
 */
function readValue(behindEquals: string, where: string): { value: string; behind: string } {
  const written = behindEquals.trimStart();
  const quote = written[0];
  if (quote !== "'" && quote !== '"') {
    // Not with `\s+`, which takes minutes for a line of spaces.
    const comment = behindEquals.search(/\s#/);
    const until = (comment < 0 ? behindEquals : behindEquals.slice(0, comment)).trimEnd();
    return { value: until.trimStart(), behind: behindEquals.slice(until.length) };
  }
  const [, inside, behind] =
    (quote === "'" ? /^'([^']*)'(.*)$/s : /^"((?:[^"\\]|\\.)*)"(.*)$/s).exec(written) ?? [];
  if (inside === undefined)
    throw new PikuError(
      `${where}: the quote ${quote} is not closed`,
      `end the value with ${quote}`,
    );
  // Such as CMD="a b" --flag: not a quoted value but one with quotes in it.
  if (!/^\s*(#.*)?$/s.test(behind!)) {
    const value = /^(?:"(?:[^"\\]|\\.)*"|'[^']*'|["'].*|\s+(?![\s#])|[^\s"'])*/s.exec(written)![0];
    return { value, behind: written.slice(value.length) };
  }
  return {
    value: quote === "'" ? literal(inside) : inside.replace(/\\(["\\])(?!\$)/g, "$1"),
    behind: behind!,
  };
}

/** One line of a server-side ENV file: a setting, or a line that is kept as it is. */
export type ServerLine = { key: string; value: string; line: string } | { kept: string };

/**
 * Reads `envs/<app>/ENV`, which `config:set` writes: the value is all that follows the first `=`,
 * to the letter.
 */
export function parseServerLines(content: string): ServerLine[] {
  const lines = linesOf(content, "the app's settings file");
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line) => {
    const at = line.indexOf("=");
    return line.startsWith("#") || at < 1
      ? { kept: line }
      : { key: line.slice(0, at).trim(), value: line.slice(at + 1), line };
  });
}

/** The settings of a server-side ENV file, byte for byte. */
export const parseServerSettings = (content: string): Settings =>
  Object.fromEntries(
    parseServerLines(content).flatMap((line) => ("key" in line ? [[line.key, line.value]] : [])),
  );

/**
 * The server-side ENV file with settings set (a string) or removed (null); comments and the order
 * of lines stay. Throws for a name or a value that cannot be written.
 */
export function changeServerSettings(
  content: string,
  changes: Readonly<Record<string, string | null>>,
): string {
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) continue;
    checkKey(key, "ENV");
    checkValue(key, value, "ENV");
  }
  if (content.includes("\ufffd"))
    throw new PikuError(
      "the app's settings file is not UTF-8, so piku cannot change it without damage",
      "convert ~/.piku/envs/APP/ENV to UTF-8",
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
  // Removing some must always be possible.
  if (changed.length > content.length) checkSum(parseServerSettings(changed));
  return changed;
}

/**
 * An ENV file that people write, with settings set (a string, which `parseSettings` gives back) or
 * removed (null). All other lines, and comments after values, stay byte for byte. Throws for a file
 * that cannot be read, and for a value that cannot be written.
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
    if (at < 0)
      return `${text}${/[^\n]$/.test(text) ? "\n" : ""}${key}=${written(key, value, file)}\n`;
    const [, head, tail, end] = /^([^=]*=)(.*?)(\r?\n?)$/.exec(lines[at]!)!;
    const { behind } = readValue(tail!, file);
    const blanks = /^\s*/.exec(tail!.slice(0, tail!.length - behind.length))![0];
    const comment = behind.startsWith("#") ? ` ${behind}` : behind.trimEnd();
    return lines
      .with(at, `${head}${blanks}${written(key, value, file)}${comment}${end || "\n"}`)
      .join("");
  }, content);
}

/** A value as it must be written in an ENV file. */
function written(key: string, value: string, file: string): string {
  // `parseSettings` leaves a single backslash in front of a `$` to `expandVars`.
  const escaped = value.replace(/\\+|"/g, (found, at: number) =>
    found === '"'
      ? '\\"'
      : "\\".repeat(
          value[at + found.length] === "$" ? Math.max(1, 2 * found.length - 2) : 2 * found.length,
        ),
  );
  const forms = [...(/^\s*['"]/.test(value) ? [] : [value]), `"${escaped}"`];
  const form = forms.find((text) => parseSettings(`${key}=${text} # x`)[key] === value);
  if (form !== undefined) return form;
  throw new PikuError(
    `${file}: the value of ${key} cannot be written in an ENV file`,
    "encode it with base64",
  );
}

export function checkKey(key: string, where: string): void {
  // Debian's shell exits when OPTIND is anything but a number.
  if (key === "OPTIND")
    throw new PikuError(`${where}: 'OPTIND' belongs to the shell`, "choose another name");
  if (!keyPattern.test(key)) {
    throw new PikuError(
      `${where}: invalid setting name '${printable(key)}'`,
      "a name is letters, digits and '_', and does not begin with a digit",
    );
  }
}

export function checkValue(key: string, value: string, where: string): void {
  if (/[\n\r\0]/.test(value)) {
    throw new PikuError(
      `${where}: the value of ${key} contains a line break`,
      "a setting is one line; put longer things in a file, or encode them with base64",
    );
  }
  // Bytes that are not UTF-8 were read as this character, and would reach the app changed.
  if (value.includes("\ufffd"))
    throw new PikuError(
      `${where}: the value of ${key} is not UTF-8`,
      "save it as UTF-8, or encode it with base64",
    );
  if (bytesOf(value) > maxValueBytes)
    throw new PikuError(
      `${where}: the value of ${key} is larger than 100 KB`,
      "put it in a file below the data folder",
    );
}

/** Writes LIVE_ENV. */
export const renderSettings = (settings: Settings) =>
  Object.entries(settings)
    .map(([key, value]) => `${key}=${value}\n`)
    .join("");

/**
 * Names of the settings that the original read differently from this ENV file: it kept quotes and
 * comments.
 */
export function readDifferently(content: string): string[] {
  const theirs: Settings = {};
  for (const line of content.split("\n")) {
    if (line.startsWith("#") || line.trim() === "") continue;
    const at = line.indexOf("=");
    // The original ignored everything after a line that it could not read.
    if (at < 0) break;
    theirs[line.slice(0, at).trim()] = line.slice(at + 1).trim();
  }
  const ours = parseSettings(content);
  // It also replaced a name after a backslash.
  return Object.keys(ours).filter(
    (key) => ours[key] !== theirs[key] || /\\\$/.test(theirs[key] ?? ""),
  );
}
/** Bytes of all settings of an app together. */
export const maxTotalBytes = 1_000_000;
export const maxSettings = 5000;

/** Refuses more than a process can get. */
export function checkSum(settings: Settings): void {
  const entries = Object.entries(settings);
  const sum = entries.reduce((bytes, [key, value]) => bytes + bytesOf(key) + bytesOf(value), 0);
  if (sum > maxTotalBytes)
    throw new PikuError(
      "the settings together are larger than 1 MB",
      "put large things in files below the data folder",
    );
  if (entries.length > maxSettings)
    throw new PikuError(
      `there are more than ${maxSettings} settings`,
      "put them in a file below the data folder",
    );
}
