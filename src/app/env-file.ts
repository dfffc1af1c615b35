import { PikuError } from "../text/errors.ts";
import { linesOf, printable } from "../text/text.ts";

/** Names and values of environment variables, in the order in which they were written. */
export type Settings = Record<string, string>;

/** A name: also such as Spring's `spring.jpa.hibernate.ddl-auto`, which no shell can export. */
export const namePattern = /^[A-Za-z_][A-Za-z0-9_.-]*$/;

/** Whether a shell can export a setting of this name. */
export const isShellName = (key: string) => /^\w+$/.test(key);

// The kernel takes no more than 128 KiB for one, and 2 MiB for all that a program is started with
// (execve(2)).
const maxValueBytes = 100_000;

/** At most so many bytes a text is in UTF-8. */
const bytesOf = (text: string) => text.length + 2 * (text.match(/[^\x00-\x7f]/g)?.length ?? 0);

/** One line of a server-side ENV file: a setting, or a line that is kept as it is. */
export type ServerLine = { key: string; value: string; line: string } | { kept: string };

// As envdir(8) has it: no value of one line can have this character.
const lineBreak = "\0";
const kept = (value: string) => value.replaceAll("\n", lineBreak);

/**
 * Reads `envs/<app>/ENV`, which `config:set` writes: the value is all that follows the first `=`,
 * to the letter. A line break in a value is a zero byte.
 */
export function parseServerLines(content: string): ServerLine[] {
  const lines = linesOf(content, "the app's settings file");
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line) => {
    const at = line.indexOf("=");
    return line.startsWith("#") || at < 1
      ? { kept: line }
      : {
          key: line.slice(0, at).trim(),
          value: line.slice(at + 1).replaceAll(lineBreak, "\n"),
          line,
        };
  });
}

/** The settings of a server-side ENV file, byte for byte. */
export const parseServerSettings = (content: string): Settings =>
  lastOfEach(parseServerLines(content).filter((line) => "key" in line));

/** The settings of a file; of a name that comes twice, the last one and in its place. */
export function lastOfEach(all: readonly { key: string; value: string }[]): Settings {
  const settings = new Map<string, string>();
  for (const { key, value } of all) {
    settings.delete(key);
    settings.set(key, value);
  }
  return Object.fromEntries(settings);
}

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
    return value === null ? [] : [`${line.key}=${kept(value)}`];
  });
  const added = [...left].flatMap(([key, value]) =>
    value === null ? [] : [`${key}=${kept(value)}`],
  );
  const changed = [...lines, ...added].map((line) => `${line}\n`).join("");
  // Removing some must always be possible.
  if (changed.length > content.length) checkSum(parseServerSettings(changed));
  return changed;
}

/** Refuses a name that no setting can have. `where`: file and line, if it is of a file. */
export function checkKey(key: string, where?: string): void {
  const [before, exitCode] = where === undefined ? ["", 2] : [`${where}: `, 1];
  // Debian's shell exits when OPTIND is anything but a number.
  if (key === "OPTIND")
    throw new PikuError(`${before}'OPTIND' belongs to the shell`, "choose another name", exitCode);
  if (!namePattern.test(key))
    throw new PikuError(
      `${before}invalid setting name '${printable(key)}'`,
      "a name is letters, digits, '_', '.' and '-', and begins with a letter or '_'",
      exitCode,
    );
}

export function checkValue(key: string, value: string, where: string): void {
  if (/[\r\0]/.test(value)) {
    throw new PikuError(
      `${where}: the value of ${key} contains a carriage return or a zero byte`,
      "save it with Unix line ends, or encode it with base64",
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
    .map(([key, value]) => `${key}=${kept(value)}\n`)
    .join("");

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
