/**
 * Asks a site for a page as fast as it can, on four connections: two that are kept alive, and two that are made anew for each
 * request. Run by Node, in a process of its own, until its stdin ends: `node load.mjs PORT HOST [ADDRESS]`. It prints how
 * often it has asked, a line each hundred requests, and in the end what came of it as JSON: how often it asked, what was no 200,
 * and for each connection the bodies in the order in which they changed.
 */
import http from "node:http";

const [, , port, host, address = "127.0.0.1"] = process.argv;
const result = { asked: 0, failed: [], seen: [] };
let ended = false;
process.stdin.on("end", () => (ended = true)).resume();

/** One request: its status and body, or what went wrong. */
const ask = (agent) =>
  new Promise((resolve) => {
    const request = http.get(
      { host: address, port, headers: { host }, agent, timeout: 30_000 },
      (answer) => {
        let body = "";
        answer.on("data", (data) => (body += data));
        answer.on("end", () => resolve({ status: answer.statusCode, body }));
        answer.on("error", (error) => resolve({ error: error.code }));
      },
    );
    request.on("timeout", () => request.destroy(new Error("timeout")));
    // nginx may close an idle connection at the moment at which it is used again; every client asks once more then.
    request.on("error", (error) =>
      resolve({
        error: error.code ?? error.message,
        stale: request.reusedSocket && error.code === "ECONNRESET",
      }),
    );
  });

async function connection(keepAlive) {
  const agent = new http.Agent({ keepAlive, maxSockets: 1 });
  const seen = [];
  result.seen.push(seen);
  while (!ended) {
    if (++result.asked % 100 === 0) console.log(result.asked);
    let answer = await ask(agent);
    if (answer.stale) answer = await ask(agent);
    if (answer.status !== 200)
      result.failed.push(`${answer.error ?? answer.status} ${answer.body ?? ""}`.slice(0, 200));
    else if (seen.at(-1) !== answer.body) seen.push(answer.body);
  }
  agent.destroy();
}

await Promise.all([true, true, false, false].map(connection));
console.log(JSON.stringify(result));
