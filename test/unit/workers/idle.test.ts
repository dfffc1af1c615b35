import { expect, test } from "bun:test";
import type { Settings } from "../../../src/app/env-file.ts";
import { setting } from "../../../src/app/settings.ts";
import {
  forgetSockets,
  holdSocket,
  idleOf,
  isAsleep,
  staysAwake,
  webSleeps,
} from "../../../src/workers/idle.ts";
import { vassalFiles } from "../../../src/workers/start.ts";
import type { Worker } from "../../../src/workers/worker.ts";
import { memoryHost } from "../../host/memory.ts";
import { appBelow, workerOf } from "./example.ts";

const app = appBelow("/p");
const user = { uid: 1000 };
const socket = { socket: "/p/sockets/blog.1-7.sock", mode: "600" } as const;
const port = { address: "127.0.0.1", port: 5000 };
const wsgi = (settings: Settings, more: Partial<Worker> = {}) =>
  workerOf({ kind: "wsgi", command: "a:b", listen: socket, settings, ...more });

const web = workerOf({
  kind: "web",
  command: "node a.js",
  site: "a.test",
  listen: port,
  held: socket.socket,
  settings: { PIKU_IDLE: "15m", PORT: "5000" },
});

test.each<[value: string, seconds: number]>([
  ["15m", 900],
  ["2s", 2],
  ["90", 90],
  ["2h", 7200],
  ["365d", 31_536_000],
  ["0", 0],
  ["false", 0],
  ["off", 0],
  ["", 0],
])("PIKU_IDLE=%j is %p seconds", (value, expected) => {
  expect(setting({ PIKU_IDLE: value }, "PIKU_IDLE")).toBe(expected);
});

test.each(["soon", "0s", "-1", "1.5h", "15 m", "1w", "366d", "100000000"])(
  "PIKU_IDLE=%j is invalid",
  (value) => {
    expect(() => setting({ PIKU_IDLE: value }, "PIKU_IDLE")).toThrow(
      `PIKU_IDLE: invalid span of time '${value}'`,
    );
  },
);

test.each<[Worker, seconds: number]>([
  [wsgi({}), 0],
  [wsgi({ PIKU_IDLE: "15m" }), 900],
  [wsgi({ PIKU_IDLE: "15m" }, { kind: "php" }), 900],
  [wsgi({ PIKU_IDLE: "15m" }, { listen: port }), 0],
  [workerOf({ kind: "web", listen: port, settings: { PIKU_IDLE: "15m" } }), 0],
  [web, 900],
  [workerOf({ kind: "worker", settings: { PIKU_IDLE: "15m" } }), 0],
])("a worker sleeps only where nginx asks a socket: %#", (worker, expected) => {
  expect(idleOf(worker)).toBe(expected);
});

test("the vassal of a worker that sleeps is one like any other where the emperor holds no socket", () => {
  const [[path, text], held] = vassalFiles(
    user,
    app,
    wsgi({ PIKU_IDLE: "15m", UWSGI_IDLE: "60" }),
  ) as [[string, string], [string, string]];
  expect(path).toBe("/p/releases/blog/run-7/blog_wsgi.1-7.ini");
  expect(held).toEqual([`${path}.socket`, "/p/sockets/blog.1-7.sock\n"]);
  const [[, plain]] = vassalFiles(user, app, wsgi({})) as [[string, string]];
  expect(text).toBe(
    plain
      .replace(
        "socket = /p/sockets/blog.1-7.sock\nchmod-socket = 600\n",
        "if-env = PIKU_ON_DEMAND\nidle = 900\ndie-on-idle = true\nendif = \nif-not-env = PIKU_ON_DEMAND\nsocket = /p/sockets/blog.1-7.sock\nchmod-socket = 600\nendif = \n",
      )
      .replace("hook-asap = append:", "hook-asap = write:"),
  );
});

test("a web worker that sleeps is started by a script, which brings connections to its port", () => {
  const files = new Map(vassalFiles(user, app, web));
  const { held, ...plain } = web;
  const [[path, own]] = vassalFiles(user, app, plain) as [[string, string]];
  expect([...files.keys()].sort()).toEqual(
    [path, `${path}.socket`, "web.1.ini", "web.1.sleep"].map((name) =>
      name.startsWith("/") ? name : `/p/releases/blog/run-7/${name}`,
    ),
  );
  expect(files.get(path)).toContain("= exec sh /p/releases/blog/run-7/web.1.sleep\n");
  expect(files.get("/p/releases/blog/run-7/web.1.ini")).toBe(own);
  expect(files.get("/p/releases/blog/run-7/web.1.sleep")).toStartWith(
    `# Written by piku; changes are lost.
socket=/p/sockets/blog.1-7.sock
to=127.0.0.1:5000
hex=1388
seconds=900
starts=/p/releases/blog/run-7/web.1.starts
ready=/p/releases/blog/run-7/web.1.ready
set -- uwsgi --ini /p/releases/blog/run-7/web.1.ini
`,
  );
});

test.each<[Settings, files: string[], sleeps: boolean, missing: string | undefined]>([
  [{}, ["perl", "proxy"], false, undefined],
  [{ PIKU_IDLE: "15m" }, ["perl", "proxy"], true, undefined],
  [{ PIKU_IDLE: "15m" }, ["perl"], false, "systemd-socket-proxyd"],
  [{ PIKU_IDLE: "15m" }, ["proxy"], false, "perl"],
  // Somebody else may ask its port.
  [{ PIKU_IDLE: "15m", PORT: "8080" }, [], false, undefined],
  [{ PIKU_IDLE: "15m", BIND_ADDRESS: "0.0.0.0" }, [], false, undefined],
  [{ PIKU_IDLE: "15m", NGINX_INCLUDE_FILE: "nginx.conf" }, [], false, undefined],
])("web with %j, the server with %j: sleeps is %p", (settings, files, sleeps, missing) => {
  const host = memoryHost({ env: { PATH: "/usr/bin" } });
  const paths = { perl: "/usr/bin/perl", proxy: "/usr/lib/systemd/systemd-socket-proxyd" };
  for (const [name, path] of Object.entries(paths)) {
    host.mkdir(path.slice(0, path.lastIndexOf("/")));
    if (files.includes(name)) host.write(path, "", 0o755);
  }
  expect(webSleeps(host, settings)).toEqual({ sleeps, missing });
});

test("behind a wall the emperor's socket is not looked for", () => {
  const walled = wsgi({ PIKU_IDLE: "15m" }, { wall: { limits: [] }, healthcheck: "/up" });
  const outer = vassalFiles(user, app, walled).at(-1)![1];
  expect(outer).toContain(" held=blog.1-7.sock socket=blog.1-7.http -- uwsgi ");
});

const run = "/p/releases/blog/run-7";
const listens = "0000: 00000002 00000000 00010000 0001 01 22 /p/sockets/blog.1-7.sock\n";
const connected = listens.replace("00010000 0001 01", "00000000 0001 03");

/** A host on which these files were written one after the other. */
const hostWith = (names: readonly string[], sockets: string) => {
  const host = memoryHost({ files: { "/proc/net/unix": sockets } });
  host.clock = 1000;
  for (const name of names) {
    const folder = name.endsWith(".ini.socket") ? "/p/uwsgi-enabled" : run;
    host.mkdir(folder);
    host.write(`${folder}/${name}`, ".");
    host.sleep(1000);
  }
  return host;
};
const held = "blog_wsgi.1-7.ini.socket";

test.each<[why: string, names: string[], sockets: string, asleep: boolean]>([
  ["asleep", [held, "wsgi.1.starts", "wsgi.1.ready"], listens, true],
  ["it did not start when it was woken", [held, "wsgi.1.ready", "wsgi.1.starts"], listens, false],
  ["it has never been ready", [held, "wsgi.1.starts"], listens, false],
  ["no emperor holds its socket", [held, "wsgi.1.starts", "wsgi.1.ready"], "", false],
  ["a connection is no listener", [held, "wsgi.1.starts", "wsgi.1.ready"], connected, false],
  ["it is not to sleep", ["wsgi.1.starts", "wsgi.1.ready"], listens, false],
])("%s", (_, names, sockets, expected) => {
  const worker = { kind: "wsgi", ordinal: 1, release: 7 };
  expect(isAsleep(hostWith(names, sockets), app, worker)).toBe(expected);
});

test("the folder of sockets is closed to others before the emperor opens one to all", () => {
  const host = memoryHost();
  for (const folder of ["/p/uwsgi-enabled", run]) host.mkdir(folder);
  host.mkdir("/p/sockets", 0o2755);
  const worker = { kind: "wsgi", ordinal: 1, release: 7 };
  holdSocket(host, app, worker);
  expect(host.stat("/p/sockets")!.mode).toBe(0o2755);
  expect(host.list("/p/uwsgi-enabled")).toEqual([]);
  host.write(`${run}/blog_wsgi.1-7.ini.socket`, "an app of a wall could write this");
  holdSocket(host, app, worker);
  expect(host.stat("/p/sockets")!.mode).toBe(0o2750);
  expect(host.read(`/p/uwsgi-enabled/${held}`)).toBe("/p/sockets/blog.1-7.sock\n");
});

test("the note of a socket without its vassal is removed, of this app alone", () => {
  const host = memoryHost();
  host.mkdir("/p/uwsgi-enabled");
  const kept = ["blog_wsgi.1-8.ini", "blog_wsgi.1-8.ini.socket", "blog_x_web.1-7.ini.socket"];
  for (const name of [...kept, held]) host.write(`/p/uwsgi-enabled/${name}`, "");
  forgetSockets(host, app);
  expect(host.list("/p/uwsgi-enabled").sort()).toEqual(kept);
});

test.each([
  ["wsgi", "/proc/90/fd/0", "/dev/null", true],
  ["wsgi", "/proc/90/fd/0", "socket:[22]", false],
  ["web", "/proc/80/fd/3", "/dev/null", true],
  ["web", "/proc/80/fd/3", "socket:[22]", false],
  // The one of a web worker always reads from there.
  ["web", "/proc/90/fd/0", "/dev/null", false],
])("a %s worker whose %s is %s stays awake: %p", (kind, file, opened, expected) => {
  const host = hostWith([held.replace("wsgi", kind)], "");
  host.mkdir("/proc/90");
  host.write("/proc/90/stat", `90 (uwsgi) S 80 90 90 ${"0 ".repeat(40)}`);
  host.mkdir(file.slice(0, file.lastIndexOf("/")));
  host.link(opened, file);
  const vassal = { file: `blog_${kind}.1-7.ini`, app: "blog", kind, ordinal: 1, release: 7 };
  expect(staysAwake(host, app, vassal, () => 90)).toBe(expected);
  expect(staysAwake(host, app, vassal, () => undefined)).toBe(false);
  expect(staysAwake(host, app, { ...vassal, file: "blog_wsgi.2-7.ini" }, () => 90)).toBe(false);
});
