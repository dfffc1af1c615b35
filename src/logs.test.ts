import { expect, test } from "bun:test";
import { appOf } from "./app.ts";
import { memoryHost } from "./host/memory.ts";
import { forgetLogs, restoreLogs, setLogAside } from "./logs.ts";
import { pathsOf } from "./paths.ts";

const folder = "/p/logs/blog";
function boardWith(files: Record<string, string>) {
  const named = Object.fromEntries(Object.entries(files).map(([name, text]) => [`${folder}/${name}`, text]));
  const host = memoryHost({ env: { HOME: "/home/piku", PIKU_ROOT: "/p" }, files: named });
  const logs = () => Object.fromEntries(host.list(folder).map((name) => [name, host.read(`${folder}/${name}`)]));
  return { host, app: appOf(pathsOf(host), "blog"), logs };
}
const worker = { kind: "web", ordinal: 1, release: 4, command: "a", settings: {} };

test("a worker that starts gets a log of its own, and the former one comes back with what it said", () => {
  const { host, app, logs } = boardWith({ "web.1.log": "old\n", "worker.1.log": "other\n" });
  setLogAside(host, app, worker);
  expect(logs()).toEqual({ "web.1.log.before-4": "old\n", "worker.1.log": "other\n" });
  host.write(`${folder}/web.1.log`, "new\n");
  restoreLogs(host, app, 3);
  expect(logs()).toEqual({ "web.1.log": "new\n", "web.1.log.before-4": "old\n", "worker.1.log": "other\n" });
  restoreLogs(host, app, 4);
  expect(logs()).toEqual({ "web.1.log": "old\nnew\n", "worker.1.log": "other\n" });
});

test("a worker that has never written has nothing to set aside, and what is not there is not restored", () => {
  const boards: Record<string, string>[] = [{ "web.1.log": "" }, { "web.10.log": "x" }];
  for (const files of boards) {
    const { host, app, logs } = boardWith(files);
    setLogAside(host, app, worker);
    restoreLogs(host, app, 4);
    expect(logs()).toEqual(files);
  }
});

test("a process that ended before it wrote leaves the log as it was", () => {
  const { host, app, logs } = boardWith({ "web.1.log": "old\n" });
  setLogAside(host, app, worker);
  restoreLogs(host, app, 4);
  expect(logs()).toEqual({ "web.1.log": "old\n" });
});

test("logs from before the live release are kept, and no others", () => {
  const { host, app, logs } = boardWith({
    "a.1.log": "",
    "a.1.log.before-3": "",
    "a.1.log.before-4": "",
    "a.1.log.old": "",
  });
  forgetLogs(host, app, 4);
  expect(Object.keys(logs())).toEqual(["a.1.log", "a.1.log.before-4", "a.1.log.old"]);
});
