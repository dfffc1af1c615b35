import { PikuError } from "../text/errors.ts";
import { printable } from "../text/text.ts";
import {
  checkKey,
  checkSum,
  checkValue,
  lastOfEach,
  maxTotalBytes,
  type Settings,
} from "./env-file.ts";
import {
  type Assignment,
  doubtsOf,
  mostDoubts,
  readAssignments,
  storedValue,
} from "./env-grammar.ts";

/** Bytes that can be imported at once: all settings of an app, with quotes and comments. */
export const maxImportBytes = 2 * maxTotalBytes;

/**
 * Reads the arguments of `config:set`: `KEY=value` words. Throws for any other word, and for a
 * value that cannot be stored.
 */
export function parseAssignments(words: readonly string[]): Settings {
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
      checkKey(key);
      checkValue(key, word.slice(at + 1), "config:set");
      return [key, word.slice(at + 1)];
    }),
  );
}

/** What an import says, and what is doubtful about it. */
interface Import {
  settings: Settings;
  doubts: string[];
}

/**
 * Reads the input of `config:import`: the lines of an ENV file, or a JSON object of strings, whose
 * values are taken byte for byte. `known`: the settings that a `$NAME` may mean. Throws, naming the
 * line or the key, for anything else.
 */
export function parseImport(content: string, known: Settings = {}, where = "stdin"): Import {
  if (content.includes("\ufffd")) throw new PikuError(`${where} is not UTF-8 text`);
  const found = /^\ufeff?\s*\{/.test(content)
    ? { settings: parseJson(content, where), doubts: [] }
    : parseLines(content, known, where);
  checkSum(found.settings);
  if (Object.keys(found.settings).length > 0) return found;
  throw new PikuError(
    `there are no settings in ${where}`,
    "ssh piku@board config:import blog <settings.txt",
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
  return Object.fromEntries(
    Object.entries(found).map(([key, value]) => {
      if (typeof value !== "string")
        throw new PikuError(
          `${file}: the value of '${printable(key)}' is not a string`,
          'write it as "KEY": "value"',
        );
      checkKey(key, file);
      checkValue(key, value, file);
      return [key, value];
    }),
  );
}

function parseLines(content: string, known: Settings, file: string): Import {
  const lines = readAssignments(content, file);
  const all = { ...known, ...lastOfEach(lines) };
  const several = lines.flatMap((line) => severalIn(line, content)).slice(0, mostDoubts);
  return {
    settings: lastOfEach(lines.map((line) => ({ ...line, value: storedValue(line, all) }))),
    doubts: [...doubtsOf(lines, content), ...several],
  };
}

/** An import once took several settings from one line. */
function severalIn({ key, from, to, where }: Assignment, content: string): string[] {
  const other = /^[^'"\n]*\s([A-Z][A-Z0-9_]*)=/.exec(content.slice(from, to))?.[1];
  return other
    ? [`${where}: ${other} belongs to the value of ${key}; write one setting a line`]
    : [];
}

// As `{"a": "b"}` and `["a"]` are without their quotes.
const unquotedJson = /^\s*(\{\s*[\w.$-]+\s*:|\[\s*\{?\s*[A-Za-z])[^"']*[\]}]\s*$/;

/** Names of settings whose values look as if ssh had taken their quotes away. */
export const withoutQuotes = (settings: Settings): string[] =>
  Object.keys(settings).filter(
    (key) => unquotedJson.test(settings[key]!) && !/^\[(true|false|null)\b/.test(settings[key]!),
  );
