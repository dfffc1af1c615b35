import { spawn } from "node:child_process";
import path from "node:path";
import type { Board } from "./board.ts";

/** What came of asking: how often, what was no 200, and the bodies of each connection in turn. */
export interface Load {
  asked: number;
  failed: string[];
  seen: string[][];
}

/**
 * Asks for an app's page on four connections, as fast as they are answered, while something is done
 * and until so many requests were made in all.
 */
export async function underLoad(
  board: Board,
  host: string,
  least: number,
  action: () => void | Promise<void>,
): Promise<Load> {
  const words = [path.join(import.meta.dir, "load.mjs"), String(board.httpPort), host];
  const loader = spawn("node", [...words, board.address], { stdio: ["pipe", "pipe", "inherit"] });
  let output = "";
  loader.stdout.on("data", (data) => (output += data));
  const done = new Promise((resolve) => loader.on("close", resolve));
  const last = () => output.trimEnd().split("\n").at(-1)!;
  try {
    await Bun.sleep(500);
    await action();
    while (Number(last()) < least && loader.exitCode === null) await Bun.sleep(100);
  } finally {
    loader.stdin.end();
    await done;
  }
  return JSON.parse(last());
}
