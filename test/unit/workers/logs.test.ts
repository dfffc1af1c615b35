import { expect, test } from "bun:test";
import { appOf } from "../../../src/app/app.ts";
import { pathsOf } from "../../../src/app/paths.ts";
import { nginxTime } from "../../../src/site/logs.ts";
import {
  type Line,
  readLines,
  withoutTimes,
  withoutUwsgi,
} from "../../../src/workers/log-lines.ts";
import {
  forgetLogs,
  lastLines,
  newestLog,
  newestLogs,
  restoreLogs,
  saidByApp,
  setLogAside,
  surplus,
  workerLogs,
} from "../../../src/workers/logs.ts";
import { memoryHost } from "../../host/memory.ts";

const folder = "/p/logs/blog";
function boardWith(files: Record<string, string>) {
  const named = Object.fromEntries(
    Object.entries(files).map(([name, text]) => [`${folder}/${name}`, text]),
  );
  const host = memoryHost({ env: { HOME: "/home/piku", PIKU_ROOT: "/p" }, files: named });
  const logs = () =>
    Object.fromEntries(host.list(folder).map((name) => [name, host.read(`${folder}/${name}`)]));
  return { host, app: appOf(pathsOf(host), "blog"), logs };
}
const worker = { kind: "web", ordinal: 1, release: 4, command: "a", settings: {} };

test("a worker that starts gets a log of its own, and the former one comes back with what it said", () => {
  const { host, app, logs } = boardWith({ "web.1.log": "old\n", "worker.1.log": "other\n" });
  setLogAside(host, app, worker);
  expect(logs()).toEqual({ "web.1.log.before-4": "old\n", "worker.1.log": "other\n" });
  host.write(`${folder}/web.1.log`, "new\n");
  restoreLogs(host, app, 3);
  expect(logs()).toEqual({
    "web.1.log": "new\n",
    "web.1.log.before-4": "old\n",
    "worker.1.log": "other\n",
  });
  restoreLogs(host, app, 4);
  expect(logs()).toEqual({ "web.1.log": "old\nnew\n", "worker.1.log": "other\n" });
});

test("a log that was turned while a new process started was taken for the new one's, and lost", () => {
  const born = `${at("12:00:00")}*** Starting uWSGI 2.0\nit failed\n`;
  const { host, app, logs } = boardWith({ "web.1.log": "old\n" });
  setLogAside(host, app, worker);
  host.write(`${folder}/web.1.log`, born);
  expect(newestLog(host, app, worker)).toBe("*** Starting uWSGI 2.0\nit failed\n");
  // uWSGI of the live release does this by the name of its log.
  host.rename(`${folder}/web.1.log`, `${folder}/web.1.log.old`);
  host.write(`${folder}/web.1.log`, `${at("12:00:01")}a request\n`);
  expect(newestLog(host, app, worker)).toBe("*** Starting uWSGI 2.0\nit failed\n");
  restoreLogs(host, app, 4);
  expect(logs()).toEqual({ "web.1.log": `${at("12:00:01")}a request\n`, "web.1.log.old": "old\n" });
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

const at = (time: string) => `\x1e2026-11-25T${time}+0100 `;
const noon = Date.UTC(2026, 10, 25, 11);

test.each<[string, string, Line[]]>([
  ["a line a piece", `${at("12:00:00")}a\n${at("12:00:01")}b`, [line(0, "a"), line(1, "b")]],
  [
    "many lines in one piece",
    `${at("12:00:02")}a\n b\n${at("12:00:03")}c`,
    [line(2, "a"), line(2, " b"), line(3, "c")],
  ],
  [
    "a line in two pieces",
    `${at("12:00:04")}par${at("12:00:05")}tial\nmore`,
    [line(4, "partial"), line(5, "more")],
  ],
  [
    "one that begins in the piece before",
    `${at("12:00:06")}a\nb${at("12:00:07")}c`,
    [line(6, "a"), line(6, "bc")],
  ],
  ["no times at all", "a\nb", [line(-1, "a"), line(-1, "b")]],
  ["a mark of the app's own", `${at("12:00:08")}a\x1eb`, [line(8, "a\x1eb")]],
])("readLines: %s", (_, log, expected) => {
  expect(readLines(log.split("\n"), noon - 1000)).toEqual(expected);
  expect(withoutTimes(log)).toBe(expected.map(({ text }) => text).join("\n"));
});

function line(seconds: number, text: string): Line {
  return { time: noon + seconds * 1000, text };
}

const spawning =
  '[uwsgi-daemons] spawning "exec sh /p/releases/blog/run-7/web.1.sh" (uid: 1 gid: 1)';
const start = `${at("12:00:00")}*** Starting uWSGI 2.0.21 (64bit) on [now] ***\ncompiled with version: 12\n`;

test.each<[string, string, string, string]>([
  ["no start", "a\nb", "a\nb", ""],
  [
    "web",
    `old\n${start}*** Operational MODE: none\nspawned\n${spawning}\na`,
    `old\n${at("12:00:00")}a`,
    "",
  ],
  [
    "a piece that goes on",
    `${start}*** Operational MODE: one\nan app's\n`,
    `${at("12:00:00")}an app's\n`,
    "",
  ],
  ["one that went wrong", `a\n${start}no plugin`, "a", `${start}no plugin`],
  [
    "one that went wrong before",
    `${start}${at("12:00:01")}no plugin\n${start}*** Operational MODE: one\na`,
    `${at("12:00:01")}no plugin\n${at("12:00:00")}a`,
    "",
  ],
  [
    "a daemon of the app's own",
    'a\n[uwsgi-daemons] spawning "x"\nb',
    'a\n[uwsgi-daemons] spawning "x"\nb',
    "",
  ],
])("withoutUwsgi: %s", (_, log, said, starting) => {
  const found = withoutUwsgi(log.split("\n"));
  expect([found.said.join("\n"), found.starting.join("\n")]).toEqual([said, starting]);
});

const prelude =
  "your mercy for graceful operations on workers is 60 seconds\n*** Operational MODE: no-workers ***\n";

test.each<[string, string, string[]]>([
  [
    "a program",
    `${prelude}no request plugin is loaded\n${spawning}\nTraceback\n\n  boom\n`,
    ["Traceback", "  boom"],
  ],
  ["a program that is silent", `${prelude}${spawning}\n`, []],
  [
    "an app inside uWSGI",
    `${prelude}ImportError\n*** no app loaded. GAME OVER ***\n`,
    ["ImportError"],
  ],
  [
    "an app that was started twice",
    `*** Starting uWSGI 2\n${prelude}ImportError\n*** Starting uWSGI 2\n${prelude}ImportError\n`,
    ["ImportError"],
  ],
  ["uWSGI that got nowhere", 'open("x.so"): No such file\n', ['open("x.so"): No such file']],
])("of the log of %s what the app said is shown", (_, log, lines) => {
  expect(saidByApp(log)).toEqual(lines);
});

test("the end of a long log says what all of it says, also within a start of uWSGI", () => {
  const app = Array.from({ length: 4000 }, (_, i) => `${at("12:00:09")}line ${i}\n`);
  const starts = [`${at("12:00:08")}*** Starting uWSGI 2.0.21 ***\n`, "said on import\n"];
  const ends = [`${at("12:00:08")}*** Operational MODE: single process ***\n`];
  for (const [lines, last] of [
    [app, "line 3999"],
    [[...app, ...starts, ...ends, `${at("12:00:10")}after\n`], "after"],
    [[...starts, ...app, ...ends, `${at("12:00:10")}after\n`], "after"],
  ] as const) {
    const { host, app: one } = boardWith({ "web.1.log": lines.join("") });
    const [log] = workerLogs(host, one);
    const shown = (most: number) =>
      lastLines(host, log!, most, 0).lines.map(({ time, text }) => `${time} ${text}`);
    expect(shown(5).at(-1)!.endsWith(` ${last}`)).toBe(true);
    expect(shown(5)).toEqual(shown(40_000).slice(-5));
  }
});

test("lastLines goes on in the files that had the name before, and says how far the present one was read", () => {
  const { host, app, logs } = boardWith({
    "web.1.log": `${at("12:00:09")}i\nunended`,
    "web.1.log.old": `${at("12:00:01")}b\n${at("12:00:05")}c\nd\n`,
    "web.1.log.before-3": `${at("12:00:00")}a\n`,
    "web.10.log": `${at("12:00:09")}other\n`,
  });
  host.clock = noon + 60_000;
  for (const [name, text] of Object.entries(logs())) host.write(`${folder}/${name}`, text ?? "");
  const [log] = workerLogs(host, app);
  expect(log?.former.map((file) => file.slice(folder.length + 1))).toEqual([
    "web.1.log.before-3",
    "web.1.log.old",
  ]);
  const texts = (most: number, since: number) =>
    lastLines(host, log!, most, since).lines.map(({ text }) => text);
  expect(texts(1, 0)).toEqual(["i"]);
  expect(texts(4, 0)).toEqual(["b", "c", "d", "i"]);
  expect(texts(Number.POSITIVE_INFINITY, 0)).toEqual(["a", "b", "c", "d", "i"]);
  expect(texts(Number.POSITIVE_INFINITY, noon + 5000)).toEqual(["c", "d", "i"]);
  expect(lastLines(host, log!, 2, 0).offset).toBe(`${at("12:00:09")}i\n`.length);
});

test.each([
  [0, 60, []],
  [0, 59, ["/b"]],
  [0, 20, ["/b", "/c"]],
  [100, 20, ["/b", "/c", "/a"]],
])("surplus beside %d bytes, of at most %d", (kept, most, expected) => {
  const file = (path: string, size: number, modified: number) => ({
    path,
    size,
    modified,
    mode: 0,
    inode: 1,
    type: "file" as const,
  });
  expect(surplus([file("/a", 10, 9), file("/b", 20, 1), file("/c", 30, 5)], kept, most)).toEqual(
    expected,
  );
});

test.each<[string, number | undefined]>([
  ['1.2.3.4 - - [25/Nov/2026:12:00:05 +0100] "GET / HTTP/1.1" 200 3 "-" "x"', noon + 5000],
  [
    "2026/11/25 09:16:30 [error] 1#1: *1 connect() failed",
    new Date(2026, 10, 25, 9, 16, 30).getTime(),
  ],
  ["what is neither", undefined],
])("nginxTime: %s", (written, expected) => {
  expect(nginxTime(written)).toBe(expected);
});

test("only the newest of too many logs are shown", () => {
  const names = Array.from({ length: 5 }, (_, i) => `web.${i}.log`);
  const { host, app } = boardWith({ other: "" });
  for (const [i, name] of names.entries()) {
    host.clock = noon + (i === 1 ? 60_000 : i * 1000);
    host.write(`${folder}/${name}`, "a\n");
  }
  expect(newestLogs(host, workerLogs(host, app), 3).map(({ label }) => label)).toEqual([
    "web.1",
    "web.3",
    "web.4",
  ]);
  expect(newestLogs(host, workerLogs(host, app), 5).length).toBe(5);
});

test("of a log of many lines only the last ones are taken apart", () => {
  const { host, app } = boardWith({ other: "" });
  host.write(`${folder}/web.1.log`, `${"a\n".repeat(60_000)}b\n`);
  const { lines } = lastLines(host, workerLogs(host, app)[0]!, Number.POSITIVE_INFINITY, 0);
  expect([lines.length, lines.at(-1)!.text]).toEqual([50_000, "b"]);
});
