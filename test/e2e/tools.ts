/** Tools of languages that the distribution does not package, installed once into the cache of the build. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { ok, type Sandbox } from "./sandbox.ts";

const root = path.resolve(import.meta.dir, "../..");
const cache = path.join(process.env.XDG_CACHE_HOME || path.join(os.homedir(), ".cache"), "piku-build");

/** Tool -> how its folder is filled, and where it lies in there. */
const tools: Record<string, { package: string; from: "pip" | "npm" }> = {
  poetry: { package: "poetry==2.5.1", from: "pip" },
  uv: { package: "uv==0.13.9", from: "pip" },
  yarn: { package: "yarn@1.22.22", from: "npm" },
  pnpm: { package: "pnpm@9.15.9", from: "npm" },
  deno: { package: "deno@2.9.6", from: "npm" },
};

/** Puts a tool on the board, where piku finds the programs of its user. */
export function provide(board: Sandbox, name: string) {
  fs.mkdirSync(`${board.home}/bin`, { recursive: true });
  fs.symlinkSync(
    name === "bun" ? fs.realpathSync(`${root}/node_modules/.bin/bun`) : install(board, name),
    `${board.home}/bin/${name}`,
  );
}

export function withdraw(board: Sandbox, name: string) {
  fs.rmSync(`${board.home}/bin/${name}`);
}

/** A program of our own in its place, which tells what it was called with. */
export function standIn(board: Sandbox, name: string, script: string) {
  fs.mkdirSync(`${board.home}/bin`, { recursive: true });
  fs.writeFileSync(`${board.home}/bin/${name}`, `#!/bin/sh\n${script}`, { mode: 0o755 });
}

/** The path of an installed tool. */
function install(board: Sandbox, name: string): string {
  const tool = tools[name]!;
  const folder = path.join(cache, `tool-${tool.package.replace("==", "@")}`);
  const program = tool.from === "pip" ? `${folder}/bin/${name}` : `${folder}/node_modules/.bin/${name}`;
  if (fs.existsSync(`${folder}/.complete`)) return program;
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  const argvs =
    tool.from === "pip"
      ? [
          ["/usr/bin/python3", "-m", "venv", folder],
          [`${folder}/bin/pip`, "install", "--quiet", tool.package],
        ]
      : [["npm", "install", "--silent", "--prefix", folder, tool.package]];
  for (const argv of argvs) ok(board.run(argv, { env: board.boardEnv(), cwd: folder, limit: 250 }));
  fs.writeFileSync(`${folder}/.complete`, "");
  return program;
}
