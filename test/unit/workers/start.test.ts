import { expect, test } from "bun:test";
import { appOf } from "../../../src/app/app.ts";
import { pathsOf } from "../../../src/app/paths.ts";
import { listVassals, requireEmperor } from "../../../src/workers/emperor.ts";
import { isInPlace } from "../../../src/workers/start.ts";
import { stopVassals } from "../../../src/workers/stop.ts";
import type { Worker } from "../../../src/workers/worker.ts";
import { memoryHost } from "../../host/memory.ts";

/** A machine on which each of these vassals of the original's has a process, numbered from 10. */
function hostWith(vassals: readonly (readonly [file: string, project: string])[], folder: string) {
  const processes = vassals.flatMap(([file], i) => [
    [`/proc/${10 + i}/cmdline`, `uwsgi\0--ini\0${folder}${file}\0`],
    [`/proc/${10 + i}/stat`, `${10 + i} (uwsgi) S 9 ${10 + i}`],
  ]);
  const files = vassals.map(([file, project]) => [
    `/p/uwsgi-enabled/${file}`,
    `[uwsgi]\nproject = ${project}\n`,
  ]);
  return memoryHost({
    env: { HOME: "/home/piku", PIKU_ROOT: "/p" },
    files: Object.fromEntries([...processes, ...files]),
  });
}

const vassals = [
  ["foo_web.1.ini", "foo"],
  ["foo_bar_web.1.ini", "foo_bar"],
  ["foo_bar_worker.1.ini", "foo"],
  ["foo2_web.1.ini", "foo2"],
  ["xfoo_web.1.ini", "xfoo"],
  ["foo_web.11.ini", "foo"],
] as const;

test.each([
  ["foo", ["foo_bar_worker.1.ini", "foo_web.1.ini", "foo_web.11.ini"], [10, 12, 15]],
  ["foo_bar", ["foo_bar_web.1.ini"], [11]],
  ["foo2", ["foo2_web.1.ini"], [13]],
  ["xfoo", ["xfoo_web.1.ini"], [14]],
  ["fo", [], []],
])("the vassals of %s, and their processes, are its own", (name, expected, pids) => {
  for (const folder of ["", "/p/uwsgi-enabled/"]) {
    const host = hostWith(vassals, folder);
    const app = appOf(pathsOf(host), name);
    const found = listVassals(host, app.paths, name);
    expect(found.map(({ file }) => file)).toEqual(expected);
    stopVassals(host, app, found, 0);
    const others = vassals
      .map(([file]) => file as string)
      .filter((file) => !expected.includes(file));
    expect(host.list(app.paths.enabled)).toEqual(others.sort());
    const killed = host.signalled
      .filter((signal) => signal.startsWith("KILL "))
      .map((signal) => Number(signal.slice(5)));
    expect(killed.sort()).toEqual(pids);
  }
});

test.each([
  [127, "uWSGI is not installed on the server"],
  [0, "uWSGI's emperor is not running on the server"],
])("without an emperor, `uwsgi --version` ending with %d", (status, message) => {
  const host = memoryHost({ env: { HOME: "/home/piku" }, answer: () => ({ status }) });
  expect(() => requireEmperor(host, pathsOf(host))).toThrow(message);
});

test.each<[string, string, string, Worker["listen"], boolean]>([
  [
    "web on its port",
    "web",
    "export A='1'\nexport PORT='20001'\n",
    { address: "127.0.0.1", port: 20001 },
    true,
  ],
  [
    "web on another port",
    "web",
    "export A='1'\nexport PORT='20001'\n",
    { address: "127.0.0.1", port: 9000 },
    false,
  ],
  ["a worker", "worker", "", undefined, true],
  [
    "wsgi on its socket",
    "wsgi",
    "socket = /p/sockets/foo.1-3.sock\n",
    { socket: "/p/sockets/foo.1-9.sock", mode: "600" as const },
    true,
  ],
  [
    "wsgi that gets a site",
    "wsgi",
    "http-socket = 0.0.0.0:1\n",
    { socket: "/p/sockets/foo.1-9.sock", mode: "600" as const },
    false,
  ],
  ["wsgi on its port", "wsgi", "http-socket = 0.0.0.0:1\n", { address: "0.0.0.0", port: 1 }, true],
  [
    "wsgi on another port",
    "wsgi",
    "http-socket = 0.0.0.0:1\n",
    { address: "0.0.0.0", port: 12 },
    false,
  ],
])("isInPlace: %s", (_, kind, lines, listen, expected) => {
  const files = {
    [`/p/uwsgi-enabled/foo_${kind}.1-3.ini`]: "",
    [`/p/releases/foo/run-3/foo_${kind}.1-3.ini`]: `[uwsgi]\n${lines}`,
    [`/p/releases/foo/run-3/${kind}.1.sh`]: `# a\n${lines}`,
  };
  const worker = { kind, ordinal: 1, release: 3, command: "a", settings: {}, listen };
  for (const there of [true, false]) {
    const host = memoryHost({
      env: { HOME: "/home/piku", PIKU_ROOT: "/p" },
      files: there ? files : {},
    });
    expect(isInPlace(host, appOf(pathsOf(host), "foo"), worker)).toBe(there && expected);
  }
});

test("hundreds of apps are told apart by the names of their vassals, without a look into each", () => {
  const files = Object.fromEntries(
    Array.from({ length: 200 }, (_, i) => [`/p/uwsgi-enabled/app${i}_web.1.ini`, ""]),
  );
  const host = memoryHost({ env: { HOME: "/home/piku", PIKU_ROOT: "/p" }, files });
  const read = (path: string) => {
    throw new Error(`it reads ${path}`);
  };
  expect(new Set(listVassals({ ...host, read }, pathsOf(host)).map(({ app }) => app)).size).toBe(
    200,
  );
});
