import { PikuError } from "../text/errors.ts";
import { meaningfulLines, printable, splitWords } from "../text/text.ts";
import {
  checkKey,
  checkSum,
  checkValue,
  maxSettings,
  maxTotalBytes,
  type Settings,
} from "./env-file.ts";

/** Bytes that can be imported at once: all settings of an app, with quotes and comments. */
export const maxImportBytes = 2 * maxTotalBytes;

/**
 * Reads the arguments of `config:set`: `KEY=value` words. Throws for any other word, and for a
 * value that cannot be stored.
 */
export function parseAssignments(words: readonly string[], where = "config:set"): Settings {
  return Object.fromEntries(
    words.map((word) => {
      const at = word.indexOf("=");
      if (at < 0)
        throw new PikuError(
          `malformed setting '${printable(word)}'`,
          "write KEY=value; quotes around spaces must reach the server: \"config:set blog NAME='two words'\"",
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
 * Reads the input of `config:import`: lines as a shell reads them (`KEY='a b'`, `export`, `#`
 * comments), or a JSON object of strings. Values are taken byte for byte. Throws, naming the line
 * or the key, for anything else.
 */
export function parseImport(content: string, where = "stdin"): Settings {
  if (content.includes("\ufffd")) throw new PikuError(`${where} is not UTF-8 text`);
  const settings = /^\ufeff?\s*\{/.test(content)
    ? parseJson(content, where)
    : parseShell(content, where);
  checkSum(settings);
  if (Object.keys(settings).length > 0) return settings;
  throw new PikuError(
    `there are no settings in ${where}`,
    "e.g.: piku config:import blog <settings.txt",
  );
}

function parseJson(content: string, file: string): Settings {
  const where = (error: unknown) =>
    new PikuError(`${file} is not JSON: ${(error as Error).message}`);
  let found: Record<string, unknown>;
  try {
    found = JSON.parse(content.replace(/^\ufeff/, ""));
  } catch (error) {
    throw where(error);
  }
  return parseAssignments(
    Object.entries(found).map(([key, value]) => {
      if (typeof value !== "string")
        throw new PikuError(
          `${file}: the value of '${printable(key)}' is not a string`,
          'write it as "KEY": "value"',
        );
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
      throw new PikuError(
        `${where}: '${printable(bad)}' is not KEY='value'`,
        "quote a value that contains spaces",
      );
    Object.assign(settings, parseAssignments(assignments, where));
  }
  return settings;
}

function wordsOfLine(line: string, where: string): string[] {
  let words: string[];
  try {
    words = splitWords(line, maxSettings + 1).words;
  } catch {
    throw new PikuError(`${where}: a quote is not closed`, "a setting is one line");
  }
  if (words.length > maxSettings)
    throw new PikuError(`${where} has more than ${maxSettings} words`);
  return words;
}
