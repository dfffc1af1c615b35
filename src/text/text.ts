import { PikuError, usageError } from "./errors.ts";

/**
 * A template for configuration files: drops blank lines and the indent of the first line, and gives
 * a value of several lines the indent it stands at. Backslashes stay as typed; `false` and
 * `undefined` leave nothing.
 */
export function text(
  strings: TemplateStringsArray,
  ...values: (string | number | false | undefined)[]
): string {
  const raw = strings.raw.reduce((out, part, i) => {
    const value = values[i - 1] ?? false;
    const pad = out.slice(out.lastIndexOf("\n") + 1).match(/^ */)![0];
    return out + (value === false ? "" : String(value).replaceAll("\n", `\n${pad}`)) + part;
  });
  const lines = raw.split("\n").filter((line) => line.trim() !== "");
  const indent = /^ */.exec(lines[0] ?? "")![0].length;
  return lines.map((line) => `${line.slice(indent)}\n`).join("");
}

/** One word in single quotes for a POSIX shell: every byte comes back as it was. */
export const singleQuoted = (word: string) => `'${word.replaceAll("'", `'\\''`)}'`;

/** The same, without quotes where a word needs none. */
export const shellQuote = (word: string) =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : singleQuoted(word);

/** The two parts of `address:port`; an IPv6 address stands in brackets. */
export function splitAddress(listen: string): { address: string; port: number } {
  const at = listen.lastIndexOf(":");
  return { address: listen.slice(0, at), port: Number(listen.slice(at + 1)) };
}

const blanks = /[ \t\r\n]*/y;
// Piece by piece: one pattern for a whole word takes a second for a long one.
const wordPiece = /'([^']*)'|"((?:[^"\\]|\\[\s\S])*)"|\\([\s\S])|([^ \t\r\n'"\\]+)/y;

/**
 * Splits a command line into words the way a POSIX shell reads quotes and backslashes, and expands
 * nothing. `most`: how many words at the most; `rest` is what is left behind them, to the letter.
 * Throws a usage error when a quote is not closed.
 */
export function splitWords(
  line: string,
  most = Number.POSITIVE_INFINITY,
): { words: string[]; rest: string } {
  const words: string[] = [];
  let at = 0;
  const next = (pattern: RegExp) => {
    pattern.lastIndex = at;
    const found = pattern.exec(line);
    if (found) at = pattern.lastIndex;
    return found;
  };
  while (words.length < most && next(blanks) && at < line.length) {
    let word = "";
    for (let piece = next(wordPiece); piece; piece = next(wordPiece)) word += unquoted(piece);
    // A word ends at a blank; at anything else a quote was opened that is not closed.
    if (!/^[ \t\r\n]?$/.test(line.charAt(at)))
      throw usageError("a quote is not closed", "quote a value as 'like this'");
    words.push(word);
  }
  return { words, rest: line.slice(at).replace(/^[ \t]+/, "") };
}

/** One piece of a word without its quotes and escapes. */
const unquoted = ([, single, double, escaped, plain]: RegExpExecArray) =>
  double !== undefined ? double.replace(/\\(["\\$`])/g, "$1") : (single ?? escaped ?? plain ?? "");

/**
 * Replaces `$NAME` and `${NAME}` of known names; what is not known stays as it is (`$2b$10$…`
 * survives). `${NAME:-default}` and `${NAME-default}` are as in a shell. A backslash makes `\$` a
 * dollar, and `\\$NAME` a backslash in front of a value. The original's rule, but for the
 * backslash and the default.
 */
export const expandVars = (value: string, known: Readonly<Record<string, string>>): string =>
  value.replace(dollars, (all, pairs?: string, bare?: string, braced?: string) => {
    if (pairs === undefined) return all;
    const half = pairs.slice(pairs.length / 2);
    const rest = all.slice(pairs.length);
    if (rest.startsWith("\\")) return `${half}$`;
    const [, withDefault, dash, otherwise] = /^([\w.]+)(:?-)(.*)$/s.exec(braced ?? "") ?? [];
    const name = withDefault ?? bare ?? braced;
    const value = name !== undefined && Object.hasOwn(known, name) ? known[name] : undefined;
    if (otherwise === undefined) return half + (value ?? rest);
    return half + ((dash === "-" ? value : value || undefined) ?? expandVars(otherwise, known));
  });

// Backslashes that stand before no dollar are taken in one piece: looking from each of them for one
// takes for ever.
const dollars =
  /((?:\\\\)*)(?:\\\$|\$(?:(\w+)|\{(\w[\w.]*:?-(?:[^${}]|\$(?!\{)|\$\{[^${}]*\})*|[^${}]*)\})?)|\\+/g;

/** A value such that `expandVars` gives it back to the letter. */
export const literal = (value: string) =>
  value.replace(/(\\*)(\$)|\\+/g, (all, slashes: string, dollar?: string) =>
    dollar ? `${slashes}${slashes}\\$` : all,
  );

/** Rows as lines, their cells below each other. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows.reduce<number[]>(
    (most, row) => row.map((cell, i) => Math.max(most[i] ?? 0, cell.length)),
    [],
  );
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join("  ")
      .trimEnd(),
  );
}

const units = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
] as const;

/** A span of milliseconds in its largest unit, rounded down: `3d`, `5h`, `12m`, `0s`. */
export function span(milliseconds: number): string {
  const [unit, size] = units.find(([, least]) => milliseconds >= least) ?? units[3];
  return `${Math.max(0, Math.floor(milliseconds / size))}${unit}`;
}

const unitWords = { d: "day", h: "hour", m: "minute", s: "second" } as const;

/** A span of milliseconds as people say it: `3 minutes`, `1 hour`. */
export function spoken(milliseconds: number): string {
  const [, count, unit] = /^(\d+)(.)$/.exec(span(milliseconds))!;
  return `${count} ${unitWords[unit as keyof typeof unitWords]}${count === "1" ? "" : "s"}`;
}

/** How long ago something was: `3 minutes ago`, `just now`. */
export const ago = (milliseconds: number): string =>
  milliseconds < 5000 ? "just now" : `${spoken(milliseconds)} ago`;

/** A text of at most so many columns; one that is longer ends in `…`. */
export const shortened = (text: string, most: number): string =>
  text.length <= most ? text : `${text.slice(0, most - 1).trimEnd()}…`;

/** The milliseconds of `90s`, `15m`, `1h`, `2d`; undefined for what is none. */
export function parseSpan(written: string): number | undefined {
  const [, count, letter] = /^(\d{1,6})([smhd])$/.exec(written) ?? [];
  const size = units.find(([unit]) => unit === letter)?.[1];
  return size && Number(count) * size;
}

/** The name in `names` that was probably meant by `typed`, if one is near. */
export function nearest(typed: string, names: readonly string[]): string | undefined {
  const most = Math.max(1, Math.floor(typed.length / 3));
  const ranked = names
    .filter((name) => Math.abs(name.length - typed.length) <= most)
    .map((name) => ({ name, far: distance(typed, name) }))
    .sort((a, b) => a.far - b.far);
  const best = ranked[0];
  return best && best.far <= most ? best.name : undefined;
}

/** Levenshtein's distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(
        next[j - 1]! + 1,
        row[j]! + 1,
        row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1),
      );
    }
    row = next;
  }
  return row[b.length]!;
}

const maxFileLines = 20_000;

/**
 * The lines of a file that people or piku write. Throws for one of more than 20,000: each line
 * costs more memory than its letters.
 */
export function linesOf(content: string, file: string): string[] {
  const lines = content.split("\n", maxFileLines + 1);
  if (lines.length > maxFileLines)
    throw new PikuError(`${file} has more than ${maxFileLines} lines`);
  return lines;
}

/**
 * The lines of a file that people write, without blank and comment lines, a byte order mark and
 * blanks around; and where each stands.
 */
export const meaningfulLines = (content: string, file: string): { line: string; where: string }[] =>
  linesOf(content.replace(/^\ufeff/, ""), file)
    .map((raw, index) => ({ line: raw.trim(), where: `${file} line ${index + 1}` }))
    .filter(({ line }) => line !== "" && !line.startsWith("#"));

/**
 * What may be shown of something that somebody typed: what moves a cursor, or turns letters round,
 * as `?`; cut to `most` characters.
 */
export const printableUpTo = (most: number, typed: string) =>
  typed.replace(/[^\x20-\x7e\u00a0-\u2027\u202f-\u2065\u206a-\uffff]/g, "?").slice(0, most);

/** The same, cut to 80 characters. */
export const printable = (typed: string) => printableUpTo(80, typed);

const maxNamed = 5;

/** A few of the names, and how many more there are. */
export const someOf = (names: readonly string[]): string =>
  names.slice(0, maxNamed).join(", ") +
  (names.length > maxNamed ? ` and ${names.length - maxNamed} more` : "");
