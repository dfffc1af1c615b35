import { expect, test } from "bun:test";
import { parseCron } from "../../../src/app/cron.ts";
import type { Settings } from "../../../src/app/env-file.ts";
import { pathsOf } from "../../../src/app/paths.ts";
import { table } from "../../../src/app/settings-table.ts";
import {
  isolationWarnings,
  refuseLoosening,
  wallArgv,
  wallOf,
  whyNoWall,
  withSettings,
} from "../../../src/workers/isolation.ts";
import { renderLauncher } from "../../../src/workers/launcher.ts";
import { vassalFiles } from "../../../src/workers/start.ts";
import type { Worker } from "../../../src/workers/worker.ts";
import { memoryHost } from "../../host/memory.ts";
import { appBelow, workerOf } from "./example.ts";
import unset from "./unset.txt" with { type: "text" };

const app = appBelow("/p");
const user = { uid: 1000 };
const socket = { socket: "/p/sockets/blog.1-7.sock", mode: "600" } as const;

/** A worker of each kind. */
const workers: Worker[] = [
  workerOf({
    kind: "web",
    command: "node a.js",
    site: "a.test",
    settings: { A: "it's", PORT: "5000" },
  }),
  workerOf({ kind: "worker", command: "A=1 python3 w.py | cat" }),
  workerOf({ kind: "wsgi", command: "a:b", listen: socket, site: "a.test", healthcheck: "/up" }),
  workerOf({ kind: "php", command: "public", listen: socket, phpIni: true }),
  workerOf({ kind: "jwsgi", command: "a.B:c", listen: socket, settings: { UWSGI_IDLE: "60" } }),
  workerOf({ kind: "rwsgi", command: "config.ru", listen: socket, options: [["harakiri", "30"]] }),
  workerOf({
    kind: "cron",
    command: "*/5 1 * * * true",
    cron: parseCron("*/5 1 * * * true", "Procfile"),
  }),
];

test("unset, every vassal and launcher is what it was before there were walls", () => {
  const texts = workers.flatMap((worker) => [
    ...vassalFiles(user, app, worker).map(([file, text]) => `==> ${file}\n${text}`),
    `==> launcher of ${worker.kind}\n${renderLauncher(app, worker)}`,
  ]);
  expect(texts.join("")).toBe(unset);
});

test.each(workers.map((worker) => [worker.kind, worker] as const))(
  "isolated, the uWSGI of a %s worker reads what its vassal was, and the launcher stays",
  (_, worker) => {
    const [[, plain]] = vassalFiles(user, app, worker) as [[string, string]];
    const isolated = { ...worker, wall: { limits: [] } };
    const [[inner, own], [outer, text]] = vassalFiles(user, app, isolated) as [
      [string, string],
      [string, string],
    ];
    expect(inner).toBe(`/p/releases/blog/run-7/${worker.kind}.1.ini`);
    expect(own).toBe(plain.replace(/^pidfile = .*\n/m, ""));
    expect(outer).toBe(`/p/releases/blog/run-7/blog_${worker.kind}.1-7.ini`);
    expect(text.split("\n").slice(2, 5)).toEqual([
      "project = blog",
      "master = true",
      "processes = 0",
    ]);
    expect(text).toContain(
      `privileged-binary-patch-arg = exec /bin/sh /p/uwsgi/wall.sh serve /p /home/piku blog /p/releases/blog/run-7/${worker.kind}.1 `,
    );
    expect(text).toContain(` -- uwsgi --ini ${inner}\n`);
    expect(renderLauncher(app, isolated)).toBe(renderLauncher(app, worker));
  },
);

test("options that an app adds to uWSGI stay behind its wall", () => {
  const worker = { ...workers[5]!, wall: { limits: ["--nproc=50"] } };
  const [[, own], [, outer]] = vassalFiles(user, app, worker) as [
    [string, string],
    [string, string],
  ];
  expect(own).toContain("\nharakiri = 30\n");
  expect(outer).not.toContain("harakiri");
  expect(outer).toContain(" socket=blog.1-7.sock limit=--nproc=50 -- uwsgi ");
});

test.each<[board: Settings, app: Settings, isIsolated: boolean]>([
  [{}, {}, false],
  [{}, { PIKU_ISOLATION: "true" }, true],
  [{}, { PIKU_ISOLATION: "false" }, false],
  [{ PIKU_ISOLATION: "true" }, { PIKU_ISOLATION: "true" }, true],
  [{ PIKU_ISOLATION: "true" }, { PIKU_ISOLATION: "false" }, true],
  [{ PIKU_ISOLATION: "true" }, { PIKU_ISOLATION: "" }, true],
  [{ PIKU_ISOLATION: "false" }, { PIKU_ISOLATION: "true" }, true],
  // Rather a wall that nobody wanted than none where one was.
  [{ PIKU_ISOLATION: "ture" }, {}, true],
])("the board says %j, the app %j: isolated is %j", (board, own, isIsolated) => {
  expect(wallOf(board, own) !== undefined).toBe(isIsolated);
  const isRefused = isIsolated && !/true/.test(own.PIKU_ISOLATION ?? "");
  expect(isolationWarnings(board, own).length).toBe(isRefused ? 1 : 0);
});

test("a key bound to apps takes no wall away, and may put one up", () => {
  const bound = memoryHost({ env: { PIKU_KEY_APPS: "blog" } });
  const [yes, no] = [{ PIKU_ISOLATION: "true" }, { PIKU_ISOLATION: "false" }];
  expect(() => refuseLoosening(bound, yes, no)).toThrow("may not take the wall");
  expect(() => refuseLoosening(bound, yes, {})).toThrow("may not take the wall");
  refuseLoosening(bound, yes, yes);
  refuseLoosening(bound, no, yes);
  refuseLoosening(bound, {}, no);
  refuseLoosening(memoryHost(), yes, no);
});

test("settings of an isolated app are nowhere but behind its wall", () => {
  const host = memoryHost();
  host.mkdir("/p/uwsgi");
  const walled = {
    kind: "build",
    outside: { PATH: "/bin" },
    inside: { PATH: "/p/apps/blog/bin", LD_PRELOAD: "/p/apps/blog/x.so", SECRET: "it's" },
    argv: ["npm", "ci"],
    mark: 5,
  } as const;
  const seen = withSettings(host, app, { ...walled, wall: { limits: [] } }, (argv, env) => ({
    argv,
    env,
    text: host.read("/p/releases/blog/wall/env-5"),
    mode: host.stat("/p/releases/blog/wall/env-5")?.mode,
  }));
  expect(seen.env).toEqual({ PATH: "/bin" });
  expect(seen.argv.join(" ")).not.toContain("SECRET");
  expect(seen.argv).toEqual(
    wallArgv(app, "build", ["npm", "ci"], { words: ["env=/p/releases/blog/wall/env-5"] }),
  );
  expect(seen.text).toContain("export SECRET='it'\\''s'\n");
  expect(seen.mode).toBe(0o600);
  expect(host.stat("/p/releases/blog/wall/env-5")).toBeUndefined();
  const open = withSettings(host, app, { ...walled, wall: undefined }, (argv, env) => ({
    argv,
    env,
  }));
  expect(open).toEqual({ argv: ["npm", "ci"], env: { ...walled.outside, ...walled.inside } });
});

const apparmor = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";
const clone = "/proc/sys/kernel/unprivileged_userns_clone";
test.each<[files: Record<string, string>, hint: string]>([
  [{ [apparmor]: "1\n" }, "kernel.apparmor_restrict_unprivileged_userns=0"],
  [{ [apparmor]: "0\n", [clone]: "0\n" }, "kernel.unprivileged_userns_clone=1"],
  [{ "/proc/sys/user/max_user_namespaces": "0\n" }, "user.max_user_namespaces=10000"],
  [{}, "containers and old kernels"],
])("a board that can build no wall (%j) says which line to change", (files, hint) => {
  const stderr = "unshare: unshare failed: Operation not permitted\n";
  const host = memoryHost({
    files,
    env: { HOME: "/home/piku" },
    answer: ([name]) => (name === "unshare" ? { status: 1, stderr } : undefined),
  });
  const why = whyNoWall(host, pathsOf(host));
  expect(why?.message).toContain("unshare failed: Operation not permitted");
  expect(why?.hint).toContain(hint);
});

test("nothing is said of a board that can", () => {
  const host = memoryHost({ env: { HOME: "/home/piku" } });
  expect(whyNoWall(host, pathsOf(host))).toBeUndefined();
});

test("isolation is off unless it is asked for", () => {
  expect(table.PIKU_ISOLATION.kind.initial).toBe(false);
});
