import { PikuError } from "../text/errors.ts";
import { expandVars, linesOf, literal, printable, shellQuote, singleQuoted } from "../text/text.ts";
import { refuseWideText } from "./encoding.ts";
import { checkKey, checkValue, lastOfEach, type Settings } from "./env-file.ts";

/** One setting as a person wrote it into an ENV file; offsets are those of the file's text. */
export interface Assignment {
  key: string;
  /** Without its quotes. A `$` that must stay a `$` is `\$`, for `expandVars`. */
  value: string;
  /** Whether nothing in it is to be expanded. */
  isLiteral: boolean;
  /** File and line. */
  where: string;
  /** Where its line begins. */
  begin: number;
  /** Where its value begins and ends, without the blanks around it. */
  from: number;
  to: number;
  /** Where the next line begins. */
  end: number;
}

// Piece by piece: one pattern for a whole value takes a second for a long one.
const quotedPiece = /'([^']*)'|"((?:[^"\\]|\\[\s\S])*)"|\\'/y;
const lineEnd = /[^\S\n]*(?:#[^\n]*)?(?=\n|$)/y;

/**
 * Reads what people write: the ENV file of a repository or of the board, and what they give to
 * `config:import`. One `KEY=value` a line, with `#` comments (also after a value and a space),
 * blank lines and `export`. A value is taken as it is, or in quotes: single ones, in which nothing
 * means anything; double ones, with `\n`, `\"`, `\\`, `\$`; or several of them without a space
 * between, as a shell has them. A value in quotes may have several lines. Throws with file and line
 * for anything else.
 */
export function readAssignments(content: string, file: string): Assignment[] {
  refuseWideText(content, file);
  linesOf(content, file);
  const all: Assignment[] = [];
  let number = 1;
  for (let at = content.startsWith("\ufeff") ? 1 : 0; at < content.length; number++) {
    const raw = lineAt(content, at);
    const line = raw.trim();
    let end = at + raw.length + 1;
    if (line !== "" && !line.startsWith("#")) {
      const where = `${file} line ${number}`;
      const equals = line.indexOf("=");
      if (equals < 0)
        throw new PikuError(`${where}: '${printable(line)}' is not 'KEY=value'`, hintFor(line));
      const key = line
        .slice(0, equals)
        .replace(/^export\s+/, "")
        .trim();
      checkKey(key, where);
      const behind = line.slice(equals + 1);
      const base = at + raw.indexOf("=") + 1;
      const read = /^\s*["']/.test(behind)
        ? readQuoted(content, base, behind, where)
        : readPlain(base, behind);
      checkValue(key, read.isLiteral ? expandVars(read.value, {}) : read.value, where);
      const inside = content.slice(read.from, read.to).split("\n").length - 1;
      number += inside;
      if (inside > 0) end = read.to + lineAt(content, read.to).length + 1;
      all.push({ key, where, begin: at, end, ...read });
    }
    at = end;
  }
  return all;
}

/** The line of a text that begins at this offset, without its end. */
function lineAt(content: string, at: number): string {
  const end = content.indexOf("\n", at);
  return content.slice(at, end < 0 ? content.length : end);
}

function hintFor(line: string): string {
  const [, name, value] = /^(?:export\s+)?([A-Za-z_][\w.-]*)\s*(?::\s*(.*))?$/.exec(line) ?? [];
  return name === undefined
    ? "put a '#' in front of a comment"
    : `write ${printable(`${name}=${value ?? "..."}`)}`;
}

type Read = Pick<Assignment, "value" | "isLiteral" | "from" | "to">;

/** A value without quotes: all up to a comment. `base`: the offset of what is `behind` the `=`. */
function readPlain(base: number, behind: string): Read {
  // Not with `\s+`, which takes minutes for a line of spaces.
  const comment = behind.search(/\s#/);
  const until = comment < 0 ? behind : behind.slice(0, comment);
  const value = until.trim();
  const from = base + (value === "" ? 0 : until.length - until.trimStart().length);
  return { value, isLiteral: !value.includes("$"), from, to: from + value.length };
}

/** A value that begins with a quote. Throws when the quote is not closed. */
function readQuoted(content: string, base: number, behind: string, where: string): Read {
  const written = behind.trimStart();
  const from = base + behind.length - written.length;
  const pieces: RegExpExecArray[] = [];
  quotedPiece.lastIndex = from;
  let to = from;
  for (let piece = quotedPiece.exec(content); piece; piece = quotedPiece.exec(content)) {
    pieces.push(piece);
    to = quotedPiece.lastIndex;
  }
  lineEnd.lastIndex = to;
  if (pieces.length > 0 && lineEnd.test(content))
    return {
      value: joinPieces(pieces.map(unquotedPiece)),
      isLiteral: pieces.every(([, , double]) => !double?.includes("$")),
      from,
      to,
    };
  const [first] = pieces;
  if (first === undefined || first[0].includes("\n"))
    throw new PikuError(
      `${where}: the quote ${written[0]} is not closed`,
      `end the value with ${written[0]}, on this line or, for a value of several lines, a later one`,
    );
  // Such as CMD="a b" --flag: not a quoted value but one with quotes in it.
  const value = /^(?:"(?:[^"\\]|\\.)*"|'[^']*'|["'].*|\s+(?![\s#])|[^\s"'])*/.exec(written)![0];
  return { value, isLiteral: !value.includes("$"), from, to: from + value.length };
}

/** One piece of a value without its quotes, for `expandVars`. */
function unquotedPiece([, single, double]: RegExpExecArray): string {
  const text = (single ?? double ?? "'").replaceAll("\r\n", "\n");
  if (double === undefined) return text.includes("$") ? literal(text) : text;
  return text.replace(/\\(?:(n)|(")|(\\)(?!\$))/g, (_, line, quote, slash) =>
    line ? "\n" : (quote ?? slash),
  );
}

/** Pieces of a value as one: backslashes of one mean nothing for a `$` at the begin of the next. */
function joinPieces(pieces: readonly string[]): string {
  const parts: string[] = [];
  for (const piece of pieces) {
    if (/^\\*\$/.test(piece)) parts.push("\\".repeat(lastBackslashes(parts)));
    parts.push(piece);
  }
  return parts.join("");
}

/** With how many backslashes these texts end, one behind the other. */
function lastBackslashes(parts: readonly string[]): number {
  let count = 0;
  for (let i = parts.length - 1; i >= 0; i--) {
    const part = parts[i]!;
    let end = part.length;
    while (end > 0 && part[end - 1] === "\\") end--;
    count += part.length - end;
    if (end > 0) break;
  }
  return count;
}

/** Reads an ENV file that people write. Throws with file and line. */
export const parseSettings = (content: string, file = "ENV"): Settings =>
  lastOfEach(readAssignments(content, file));

/**
 * The settings of a file as layers for `layered`: a name that comes again begins another one, since
 * what stands between used the value that was known there.
 */
export function layersOf(assignments: readonly Assignment[]): Settings[] {
  const layers: Map<string, string>[] = [new Map()];
  for (const { key, value } of assignments) {
    if (layers.at(-1)!.has(key)) layers.push(new Map());
    layers.at(-1)!.set(key, value);
  }
  return layers.map((layer) => Object.fromEntries(layer));
}

/** How many doubtful lines are told of. */
export const mostDoubts = 10;

/**
 * What other programs would read differently, or is likely a slip of the pen, with file and line.
 * `content`: what the assignments were read from.
 */
export const doubtsOf = (assignments: readonly Assignment[], content: string): string[] =>
  assignments
    .flatMap(({ key, where, from, to }) => {
      const written = content.slice(from, to);
      const doubt = doubts.find(({ pattern }) => pattern.test(written));
      return doubt ? [`${where}: ${doubt.says(key, doubt.pattern.exec(written)!)}`] : [];
    })
    .slice(0, mostDoubts);

const quotes = "quotes are ' and \"";

const doubts: { pattern: RegExp; says(key: string, found: RegExpExecArray): string }[] = [
  {
    pattern: /^`[^`]*`$/,
    says: (key) => `the backticks belong to the value of ${key}; ${quotes}`,
  },
  {
    // JSON has escapes of its own.
    pattern: /^[^"'[{](?:[^\\]|\\(?!["' ]))*\\["' ]/,
    says: (key) => `the backslashes stay in the value of ${key}; ${quotes}`,
  },
  {
    pattern: /^"(?:[^\\]|\\[^tr])*\\([tr])/,
    says: (key, [, letter]) =>
      `'\\${letter}' stays as it is in the value of ${key}; only \\n, \\", \\\\ and \\$ mean something there`,
  },
  {
    pattern: /^["'][^\n]*\n(?:.*\n)*?(?:export\s+)?([A-Za-z_]\w*)[^\S\n]*=[^\S\n]*[^=\s]/,
    says: (key, [, other]) =>
      `the value of ${key} goes on over the line of ${other}; is a quote missing?`,
  },
];

/**
 * An ENV file that people write, with settings set (a string, which `parseSettings` gives back) or
 * removed (null). All other lines, and comments after values, stay byte for byte. Throws for a file
 * that cannot be read, for a value that cannot be written, and where a quote that was left open
 * would make something else of it.
 */
export function changeSettings(
  content: string,
  changes: Readonly<Record<string, string | null>>,
  file: string,
): string {
  const changed = withChanges(content, changes, file);
  const wanted: Record<string, string | null> = { ...parseSettings(content, file), ...changes };
  const read = parseSettings(changed, file);
  const own = (settings: Readonly<Record<string, string | null>>, key: string) =>
    Object.hasOwn(settings, key) ? settings[key] : null;
  const other = Object.keys({ ...wanted, ...read }).find(
    (key) => own(read, key) !== own(wanted, key),
  );
  if (other === undefined) return changed;
  throw new PikuError(
    `${file}: a quote that is not closed in it would take the new line in, and change ${printable(other)}`,
    "close that quote, or write \\' in its place",
  );
}

function withChanges(
  content: string,
  changes: Readonly<Record<string, string | null>>,
  file: string,
): string {
  return Object.entries(changes).reduce((text, [key, value]) => {
    const lines = readAssignments(text, file).filter((line) => line.key === key);
    if (value === null)
      return lines.reduceRight(
        (left, { begin, end }) => left.slice(0, begin) + left.slice(end),
        text,
      );
    const form = written(key, value, file);
    // Of several lines the last one counts.
    const last = lines.at(-1);
    if (!last) return `${text}${/[^\n]$/.test(text) ? "\n" : ""}${key}=${form}\n`;
    const behind = text.slice(last.to);
    const changed = `${text.slice(0, last.from)}${form}${behind.startsWith("#") ? " " : ""}${behind}`;
    return changed.endsWith("\n") ? changed : `${changed}\n`;
  }, content);
}

/** A value as it must be written in an ENV file. */
function written(key: string, value: string, file: string): string {
  const forms = [...(/^\s*['"]|\n/.test(value) ? [] : [value]), `"${escaped(value)}"`];
  const form = forms.find((text) => parseSettings(`${key}=${text} # x`)[key] === value);
  if (form !== undefined) return form;
  throw new PikuError(
    `${file}: the value of ${key} cannot be written in an ENV file`,
    "encode it with base64",
  );
}

/** What double quotes give back to the letter. */
const escaped = (value: string) =>
  value
    // A single backslash in front of a `$` is left to `expandVars`.
    .replace(/\\+|"/g, (found, at: number) =>
      found === '"'
        ? '\\"'
        : "\\".repeat(
            value[at + found.length] === "$" ? Math.max(1, 2 * found.length - 2) : 2 * found.length,
          ),
    )
    .replaceAll("\n", "\\n");

/**
 * What an app has as a setting on the server, of what somebody wrote: single quotes keep a value
 * from being expanded, now or, where `known` has the name, later.
 */
export function storedValue({ value, isLiteral }: Assignment, known: Settings): string {
  const plain = isLiteral ? expandVars(value, {}) : value;
  const mentioned = [...plain.matchAll(/\$(?:(\w+)|\{([\w.]+))/g)].some(([, bare, braced]) =>
    Object.hasOwn(known, (bare ?? braced)!),
  );
  return mentioned || expandVars(plain, {}) !== plain ? value : plain;
}

// In double quotes a shell would also run what is in backticks or in `$(…)`.
const dollar = /(\\*\$(?:\w+|\{\w+(?::?-[^`$"\\{}\n]*)?\})?)/;

/**
 * A setting on the server as a line for a shell, which `config:import` reads back to the letter:
 * `known` says what is going to be expanded.
 */
export function renderAssignment(key: string, value: string, known: Settings): string {
  const readBack = (form: string) => {
    const [read] = readAssignments(`${key}=${form}`, "");
    return read && storedValue(read, known);
  };
  if (!value.includes("$")) return `${key}=${shellQuote(value)}`;
  const single = [value, expandVars(value, {})].map(shellQuote);
  const form = single.find((one) => readBack(one) === value);
  if (form !== undefined) return `${key}=${form}`;
  const pieces = value
    .split(dollar)
    .map((piece) => (piece.includes("$") ? `"${escaped(piece)}"` : piece && singleQuoted(piece)));
  return `${key}=${pieces.join("")}`;
}

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
  // It also replaced a name after a backslash, and knew no defaults.
  return Object.keys(ours).filter(
    (key) => ours[key] !== theirs[key] || /\\\$|\$\{\w+:?-/.test(theirs[key] ?? ""),
  );
}
