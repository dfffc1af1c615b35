import fs from "node:fs";
import path from "node:path";
import { build } from "../../build.ts";

const root = path.resolve(import.meta.dir, "../..");
const own = (name: string) => path.join(import.meta.dir, name);

/**
 * Builds the unit tests that need nothing but the host boundary as one program for a target with
 * QuickJS.
 */
export async function buildUnitTests(target: string, program: string): Promise<void> {
  const names = fs.readdirSync(path.join(root, "test/unit"), { recursive: true }) as string[];
  // What reads the source or the documents is no test of what piku does.
  const readers = [
    "boundary.test.ts",
    "documents.test.ts",
    "release-tool.test.ts",
    "app/settings-page.test.ts",
    "commands/reference.test.ts",
  ];
  const files = names.filter((name) => name.endsWith(".test.ts") && !readers.includes(name)).sort();
  await buildTests(
    target,
    program,
    files.map((name) => `test/unit/${name}`),
  );
}

/** Builds these files of tests as one program for a target with QuickJS. */
export async function buildTests(
  target: string,
  program: string,
  files: readonly string[],
): Promise<void> {
  const lines = [
    `import { exit, host } from "#host";`,
    `import { begin } from "./machine.ts";`,
    `import { runCollected } from "./bun-test.ts";`,
    ...files.map((name) => `import "../../${name}";`),
    "begin();",
    "const { passed, skipped, failures } = await runCollected();",
    "for (const line of failures) host.say(line);",
    `host.say(passed + " passed, " + skipped + " skipped");`,
    "exit(failures.length > 0 ? 1 : 0);",
    "",
  ];
  const machine = ["node:fs", "node:os", "node:path", "croner"].map((name) => [
    name,
    own("machine.ts"),
  ]);
  const instead = Object.fromEntries([...machine, ["bun:test", own("bun-test.ts")]]);
  const entry = own(`.entry-${process.pid}.ts`);
  fs.writeFileSync(entry, lines.join("\n"));
  await build(target, entry, program, instead).finally(() => fs.rmSync(entry));
}

/**
 * How many unit tests a program passes; throws, with what it said, when one fails or it crashes. An
 * emulator is so slow that those which look at the time do not count there.
 */
export function runUnitTests(argv: readonly string[]): number {
  const ran = Bun.spawnSync([...argv], { stderr: "pipe" });
  const isEmulated = argv.length > 1;
  const all = ran.stdout.toString().trim().split("\n");
  const lines = all.filter((line) => !isEmulated || !/ within a second\b/.test(line));
  const passed = /^(\d+) passed, (\d+) skipped$/.exec(lines.at(-1) ?? "")?.[1];
  if (passed === undefined || lines.length > 1)
    throw new Error(`${argv.join(" ")}\n${ran.stdout}${ran.stderr}`);
  return Number(passed);
}
