import { expect, test } from "bun:test";
import { parseManifest } from "../../../src/board/backup/manifest.ts";
import { renderManifest } from "../../../src/commands/backup.ts";

const created = "2026-01-01T00:00:00.000Z";
const commit = "1".repeat(40);
const written = (change: object) =>
  JSON.stringify({ format: 1, piku: "1.0", created, board: false, ...change });

test.each([
  written({ apps: [] }),
  written({ apps: [{ name: "blog" }] }),
  written({ apps: [{ name: "blog", commit, branch: "main" }, { name: "gone" }] }),
])("what piku writes is read: %s", (content) => {
  expect(parseManifest(content)).toEqual(JSON.parse(content));
});

test.each([
  "",
  "{",
  "null",
  "7",
  "[]",
  written({}),
  written({ apps: "blog" }),
  written({ apps: [null] }),
  written({ apps: ["blog"] }),
  written({ apps: [{ name: ["blog"] }] }),
  written({ apps: [{ name: "blog", commit: "--output=x" }] }),
  written({ apps: [{ name: "blog", commit: [commit] }] }),
  written({ apps: [{ name: "blog", commit, branch: {} }] }),
  written({ apps: [], created: 7 }),
])("a piku.json that piku did not write showed a stack: %s", (content) => {
  expect(() => parseManifest(content)).toThrow("the backup's piku.json is damaged");
});

test("one of a newer piku is told from one that is damaged", () => {
  expect(() => parseManifest('{"format":2,"more":[]}')).toThrow(
    "the backup was made by a newer piku",
  );
});

test("what a backup says of itself is shown as text", () => {
  const manifest = parseManifest(
    written({ created: "\u001b]0;x\u0007", apps: [{ name: "\u001b[2Jevil" }, { name: "blog" }] }),
  );
  expect(renderManifest(manifest)).toBe("Of ?]0;x? UTC: ?[2Jevil, blog.");
});
