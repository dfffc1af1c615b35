import { expect, test } from "bun:test";
import * as fs from "node:fs";
import { join } from "node:path";
import { rooms as roomsFromTheGround } from "../../docs/rooms.ts";

const source = join(import.meta.dir, "../../src");
const globals =
  "Bun|Buffer|URL|URLSearchParams|TextEncoder|TextDecoder|fetch|setTimeout|setInterval|setImmediate|structuredClone|" +
  "AbortController|crypto|queueMicrotask|Intl|require|globalThis|scriptArgs|performance|process|console";
const modules = "(?:std|os|fs|path|bun|(?:node|bun|quickjs|piku):[^\"']*)";
const foreignModule = new RegExp(
  `\\b(?:from|import\\s*\\(?)\\s*["']${modules}["']|\\bimport\\.meta\\b`,
);
const foreignGlobal = new RegExp(
  `(?<![.\\w$-])(${globals})\\s*[.([]|\\bnew\\s+(${globals})\\b`,
  "g",
);

test("only src/host knows an engine", () => {
  const files = [...new Bun.Glob("**/*.ts").scanSync(source)].filter(
    (file) => !file.startsWith("host/"),
  );
  const found = files.flatMap((file) => {
    const text = fs.readFileSync(join(source, file), "utf8");
    const own = [...text.matchAll(/\b(?:function|const)\s+(\w+)/g)].map((match) => match[1]!);
    return text
      .split("\n")
      .flatMap((line, i) => (isForeign(line, own) ? [`${file}:${i + 1}: ${line.trim()}`] : []));
  });
  expect(found).toEqual([]);
});

test.each([
  ['import * as fs from "node:fs";', true],
  ['import { open } from "os";', true],
  ['const os = await import("std");', true],
  ["const x = Buffer.from(text);", true],
  ["return new URL(text);", true],
  ["process.exit(1)", true],
  ["globalThis.process", true],
  ["setTimeout(work, 5);", true],
  ["const process = host.poll(job);", false],
  ["// Unlike Buffer.from, this is portable", false],
  [" * Made with `process.env`.", false],
  ["host.fetch(app)", false],
  ["say(`fetch it with git`)", false],
])("%s", (line, expected) => {
  expect(isForeign(line)).toBe(expected);
});

/** `own`: names that the file declares itself, which are not the globals then. */
function isForeign(line: string, own: string[] = []): boolean {
  const code = line.replace(/^\s*\/?\*.*|(^|\s)\/\/.*/, "");
  if (foreignModule.test(code)) return true;
  return [...code.matchAll(foreignGlobal)].some((match) => !own.includes(match[1] ?? match[2]!));
}

const rooms = Object.keys(roomsFromTheGround);
const floorOf = (file: string) => rooms.indexOf(file.split("/")[0]!);

/** Imports of one file from another: with the line that says so. */
function importsOf(file: string, text: string) {
  const found =
    /^(?:import|export)\b[^;]*?\bfrom "(\.[^"]+\.ts)";|\bawait import\("(\.[^"]+\.ts)"\)/gm;
  return [...text.matchAll(found)].map((match) => ({
    from: file,
    to: join(file, "..", match[1] ?? match[2]!),
    line: text.slice(0, match.index).split("\n").length,
  }));
}

const everyImport = () =>
  [...new Bun.Glob("**/*.ts").scanSync(source)].flatMap((file) =>
    importsOf(file, fs.readFileSync(join(source, file), "utf8")),
  );

// These two stand on one floor, and know nothing of each other.
const neighbours = ["runtimes", "site"];
const isUpward = ({ from, to }: { from: string; to: string }) =>
  floorOf(to) > floorOf(from) ||
  (to !== from &&
    floorOf(to) !== floorOf(from) &&
    [from, to].every((file) => neighbours.includes(file.split("/")[0]!)));

test("a room imports only from rooms below it", () => {
  const found = everyImport();
  expect(found.length).toBeGreaterThan(300);
  expect(found.filter(({ from, to }) => floorOf(from) < 0 || floorOf(to) < 0)).toEqual([]);
  expect(
    found
      .filter(isUpward)
      .map(({ from, to, line }) => `src/${from}:${line} imports from src/${to}`),
  ).toEqual([]);
});

test.each([
  ['import { text } from "../text/text.ts";', "host/posix.ts", true],
  ['import type { Plan } from "../deploy/plan.ts";', "site/switch.ts", true],
  ['import {\n  a,\n  b,\n} from "../commands/index.ts";', "board/doctor.ts", true],
  ['export { host } from "../site/site.ts";', "runtimes/node.ts", true],
  ['import { runtimes } from "../runtimes/index.ts";', "site/site.ts", true],
  ['import { names } from "./names.ts";', "site/site.ts", false],
  ['import { text } from "../text/text.ts";', "app/app.ts", false],
  ['import { shell } from "./shell.ts";', "text/text.ts", false],
  ['import { index } from "./commands/index.ts";', "main.ts", false],
  ['const { a } = await import("../commands/index.ts");', "board/doctor.ts", true],
])("%s in %s leads upward: %p", (text, file, expected) => {
  expect(importsOf(file, text).map(isUpward)).toEqual([expected]);
});

test("no file imports itself by way of others", () => {
  const imports = everyImport();
  const circles: string[] = [];
  const done = new Set<string>();
  const walk = (file: string, way: readonly string[]) => {
    if (way.includes(file)) circles.push([...way.slice(way.indexOf(file)), file].join(" > "));
    if (done.has(file) || way.includes(file)) return;
    for (const { from, to } of imports) if (from === file) walk(to, [...way, file]);
    done.add(file);
  };
  for (const { from } of imports) walk(from, []);
  expect(circles).toEqual([]);
});

/** What each engine has to have by the same name. */
const ofEachEngine = ["host", "exit"];

test("a name that one file exports means nothing else in another", () => {
  const owners = new Map<string, Set<string>>();
  const exported = new Set<string>();
  for (const file of new Bun.Glob("**/*.ts").scanSync(source))
    for (const [, isExported, name] of fs
      .readFileSync(join(source, file), "utf8")
      .matchAll(/^(export )?(?:async )?(?:function|const|let|class|interface|type) (\w+)/gm)) {
      owners.set(name!, (owners.get(name!) ?? new Set()).add(file));
      if (isExported) exported.add(name!);
    }
  expect(exported.size).toBeGreaterThan(500);
  const shared = [...exported].filter(
    (name) => owners.get(name)!.size > 1 && !ofEachEngine.includes(name),
  );
  expect(shared.map((name) => `${name}: ${[...owners.get(name)!].join(", ")}`)).toEqual([]);
});

const maxLines = 350;

test(`no file of the source is longer than ${maxLines} lines`, () => {
  const lengths = [...new Bun.Glob("**/*.{ts,sh,py,c}").scanSync(source)].map(
    (file) => [file, fs.readFileSync(join(source, file), "utf8").split("\n").length - 1] as const,
  );
  expect(lengths.length).toBeGreaterThan(100);
  expect(lengths.filter(([, lines]) => lines > maxLines)).toEqual([]);
});
