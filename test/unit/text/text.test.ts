// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are the shell's.
import { expect, test } from "bun:test";
import {
  ago,
  columns,
  expandVars,
  nearest,
  parseSpan,
  shellQuote,
  shortened,
  span,
  splitAddress,
  splitWords,
  text,
} from "../../../src/text/text.ts";
import { randomBelow } from "../../e2e/seed.ts";

const sh = (script: string, ...args: string[]) =>
  Bun.spawnSync(["sh", "-c", script, "sh", ...args]).stdout.toString();

/** Choices at random, the same in every run. */
function randomFrom(seed: number) {
  const below = randomBelow(seed);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;
  return {
    below,
    pick,
    some: <T>(list: readonly T[], most: number) =>
      Array.from({ length: below(most + 1) }, () => pick(list)),
  };
}

test.each<[string, string, string]>([
  [
    "an absent line is dropped",
    text`
    a {
      ${false}
      ${undefined}
      ${"" as string}
    }`,
    "a {\n}\n",
  ],
  [
    "a value of several lines keeps its indent",
    text`
    a {
      ${"b;\nc;"}
    }`,
    "a {\n  b;\n  c;\n}\n",
  ],
  [
    "nested blocks",
    text`
    a {
      ${text`
        b {
          ${"c;\nd;"}
        }`.trimEnd()}
    }`,
    "a {\n  b {\n    c;\n    d;\n  }\n}\n",
  ],
  ["0 is a value", text`n ${0};`, "n 0;\n"],
  [
    "backslashes as typed",
    text`location ~ /\.git { return 404; }`,
    "location ~ /\\.git { return 404; }\n",
  ],
  ["blank lines in a value", text`${"a\n\n\nb"}`, "a\nb\n"],
  ["dollars", text`set $x ${"$& $1 $$"};`, "set $x $& $1 $$;\n"],
  ["nothing", text`${false}`, ""],
])("text: %s", (_, rendered, expected) => {
  expect(rendered).toBe(expected);
});

test.each([
  ["", "''"],
  ["plain-word_1.2:3/4@5%6+7,8=9", "plain-word_1.2:3/4@5%6+7,8=9"],
  ["a b", "'a b'"],
  ["it's", "'it'\\''s'"],
  ["$HOME", "'$HOME'"],
  ["~", "'~'"],
  ["ü", "'ü'"],
  ["a\n", "'a\n'"],
])("shellQuote: %j", (word, expected) => {
  expect(shellQuote(word)).toBe(expected);
});

const nasty = [
  "",
  " ",
  "'",
  '"',
  "\\",
  "$",
  "`",
  "*",
  "?",
  "~",
  "\n",
  "\t",
  ";",
  "&",
  "|",
  "(",
  "#",
  "!",
  "-n",
  "=",
  "ü",
  "x",
  "€",
  "\u00a0",
  "\x01",
];

test("shellQuote: a real shell gives back 300 random words", () => {
  const { some } = randomFrom(1);
  const words = Array.from({ length: 300 }, () => some(nasty, 12).join(""));
  expect(sh(`printf '%s\\0' ${words.map(shellQuote).join(" ")}`)).toBe(
    words.map((word) => `${word}\0`).join(""),
  );
});

test.each<[string, string[]]>([
  ["", []],
  ["   ", []],
  ["a", ["a"]],
  ["  a  b\tc ", ["a", "b", "c"]],
  ["a\nb", ["a", "b"]],
  ["'a  b'", ["a  b"]],
  ['"a  b"', ["a  b"]],
  ["a'b c'd", ["ab cd"]],
  ["''", [""]],
  ['a "" b', ["a", "", "b"]],
  ["a\\ b", ["a b"]],
  ['"a\\"b"', ['a"b']],
  ['"a\\nb"', ["a\\nb"]],
  ['"\\$HOME \\`x\\` \\\\"', ["$HOME `x` \\"]],
  ["'a\\'", ["a\\"]],
  ["'it'\\''s'", ["it's"]],
  ["$HOME *", ["$HOME", "*"]],
  ["A=b\u00a0c ü\u3000x", ["A=b\u00a0c", "ü\u3000x"]],
  ["a\fb\vc", ["a\fb\vc"]],
])("splitWords: %j", (line, words) => {
  expect(splitWords(line)).toEqual({ words, rest: "" });
});

test.each<[string, number, string[], string]>([
  ["run app ls  -l ", 2, ["run", "app"], "ls  -l "],
  ["run app  'a b'  \"c\"", 2, ["run", "app"], "'a b'  \"c\""],
  ["run 'app' -- it's", 2, ["run", "app"], "-- it's"],
  ["run app", 2, ["run", "app"], ""],
  ["run", 2, ["run"], ""],
  ["", 2, [], ""],
  ["a b c", 0, [], "a b c"],
])("splitWords: %j, at most %d", (line, most, words, rest) => {
  expect(splitWords(line, most)).toEqual({ words, rest });
});

test.each(["'", '"', "a 'b", 'a "b', 'a "b\\"', "a'b"])("splitWords: %j is not closed", (line) => {
  expect(() => splitWords(line)).toThrow("a quote is not closed");
});

test("splitWords: a quote that is not closed behind the last word that is asked for", () => {
  expect(() => splitWords("run app'x y", 2)).toThrow("a quote is not closed");
});

test("splitWords: reads 300 random lines as a real shell does", () => {
  const { some } = randomFrom(2);
  const pieces = [
    "a",
    "B=",
    " ",
    "  ",
    "\t",
    "'",
    '"',
    "\\",
    "\\\\",
    "\\'",
    '\\"',
    "\\n",
    "\\ ",
    "ü",
    "\u00a0",
    "-",
    "'x y'",
    '"x y"',
    "''",
    '""',
    "'\\'",
    '"\\$"',
    '"\\`"',
    "/",
  ];
  const lines = Array.from({ length: 300 }, () => some(pieces, 9).join("")).filter(
    (line) => !/(^|[^\\])(\\\\)*\\$/.test(line),
  );
  // One shell for all: it tells by its exit status which lines have a quote open.
  const script =
    'for line; do sh -c "printf \'%s\\\\0\' $line" 2>/dev/null || printf OPEN; printf "\\001"; done';
  const theirs = sh(script, ...lines)
    .split("\x01")
    .slice(0, -1);
  // printf without a word prints one empty one.
  const ours = lines.map((line) => {
    try {
      const { words } = splitWords(line);
      return (words.length > 0 ? words : [""]).map((word) => `${word}\0`).join("");
    } catch {
      return "OPEN";
    }
  });
  expect(lines.map((line, i) => [line, ours[i]])).toEqual(
    lines.map((line, i) => [line, theirs[i]]),
  );
});

test.each([
  ["a plain word", "x".repeat(200_000)],
  ["in single quotes", `'${"x ".repeat(100_000)}'`],
  ["in double quotes", `"${'\\"x'.repeat(60_000)}"`],
  ["backslashes", "\\x".repeat(100_000)],
  ["many words", "x ".repeat(100_000)],
])("splitWords: 200 KB, %s, within a second", (_, line) => {
  const began = performance.now();
  expect(splitWords(line).words.join("").length).toBeGreaterThan(90_000);
  expect(performance.now() - began).toBeLessThan(1000);
});

const known = { HOME: "/home/piku", A: "1", A_B: "2", EMPTY: "", MONEY: "$A" };

test.each([
  ["$HOME/x", "/home/piku/x"],
  ["${HOME}x", "/home/pikux"],
  ["$A_B $A-B", "2 1-B"],
  ["$2b$10$N9qo8uLOickgx2ZMRZoMye", "$2b$10$N9qo8uLOickgx2ZMRZoMye"],
  ["\\$HOME", "$HOME"],
  ["\\${HOME}", "${HOME}"],
  ["\\\\$HOME", "\\/home/piku"],
  ["\\\\\\$HOME", "\\$HOME"],
  ["$UNKNOWN ${UNKNOWN} ${}", "$UNKNOWN ${UNKNOWN} ${}"],
  ["$EMPTY|", "|"],
  ["$MONEY", "$A"],
  ["$$A", "$1"],
  ["${A", "${A"],
  ["$", "$"],
  ["$constructor $__proto__ $toString", "$constructor $__proto__ $toString"],
  ["$(id) `id` $((1))", "$(id) `id` $((1))"],
  ["C:\\dir", "C:\\dir"],
])("expandVars: %s", (value, expected) => {
  expect(expandVars(value, known)).toBe(expected);
});

const commands = [
  "apps",
  "config",
  "config:set",
  "config:get",
  "deploy",
  "destroy",
  "logs",
  "ps",
  "ps:scale",
  "run",
];

test.each<[string, string | undefined]>([
  ["app", "apps"],
  ["confg", "config"],
  ["config:sett", "config:set"],
  ["deplyo", "deploy"],
  ["pss", "ps"],
  ["log", "logs"],
  ["", undefined],
  ["frobnicate", undefined],
  ["x", undefined],
])("nearest: %s", (typed, expected) => {
  expect(nearest(typed, commands)).toBe(expected);
});

test("columns: cells stand below each other, and no line ends in blanks", () => {
  expect(
    columns([
      ["a", "long one", "x"],
      ["wide", "b", ""],
    ]),
  ).toEqual(["a     long one  x", "wide  b"]);
});

test.each([
  [0, "0s"],
  [-5, "0s"],
  [59_999, "59s"],
  [60_000, "1m"],
  [7_199_999, "1h"],
  [3 * 86_400_000, "3d"],
])("span: %d", (milliseconds, expected) => {
  expect(span(milliseconds)).toBe(expected);
});

test.each([
  [-5, "just now"],
  [4999, "just now"],
  [5000, "5 seconds ago"],
  [60_000, "1 minute ago"],
  [180_000, "3 minutes ago"],
  [3_600_000, "1 hour ago"],
  [400 * 86_400_000, "400 days ago"],
])("ago: %d", (milliseconds, expected) => {
  expect(ago(milliseconds)).toBe(expected);
});

test.each([
  ["abc", 3, "abc"],
  ["abcd", 3, "ab…"],
  ["ab  cd", 5, "ab…"],
])("shortened: %s to %d", (text, most, expected) => {
  expect(shortened(text, most)).toBe(expected);
});

test.each([
  ["90s", 90_000],
  ["15m", 900_000],
  ["1h", 3_600_000],
  ["2d", 172_800_000],
  ["1", undefined],
  ["h", undefined],
  ["-1h", undefined],
  ["1w", undefined],
])("parseSpan: %s", (written, expected) => {
  expect(parseSpan(written)).toBe(expected);
});

test.each([
  ["127.0.0.1:80", "127.0.0.1", 80],
  ["*:443", "*", 443],
  ["[::1]:8080", "[::1]", 8080],
])("splitAddress(%j)", (listen, address, port) => {
  expect(splitAddress(listen)).toEqual({ address, port });
});
