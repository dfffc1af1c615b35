/**
 * 20 apps under load at once: deploys that nobody notices, an emperor that dies, and memory that
 * does not grow.
 */
import { expect } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import { type Board, eventually, ok } from "../e2e/sandbox.ts";
import { skipped, stories } from "../e2e/story.ts";
import { commandOf } from "../e2e/watch.ts";
import { expectWhole, type Kind, witness, witnessed } from "../e2e/whole.ts";

const apps = Array.from({ length: 20 }, (_, i) => `many-${i}`);
const least = 60_000;

/**
 * What wrk asks: each app in turn, 20 connections with a pause, so that there is something left of
 * two cores for deploys.
 */
const script = `
local n = 0
request = function()
  n = n + 1
  return wrk.format("GET", "/", { Host = "many-" .. (n % ${apps.length}) .. ".test" })
end
delay = function() return 40 end
done = function(summary)
  local e = summary.errors
  io.write(string.format('{"asked":%d,"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}\\n',
    summary.requests, e.connect, e.read, e.write, e.status, e.timeout))
end
`;

/** Asks until it is called: how often it has asked, and what failed. */
function loading(board: Board): () => Promise<Record<string, number>> {
  const file = `${board.folder}/wrk.lua`;
  fs.writeFileSync(file, script);
  const url = `http://127.0.0.1:${board.httpPort}/`;
  const wrk = spawn("wrk", ["-t2", "-c20", "-d600s", "--timeout", "10s", "-s", file, url], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  wrk.stdout.on("data", (data) => (output += data));
  const ended = new Promise((resolve) => wrk.once("close", resolve));
  return async () => {
    wrk.kill("SIGINT");
    await ended;
    return JSON.parse(output.trim().split("\n").at(-1)!);
  };
}

/**
 * Bytes that the emperor and all that it has started hold. uWSGI writes its titles over what else
 * tells whose a process is.
 */
function memory(board: Board): { processes: number; bytes: number } {
  const every = fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const titled = every.map(Number).filter((pid) => /^many-\d+:/.test(commandOf(pid)));
  const others = board
    .processes()
    .filter((pid) => /uwsgi --ini|app\.py|^sleep 5000/.test(commandOf(pid)));
  const mine = [...new Set([...titled, ...others])];
  const pages = mine.map((pid) => Number(statm(pid).split(" ")[1] ?? 0));
  return { processes: mine.length, bytes: pages.reduce((sum, count) => sum + count, 0) * 4096 };
}

function statm(pid: number): string {
  try {
    return fs.readFileSync(`/proc/${pid}/statm`, "utf8");
  } catch {
    return "";
  }
}

if (spawnSync("wrk", ["-v"]).error)
  skipped("20 apps under load at once", "wrk is not installed: apt install wrk");
else
  stories((board, story) => {
    story(
      "20 apps are asked all the time while each is deployed twice: no request fails, and memory is what it was",
      async () => {
        const kinds: Kind[] = ["web", "wsgi"];
        const all = apps.map((name, i) => witness(board, kinds[i % 2]!, name));
        // Each worker of uWSGI's grows with its first request.
        const warm = loading(board);
        await Bun.sleep(5000);
        await warm();
        await Bun.sleep(2000);
        const before = memory(board);
        const load = loading(board);
        const began = performance.now();
        const waiting = ["1", "2"].flatMap((version) => all.map((app) => ({ ...app, version })));
        const deployNext = async () => {
          for (let next = waiting.shift(); next; next = waiting.shift()) {
            next.repo.commit(next.version, witnessed(next.version));
            ok(await board.pushing(next.repo, next.name));
          }
        };
        await Promise.all([deployNext(), deployNext()]);
        await Bun.sleep(Math.max(1000, least - (performance.now() - began)));
        const { asked, ...failed } = await load();
        console.log(
          `wrk: ${asked} requests in ${((performance.now() - began) / 1000).toFixed(0)} s, ${JSON.stringify(failed)}`,
        );
        expect(failed).toEqual({ connect: 0, read: 0, write: 0, status: 0, timeout: 0 });
        expect(asked).toBeGreaterThan(10_000);
        for (const name of apps) await expectWhole(board, name, ["2"]);
        const after = memory(board);
        console.log(`memory before: ${JSON.stringify(before)}, after: ${JSON.stringify(after)}`);
        expect(after.processes).toBe(before.processes);
        expect(Math.abs(after.bytes / before.bytes - 1)).toBeLessThan(0.05);
      },
    );

    story(
      "the emperor is killed and comes back: all 20 apps answer again, with no more memory",
      async () => {
        const before = memory(board);
        await board.killEmperor();
        expect(board.get("/", { host: "many-0.test" }).status).not.toBe(200);
        board.startEmperor();
        for (const name of apps)
          eventually(() => expect(board.get("/", { host: `${name}.test` }).body).toBe("2"), 30);
        for (const name of apps) await expectWhole(board, name, ["2"]);
        const after = memory(board);
        console.log(`memory before: ${JSON.stringify(before)}, after: ${JSON.stringify(after)}`);
        expect(after.processes).toBe(before.processes);
        expect(after.bytes / before.bytes).toBeLessThan(1.05);
      },
    );
  });
