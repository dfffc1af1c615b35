import { expect, test } from "bun:test";
import { pathsOf } from "../../../src/app/paths.ts";
import { endStrays, straysOf } from "../../../src/workers/detached.ts";
import { memoryHost } from "../../host/memory.ts";
import { appBelow } from "./example.ts";

const run = "/p/releases/blog/run-7";
const process = (pid: number, parent: number, facts: Record<string, string> = {}) => ({
  [`/proc/${pid}/stat`]: `${pid} (a) S ${parent} ${pid} ${pid} ${" 0".repeat(7)} 0 0 0 0 20 0 1 0 ${pid}`,
  [`/proc/${pid}/cmdline`]: "/bin/sleep\0x\0",
  ...Object.fromEntries(
    Object.entries(facts).map(([name, text]) => [`/proc/${pid}/${name}`, text]),
  ),
});
const marked = (mark: string) => ({ environ: `A=1\0PIKU_PROCESS=${mark}\0` });

const files = {
  "/p/uwsgi/emperor.pid": "80\n",
  "/p/apps/blog/Procfile": "",
  "/p/uwsgi-enabled/blog_web.1-7.ini": "",
  ...process(80, 1, { cmdline: "uwsgi" }),
  // A worker of the live release, and what it has started: in its family, and out of it.
  ...process(89, 80, { cmdline: "blog:web:uWSGI master" }),
  ...process(90, 89, marked(`${run}/web.1`)),
  ...process(91, 90, marked(`${run}/web.1`)),
  ...process(92, 1, marked(`${run}/web.1`)),
  // Of a release that is gone, with a child that has cleaned its environment; a job of a cron line.
  // Where the emperor is the first process of a container, it is the parent of orphans.
  ...process(93, 80, marked("/p/releases/blog/run-6/web.1")),
  ...process(94, 93),
  ...process(95, 1, marked("/p/releases/blog/run-6/cron.1")),
  // Another app's, another board's, a person's, and nobody's.
  ...process(96, 1, marked("/p/releases/blog2/run-6/web.1")),
  ...process(97, 1, marked("/q/releases/blog/run-6/web.1")),
  ...process(98, 70),
  ...process(99, 1),
};

function board() {
  const host = memoryHost({ env: { HOME: "/home/piku", PIKU_ROOT: "/p" }, files });
  for (const pid of [98, 99]) host.link("/p/apps/blog/sub", `/proc/${pid}/cwd`);
  const signal = host.signal;
  return {
    ...host,
    signal(pid: number, name: string) {
      host.remove(`/proc/${pid}`);
      return signal(pid, name);
    },
  };
}

test("what an app has started in a session of its own is known by its mark", () => {
  const host = board();
  const found = straysOf(host, pathsOf(host));
  expect(found.map(({ pid, app, process, isLeft }) => [pid, app, process, isLeft])).toEqual([
    [92, "blog", "web.1", false],
    [93, "blog", "web.1", true],
    [95, "blog", "cron.1", false],
    [96, "blog2", "web.1", true],
    [99, "blog", undefined, true],
  ]);
});

test("only what an app has left ends, and what may be anybody's is told", () => {
  const host = board();
  endStrays(host, appBelow("/p"));
  expect(host.signalled).toEqual(["TERM 93", "TERM 94"]);
  expect(host.said).toEqual([
    "Warning: sleep runs in the directory of app 'blog', and nobody looks after it; if it is the app's: kill 99",
  ]);
  host.mkdir("/p/releases/blog");
  host.write("/p/releases/blog/stopped", "");
  endStrays(host, appBelow("/p"));
  expect(host.signalled.slice(2)).toEqual(["TERM 95"]);
});

test("to look for what is left costs one look at all processes, and one more at those of nobody", () => {
  const host = board();
  const read: string[] = [];
  const counted = {
    ...host,
    processes() {
      read.push("all");
      return host.processes();
    },
    read(path: string) {
      read.push(path);
      return host.read(path);
    },
    readFrom(path: string, ...rest: [number]) {
      read.push(path);
      return host.readFrom(path, ...rest);
    },
  };
  straysOf(counted, pathsOf(host));
  const looks = read.filter((path) => path === "all").length;
  const environments = read.filter((path) => path.endsWith("/environ")).length;
  expect([looks, environments]).toEqual([1, 8]);
});
