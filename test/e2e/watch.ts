/** What goes on on a board while something else is done there. */
import { spawn } from "node:child_process";
import fs from "node:fs";
import { type Board, quote, type Ran, read } from "./sandbox.ts";

/** A process's command line, its words with blanks between; empty when it is gone. */
export function commandOf(pid: number): string {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
  } catch {
    return "";
  }
}

/**
 * Processes of the board that run this program with these first words: not shells or others that
 * only name it.
 */
export const running = (board: Board, words: string): number[] =>
  board.processes().filter((pid) => ` ${commandOf(pid)} `.includes(`${words} `));

/** One request that is not waited for: its status and body, or what went wrong. */
export function asking(board: Board, host: string, url: string, method = "GET"): Promise<string> {
  const how = {
    method,
    headers: { host, connection: "close" },
    signal: AbortSignal.timeout(60_000),
  };
  return fetch(board.url(board.address, url), how).then(
    async (answer) => `${answer.status} ${await answer.text()}`,
    (error) => String(error),
  );
}

/**
 * Asks for a page again and again until it is called: what was asked, and each answer that was
 * none.
 */
export function watching(board: Board, host: string, url = "/") {
  const failed: string[] = [];
  let [asked, ended] = [0, false];
  const loop = (async () => {
    while (!ended) {
      asked++;
      const answer = await asking(board, host, url);
      if (!answer.startsWith("200 ")) failed.push(answer.slice(0, 200));
      await Bun.sleep(5);
    }
  })();
  return async () => {
    ended = true;
    await loop;
    return { asked, failed };
  };
}

/** `ssh board WORDS`, each word quoted, without waiting for it. */
export function sshing(board: Board, ...words: string[]): Promise<Ran> {
  const began = performance.now();
  return new Promise((resolve) => {
    const child = spawn("ssh", ["board", words.map(quote).join(" ")], {
      env: board.clientEnv(),
      stdio: ["ignore", "pipe", "pipe"],
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (data) => (stdout += data));
    child.stderr.on("data", (data) => (stderr += data));
    child.on("close", (code) =>
      resolve({
        command: `ssh board ${words.join(" ")}`,
        status: code ?? 128,
        stdout,
        stderr,
        output: stdout + stderr,
        ms: performance.now() - began,
      }),
    );
  });
}

/** The record of an app's live release. */
export function live(
  board: Board,
  app: string,
): { number: number; commit: string; environment?: string; vassals: string[] } {
  const folder = `${board.pikuRoot}/releases/${app}`;
  return JSON.parse(read(`${folder}/${read(`${folder}/live`).trim()}.json`));
}
