// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are the shell's.
import { expect, test } from "bun:test";
import * as fs from "node:fs";
import { join } from "node:path";
import { parseCron } from "../../../src/app/cron.ts";
import type { Settings } from "../../../src/app/env-file.ts";
import { escapeValue, renderVassal } from "../../../src/workers/ini.ts";
import { envdirFiles } from "../../../src/workers/launcher.ts";
import { vassalPairs } from "../../../src/workers/vassal.ts";
import type { Worker } from "../../../src/workers/worker.ts";
import {
  appBelow,
  nasty,
  path,
  randomSettings,
  readEnvironment,
  temporaryFolder,
  workerOf,
} from "./example.ts";

const app = appBelow("/p");
const user = { uid: 1000 };

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
static-skip-ext = .phtml
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

const folder = temporaryFolder();

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
