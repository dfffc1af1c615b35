/**
 * Every executable of dist/: its size, that the same source gives the same bytes, and that it runs
 * on its processor.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { build } from "../../build.ts";
import { ok } from "../e2e/board.ts";
import { skipped } from "../e2e/story.ts";
import { buildUnitTests, runUnitTests } from "../quickjs/program.ts";
import { machine, made, noMachines } from "./command.ts";
import { dist } from "./machine.ts";

const root = path.resolve(import.meta.dir, "../..");

interface Row {
  name: string;
  /** Most bytes, in MB. */
  size: number;
  /** What runs it here; none for this machine's own. */
  emulator?: string[];
  /** Why it is not run. */
  untried?: string;
}

// An emulator takes the libraries that Bun's executable needs from a system of that processor.
const noArm64 = noMachines("arm64");
const arm64 = noArm64 ? "" : ok(machine("system", "bookworm", "arm64")).stdout.trim();
/** The folder with what musl's wants. */
const musl = (arch: "x64" | "arm64") =>
  noArm64 ? "" : ok(made([path.join(import.meta.dir, "musl.sh"), arch])).stdout.trim();
const [muslX64, muslArm64] = [musl("x64"), musl("arm64")];
const rows: Row[] = [
  { name: "linux-x64", size: 115 },
  { name: "linux-x64-lite", size: 3 },
  {
    name: "linux-x64-musl",
    size: 115,
    emulator: [`${muslX64}/lib/ld-musl-x86_64.so.1`, "--library-path", `${muslX64}/usr/lib`],
    untried: noArm64,
  },
  {
    name: "linux-arm64",
    size: 115,
    emulator: ["qemu-aarch64-static", "-L", arm64],
    untried: noArm64,
  },
  {
    name: "linux-arm64-musl",
    size: 115,
    emulator: ["qemu-aarch64-static", "-L", muslArm64, "-E", "LD_LIBRARY_PATH=/usr/lib"],
    untried: noArm64,
  },
  { name: "linux-arm64-lite", size: 2.6, emulator: ["qemu-aarch64-static"] },
  { name: "linux-armv7", size: 2, emulator: ["qemu-arm-static", "-cpu", "cortex-a7"] },
  { name: "linux-armv6", size: 2.5, emulator: ["qemu-arm-static", "-cpu", "arm1176"] },
  { name: "darwin-arm64", size: 100, untried: "it is for macOS" },
  { name: "darwin-x64", size: 110, untried: "it is for macOS" },
  { name: "windows-x64.exe", size: 125, untried: "laptops.test.ts runs it" },
];

const folder = fs.mkdtempSync("/tmp/piku-targets-");
const clone = `${folder}/some/other/place`;
beforeAll(() => {
  spawnSync("git", ["clone", "-q", root, clone]);
  fs.symlinkSync(`${root}/node_modules`, `${clone}/node_modules`);
});
afterAll(() => fs.rmSync(folder, { recursive: true }));

const sum = (file: string) => createHash("sha256").update(fs.readFileSync(file)).digest("hex");

for (const { name, size, emulator = [], untried } of rows) {
  const executable = `${dist}/piku-${name}`;
  const lacking = emulator[0] && !Bun.which(emulator[0]) ? `${emulator[0]} is missing` : untried;

  test(`${name} is small, and SHA256SUMS knows it`, () => {
    expect(fs.statSync(executable).size / 1e6).toBeLessThan(size);
    expect(fs.readFileSync(`${dist}/SHA256SUMS`, "utf8")).toContain(
      `${sum(executable)}  piku-${name}\n`,
    );
  });

  test(`${name}: the same source at another place gives the same bytes`, () => {
    const ran = spawnSync(process.execPath, ["build.ts", "--target", name.replace(".exe", "")], {
      cwd: clone,
      encoding: "utf8",
    });
    expect(ran.stderr).toBe("");
    expect(sum(`${clone}/dist/piku-${name}`)).toBe(sum(executable));
  }, 300_000);

  if (lacking) skipped(`${name} runs`, lacking);
  else
    test(`${name} runs`, () => {
      const home = fs.mkdtempSync(`${folder}/home-`);
      const run = (...words: string[]) =>
        spawnSync([...emulator, executable][0]!, [...emulator, executable, ...words].slice(1), {
          env: { PATH: process.env.PATH, HOME: home },
          encoding: "utf8",
        });
      expect(run("--version").stdout).toContain(`(${name}, `);
      expect(run("setup").stdout).toContain(`Creating '${home}/.piku/apps'.`);
      expect(run("apps").stderr).toContain("There are no applications deployed.");
      expect(run("no-such").status).toBe(2);
    }, 120_000);

  if (name.startsWith("linux-arm") && emulator[0] && !lacking && size < 10)
    test(`${name}: the unit tests and the checks of the host hold`, async () => {
      await buildUnitTests(name, `${folder}/unit-${name}`);
      expect(runUnitTests([...emulator, `${folder}/unit-${name}`])).toBeGreaterThan(1000);
      const checks = `${folder}/checks-${name}`;
      await build(name, `${root}/test/host/conformance-run.ts`, checks);
      const place = fs.mkdtempSync(`${folder}/checks-`);
      const taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
      const ran = spawnSync(
        emulator[0]!,
        [...emulator.slice(1), checks, "check", place, String(taken.port), ...emulator, checks],
        {
          encoding: "utf8",
        },
      );
      taken.stop(true);
      const lines = ran.stdout.trim().split("\n");
      expect(lines.filter((line) => !line.startsWith("ok "))).toEqual([
        `${lines.length - 1} ok, 0 FAILED`,
      ]);
    }, 600_000);
}
