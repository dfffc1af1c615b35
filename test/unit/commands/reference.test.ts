import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { pages } from "../../../docs/commands.ts";

const root = path.join(import.meta.dir, "../../..");

test.each(Object.entries(pages))("%s is what `bun docs/commands.ts` writes", (name, render) => {
  expect(fs.readFileSync(path.join(root, name), "utf8")).toBe(render());
});

// Whoever has no groff reads the page elsewhere.
test.skipIf(!Bun.which("groff"))("groff has nothing to say against the manual page", () => {
  const ran = spawnSync("groff", ["-man", "-ww", "-Tascii", "-rLL=80n", "docs/piku.1"], {
    cwd: root,
    encoding: "utf8",
  });
  expect([ran.status, ran.stderr]).toEqual([0, ""]);
  expect(ran.stdout).toContain("ps:scale");
});
