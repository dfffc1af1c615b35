import { afterAll, beforeAll, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "../../build.ts";
import { fileChecks, runChecks } from "./conformance.ts";
import { memoryHost } from "./memory.ts";

const program = join(import.meta.dir, "conformance-run.ts");
const folder = fs.mkdtempSync(join(tmpdir(), "piku-host-"));
let listener: Bun.TCPSocketListener<unknown>;

beforeAll(() => {
  listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
});

afterAll(() => {
  listener.stop(true);
  fs.rmSync(folder, { recursive: true });
});

test("the checks hold in memory", () => {
  const lines: string[] = [];
  runChecks(memoryHost(), fileChecks, "/checks", (line) => lines.push(line));
  expect(failures(lines)).toEqual([]);
});

test("the checks hold on Bun", () => {
  expect(check([process.execPath, program])).toEqual([]);
}, 120_000);

test.skipIf(process.arch !== "x64" && process.arch !== "arm64")(
  "the checks hold on QuickJS",
  async () => {
    const executable = join(folder, "quickjs");
    await build(`linux-${process.arch}-lite`, program, executable);
    expect(check([executable])).toEqual([]);
  },
  300_000,
);

test("Bun and QuickJS read bytes that are no UTF-8 alike", () => {
  const random = new Uint8Array(20_000).map((_, i) => (i * i * 7919 + (i >> 3) * 104729) >> 5);
  fs.writeFileSync(join(folder, "random"), random);
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(random);
  const echo = Bun.spawnSync([join(folder, "quickjs"), "echo"], { stdin: random });
  expect(echo.stdout.toString()).toBe(`${text}\n`);
});

test("a rejection that nobody handles ends QuickJS with status 1", async () => {
  const entry = join(folder, "reject.ts");
  fs.writeFileSync(
    entry,
    'const late = Promise.reject(new Error("oh no"));\nif (Date.now() < 0) await late;\n',
  );
  const executable = join(folder, "reject");
  await build(`linux-${process.arch}-lite`, entry, executable);
  const ran = Bun.spawnSync([executable]);
  expect([ran.exitCode, ran.stderr.toString().split("\n")[0]]).toEqual([
    1,
    "Unhandled rejection: Error: oh no",
  ]);
}, 60_000);

function check(argv: string[]): string[] {
  const own = fs.mkdtempSync(join(folder, "checks-"));
  const ran = Bun.spawnSync([...argv, "check", own, String(listener.port), ...argv]);
  const lines = ran.stdout.toString().trim().split("\n");
  return [...failures(lines), ...ran.stderr.toString().split("\n").filter(Boolean)];
}

/** The last line must be there, and say that nothing failed. */
function failures(lines: string[]): string[] {
  const failed = lines.filter((line) => !line.startsWith("ok "));
  return /^\d+ ok, 0 FAILED$/.test(failed[0] ?? "") ? failed.slice(1) : failed;
}
