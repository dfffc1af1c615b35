/**
 * Tools of languages that the distribution does not package, installed once into the cache of the
 * build.
 */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { type Board, ok } from "./sandbox.ts";
import { toolOf } from "./toolchains.ts";

const root = path.resolve(import.meta.dir, "../..");
const cache = path.join(
  process.env.XDG_CACHE_HOME || path.join(os.homedir(), ".cache"),
  "piku-build",
);

/** Tool -> how its folder is filled, and where it lies in there. */
const tools: Record<string, { package: string; from: "pip" | "npm" | "go" }> = {
  poetry: { package: "poetry==2.5.1", from: "pip" },
  uv: { package: "uv==0.13.9", from: "pip" },
  yarn: { package: "yarn@1.22.22", from: "npm" },
  pnpm: { package: "pnpm@9.15.9", from: "npm" },
  pebble: { package: `github.com/letsencrypt/pebble/v2/cmd/pebble@${pebble()}`, from: "go" },
  "pebble-challtestsrv": {
    package: `github.com/letsencrypt/pebble/v2/cmd/pebble-challtestsrv@${pebble()}`,
    from: "go",
  },
  deno: { package: "deno@2.9.6", from: "npm" },
};

/**
 * The newest version that this machine's Go builds: Debian 12's is 1.19, and newer ones refuse old
 * packages.
 */
function pebble(): string {
  const told =
    spawnSync(toolOf("go") ?? "false", ["env", "GOVERSION"], { encoding: "utf8" }).stdout ?? "";
  return Number(/^go1\.(\d+)/.exec(told)?.[1] ?? 0) < 22 ? "v2.4.0" : "v2.8.0";
}

/** Puts a tool on the board, where piku finds the programs of its user. */
export function provide(board: Board, name: string) {
  fs.mkdirSync(`${board.home}/bin`, { recursive: true });
  fs.symlinkSync(
    name === "bun" ? fs.realpathSync(`${root}/node_modules/.bin/bun`) : install(board, name),
    `${board.home}/bin/${name}`,
  );
}

export function withdraw(board: Board, name: string) {
  fs.rmSync(`${board.home}/bin/${name}`);
}

/** A program of our own in its place, which tells what it was called with. */
export function standIn(board: Board, name: string, script: string) {
  fs.mkdirSync(`${board.home}/bin`, { recursive: true });
  fs.writeFileSync(`${board.home}/bin/${name}`, `#!/bin/sh\n${script}`, { mode: 0o755 });
}

/** Commands that fill the folder of a tool, and where it lies in there. */
const ways = {
  pip: {
    program: "bin",
    argvs: (folder: string, what: string) => [
      ["/usr/bin/python3", "-m", "venv", folder],
      [`${folder}/bin/pip`, "install", "--quiet", what],
    ],
  },
  npm: {
    program: "node_modules/.bin",
    argvs: (folder: string, what: string) => [
      ["npm", "install", "--silent", "--prefix", folder, what],
    ],
  },
  go: {
    program: "bin",
    argvs: (folder: string, what: string) => [
      ["env", `GOBIN=${folder}/bin`, toolOf("go") ?? "go", "install", what],
    ],
  },
};

/** The path of an installed tool; it is installed first where it is not there. */
export function install(board: Board, name: string): string {
  const tool = tools[name]!;
  const folder = path.join(cache, `tool-${name}-${tool.package.split(/==|@/).at(-1)}`);
  const way = ways[tool.from];
  const program = `${folder}/${way.program}/${name}`;
  if (fs.existsSync(`${folder}/.complete`)) return program;
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  for (const argv of way.argvs(folder, tool.package))
    ok(board.run(argv, { env: board.boardEnv(), cwd: folder, limit: 250 }));
  fs.writeFileSync(`${folder}/.complete`, "");
  return program;
}

/** Whether this machine's uWSGI has a plugin. */
export const hasPlugin = (name: string) =>
  fs.existsSync(`/usr/lib/uwsgi/plugins/${name}_plugin.so`);
