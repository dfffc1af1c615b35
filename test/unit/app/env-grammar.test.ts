// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are the settings'.
import { expect, test } from "bun:test";
import {
  changeServerSettings,
  parseServerSettings,
  renderSettings,
  type Settings,
} from "../../../src/app/env-file.ts";
import {
  changeSettings,
  doubtsOf,
  layersOf,
  parseSettings,
  readAssignments,
  renderAssignment,
  storedValue,
} from "../../../src/app/env-grammar.ts";
import { parseImport, withoutQuotes } from "../../../src/app/import.ts";
import { layered } from "../../../src/app/settings.ts";

const base: Settings = { b: "B", HOME: "/h" };

/** What an app gets of a file that is its ENV. */
const fromEnv = (content: string) => layered(base, layersOf(readAssignments(content, "ENV")));

/** What it gets of the same file when that is given to `config:import`. */
function fromImport(content: string): Settings {
  const { settings } = parseImport(content, base);
  return layered(base, [parseServerSettings(changeServerSettings("", settings))]);
}

const pem = "-----BEGIN KEY-----\nMIIabc=\nd+/==\n-----END KEY-----";

// The cases of dotenv (Node, Ruby), python-dotenv, foreman, honcho and docker, in our own words.
test.each<[string, Settings]>([
  ["A=1", { A: "1" }],
  ["export A=1", { A: "1" }],
  ["export\tA = 1  # why", { A: "1" }],
  ["A=", { A: "" }],
  ["A=''", { A: "" }],
  ['A=""   ', { A: "" }],
  ["A = b c  ", { A: "b c" }],
  ["A=a  b", { A: "a  b" }],
  ["A=b#c", { A: "b#c" }],
  ["A=b #c", { A: "b" }],
  ["A='b #c' # d", { A: "b #c" }],
  ['A={"a":1}', { A: '{"a":1}' }],
  ['A={"a": [1, "x y"], "b": {}}', { A: '{"a": [1, "x y"], "b": {}}' }],
  ['A=[{"a":"b"}]', { A: '[{"a":"b"}]' }],
  ["A=it's", { A: "it's" }],
  ["A='I'\"'\"'m'", { A: "I'm" }],
  ["A='I'\\''m'", { A: "I'm" }],
  ["A='$b'\"$b\"", { A: "$bB" }],
  ["A='\\'\"$b\"", { A: "\\B" }],
  ["A='\\''$b'", { A: "\\$b" }],
  ['A="b" c', { A: '"b" c' }],
  ["A=`b c`", { A: "`b c`" }],
  ["A=a\\ b", { A: "a\\ b" }],
  ["A=C:\\new\\table", { A: "C:\\new\\table" }],
  ['A="b\\nc"', { A: "b\nc" }],
  ["A='b\\nc'", { A: "b\\nc" }],
  ["A=b\\nc", { A: "b\\nc" }],
  ['A="b\\\\nc"', { A: "b\\nc" }],
  ['A="b\\tc"', { A: "b\\tc" }],
  ['A="b\\n$b"', { A: "b\nB" }],
  ['A="\\"$b\\""', { A: '"B"' }],
  [`A="${pem}"\nB=2`, { A: pem, B: "2" }],
  [`A='${pem}\n'\r\nB=2`, { A: `${pem}\n`, B: "2" }],
  [`A="${pem.replaceAll("\n", "\r\n")}" # why\nB=2`, { A: pem, B: "2" }],
  ["A='b\n# c\n\nd=e'", { A: "b\n# c\n\nd=e" }],
  ["A=$b", { A: "B" }],
  ["A=${b}", { A: "B" }],
  ['A="${b}"', { A: "B" }],
  ["A='${b}'", { A: "${b}" }],
  ["A='a\\$b'", { A: "a\\$b" }],
  ["A=\\$b", { A: "$b" }],
  ['A="\\$b"', { A: "$b" }],
  ["A=$NOPE ${NOPE}", { A: "$NOPE ${NOPE}" }],
  ["A=$2b$10$N9qo8uLOickgx2ZMRZoMye", { A: "$2b$10$N9qo8uLOickgx2ZMRZoMye" }],
  ["A='$2b$10$N9qo8uLOickgx2ZMRZoMye'", { A: "$2b$10$N9qo8uLOickgx2ZMRZoMye" }],
  ["A=$(id) `id`", { A: "$(id) `id`" }],
  ["A=${X:-d e}", { A: "d e" }],
  ["A=${X-d}/y", { A: "d/y" }],
  ["A=${b:-d}", { A: "B" }],
  ["E=\nA=${E:-d} ${E-d}|", { E: "", A: "d |" }],
  ["A=${X:-$b} ${X:-${b}/c} ${X:-}|", { A: "B B/c |" }],
  ["A='${b:-d}'", { A: "${b:-d}" }],
  ["A=b\nC=${A}\nD=e\nC=${D}", { A: "b", D: "e", C: "e" }],
  [
    "spring.datasource.url=jdbc:x\nddl-auto=none",
    { "spring.datasource.url": "jdbc:x", "ddl-auto": "none" },
  ],
  ["\ufeffA=1\r\n# note\r\n\r\n  B=2", { A: "1", B: "2" }],
])("ENV and config:import: %j", (content, settings) => {
  expect(fromEnv(content)).toEqual({ ...base, ...settings });
  expect(fromImport(content)).toEqual({ ...base, ...settings });
});

test("A7: a name that comes twice is expanded each time with what is known then", () => {
  expect(fromEnv("A=1\nC=$A\nA=2\nD=$A\nA=$A$A")).toEqual({ ...base, A: "22", C: "1", D: "2" });
  expect(layered({}, [parseServerSettings("A=b\nC=${A}\nD=e\nC=${D}\n")]).C).toBe("e");
});

test.each([
  ["export A", "ENV line 1: 'export A' is not 'KEY=value'", "write A=..."],
  ["A: b c", "ENV line 1: 'A: b c' is not 'KEY=value'", "write A=b c"],
  ["a word", "ENV line 1: 'a word' is not 'KEY=value'", "put a '#' in front of a comment"],
  ["; note", "ENV line 1: '; note' is not 'KEY=value'", "put a '#' in front of a comment"],
  [
    'B=1\nA="b\nC=1\n',
    'ENV line 2: the quote " is not closed',
    'end the value with ", on this line or, for a value of several lines, a later one',
  ],
  [
    "'a'=b",
    "ENV line 1: invalid setting name ''a''",
    "a name is letters, digits, '_', '.' and '-', and begins with a letter or '_'",
  ],
])("ENV and config:import refuse %j and say what to write", (content, message, hint) => {
  expect(() => readAssignments(content, "ENV")).toThrow(expect.objectContaining({ message, hint }));
  expect(() => parseImport(content, {}, "ENV")).toThrow(expect.objectContaining({ message, hint }));
});

test("an error behind a value of several lines names its own line", () => {
  expect(() => parseSettings("A='1\n2\n3'\nnonsense here\n")).toThrow(
    "ENV line 4: 'nonsense here'",
  );
});

test.each<[string, string[]]>([
  ["A=1\nB='x'\nC=\"a\\nb\"\nD='\\t'\nE=C:\\dir", []],
  ['A={"a":"b\\"c"}', []],
  ["A=`b c`", ["ENV line 1: the backticks belong to the value of A; quotes are ' and \""]],
  ["\nA=a\\ b", ["ENV line 2: the backslashes stay in the value of A; quotes are ' and \""]],
  ['A=say \\"x\\"', ["ENV line 1: the backslashes stay in the value of A; quotes are ' and \""]],
  [
    'A="a\\tb"',
    [
      "ENV line 1: '\\t' stays as it is in the value of A; only \\n, \\\", \\\\ and \\$ mean something there",
    ],
  ],
  [
    'A="a\nB=x\nC="',
    ["ENV line 1: the value of A goes on over the line of B; is a quote missing?"],
  ],
  [`A="${pem}"`, []],
])("doubts about %j", (content, doubts) => {
  expect(doubtsOf(readAssignments(content, "ENV"), content)).toEqual(doubts);
  expect(parseImport(content, {}, "ENV").doubts).toEqual(doubts);
});

test("config:import once took several settings from a line, and says that it does not now", () => {
  expect(parseImport("A=1 B=2\nC=host=x dbname=y")).toEqual({
    settings: { A: "1 B=2", C: "host=x dbname=y" },
    doubts: ["stdin line 1: B belongs to the value of A; write one setting a line"],
  });
});

test.each<[string, Settings]>([
  ["A='$2b$10$abc'", { A: "$2b$10$abc" }],
  ["A='$HOME'", { A: "\\$HOME" }],
  ["A='$B'\nB=1", { A: "\\$B", B: "1" }],
  ["A=$HOME", { A: "$HOME" }],
  [' \n{"A": "1", "B": "a\\tb \\" $HOME"}', { A: "1", B: 'a\tb " $HOME' }],
  ['{"A": "b\\nc"}', { A: "b\nc" }],
])("config:import %j sets", (content, settings) => {
  expect(parseImport(content, { HOME: "/h" }).settings).toEqual(settings);
});

test.each([
  ["", "there are no settings in stdin"],
  ["# nothing\n", "there are no settings in stdin"],
  ["{}", "there are no settings in stdin"],
  ["A=1\nB", "stdin line 2: 'B' is not 'KEY=value'"],
  ["A=1\n\n1B=c", "stdin line 3: invalid setting name '1B'"],
  ["A=\ufffd", "stdin is not UTF-8 text"],
  ['{"A": 1}', "stdin: the value of 'A' is not a string"],
  ['{"A": "b", "C": null}', "stdin: the value of 'C' is not a string"],
  ['{"A=b": "c"}', "stdin: invalid setting name 'A=b'"],
  ['{"A": "b\\rc"}', "stdin: the value of A contains a carriage return or a zero byte"],
  ['{"A": "b"', "stdin is not JSON"],
])("parseImport(%j) is refused", (content, message) => {
  expect(() => parseImport(content)).toThrow(message);
});

test.each([
  ["b c", "A='b c'"],
  ["it's", "A='it'\\''s'"],
  ["$2b$10$abc", "A='$2b$10$abc'"],
  ["\\$HOME", "A='$HOME'"],
  ["$HOME/x `id`", "A=\"$HOME\"'/x `id`'"],
  ["${HOME:-$(id)}", "A=\"$\"'{HOME:-'\"$\"'(id)}'"],
  [pem, `A='${pem}'`],
])("config:export of %j", (value, line) => {
  const known = { HOME: "/h" };
  expect(renderAssignment("A", value, known)).toBe(line);
  expect(parseImport(line, known).settings).toEqual({ A: value });
});

test("a value of several lines is one line of the files that piku keeps, and comes back", () => {
  const file = changeServerSettings("B=1\n", { A: pem });
  expect(file.split("\n").length).toBe(3);
  expect(parseServerSettings(file)).toEqual({ B: "1", A: pem });
  expect(parseServerSettings(renderSettings({ A: pem }))).toEqual({ A: pem });
});

test.each<[string, Record<string, string | null>, string]>([
  ["A='b\nA=x\nc' # why\nB=1\n", { A: "d" }, "A=d # why\nB=1\n"],
  ["A='b\nB=x\nc'\nB=1\n", { B: "2" }, "A='b\nB=x\nc'\nB=2\n"],
  ["A='b\nB=x\nc'\nB=1\n", { A: null }, "B=1\n"],
  ["B=1", { A: "b\nc" }, 'B=1\nA="b\\nc"\n'],
])("changeSettings(%j, %j)", (content, changes, expected) => {
  expect(changeSettings(content, changes, "ENV")).toBe(expected);
});

test("piku's own settings are one line: they become lines of nginx's and uWSGI's files", () => {
  for (const name of ["NGINX_SERVER_NAME", "PORT", "UWSGI_SOMETHING"])
    expect(() => layered({}, [{ [name]: "a\nb" }])).toThrow(
      `the value of ${name} contains a line break`,
    );
});

test.each([
  ["{a:1}", true],
  ["{a: b, c: [d]}", true],
  ["[{a:b}]", true],
  ["[a,b]", true],
  ['{"a":1}', false],
  ["{}", false],
  ["[1, 2]", false],
  ["[true]", false],
  ["{name}", false],
  ["a{b:c}", false],
])("config:set: quotes that did not reach the server: %s", (value, isSuspect) => {
  expect(withoutQuotes({ A: value })).toEqual(isSuspect ? ["A"] : []);
});

const long = [
  ...['A=""\'\n', "A='a'\"b\n", "A=\\\\\n", 'A="\\\n', "A=${A-$\n", "A='\\'\"$\n"].map((line) =>
    line.repeat(19_000),
  ),
  ...["", '"', "'"].flatMap((quote) =>
    ["\\", "'", '"', "a\\", "`", "${A-", '\\"', "''"].map(
      (part) => `A=${quote}${part.repeat(99_000 / part.length)}${quote}\n`,
    ),
  ),
];
test.each(long.map((content, i) => [i, content] as const))(
  "%d: a file that is made to hold up the reader is read or refused within a second or two",
  (_, content) => {
    const start = Date.now();
    try {
      const read = readAssignments(content, "ENV");
      doubtsOf(read, content);
      layered({}, layersOf(read).slice(0, 100));
    } catch (error) {
      expect((error as Error).message).toMatch(/^ENV line/);
    }
    expect(Date.now() - start).toBeLessThan(2000);
  },
);

test("a quote that was left open took in the line that config:set --global wrote", () => {
  expect(() => changeSettings('A=""\'\n', { NEW_ONE: "a'" }, "ENV")).toThrow(
    "ENV: a quote that is not closed in it would take the new line in, and change A",
  );
  expect(changeSettings('A=""\'\n', { NEW_ONE: "a", toString: null }, "ENV")).toBe(
    'A=""\'\nNEW_ONE=a\n',
  );
});

test.each(["$'", "$\\", "\\$"])("%j, many times, is exported and read within a second", (unit) => {
  const value = unit.repeat(5_000);
  const known = { HOME: "/x" };
  const start = Date.now();
  const [read] = readAssignments(renderAssignment("A", value, known), "");
  expect(storedValue(read!, known)).toBe(value);
  expect(Date.now() - start).toBeLessThan(1000);
});
