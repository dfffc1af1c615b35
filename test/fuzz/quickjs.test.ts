/** The laws, told by QuickJS as well. */
import { expect, test } from "bun:test";
import fs from "node:fs";
import { buildTests } from "../quickjs/program.ts";
import { seed } from "./hold.ts";

test("the laws hold on QuickJS", async () => {
  const folder = fs.mkdtempSync("/tmp/piku-quickjs-");
  try {
    await buildTests(`linux-${process.arch}-lite`, `${folder}/laws`, ["test/fuzz/laws.test.ts"]);
    const env = { ...process.env, PIKU_SEED: String(seed) };
    const ran = Bun.spawnSync([`${folder}/laws`], { env, stderr: "pipe" });
    expect(`${ran.stdout}${ran.stderr}`).toMatch(/^PIKU_SEED=\d+\n\d+ passed, 0 skipped\n$/);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}, 900_000);
