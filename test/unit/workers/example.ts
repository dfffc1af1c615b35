import { afterAll } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type App, appOf } from "../../../src/app/app.ts";
import type { Settings } from "../../../src/app/env-file.ts";
import { pathsOf } from "../../../src/app/paths.ts";
import { renderLauncher } from "../../../src/workers/launcher.ts";
import { filesOf, type Worker } from "../../../src/workers/worker.ts";
import { randomBelow } from "../../e2e/seed.ts";
import { memoryHost } from "../../host/memory.ts";

/** An app on a board whose root is this folder. */
export const appBelow = (root: string, name = "blog") =>
  appOf(pathsOf(memoryHost({ env: { HOME: "/home/piku", PIKU_ROOT: root } })), name);

/** A web worker of release 7, or what it is said to be. */
export const workerOf = (worker: Partial<Worker>): Worker => ({
  kind: "web",
  ordinal: 1,
  command: "a",
  release: 7,
  settings: {},
  ...worker,
});

/** A folder for the tests of one file. */
export function temporaryFolder(): string {
  const folder = fs.mkdtempSync(join(tmpdir(), "piku-uwsgi-"));
  afterAll(() => fs.rmSync(folder, { recursive: true }));
  return folder;
}

/** What a shell, or uWSGI's files, could take for something else. */
export const nasty = [
  "%",
  "(",
  ")",
  "%d",
  "%(",
  "$(",
  "@(",
  "$(PATH)",
  "@(exec://id)",
  "%(x y)",
  "$",
  "@",
  "'",
  '"',
  "`",
  "\\",
  ";",
  "#",
  "[",
  "]",
  "=",
  "{",
  "}",
  " ",
  "  ",
  "\t",
  "a",
  "uid",
  "pikulp",
  "pikunil",
  "ü",
  "€",
  "\u00a0",
  "%%",
  "!",
  "|",
  "&",
  "<",
  ">",
  "*",
  "~",
  "://",
];

/** So many settings whose values are made of these pieces, the same for the same seed. */
export function randomSettings(count: number, pieces: readonly string[], seed: number): Settings {
  const random = randomBelow(seed);
  const values = Array.from({ length: count }, () =>
    Array.from({ length: random(10) }, () => pieces[random(pieces.length)]).join(""),
  );
  return Object.fromEntries(values.map((value, i) => [`K${i}`, value]));
}

/** The variables that `env -0` printed. */
export const readEnvironment = (output: string): Settings =>
  Object.fromEntries(
    output
      .split("\0")
      .filter(Boolean)
      .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );

/** Where programs are found. */
export const path = process.env.PATH ?? "";

/** An app in a real folder, with the folders that a launcher writes to. */
export function realApp(folder: string, name: string): App {
  const real = appBelow(join(folder, name));
  for (const dir of [real.tree, join(real.releases, "run-7")])
    fs.mkdirSync(dir, { recursive: true });
  return real;
}

/** Runs a worker's launcher to its end. */
export const launch = (real: App, worker: Worker, env: Settings = {}) => {
  const { launcher } = filesOf(real, worker);
  fs.writeFileSync(launcher, renderLauncher(real, worker));
  const ran = Bun.spawnSync(["sh", launcher], { env: { PATH: path, ...env }, stderr: "pipe" });
  return {
    pid: ran.pid,
    status: ran.exitCode,
    stdout: ran.stdout.toString(),
    stderr: ran.stderr.toString(),
  };
};
