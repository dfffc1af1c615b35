/** The unit tests, told by QuickJS as well. */
import { expect, test } from "bun:test";
import fs from "node:fs";
import { buildUnitTests, runUnitTests } from "./program.ts";

test("the unit tests hold on QuickJS", async () => {
  const folder = fs.mkdtempSync("/tmp/piku-quickjs-");
  try {
    await buildUnitTests(`linux-${process.arch}-lite`, `${folder}/tests`);
    expect(runUnitTests([`${folder}/tests`])).toBeGreaterThan(1000);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}, 120_000);
