import { expect, test } from "bun:test";
import type { App } from "../../../src/app/app.ts";
import type { Settings } from "../../../src/app/env-file.ts";
import { findCause, type Scene } from "../../../src/workers/cause.ts";
import { causes } from "../../../src/workers/causes.ts";
import { endedByLimit } from "../../../src/workers/causes-limits.ts";
import { renderVassal } from "../../../src/workers/ini.ts";
import { renderLauncher } from "../../../src/workers/launcher.ts";
import {
  findGroups,
  isJava,
  killedWithoutLimit,
  limitStep,
  removeGroups,
  renderLimitScript,
  useOf,
} from "../../../src/workers/limits.ts";
import { groupFault, limitDoubts, refuseLimits } from "../../../src/workers/limits-board.ts";
import { noteLimits } from "../../../src/workers/limits-notes.ts";
import { writeWorker } from "../../../src/workers/start.ts";
import { vassalPairs } from "../../../src/workers/vassal.ts";
import { filesOf, type Worker } from "../../../src/workers/worker.ts";
import { memoryHost } from "../../host/memory.ts";
import { appBelow, workerOf } from "./example.ts";

const blog = appBelow("/p");
const service = "/system.slice/uwsgi-piku.service";
const unit = `/sys/fs/cgroup${service}`;

/** A board whose emperor is process 5, in this group, with these controllers of it. */
function boardWith(
  controllers = "cpu memory pids",
  { own = service, isOurs = true, namespaces = true, files = {} as Settings } = {},
) {
  return memoryHost({
    env: { HOME: "/home/piku", PIKU_ROOT: "/p" },
    files: {
      "/p/uwsgi/emperor.pid": "5\n",
      "/proc/5/cmdline": "uwsgi\0--ini\0/p/uwsgi/uwsgi.ini\0",
      "/proc/5/cgroup": `0::${own}\n`,
      [`${unit}/cgroup.controllers`]: `${controllers}\n`,
      "/sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids\n",
      "/run/systemd/system/x": "",
      ...files,
    },
    answer: ([program]) => ({
      status: (program === "test" && !isOurs) || (program === "unshare" && !namespaces) ? 1 : 0,
    }),
  });
}

/** What writeWorker has left, by file. */
function written(app: App, worker: Worker) {
  const host = boardWith();
  writeWorker(host, app, worker);
  const { copy, inner, limits, launcher } = filesOf(app, worker);
  return {
    vassal: host.read(copy),
    inner: host.read(inner),
    limits: host.read(limits),
    launcher: host.read(launcher),
    run: host.list(`/p/releases/blog/run-7`),
  };
}

test.each(["web", "worker", "wsgi", "php", "cron"])(
  "without limits a %s worker's files are what they were",
  (kind) => {
    const cron = kind === "cron" ? { command: "a", minute: [1] } : undefined;
    const worker = workerOf({
      kind,
      cron: cron as Worker["cron"],
      settings: { A: "1", PIKU_GRACE: "9" },
    });
    const { vassal, launcher, run } = written(blog, worker);
    expect(vassal).toBe(renderVassal(vassalPairs(blog, worker, { uid: memoryHost({}).uid })));
    expect(launcher ?? "").toBe(["wsgi", "php"].includes(kind) ? "" : renderLauncher(blog, worker));
    expect(run.filter((name) => /limits$|1\.ini$/.test(name))).toEqual([]);
    expect(vassal).not.toContain("patch");
    // Those of another kind are not its own.
    const others = { ...worker, settings: { ...worker.settings, PIKU_MEMORY_OTHER: "90M" } };
    expect(written(blog, others).vassal).toBe(vassal!);
  },
);

test("a worker with limits is started by a script, and its own vassal is what it was", () => {
  const plain = workerOf({ settings: { A: "1" } });
  const worker = workerOf({ settings: { A: "1", PIKU_MEMORY: "200M", PIKU_PROCESSES_WEB: "50" } });
  const { vassal, inner, limits } = written(blog, worker);
  expect(vassal).toBe(
    renderVassal([
      ["project", "blog"],
      ["master", "true"],
      ["processes", 0],
      [
        "privileged-binary-patch-arg",
        "exec sh /p/releases/blog/run-7/web.1.limits uwsgi --ini /p/releases/blog/run-7/web.1.ini",
      ],
    ]),
  );
  expect(inner).toBe(written(blog, plain).vassal!);
  expect(limits!.split("\n").slice(0, 13)).toEqual([
    "# Written by piku; changes are lost.",
    "log=/p/logs/blog/web.1.log",
    "group=blog-7",
    "worker=web.1",
    "wanted='memory pids'",
    "app_memory=209715200",
    "app_processes=",
    "app_cpu=",
    "memory=",
    "processes=50",
    "cpu=",
    "each_memory=204800",
    "each_processes=50",
  ]);
});

/** Runs the script of a worker with limits, where nothing may be put into a control group. */
const within = (settings: Settings, line: string) => {
  const ran = Bun.spawnSync(
    ["sh", "-c", renderLimitScript(blog, workerOf({ settings })), "sh", "sh", "-c", line],
    { env: { ...process.env, UWSGI_RELOADS: "1" } },
  );
  return ran.stdout.toString();
};
test("without control groups each process has the limit by itself", () => {
  expect(within({ PIKU_MEMORY: "300M", PIKU_MEMORY_WEB: "200M" }, "ulimit -d")).toBe("204800\n");
  expect(within({ PIKU_CPU_OTHER: "5" }, "ulimit -d; env | grep UWSGI_")).toBe("unlimited\n");
});

test.each<[string, Settings, string[], string[]]>([
  ["no limit", {}, ["sh", "-c", "a"], ["sh", "-c", "a"]],
  ["of memory", { PIKU_MEMORY: "1M" }, ["a"], ["prlimit", "--data=1048576", "a"]],
  ["a share, which nothing can keep", { PIKU_CPU: "5" }, ["a"], ["a"]],
  [
    "of processes",
    { PIKU_PROCESSES: "9", PIKU_PROCESSES_BUILD: "50" },
    ["a"],
    ["unshare", "--user", "--map-current-user", "prlimit", "--nproc=50", "a"],
  ],
  ["Java", { PIKU_MEMORY: "1M" }, ["./mvnw", "package"], ["./mvnw", "package"]],
])("a build with limits: %s", (_, settings, argv, expected) => {
  expect(limitStep(boardWith(), settings, "build", argv)).toEqual(expected);
});

test.each([
  ["java -jar a.jar", true],
  ["exec /usr/bin/java -jar a.jar", true],
  ["./gradlew run", true],
  ["node java.js", false],
  ["python3 javascript.py", false],
])("%s is Java: %p", (command, expected) => {
  expect(isJava(command)).toBe(expected);
});

test("the groups of a board, of an emperor that has moved as well", () => {
  const found = { unit, controllers: ["cpu", "memory", "pids"] };
  expect(findGroups(boardWith(), blog.paths)).toEqual(found);
  expect(findGroups(boardWith(undefined, { own: `${service}/emperor` }), blog.paths)).toEqual(
    found,
  );
  expect(findGroups(boardWith(undefined, { isOurs: false }), blog.paths)).toBeUndefined();
  expect(
    findGroups(boardWith(undefined, { own: "/user.slice/x.scope" }), blog.paths),
  ).toBeUndefined();
  expect(findGroups(memoryHost({ env: { HOME: "/h" } }), blog.paths)).toBeUndefined();
});

test("what a worker uses, and that its groups go with it and no others do", () => {
  const host = boardWith(undefined, {
    files: {
      [`${unit}/emperor/cgroup.procs`]: "5\n",
      "/proc/vmstat": "oom_kill 5\n",
      [`${unit}/blog-7/memory.events`]: "oom_kill 2\n",
      [`${unit}/blog-7/web.1/memory.current`]: "4096\n",
      [`${unit}/blog-7/web.1/pids.current`]: "3\n",
      [`${unit}/blog-7/web.1/memory.events`]: "low 0\noom 5\noom_kill 2\noom_group_kill 0\n",
      [`${unit}/blog-x-7/web.1/memory.current`]: "4096\n",
    },
  });
  expect(useOf(host, blog, workerOf({}))).toEqual({ memory: 4096, processes: 3, ended: 2 });
  expect(useOf(host, blog, workerOf({ ordinal: 2 }))).toBeUndefined();
  // Of the 5 that the kernel has ended, 2 were over their own limit.
  expect(killedWithoutLimit(host, blog.paths)).toBe(3);
  removeGroups(host, blog);
  expect(host.ran.at(-1)).toEqual(["rmdir", `${unit}/blog-7/web.1`, `${unit}/blog-7`]);
});

test.each<[string, Parameters<typeof boardWith>, string, string]>([
  [
    "Raspberry Pi OS",
    [
      "cpu pids",
      {
        files: {
          "/sys/fs/cgroup/cgroup.controllers": "cpuset cpu io pids\n",
          "/boot/firmware/cmdline.txt": "root=/dev/mmcblk0p2\n",
        },
      },
    ],
    "the server's kernel has its 'memory' controller off",
    "add cgroup_enable=memory to the line in /boot/firmware/cmdline.txt, then sudo reboot",
  ],
  [
    "a unit of the original's",
    ["", { isOurs: false }],
    "the service of uWSGI's emperor may make no control groups",
    "run install.sh again, then sudo reboot",
  ],
])("why there are no groups: %s", (_, board, says, remedy) => {
  expect(groupFault(boardWith(...board), blog.paths, "memory")).toEqual({ says, remedy });
});

test("what a board cannot keep is refused, and what a build is not limited by is said", () => {
  const without = boardWith("", { isOurs: false });
  const refusal = (host: typeof without, worker: Partial<Worker>) => () =>
    refuseLimits(host, blog.paths, [workerOf(worker)]);
  const cpu = { settings: { PIKU_CPU: "25%" } };
  expect(refusal(boardWith(), cpu)).not.toThrow();
  expect(refusal(without, cpu)).toThrow(
    "PIKU_CPU=25% cannot be kept: the service of uWSGI's emperor may make no control groups",
  );
  const java = { command: "java -jar a.jar", settings: { PIKU_MEMORY: "200M" } };
  expect(refusal(boardWith(), java)).not.toThrow();
  expect(refusal(without, java)).toThrow("PIKU_MEMORY=200M cannot be kept: Java reserves");
  expect(refusal(without, { ...java, command: "python3 a.py" })).not.toThrow();
  const many = { settings: { PIKU_PROCESSES: "20" } };
  expect(refusal(without, many)).not.toThrow();
  const nothing = boardWith("", {
    ...{ isOurs: false, namespaces: false },
    files: { "/proc/sys/user/max_user_namespaces": "0\n" },
  });
  expect(refusal(nothing, many)).toThrow("PIKU_PROCESSES=20 cannot be kept: ");
  expect(limitDoubts(nothing, many.settings, ["npm"]).join()).toContain(
    "PIKU_PROCESSES does not count for builds, release and run: the server's kernel",
  );
  expect(limitDoubts(boardWith(), java.settings, ["mvn"])).toEqual([
    "PIKU_MEMORY does not count for this build: Java reserves more than it uses",
  ]);
  expect(limitDoubts(boardWith(), { PIKU_CPU: "5" }, ["mvn"])).toEqual([]);
});

const scene: Scene = {
  ...{ app: "blog", kind: "web", command: "python3 app.py", tree: "/p/apps/blog", names: [] },
  ...{ read: () => undefined, deletes: () => false },
};
const limited: Scene = {
  ...scene,
  limits: {
    memory: { setting: "PIKU_MEMORY=80M", change: "config:set blog PIKU_MEMORY=…" },
    processes: { setting: "PIKU_PROCESSES=9", change: "config:set blog PIKU_PROCESSES=…" },
  },
};
test.each([
  'Traceback (most recent call last):\n  File "app.py", line 1\nMemoryError',
  "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc",
  "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
  "app.rb:1:in `*': failed to allocate memory (NoMemoryError)",
  "fatal error: runtime: out of memory",
  "mmap() failed: [12] Cannot allocate memory",
  endedByLimit,
])("over its memory: %s", (log) => {
  const found = findCause(causes, log, limited);
  expect(found?.what).toBe("it needs more memory than PIKU_MEMORY=80M allows");
  expect(found?.next).toContain("config:set blog PIKU_MEMORY=…; ");
  expect(findCause(causes, log, scene)?.what ?? "").not.toContain("PIKU_MEMORY");
});
test.each([
  "RuntimeError: can't start new thread",
  "fork(): Resource temporarily unavailable [core/daemons.c line 297]",
  "sh: 1: Cannot fork",
  "Error: spawn /bin/sh EAGAIN",
  "java.lang.OutOfMemoryError: unable to create native thread: possibly out of memory",
])("over its processes: %s", (log) => {
  const own = { ...limited, limits: { processes: limited.limits!.processes! } };
  expect(findCause(causes, log, own)?.what).toBe(
    "it needs more processes or threads than PIKU_PROCESSES=9 allows",
  );
  expect(findCause(causes, log, scene)?.what ?? "").not.toContain("PIKU_PROCESSES");
});

test("notes for a log: what was ended since the last look, or what a program has said", () => {
  const events = `${unit}/blog-7/web.1/memory.events`;
  const live = {
    "/p/releases/blog/live": "7\n",
    "/p/releases/blog/7.json": JSON.stringify({ number: 7, vassals: ["blog_web.1-7.ini"] }),
    "/p/envs/blog/LIVE_ENV": "PIKU_MEMORY=80M\n",
    "/p/releases/blog/run-7/web.1.limits": "",
  };
  const host = boardWith(undefined, { files: { ...live, [events]: "oom_kill 1\n" } });
  const notes = noteLimits(host, blog);
  const one = {
    label: "web.1",
    text: "piku: a process was ended, since more memory was needed than PIKU_MEMORY=80M",
  };
  expect(notes([])).toEqual([one]);
  expect(notes([])).toEqual([]);
  host.write(events, "oom_kill 3\n");
  expect(notes([])[0]?.text).toStartWith("piku: 2 processes were ended");
  const byItself = noteLimits(boardWith("", { isOurs: false, files: live }), blog);
  expect(byItself([{ label: "web.1", text: "MemoryError" }])).toEqual([
    { label: "web.1", text: "piku: more memory was needed than PIKU_MEMORY=80M" },
  ]);
  expect(byItself([{ label: "web.1", text: "hello" }])).toEqual([]);
});
