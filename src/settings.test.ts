// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are the settings'.
import { expect, test } from "bun:test";
import {
  changeServerSettings,
  layered,
  parseAssignments,
  parseServerSettings,
  parseSettings,
  readDifferently,
  renderSettings,
  type Settings,
} from "./settings.ts";

/** The same numbers in every run. */
function randomFrom(seed: number) {
  let state = seed;
  return (count: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * count);
  };
}

const nasty = [
  " ",
  "  ",
  "\t",
  "'",
  '"',
  "\\",
  "$",
  "`",
  "%",
  "(",
  ")",
  "=",
  "#",
  " #",
  "@",
  ";",
  "{",
  "}",
  "A",
  "b",
  "1",
  "ü",
  "€",
  "\u00a0",
  "\ufeff",
  "\x01",
  "\x7f",
  "\x0c",
  "export ",
];
const randomValue = (random: (count: number) => number) =>
  Array.from({ length: random(12) }, () => nasty[random(nasty.length)]).join("");

test.each<[string, Settings]>([
  ["", {}],
  ["A=1\nB=2\n", { A: "1", B: "2" }],
  ["A=1\r\nB='2'\r\n", { A: "1", B: "2" }],
  ["\ufeffA=1", { A: "1" }],
  ["# note\n\n  # indented\nA=1", { A: "1" }],
  ["A=1 # note", { A: "1" }],
  ["A=1# no note", { A: "1# no note" }],
  ["A=#fff", { A: "#fff" }],
  ["A=x#y", { A: "x#y" }],
  ["A= # note", { A: "" }],
  ["A=", { A: "" }],
  ["A=''", { A: "" }],
  ['A=""', { A: "" }],
  ["  A  =  b c  ", { A: "b c" }],
  ["A=b=c", { A: "b=c" }],
  ["export A=1", { A: "1" }],
  ["export\tA = 1", { A: "1" }],
  ["exported=1", { exported: "1" }],
  ["A='b # c' # d", { A: "b # c" }],
  ['A="b # c" # d', { A: "b # c" }],
  ["A=' b '", { A: " b " }],
  ['A="b \\" c"', { A: 'b " c' }],
  ['A="b\\\\c"', { A: "b\\c" }],
  ['A="b\\nc"', { A: "b\\nc" }],
  ["A='b\\c'", { A: "b\\c" }],
  ["A='b\"c'", { A: 'b"c' }],
  ['A="it\'s"', { A: "it's" }],
  ["A=it's", { A: "it's" }],
  ['CMD="a b" --flag', { CMD: '"a b" --flag' }],
  ['CMD="a # b" --flag', { CMD: '"a # b" --flag' }],
  ["A=1\nA=2", { A: "2" }],
  ["a=1\n_b2=3", { a: "1", _b2: "3" }],
  [
    "constructor=1\n__proto__=2",
    Object.fromEntries([
      ["constructor", "1"],
      ["__proto__", "2"],
    ]),
  ],
  ['A={"json": ["x", 1]}', { A: '{"json": ["x", 1]}' }],
  ["URL=postgres://u:p%40@h/db?a=b&c=d", { URL: "postgres://u:p%40@h/db?a=b&c=d" }],
])("ENV %j", (content, settings) => {
  expect(Object.entries(parseSettings(content))).toEqual(Object.entries(settings));
});

test("ENV: a value of 100 KB", () => {
  const value = "x".repeat(100_000);
  expect(parseSettings(`A=${value}`)).toEqual({ A: value });
});

// What an app gets in the end, with X=1 known.
test.each([
  ["A=$X", "1"],
  ["A=${X}y", "1y"],
  ['A="$X"', "1"],
  ["A='$X'", "$X"],
  ["A='\\$X'", "\\$X"],
  ["A=\\$X", "$X"],
  ['A="\\$X"', "$X"],
  ['A="\\\\$X"', "\\1"],
  ["A=$2b$10$abc", "$2b$10$abc"],
  ["A='$2b$10$abc'", "$2b$10$abc"],
  ["A=$Y", "$Y"],
])("ENV %s gives %s", (content, value) => {
  expect(layered({ X: "1" }, [parseSettings(content)])).toEqual({ X: "1", A: value });
});

test.each([
  ["A", "ENV line 1: 'A' is not 'KEY=value'"],
  ["A=1\n\nexport B\n", "ENV line 3: 'export B' is not 'KEY=value'"],
  ["A=1\r\nnonsense here\r\n", "ENV line 2: 'nonsense here' is not 'KEY=value'"],
  ["=1", "ENV line 1: '' cannot be the name of a setting"],
  ["1A=1", "ENV line 1: '1A' cannot be the name of a setting"],
  ["A B=1", "ENV line 1: 'A B' cannot be the name of a setting"],
  ["A.B=1", "ENV line 1: 'A.B' cannot be the name of a setting"],
  ["A-B=1", "ENV line 1: 'A-B' cannot be the name of a setting"],
  ["É=1", "ENV line 1: 'É' cannot be the name of a setting"],
  ["A='b", "ENV line 1: the quote ' is not closed"],
  ['A="b\nc"', 'ENV line 1: the quote " is not closed'],
  ['A="b\\"', 'ENV line 1: the quote " is not closed'],
  ["A=b\rc", "ENV line 1: the value of A has a line break in it"],
  ["A=b\0c", "ENV line 1: the value of A has a line break in it"],
])("ENV %j is refused", (content, message) => {
  expect(() => parseSettings(content)).toThrow(message);
});

test("ENV: a value of more than 100 KB is refused, and the file is named", () => {
  expect(() => parseSettings(`A=${"x".repeat(100_001)}`, "/x/ENV")).toThrow(
    "/x/ENV line 1: the value of A is larger than 100 KB",
  );
});

test.each<[string, Settings]>([
  ["", {}],
  ["A=1\n", { A: "1" }],
  ["A= 'b' # c \n", { A: " 'b' # c " }],
  ["A==\nB=\n", { A: "=", B: "" }],
  ["# note\n\nnonsense\n=x\nA=1", { A: "1" }],
  ["A=1\nA=2\n", { A: "2" }],
])("server ENV %j", (content, settings) => {
  expect(parseServerSettings(content)).toEqual(settings);
});

test("every value that config:set takes comes back to the letter: 2000 random ones", () => {
  const random = randomFrom(3);
  const values = Array.from({ length: 2000 }, () => randomValue(random));
  const settings = parseAssignments(values.map((value, i) => `K${i}=${value}`));
  const file = changeServerSettings("# note\nK5=old\n", settings);
  expect(parseServerSettings(file)).toEqual(Object.fromEntries(values.map((value, i) => [`K${i}`, value])));
});

test("every single-quoted value of a repository's ENV comes back to the letter", () => {
  const random = randomFrom(4);
  const values = Array.from({ length: 2000 }, () => randomValue(random).replaceAll("'", ""));
  const file = values.map((value, i) => `K${i}='${value}'\n`).join("");
  const known = { A: "wrong", b: "wrong", Ab: "wrong" };
  expect(layered(known, [parseSettings(file)])).toEqual({
    ...known,
    ...Object.fromEntries(values.map((value, i) => [`K${i}`, value])),
  });
});

test.each<[string, Record<string, string | null>, string]>([
  ["", { A: "1" }, "A=1\n"],
  ["A=1\n", { A: "2" }, "A=2\n"],
  ["A=1", { B: "2" }, "A=1\nB=2\n"],
  ["# note\nA=1\n\n# more\nB=2\n", { A: "x", C: "3" }, "# note\nA=x\n\n# more\nB=2\nC=3\n"],
  ["A=1\nB=2\n", { A: null }, "B=2\n"],
  ["A=1\n", { Z: null }, "A=1\n"],
  ["A=1\nB=2\nA=3\n", { A: "4" }, "A=4\nB=2\n"],
  ["A=1\nB=2\nA=3\n", { A: null }, "B=2\n"],
  ["A=1\nA=2\n", { B: "3" }, "A=1\nA=2\nB=3\n"],
  ["A=1\n", { A: "" }, "A=\n"],
  ["A= keep 'this' # too \n", { B: "$&" }, "A= keep 'this' # too \nB=$&\n"],
  ["nonsense\n", { nonsense: "1" }, "nonsense\nnonsense=1\n"],
  ["", { constructor: "1", toString: null } as unknown as Record<string, string | null>, "constructor=1\n"],
])("config:set %j %j", (content, changes, expected) => {
  expect(changeServerSettings(content, changes)).toBe(expected);
});

test.each<[Record<string, string>]>([[{ A: "1\n2" }], [{ "A=B": "1" }]])(
  "changeServerSettings refuses %j",
  (changes) => {
    expect(() => changeServerSettings("", changes)).toThrow();
  },
);

test.each<[string[], Settings]>([
  [["A=b  c"], { A: "b  c" }],
  [["A='b'"], { A: "'b'" }],
  [["A=b=c", "B="], { A: "b=c", B: "" }],
  [["A=1", "A=2"], { A: "2" }],
  [["A= b "], { A: " b " }],
])("parseAssignments(%j)", (words, settings) => {
  expect(parseAssignments(words)).toEqual(settings);
});

test.each<[string, string, number]>([
  ["A", "malformed setting 'A'", 2],
  ["", "malformed setting ''", 2],
  ["=b", "config:set: '' cannot be the name of a setting", 1],
  ["A-B=c", "config:set: 'A-B' cannot be the name of a setting", 1],
  ["A=b\nc", "config:set: the value of A has a line break in it", 1],
  ["A=b\0", "config:set: the value of A has a line break in it", 1],
])("parseAssignments refuses %j", (word, message, exitCode) => {
  expect(() => parseAssignments([word])).toThrow(expect.objectContaining({ message, exitCode }));
});

test.each<[Settings, Settings[], Settings]>([
  [{ A: "base" }, [], { A: "base" }],
  [
    { A: "base" },
    [{ A: "machine", B: "machine" }, { B: "repository" }, { C: "server" }],
    { A: "machine", B: "repository", C: "server" },
  ],
  [{ PATH: "/bin" }, [{ PATH: "/a:$PATH" }, { PATH: "$PATH:/b" }], { PATH: "/a:/bin:/b" }],
  [
    { H: "/h" },
    [{ A: "$H/a", B: "$A/b", C: "$D", D: "late" }],
    { H: "/h", A: "/h/a", B: "/h/a/b", C: "$D", D: "late" },
  ],
  [{ H: "/h" }, [{ A: "\\$H" }, { B: "$A" }], { H: "/h", A: "$H", B: "$H" }],
  [{}, [{ HASH: "$2b$10$abc" }], { HASH: "$2b$10$abc" }],
  [{}, [{ "export X": "1", A: "2" }], { A: "2" }],
])("layered(%j, %j)", (base, layers, expected) => {
  expect(layered(base, layers)).toEqual(expected);
  expect(parseServerSettings(renderSettings(expected))).toEqual(expected);
});

/**
 * What the original made of a file of settings, with what it knew: a line that begins with `#` and a blank one are
 * passed over, blanks are taken off both sides of the first `=`, `$X` is replaced (behind a backslash too), and the
 * first line that it cannot split ends the reading.
 */
function asTheOriginal(content: string, known: Settings): Settings {
  const env = { ...known };
  for (const line of content.split("\n")) {
    if (line.startsWith("#") || line.trim() === "") continue;
    const [key, ...value] = line.split("=");
    if (value.length === 0) break;
    env[key!.trim()] = value
      .join("=")
      .trim()
      .replace(/\$(?:(\w+)|\{([^}]*)\})/g, (all, bare, braced) => env[braced ?? bare] ?? all);
  }
  return env;
}

test.each<[string, string[]]>([
  ["A=1\nB=b c\n", []],
  ["A=1\r\n", []],
  ["# note\n\nA=1", []],
  ["  A = 1 ", []],
  ["A='1'", ["A"]],
  ['A="1"\nB=2', ["A"]],
  ["A=1 # note", ["A"]],
  ["export A=1", ["A"]],
  ["  # indented\nA=1", ["A"]],
  ["A=1\n # indented\nB=2\n", ["B"]],
  ["A=it's", []],
  ["A=$HOME/x", []],
  ["A=\\$HOME", ["A"]],
  ["A='x'\nA=1", []],
  ["A=x=y", []],
  ["A=#fff", []],
])("readDifferently(%j)", (content, keys) => {
  expect(readDifferently(content)).toEqual(keys);
  const known = { HOME: "/h" };
  const [ours, theirs] = [layered(known, [parseSettings(content)]), asTheOriginal(content, known)];
  expect(Object.keys(ours).filter((key) => ours[key] !== theirs[key])).toEqual(keys);
});
