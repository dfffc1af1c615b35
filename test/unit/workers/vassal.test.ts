// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are the shell's.
import { afterAll, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Cron as Reference } from "croner";
import { type App, appOf } from "../../../src/app/app.ts";
import { parseCron } from "../../../src/app/cron.ts";
import type { Settings } from "../../../src/app/env-file.ts";
import { pathsOf } from "../../../src/app/paths.ts";
import { cronTimes } from "../../../src/workers/cron.ts";
import { renderEmperor } from "../../../src/workers/emperor.ts";
import { escapeValue, renderVassal } from "../../../src/workers/ini.ts";
import { refuseMissingPlugins } from "../../../src/workers/kinds.ts";
import { envdirFiles, execLine, renderLauncher } from "../../../src/workers/launcher.ts";
import { vassalPairs } from "../../../src/workers/vassal.ts";
import { filesOf, parseVassal, vassalName, type Worker } from "../../../src/workers/worker.ts";
import { memoryHost } from "../../host/memory.ts";

const appBelow = (root: string, name = "blog") =>
  appOf(pathsOf(memoryHost({ env: { HOME: "/home/piku", PIKU_ROOT: root } })), name);
const app = appBelow("/p");
const user = { uid: 1000 };
const workerOf = (worker: Partial<Worker>): Worker => ({
  kind: "web",
  ordinal: 1,
  command: "a",
  release: 7,
  settings: {},
  ...worker,
});

const head = (kind: string, uid = "uid = 1000\n") => `[uwsgi]
; Written by piku; changes are lost.
chdir = /p/apps/blog
${uid}master = true
project = blog
procname-prefix = blog:${kind}:
pidfile = /p/releases/blog/run-7/${kind}.1.pid
log-maxsize = 1048576
logfile-chmod = 640
logto2 = /p/logs/blog/${kind}.1.log
log-backupname = /p/logs/blog/${kind}.1.log.old
log-encoder = format \x1e\${strftime:%%Y-%%m-%%dT%%H:%%M:%%S%%z} \${msgnl}
`;
const tail = "set-placeholder = pikunil=\nset-placeholder = pikulp=(\n";
const renewed = "max-requests = 1024\n";
const wsgi = (
  module: string,
  renewal = "",
  numbers = [48, 2, 4],
  threads = "true",
  forwarded = "false",
) => `plugin = python3
virtualenv = /p/envs/blog/.0123456789abcdef
module = ${module}
threads = ${numbers[2]}
enable-threads = ${threads}
need-app = true
${renewal}listen = ${numbers[0]}
processes = ${numbers[1]}
thunder-lock = true
log-x-forwarded-for = ${forwarded}
log-format = %%(addr) - %%(user) [%%(ltime)] "%%(method) %%(uri) %%(proto)" %%(status) %%(size) "%%(referer)" "%%(uagent)" %%(msecs)ms
`;
const ready = `hook-accepting1-once = write:/p/releases/blog/run-7/wsgi.1.ready ready
hook-asap = append:/p/releases/blog/run-7/wsgi.1.starts .
envdir = /p/releases/blog/run-7/wsgi.1.env
`;
const virtualenv = "/p/envs/blog/.0123456789abcdef";

const onSocket = { socket: "/p/sockets/blog.1-7.sock", mode: "600" } as const;
const socketLines = "socket = /p/sockets/blog.1-7.sock\nchmod-socket = 600\n";
const inside = wsgi("x").slice(wsgi("x").indexOf("listen"));
const jwsgi = `plugin = 0:jvm
plugin = 0:jwsgi
jvm-classpath = /usr/share/java/uwsgi.jar
jvm-classpath = /p/apps/blog
jvm-classpath = /p/apps/blog/target/classes
jvm-classpath = /p/apps/blog/build/classes/java/main
${["target", "target/dependency", "build/libs"].map((name) => `for-glob = /p/apps/blog/${name}/*.jar\njvm-classpath = %(_)\nendfor = \n`).join("")}jwsgi = com.example.Hello
threads = 4
enable-threads = true
`;
const php = `plugin = 0:php
php-ini = /p/apps/blog/php.ini
check-static = /p/apps/blog/public
static-skip-ext = .php
static-skip-ext = .inc
static-index = index.html
php-docroot = /p/apps/blog/public
php-allowed-ext = .php
php-index = index.php
`;
const wsgiWith = (settings: Settings) =>
  workerOf({ kind: "wsgi", command: "app:app", virtualenv, listen: onSocket, settings });

const vassals: [string, Worker, string][] = [
  [
    "wsgi that is idle at times",
    wsgiWith({ UWSGI_IDLE: "60" }),
    `${head("wsgi")}reload-mercy = 30\n${wsgi("app:app").replace("thunder-lock = true\n", "thunder-lock = true\ncheap = true\nidle = 60\n")}${socketLines}${ready.replace("hook-accepting1-once", "hook-post-app")}${tail}`,
  ],
  [
    "wsgi without threads",
    wsgiWith({ UWSGI_THREADS: "1" }),
    `${head("wsgi")}reload-mercy = 30\n${wsgi("app:app", renewed, [48, 2, 1])}${socketLines}${ready}${tail}`,
  ],
  [
    "wsgi with gevent",
    wsgiWith({ UWSGI_GEVENT: "100", UWSGI_THREADS: "8", UWSGI_IDLE: "0" }),
    `${head("wsgi")}reload-mercy = 30\n${wsgi("app:app", renewed).replace("threads = 4\n", "plugin = gevent_python3\ngevent = 100\n")}${socketLines}${ready}${tail}`,
  ],
  [
    "wsgi with asyncio",
    wsgiWith({ UWSGI_ASYNCIO: "20", UWSGI_GEVENT: "0" }),
    `${head("wsgi")}reload-mercy = 30\n${wsgi("app:app", renewed).replace("threads = 4\n", "plugin = asyncio_python3\nasync = 20\n")}${socketLines}${ready}${tail}`,
  ],
  [
    "a worker, which is never idle",
    workerOf({ kind: "my-worker", settings: { UWSGI_IDLE: "60", UWSGI_GEVENT: "10" } }),
    `${head("my-worker")}reload-mercy = 30\nprocesses = 0\nlog-master-stream = true\nattach-daemon = exec sh /p/releases/blog/run-7/my-worker.1.sh\n${tail}`,
  ],
  [
    "wsgi with options of its own",
    {
      ...wsgiWith({}),
      options: [
        ["harakiri", "30"],
        ["env", "WHO=%(project)"],
      ],
    },
    `${head("wsgi")}reload-mercy = 30\n${wsgi("app:app")}${socketLines}${ready}harakiri = 30\nenv = WHO=%(project)\n${tail}`,
  ],
  [
    "a worker with options of its own",
    workerOf({ kind: "my-worker", options: [["harakiri", "30"]] }),
    `${head("my-worker")}reload-mercy = 30\nprocesses = 0\nlog-master-stream = true\nattach-daemon = exec sh /p/releases/blog/run-7/my-worker.1.sh\nharakiri = 30\n${tail}`,
  ],
  [
    "jwsgi",
    workerOf({ kind: "jwsgi", command: "com.example.Hello", listen: onSocket }),
    `${head("jwsgi")}reload-mercy = 30\n${jwsgi}${inside}${socketLines}${ready.replaceAll("wsgi.1", "jwsgi.1")}${tail}`,
  ],
  [
    "jwsgi that is idle at times, which is asked once to be loaded",
    workerOf({
      kind: "jwsgi",
      command: "com.example.Hello",
      listen: onSocket,
      settings: { UWSGI_IDLE: "9" },
    }),
    `${head("jwsgi")}reload-mercy = 30\n${jwsgi}${inside.replace("thunder-lock = true\n", "thunder-lock = true\ncheap = true\nidle = 9\n")}${socketLines}http-socket = /p/sockets/blog.1-7.http\n${ready.replaceAll("wsgi.1", "jwsgi.1").replace("hook-accepting1-once", "hook-post-app")}${tail}`,
  ],
  [
    "rwsgi",
    workerOf({ kind: "rwsgi", command: "config.ru", listen: onSocket }),
    `${head("rwsgi")}reload-mercy = 30\nplugin = 0:rack\nrack = config.ru\npost-buffering = 8192\nneed-app = true\n${renewed}${inside}${socketLines}${ready.replaceAll("wsgi.1", "rwsgi.1")}${tail}`,
  ],
  [
    "php with its own php.ini and a health check",
    workerOf({
      kind: "php",
      command: "/public",
      phpIni: true,
      healthcheck: "/up",
      listen: onSocket,
    }),
    `${head("php")}reload-mercy = 30\n${php}${renewed}${inside}${socketLines}http-socket = /p/sockets/blog.1-7.http\n${ready.replaceAll("wsgi.1", "php.1")}${tail}`,
  ],
  [
    "wsgi on a socket",
    workerOf({ kind: "wsgi", command: "app:app", virtualenv, listen: onSocket }),
    `${head("wsgi")}reload-mercy = 30\n${wsgi("app:app")}socket = /p/sockets/blog.1-7.sock\nchmod-socket = 600\n${ready}${tail}`,
  ],
  [
    "wsgi on a port, with settings of its own",
    workerOf({
      kind: "wsgi",
      command: "app:make(50%)",
      virtualenv,
      listen: { address: "0.0.0.0", port: 8000 },
      settings: {
        PIKU_GRACE: "5",
        UWSGI_LOG_MAXSIZE: "1048576",
        UWSGI_MAX_REQUESTS: "10",
        UWSGI_LISTEN: "16",
        UWSGI_PROCESSES: "1",
        UWSGI_THREADS: "8",
        UWSGI_ENABLE_THREADS: "False",
        UWSGI_LOG_X_FORWARDED_FOR: "yes",
        PLAIN: "%d @(x)",
        TRAILING: "100% (of it) ",
        TABS: "\t\t",
      },
    }),
    `${head("wsgi")}reload-mercy = 5\n${wsgi("app:make%(pikulp)50%%)", "max-requests = 10\nworker-reload-mercy = 5\n", [16, 1, 8], "false", "true")}http-socket = 0.0.0.0:8000\n${ready}env = TRAILING=100%% %(pikulp)of it) %(pikunil)\nenv = TABS=\t\t%(pikunil)\n${tail}`,
  ],
  [
    "web",
    workerOf({ listen: { address: "127.0.0.1", port: 20001 } }),
    `${head("web")}reload-mercy = 30\nprocesses = 0\nlog-master-stream = true\nattach-daemon = exec sh /p/releases/blog/run-7/web.1.sh\n${tail}`,
  ],
  [
    "worker",
    workerOf({ kind: "my-worker" }),
    `${head("my-worker")}reload-mercy = 30\nprocesses = 0\nlog-master-stream = true\nattach-daemon = exec sh /p/releases/blog/run-7/my-worker.1.sh\n${tail}`,
  ],
  [
    "cron that comes several times",
    workerOf({
      kind: "cron",
      command: "5,35 6 * * 1-2 a",
      cron: parseCron("5,35 6 * * 1-2 a", ""),
    }),
    `${head("cron")}reload-mercy = 30\nprocesses = 0\nlog-master-stream = true\n${["5 6 -1 -1 1", "5 6 -1 -1 2", "35 6 -1 -1 1", "35 6 -1 -1 2"].map((time) => `cron = ${time} exec sh /p/releases/blog/run-7/cron.1.sh\n`).join("")}${tail}`,
  ],
];

test.each(vassals)("the vassal of %s", (_, worker, expected) => {
  expect(renderVassal(vassalPairs(app, worker, user))).toBe(expected);
});

test("root is not given up", () => {
  const worker = workerOf({ kind: "worker" });
  expect(renderVassal(vassalPairs(app, worker, { uid: 0 }))).toBe(
    `${head("worker", "")}reload-mercy = 30\nprocesses = 0\nlog-master-stream = true\nattach-daemon = exec sh /p/releases/blog/run-7/worker.1.sh\n${tail}`,
  );
});

test.each([
  ["UWSGI_PROCESSES", "many"],
  ["UWSGI_PROCESSES", "-1"],
  ["UWSGI_THREADS", "1.5"],
  ["UWSGI_LISTEN", "0x10"],
  ["PIKU_GRACE", "10s"],
  ["UWSGI_IDLE", "1m"],
  ["UWSGI_GEVENT", "yes"],
  ["UWSGI_ASYNCIO", "-5"],
])("%s=%s is refused", (key, value) => {
  expect(() =>
    vassalPairs(app, workerOf({ kind: "wsgi", settings: { [key]: value } }), user),
  ).toThrow(new RegExp(`^${key}: invalid number( of seconds)? '${value}'$`));
});

test("gevent and asyncio are refused together", () => {
  expect(() => vassalPairs(app, wsgiWith({ UWSGI_GEVENT: "1", UWSGI_ASYNCIO: "1" }), user)).toThrow(
    "UWSGI_GEVENT and UWSGI_ASYNCIO cannot both be set",
  );
});

test("a missing plugin is refused with its package", () => {
  const pairs = vassalPairs(app, wsgiWith({ UWSGI_GEVENT: "1" }), user);
  expect(() => refuseMissingPlugins(pairs, ["python3_plugin.so"])).toThrow(
    expect.objectContaining({
      message: "uWSGI's plugin 'gevent_python3' is not installed on the server",
      hint: "on the server: sudo apt install uwsgi-plugin-gevent-python3",
    }),
  );
  expect(() => refuseMissingPlugins(pairs, ["gevent_python3_plugin.so"])).not.toThrow();
});

test("the emperor's file", () => {
  expect(renderEmperor(app.paths)).toBe(`[uwsgi]
; Written by piku; changes are lost.
chdir = /p/uwsgi
emperor = /p/uwsgi-enabled
emperor-pidfile = /p/uwsgi/emperor.pid
emperor-curse-tolerance = 3600
emperor-graceful-shutdown = true
emperor-no-blacklist = true
logto = /p/uwsgi/uwsgi.log
${tail}`);
});

test.each<[string, string, [string, string, number, number?] | undefined]>([
  ["foo_web.1-12.ini", "project = foo\n", ["foo", "web", 1, 12]],
  ["foo_web.1.ini", "project = foo\n", ["foo", "web", 1]],
  ["foo_web.1.ini", "", ["foo", "web", 1]],
  ["foo_bar_web.1-2.ini", "[uwsgi]\nproject = foo\n", ["foo", "bar_web", 1, 2]],
  ["foo_bar_web.1-2.ini", "[uwsgi]\nproject = foo_bar\n", ["foo_bar", "web", 1, 2]],
  ["foo_bar_web.1.ini", "", ["foo_bar", "web", 1]],
  ["foo_bar_web.1.ini", "project = other\n", ["foo_bar", "web", 1]],
  ["foo2_web.1.ini", "project = foo\n", ["foo2", "web", 1]],
  ["foo_web.1.ini", "; project = x\nproject=foo  \r\n", ["foo", "web", 1]],
  ["a.b-c.2_my-worker.10-3.ini", "project = a.b-c.2\n", ["a.b-c.2", "my-worker", 10, 3]],
  ["foo.1_web.2.ini", "", ["foo.1", "web", 2]],
  ["2048_cron1.1-1.ini", "project = 2048\n", ["2048", "cron1", 1, 1]],
  // Nothing but blanks may stand between the name and what it is.
  ["foo_bar_web.1.ini", "project =\nfoo\n", ["foo_bar", "web", 1]],
  ["foo_web.ini", "project = foo\n", undefined],
  ["foo_web.x.ini", "", undefined],
  ["foo.1.ini", "", undefined],
  ["_web.1.ini", "", undefined],
  ["foo_.1.ini", "project = foo\n", undefined],
  ["foo_web.1.ini.bak", "", undefined],
  ["foo_web.1-.ini", "", undefined],
  ["uwsgi.ini", "", undefined],
])("parseVassal(%s, %j)", (file, content, expected) => {
  const [name, kind, ordinal, release] = expected ?? [];
  expect(parseVassal(file, content)).toEqual(
    expected ? ({ file, app: name, kind, ordinal, release } as never) : undefined,
  );
});

test("vassalName and parseVassal agree", () => {
  const worker = { kind: "my_worker", ordinal: 3, release: 20 };
  const file = vassalName("foo_bar", worker);
  expect(parseVassal(file, "project = foo_bar")).toEqual({ file, app: "foo_bar", ...worker });
});

test.each([
  ["", ""],
  ["plain", "plain"],
  ["%", "%%"],
  ["%d", "%%d"],
  ["(a)", "%(pikulp)a)"],
  ["@(exec://id) $(PATH)", "@%(pikulp)exec://id) $%(pikulp)PATH)"],
  ["a ", "a %(pikunil)"],
  [" ", " %(pikunil)"],
  ["a\t", "a\t%(pikunil)"],
  ["a (", "a %(pikulp)"],
  ["\\", "\\"],
])("escapeValue(%j)", (value, expected) => {
  expect(escapeValue(value, "it")).toBe(expected);
});

test.each([
  ["a\nb", "it has a control character in it"],
  ["a\0", "it has a control character in it"],
  ["a\r", "it has a control character in it"],
  ["a\x7f", "it has a control character in it"],
  ["x%(uid) ", "it has '%(uid)' in it"],
  ["%%(log-maxsize)", "it has '%(log-maxsize)' in it"],
])("escapeValue refuses %j", (value, message) => {
  expect(() => escapeValue(value, "it")).toThrow(message);
});

const folder = fs.mkdtempSync(join(tmpdir(), "piku-uwsgi-"));
afterAll(() => fs.rmSync(folder, { recursive: true }));

/** The same numbers in every run. */
function randomFrom(seed: number) {
  let state = seed;
  return (count: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * count);
  };
}

const nasty = [
  "%",
  "(",
  ")",
  "%d",
  "%(",
  "$(",
  "@(",
  "$(PATH)",
  "@(exec://id)",
  "%(x y)",
  "$",
  "@",
  "'",
  '"',
  "`",
  "\\",
  ";",
  "#",
  "[",
  "]",
  "=",
  "{",
  "}",
  " ",
  "  ",
  "\t",
  "a",
  "uid",
  "pikulp",
  "pikunil",
  "ü",
  "€",
  "\u00a0",
  "%%",
  "!",
  "|",
  "&",
  "<",
  ">",
  "*",
  "~",
  "://",
];

function randomSettings(count: number, pieces: readonly string[], seed: number): Settings {
  const random = randomFrom(seed);
  const values = Array.from({ length: count }, () =>
    Array.from({ length: random(10) }, () => pieces[random(pieces.length)]).join(""),
  );
  return Object.fromEntries(values.map((value, i) => [`K${i}`, value]));
}

/** The variables that `env -0` printed. */
const readEnvironment = (output: string): Settings =>
  Object.fromEntries(
    output
      .split("\0")
      .filter(Boolean)
      .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );

const path = process.env.PATH ?? "";

/**
 * The environment that the real uWSGI makes of a vassal's lines: it ends before it serves anything.
 */
function environmentOf(name: string, pairs: [string, string][]): Settings {
  const output = join(folder, `${name}.out`);
  fs.writeFileSync(
    join(folder, `${name}.ini`),
    renderVassal([...pairs, ["exec-pre-jail", `env -0 >${output}`], ["exec-pre-jail", "false"]]),
  );
  const ran = Bun.spawnSync(["uwsgi", "--ini", join(folder, `${name}.ini`)], {
    env: { PATH: path },
    cwd: folder,
    stderr: "pipe",
  });
  if (!fs.existsSync(output)) throw new Error(ran.stderr.toString());
  return readEnvironment(fs.readFileSync(output, "utf8"));
}

const withUwsgi = test.skipIf(!Bun.which("uwsgi"));

/** Whether a value is refused, since uWSGI's file could not hold it. */
function isRefused(value: string): boolean {
  try {
    escapeValue(value, "");
    return false;
  } catch {
    return true;
  }
}

/** Whether the real uWSGI has a plugin; it alone knows the options that belong to it. */
const hasPlugin = (name: string) =>
  fs.existsSync(`/usr/lib/uwsgi/plugins/${name.split(":").at(-1)}_plugin.so`);

/**
 * A vassal as it is but for its folder, which is a real one here, such that uWSGI reads it all and
 * ends before it serves. `project` is a name of our own, which a vassal that is not strict may
 * have.
 */
function strictly(text: string): string {
  for (const name of [
    "apps/blog",
    "logs/blog",
    "sockets",
    ...["wsgi", "jwsgi", "rwsgi", "php"].map(envdirOf),
  ])
    fs.mkdirSync(join(folder, "p", name), { recursive: true });
  const moved = text
    .replaceAll("/p/", `${folder}/p/`)
    .replace(/^project = /m, "set-placeholder = project=");
  return `${moved}strict = true\n`;
}

const envdirOf = (kind: string) => `releases/blog/run-7/${kind}.1.env`;

for (const [name, , text] of vassals) {
  const lacking = [...text.matchAll(/^plugin = (.*)$/gm)]
    .map(([, plugin]) => plugin!)
    .filter((one) => !hasPlugin(one));
  test.skipIf(!Bun.which("uwsgi") || lacking.length > 0)(
    `the real uWSGI (skipped where there is none) knows every option of the vassal of ${name}${lacking.map((one) => ` [no plugin ${one}]`).join("")}`,
    () => {
      const file = join(folder, "strict.ini");
      const run = (content: string) => {
        fs.writeFileSync(file, content);
        return Bun.spawnSync(["uwsgi", "--ini", file], {
          env: { PATH: path },
          cwd: folder,
          stderr: "pipe",
        });
      };
      const mark = join(folder, "strict.mark");
      fs.rmSync(mark, { force: true });
      const good = run(`${strictly(text)}exec-pre-jail = touch ${mark}\nexec-pre-jail = false\n`);
      expect([
        good.stderr.toString().match(/unknown config directive.*/)?.[0],
        fs.existsSync(mark),
      ]).toEqual([undefined, true]);
    },
  );
}

withUwsgi(
  "the real uWSGI (skipped where there is none) would tell of an option that it does not know",
  () => {
    const file = join(folder, "unknown.ini");
    fs.writeFileSync(file, "[uwsgi]\nno-such-thing = 1\nstrict = true\nexec-pre-jail = false\n");
    const ran = Bun.spawnSync(["uwsgi", "--ini", file], {
      env: { PATH: path },
      cwd: folder,
      stderr: "pipe",
    });
    expect(ran.stderr.toString()).toContain("no-such-thing");
  },
);

withUwsgi(
  "the real uWSGI (skipped where there is none) gives 600 escaped values to the letter",
  () => {
    const random = Object.entries(randomSettings(600, nasty, 5));
    const refused = random.filter(([, value]) => isRefused(value));
    expect(refused.length).toBeLessThan(100);
    expect(refused.filter(([, value]) => !value.includes("%("))).toEqual([]);
    const settings = Object.fromEntries(random.filter(([, value]) => !isRefused(value)));
    const got = environmentOf(
      "env",
      Object.entries(settings).map(([key, value]) => ["env", `${key}=${escapeValue(value, key)}`]),
    );
    expect(Object.fromEntries(Object.keys(settings).map((key) => [key, got[key]]))).toEqual(
      settings,
    );
  },
);

withUwsgi(
  "the real uWSGI (skipped where there is none) gives 600 values as a wsgi worker gets them",
  () => {
    const random = {
      ...randomSettings(600, [...nasty, "\x01", "\x0c", "\x0b", "\x7f", "%(uid)"], 6),
      EMPTY: "",
      BIG: "x(%".repeat(33_000),
      TRAILING: "%d ( ",
      LEADING: "  x",
      BLANK: " ",
    };
    const settings: Settings = Object.fromEntries(
      Object.entries(random).filter(([, value]) => !/[ \t]$/.test(value) || !isRefused(value)),
    );
    expect(Object.keys(settings).length).toBeGreaterThan(500);
    const envdir = join(folder, "envdir");
    fs.mkdirSync(envdir);
    for (const [name, content] of Object.entries(envdirFiles(settings)))
      fs.writeFileSync(join(envdir, name), content);
    const pairs = vassalPairs(app, workerOf({ kind: "wsgi", settings }), user).filter(
      ([key]) => key === "env",
    );
    expect(pairs.length).toBeGreaterThan(15);
    const got = environmentOf("envdir", [
      ["envdir", envdir],
      ...pairs.map(([key, value]): [string, string] => [key, String(value)]),
    ]);
    expect(Object.fromEntries(Object.keys(settings).map((key) => [key, got[key]]))).toEqual(
      settings,
    );
  },
);

test.each([
  ["python3 app.py", "exec python3 app.py"],
  ["A=1 B=x/y python3 app.py --port $PORT", "A=1 B=x/y exec python3 app.py --port $PORT"],
  ["gunicorn app:app -b 127.0.0.1:${PORT}", "exec gunicorn app:app -b 127.0.0.1:${PORT}"],
  ["node 'my app.js' # note", "exec node 'my app.js' # note"],
  ["./run", "exec ./run"],
  ["A='x y' python3 app.py", "A='x y' python3 app.py"],
  ["A=$B python3 app.py", "A=$B python3 app.py"],
  ["A=1", "A=1"],
  ["A=1 ", "A=1 "],
  ["cd x && y", "cd x && y"],
  ["a; b", "a; b"],
  ["a | b", "a | b"],
  ["a &", "a &"],
  ["a > log 2>&1", "a > log 2>&1"],
  ["(a)", "(a)"],
  ["{ a; }", "{ a; }"],
  ["if a; then b; fi", "if a; then b; fi"],
  ["exec a", "exec a"],
  [". ./env.sh", ". ./env.sh"],
  ["! a", "! a"],
  ["$(which a) b", "$(which a) b"],
  ["`which a` b", "`which a` b"],
  ["while true", "while true"],
])("execLine: %s", (command, expected) => {
  expect(execLine(command)).toBe(expected);
});

/** An app in a real folder, with the folders that a launcher writes to. */
function realApp(name: string): App {
  const real = appBelow(join(folder, name));
  for (const dir of [real.tree, join(real.releases, "run-7")])
    fs.mkdirSync(dir, { recursive: true });
  return real;
}

const launch = (real: App, worker: Worker, env: Settings = {}) => {
  const { launcher } = filesOf(real, worker);
  fs.writeFileSync(launcher, renderLauncher(real, worker));
  const ran = Bun.spawnSync(["sh", launcher], { env: { PATH: path, ...env }, stderr: "pipe" });
  return {
    pid: ran.pid,
    status: ran.exitCode,
    stdout: ran.stdout.toString(),
    stderr: ran.stderr.toString(),
  };
};

test("a launcher's text", () => {
  const worker = workerOf({ command: "python3 app.py", settings: { A: "it's", PORT: "20001" } });
  expect(renderLauncher(app, worker)).toBe(`# Written by piku; changes are lost.
unset UWSGI_EMPEROR_FD UWSGI_RELOADS UWSGI_ORIGINAL_PROC_NAME
printf . >>/p/releases/blog/run-7/web.1.starts
echo $$ >/p/releases/blog/run-7/web.1.daemon
cd /p/apps/blog || exit 1
export A='it'\\''s'
export PORT='20001'
exec python3 app.py
`);
});

test("a launcher gives 500 settings to the letter, and becomes the command", () => {
  const settings = {
    ...randomSettings(500, [...nasty, "\x01", "\x7f", "\x0c"], 8),
    EMPTY: "",
    BIG: "x'".repeat(50_000),
    PATH: `${path}:/late`,
    IFS: ":",
    A: "1 ",
  };
  const real = realApp("exports");
  const ran = launch(real, workerOf({ command: "env -0", settings }), {
    UWSGI_RELOADS: "1",
    UWSGI_EMPEROR_FD: "3",
    INHERITED: "yes",
  });
  const { PWD, OLDPWD: _, ...got } = readEnvironment(ran.stdout);
  expect([PWD, got]).toEqual([real.tree, { ...settings, INHERITED: "yes" }]);
  const files = filesOf(real, workerOf({}));
  expect([files.daemon, files.starts].map((file) => fs.readFileSync(file, "utf8"))).toEqual([
    `${ran.pid}\n`,
    ".",
  ]);
});

test("a launcher that is started again says so", () => {
  const real = realApp("again");
  const worker = workerOf({ kind: "worker", command: "A=1 B=2 printenv A B" });
  expect(launch(real, worker).stdout).toBe("1\n2\n");
  expect(launch(real, worker).status).toBe(0);
  expect(fs.readFileSync(filesOf(real, worker).starts, "utf8")).toBe("..");
});

test.each([
  ["exit 3", 3],
  ["false || exit 4", 4],
  ["./no-such-command-here", 127],
])("a launcher ends as its command does: %s", (command, status) => {
  expect(launch(realApp("status"), workerOf({ command })).status).toBe(status);
});

test("a launcher without the app's folder starts nothing", () => {
  const real = realApp("gone");
  fs.rmSync(real.tree, { recursive: true });
  expect(launch(real, workerOf({ command: "echo started" }))).toEqual(
    expect.objectContaining({ status: 1, stdout: "" }),
  );
});

// Some shells hold these to be theirs, and end where they are set.
test.each(["UID", "EUID", "PPID", "OPTIND", "LINENO", "RANDOM", "_", "PS4", "ENV", "HISTSIZE"])(
  "a launcher lives with a setting called %s",
  (key) => {
    expect(
      launch(
        realApp("names"),
        workerOf({ command: "printenv DONE", settings: { [key]: "1", DONE: "yes" } }),
      ).stdout,
    ).toBe("yes\n");
  },
);

test.each([
  ["* * * * * a", ["-1 -1 -1 -1 -1"]],
  ["*/5 */2 * * * a", ["-5 -2 -1 -1 -1"]],
  ["0-55/5 * * * * a", ["-5 -1 -1 -1 -1"]],
  ["*/7 * * * * a", ["-7 -1 -1 -1 -1"]],
  ["*/45 * * * * a", ["-45 -1 -1 -1 -1"]],
  ["1-59/20 * * * * a", ["1 -1 -1 -1 -1", "21 -1 -1 -1 -1", "41 -1 -1 -1 -1"]],
  ["0 * * * * a", ["0 -1 -1 -1 -1"]],
  ["0 0 1 1 * a", ["0 0 1 1 -1"]],
  ["0 0 */15 * * a", ["0 0 1 -1 -1", "0 0 16 -1 -1", "0 0 31 -1 -1"]],
  ["0 6 * * 7 a", ["0 6 -1 -1 0"]],
  ["0 0 13 * 5 a", ["0 0 13 -1 5"]],
  ["0 0 1,15 * 5 a", ["0 0 -1 -1 -1"]],
  ["0 0 1 jan,jul * a", ["0 0 1 1 -1", "0 0 1 7 -1"]],
])("cronTimes: %s", (line, times) => {
  expect(cronTimes(parseCron(line, ""))).toEqual(times);
});

const day = 86_400_000;
const start = Date.UTC(2023, 11, 20);
const dates = Array.from({ length: 75 }, (_, i) => new Date(start + i * day));

/**
 * Whether uWSGI runs a job on a day (its core/master_utils.c: -n is every n-th; the two days count
 * either way when both are numbers).
 */
function uwsgiRunsOn(time: string, date: Date): boolean {
  const [, , mday, month, wday] = time.split(" ").map(Number);
  const fits = (wanted: number, value: number) =>
    wanted < 0 ? value % -wanted === 0 : value === wanted;
  const [fitsDay, fitsWeek] = [fits(mday!, date.getUTCDate()), fits(wday!, date.getUTCDay())];
  return (
    fits(month!, date.getUTCMonth() + 1) &&
    (mday! >= 0 && wday! >= 0 ? fitsDay || fitsWeek : fitsDay && fitsWeek)
  );
}

// A `date` in front of the real one, so that a launcher believes what day it is.
const fakeBin = join(folder, "bin");
fs.mkdirSync(fakeBin);
fs.writeFileSync(
  join(fakeBin, "date"),
  `#!/bin/sh\nexec ${Bun.which("date")} -u -d "$TODAY" "$@"\n`,
  { mode: 0o755 },
);

/**
 * The days on which a cron worker's command runs: uWSGI's part by its rule, the launcher's by
 * running it.
 */
function daysOf(line: string): string[] {
  const cron = parseCron(`${line} echo ran`, "");
  const times = cronTimes(cron);
  const worker = workerOf({ kind: "cron", cron });
  const real = realApp("cron");
  return dates
    .filter((date) => times.some((time) => uwsgiRunsOn(time, date)))
    .map((date) => date.toISOString().slice(0, 10))
    .filter(
      (today) =>
        launch(real, worker, { PATH: `${fakeBin}:${path}`, TODAY: today }).stdout === "ran\n",
    );
}

test.each([
  "0 0 * * *",
  "0 0 13 * 5",
  "0 0 1,15 * 1",
  "0 0 1 * 0,3",
  "0 0 8-9 * 6,7",
  "0 0 31 1 1-5",
  "0 0 1-31/10 2 *",
  "0 0 * 2 mon-wed",
  "0 0 1-31 * 1",
  "0 0 29 2 0-6",
])("a cron job runs on the days of %s, as croner says", (line) => {
  const cron = new Reference(line, { timezone: "UTC", paused: true });
  expect(daysOf(line)).toEqual(
    dates.filter((date) => cron.match(date)).map((date) => date.toISOString().slice(0, 10)),
  );
});

// crontab(5), and the original: a field that begins with `*` does not name days, so both must fit.
test.each([
  ["0 0 */10 * 1", ["2024-01-01"]],
  ["0 0 1-9 * */6", ["2024-01-06", "2024-01-07"]],
])("a cron job runs on the days that fit both: %s", (line, expected) => {
  expect(daysOf(line).filter((date) => date.startsWith("2024-01"))).toEqual(expected);
});

test("a cron job's launcher", () => {
  const worker = workerOf({
    kind: "cron",
    command: "0 0 1,15 * 1 a; b",
    cron: parseCron("0 0 1,15 * 1 a; b", ""),
    settings: { A: "1" },
  });
  expect(renderLauncher(app, worker)).toBe(`# Written by piku; changes are lost.
unset UWSGI_EMPEROR_FD UWSGI_RELOADS UWSGI_ORIGINAL_PROC_NAME
set -- $(date '+%-H %-d %-m %w')
{ { case ,1,15, in *,$2,*) ;; *) false ;; esac; } || case ,1, in *,$4,*) ;; *) false ;; esac; } || exit 0
cd /p/apps/blog || exit 1
export A='1'
a; b
`);
});
