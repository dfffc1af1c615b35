/** The unit tests that need nothing but the host boundary, told by QuickJS as well. */
import { expect, test } from "bun:test";
import fs from "node:fs";
import path from "node:path";
import { build } from "../../build.ts";

const root = path.resolve(import.meta.dir, "../..");
const own = (name: string) => path.join(import.meta.dir, name);

test("the unit tests hold on QuickJS", async () => {
  const folder = fs.mkdtempSync("/tmp/piku-quickjs-");
  try {
    const names = fs.readdirSync(path.join(root, "src"), { recursive: true }) as string[];
    // What these test is the engines and their differences.
    const files = names.filter((name) => name.endsWith(".test.ts") && !name.startsWith("host/")).sort();
    const entry = own(`.entry-${process.pid}.ts`);
    fs.writeFileSync(
      entry,
      [
        `import { exit, host } from "#host";`,
        `import { begin } from "./machine.ts";`,
        `import { runCollected } from "./bun-test.ts";`,
        ...files.map((name) => `import "../../src/${name}";`),
        "begin();",
        "const { passed, skipped, failures } = await runCollected();",
        "for (const line of failures) host.say(line);",
        `host.say(passed + " passed, " + skipped + " skipped");`,
        "exit(failures.length > 0 ? 1 : 0);",
        "",
      ].join("\n"),
    );
    const program = path.join(folder, "tests");
    const machine = ["node:fs", "node:os", "node:path", "croner"].map((name) => [name, own("machine.ts")]);
    const instead = Object.fromEntries([...machine, ["bun:test", own("bun-test.ts")]]);
    await build(`linux-${process.arch}-lite`, entry, program, instead).finally(() => fs.rmSync(entry));
    const ran = Bun.spawnSync([program], { stderr: "pipe" });
    const lines = ran.stdout.toString().trim().split("\n");
    console.log(lines.at(-1));
    expect([ran.stderr.toString(), ...lines.slice(0, -1)]).toEqual([""]);
    const [, passed] = /^(\d+) passed/.exec(lines.at(-1)!)!;
    expect(Number(passed)).toBeGreaterThan(1000);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}, 120_000);
