import { expect, test } from "bun:test";
import * as fs from "node:fs";
import { join } from "node:path";

const source = join(import.meta.dir, "../../src");
const globals =
  "Bun|Buffer|URL|URLSearchParams|TextEncoder|TextDecoder|fetch|setTimeout|setInterval|setImmediate|structuredClone|" +
  "AbortController|crypto|queueMicrotask|Intl|require|globalThis|scriptArgs|performance|process|console";
const modules = "(?:std|os|fs|path|bun|(?:node|bun|quickjs|piku):[^\"']*)";
const foreignModule = new RegExp(`\\b(?:from|import\\s*\\(?)\\s*["']${modules}["']|\\bimport\\.meta\\b`);
const foreignGlobal = new RegExp(`(?<![.\\w$-])(${globals})\\s*[.([]|\\bnew\\s+(${globals})\\b`, "g");

test("only src/host knows an engine", () => {
  const files = [...new Bun.Glob("**/*.ts").scanSync(source)].filter((file) => !file.startsWith("host/"));
  const found = files.flatMap((file) => {
    const text = fs.readFileSync(join(source, file), "utf8");
    const own = [...text.matchAll(/\b(?:function|const)\s+(\w+)/g)].map((match) => match[1]!);
    return text.split("\n").flatMap((line, i) => (isForeign(line, own) ? [`${file}:${i + 1}: ${line.trim()}`] : []));
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
