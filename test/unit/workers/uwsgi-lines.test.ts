import { expect, test } from "bun:test";
import { withoutUwsgi } from "../../../src/workers/log-lines.ts";
import { saidByApp } from "../../../src/workers/logs.ts";
import { isOfUwsgi } from "../../../src/workers/uwsgi-lines.ts";

const run = "/home/piku/.piku/releases/blog/run-7";

// As uWSGI 2.0.21 and 2.0.28 of Debian print them.
const ofUwsgi = [
  "*** Operational MODE: preforking+threaded ***",
  "WSGI app 0 (mountpoint='') ready in 0 seconds on interpreter 0x7f823255fad8 pid: 3430 (default app)",
  "*** uWSGI is running in multiple interpreter mode ***",
  "spawned uWSGI master process (pid: 3430)",
  "spawned uWSGI worker 1 (pid: 3431, cores: 4)",
  "spawned uWSGI worker 1 (and the only) (pid: 3431, cores: 1)",
  `running "write:${run}/wsgi.1.ready ready" (accepting1-once)...`,
  `running "write:${run}/wsgi.1.ready ready" (post app)...`,
  "Thu Nov 26 10:21:11 2026 - received message 2 from emperor",
  "received message 2 from emperor",
  "Thu Nov  6 10:21:11 2026 - graceful shutdown triggered...",
  "Gracefully killing worker 1 (pid: 3431)...",
  "worker 1 buried after 1 seconds",
  "goodbye to uWSGI.",
  '127.0.0.1 - - [26/Nov/2026:11:10:29 +0000] "GET / HTTP/1.1" 200 67 "-" "piku" 0ms',
  "[deadlock-detector] a process holding a robust mutex died. recovering...",
  "Respawned uWSGI worker 2 (new pid: 99)",
  "...The work of process 12 is done. Seeya!",
  "...brutally killing workers...",
  "announcing my loyalty to the Emperor...",
  "workers have been inactive for more than 2 seconds (1795688467-1795688464)",
  "cheap mode enabled: waiting for socket connection...",
  "!!!!!!!!!!!!!! WARNING !!!!!!!!!!!!!!",
  "no request plugin is loaded, you will not be able to manage requests.",
  "you may need to install the package for your language of choice, or simply load it with --plugin.",
  "!!!!!!!!!!! END OF WARNING !!!!!!!!!!",
  `Thu Nov 26 10:21:01 2026 - [uwsgi-cron] running "exec sh ${run}/cron.1.sh" (pid 23389)`,
  `[uwsgi-cron] command "exec sh ${run}/cron.1.sh" running with pid 23389 exited after 0 second(s)`,
  `[uwsgi-daemons] throttling "exec sh ${run}/web.1.sh" for 1 seconds`,
  `[uwsgi-daemons] respawning "exec sh ${run}/web.1.sh" (uid: 0 gid: 0)`,
  `[uwsgi-daemons] stopping daemon (pid: 7679): exec sh ${run}/web.1.sh`,
];

test.each(ofUwsgi)("uWSGI's own: %s", (line) => {
  expect(isOfUwsgi(line)).toBe(true);
});

test.each([
  ...ofUwsgi.map((line) => `${line} said the app`),
  ...ofUwsgi.map((line) => `app: ${line}`),
  "",
  "WARNING",
  "goodbye to uWSGI",
  "spawned uWSGI master process",
  "machine: x86_64",
  'running "tests" (all)...',
  'running "write:/tmp/x ready" (post app)...',
  '[uwsgi-daemons] spawning "celery -A app" (uid: 0 gid: 0)',
  '[uwsgi-cron] running "backup.sh" (pid 1)',
  "DAMN ! worker 1 (pid: 3431) died, killed by signal 9 :( trying respawn ...",
  "*** HARAKIRI ON WORKER 1 (pid: 3431, try: 1) ***",
  '127.0.0.1 - - [26/Nov/2026:10:21:03 +0000] "GET / HTTP/1.1" 200 65 "-" "curl/7.88.1" 7ms',
  "\x1b[31mgoodbye to uWSGI.",
  "x".repeat(200_000),
])("the app's: %s", (line) => {
  expect(isOfUwsgi(line)).toBe(false);
});

test("of a log with all of uWSGI's lines the app's are left, with their times", () => {
  const at = (seconds: number) => `\x1e2026-11-25T12:00:0${seconds}+0000 `;
  const raw = [
    `${at(1)}a`,
    `${at(2)}${ofUwsgi[0]}`,
    ...ofUwsgi.slice(1),
    "b, in the same chunk",
    `${at(3)}${ofUwsgi[3]}`,
    `${at(4)}c`,
    ofUwsgi[9]!,
  ];
  expect(withoutUwsgi(raw)).toEqual({
    said: [`${at(1)}a`, `${at(2)}b, in the same chunk`, `${at(4)}c`],
    starting: [],
  });
});

test("a start that failed shows why and not how it began; of a refused push, too", () => {
  const banner = [
    "*** Starting uWSGI 2.0.21-debian (64bit) on [Thu Nov 26 10:19:52 2026] ***",
    "compiled with version: 12.2.0 on 19 May 2023 13:59:29",
    "os: Linux-6.18.44 #1 SMP @0",
    "nodename: vm",
    "machine: x86_64",
  ];
  const reason = "!!! UNABLE to load uWSGI plugin: cannot open shared object file !!!";
  expect(withoutUwsgi([...banner, reason, ...banner]).said).toEqual([reason]);
  expect(saidByApp([...banner, reason, ""].join("\n"))).toEqual([reason]);
  const loaded = [...banner, "*** Operational MODE: single process ***"];
  const over = [
    "unable to load app 0 (mountpoint='') (callable not found or import error)",
    "*** no app loaded. GAME OVER ***",
  ];
  expect(saidByApp([...loaded, "ModuleNotFoundError", ...over].join("\n"))).toEqual([
    "ModuleNotFoundError",
  ]);
  expect(saidByApp([...loaded, ...over].join("\n"))).toEqual(over);
});
