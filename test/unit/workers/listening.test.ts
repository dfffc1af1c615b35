import { expect, test } from "bun:test";
import type { Listener } from "../../../src/host/processes.ts";
import { describePlace, hasSettled, placeHint } from "../../../src/workers/listening.ts";
import { appBelow, workerOf } from "./example.ts";

const listen = { address: "127.0.0.1", port: 20_001 };
const at = (address: string, port: number): Listener => ({ address, port, inode: "7" });
const wrongPlace = (listeners: Listener[], seconds = 11, rest = seconds) => ({
  at: 100_000,
  first: 100_000 - 1000 * seconds,
  since: 100_000 - 1000 * rest,
  cpu: 0,
  listeners,
  title: "",
  told: false,
});

test.each([
  ["another port", [at("0.0.0.0", 5000)], "port 5000"],
  [
    "two ports, of both families",
    [at("127.0.0.1", 5000), at("::", 5000), at("::", 9229)],
    "port 5000, port 9229",
  ],
  ["the address of IPv6", [at("::1", 20_001)], "[::1]:20001"],
  ["the board's own address", [at("192.0.2.7", 20_001)], "192.0.2.7:20001"],
  ["another port of another address", [at("192.0.2.7", 80)], "192.0.2.7:80"],
])("where it listens: %s", (_, listeners, expected) => {
  expect(describePlace(wrongPlace(listeners), listen)).toBe(
    `it listens on ${expected} instead of 127.0.0.1:20001 ($BIND_ADDRESS:$PORT)`,
  );
});

test.each([
  ["its own port for 2 s, at a wrong address", at("::1", 20_001), 2, 2, {}, true],
  ["its own port for 1 s", at("::1", 20_001), 1, 1, {}, false],
  ["another port for 10 s", at("0.0.0.0", 5000), 10, 10, {}, true],
  ["another port for 9 s", at("0.0.0.0", 5000), 9, 9, {}, false],
  ["another port for long, at work until a moment ago", at("0.0.0.0", 9229), 50, 3, {}, false],
  [
    "another port of one that is said to be slow",
    at("0.0.0.0", 5000),
    50,
    50,
    { PIKU_HEALTHCHECK_TIMEOUT: "90" },
    false,
  ],
])("it has settled: %s", (_, listener, seconds, rest, settings, expected) => {
  const worker = workerOf({ listen, settings });
  expect(hasSettled(wrongPlace([listener], seconds, rest), worker)).toBe(expected);
});

test.each([
  [
    "flask run",
    "",
    "write web: flask run --host $BIND_ADDRESS --port $PORT; or leave the program as it is: config:set blog PORT=5000",
  ],
  ["streamlit run x.py", "", "web: streamlit run x.py --server.port $PORT --server"],
  ["python3 app.py", "", 'port=int(os.environ["PORT"])); or'],
  ["npm start", "node server.js", ".PORT, "],
  ["./run", "/usr/bin/python3.11 app.py", 'os.environ["PORT"]'],
  ["./run", "./run", "write let the program take"],
])("what to do about %s %s", (command, title, expected) => {
  const hint = placeHint(appBelow("/p"), workerOf({ command, listen }), {
    ...wrongPlace([at("0.0.0.0", 5000)]),
    title,
  });
  expect(hint).toContain(expected.replace("write let", "let"));
});

test("a port that nginx would not reach is not proposed, and HOST only for a wrong address", () => {
  const hint = (listener: Listener) =>
    placeHint(appBelow("/p"), workerOf({ command: "x", listen }), wrongPlace([listener]));
  expect(hint(at("192.0.2.7", 5000))).not.toContain("config:set");
  expect(hint(at("::1", 20_001))).toContain("config:set blog HOST=127.0.0.1");
});
