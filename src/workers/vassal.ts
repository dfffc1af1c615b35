import type { App } from "../app/app.ts";
import type { Settings } from "../app/env-file.ts";
import { isCron, isUwsgiKind } from "../app/procfile.ts";
import { setting } from "../app/settings.ts";
import { cronTimes } from "./cron.ts";
import { idleOf, onDemand } from "./idle.ts";
import { escapeValue, type Pair } from "./ini.ts";
import { kindOptions } from "./kinds.ts";
import { cutByEnvdir } from "./launcher.ts";
import { logMark } from "./log-lines.ts";
import { askedPath, filesOf, type SocketMode, type Worker } from "./worker.ts";

const logFormat =
  '%%(addr) - %%(user) [%%(ltime)] "%%(method) %%(uri) %%(proto)" %%(status) %%(size) "%%(referer)" "%%(uagent)" %%(msecs)ms';

// Chunks of output are not lines, so a mark tells where each begins.
// biome-ignore lint/suspicious/noTemplateCurlyInString: it is uWSGI that fills it in.
const stamped = "${strftime:%%Y-%%m-%%dT%%H:%%M:%%S%%z} ${msgnl}";
const timed: Pair = ["log-encoder", `format ${logMark}${stamped}`];

/** The lines of a worker's vassal, in the original's order and with its defaults. */
export function vassalPairs(app: App, worker: Worker, user: { uid: number }): Pair[] {
  const { kind, settings } = worker;
  const files = filesOf(app, worker);
  return [
    ["chdir", app.tree],
    // uWSGI takes a 0 for a name; root has nothing to give up anyway. No `gid`: one that is not the
    // emperor's would keep the worker from starting, and the group of piku's user changes when its
    // nginx becomes its own.
    ...(user.uid > 0 ? ([["uid", user.uid]] as const) : []),
    ["master", "true"],
    ["project", app.name],
    ["procname-prefix", `${app.name}:${kind}:`],
    ["pidfile", files.master],
    ["log-maxsize", setting(settings, "UWSGI_LOG_MAXSIZE")],
    ["logfile-chmod", "640"],
    ["logto2", files.log],
    ["log-backupname", `${files.log}.old`],
    timed,
    // How long a process may take to end once it is told to.
    ["reload-mercy", setting(settings, "PIKU_GRACE")],
    ...(isUwsgiKind(kind)
      ? insidePairs(app, worker)
      : isCron(kind)
        ? cronPairs(worker, files.launcher)
        : daemonPairs(files.launcher)),
    ...(worker.options ?? []),
  ];
}

function insidePairs(app: App, worker: Worker): Pair[] {
  const { kind, settings, listen } = worker;
  const files = filesOf(app, worker);
  const sleepsAfter = idleOf(worker);
  const idle = sleepsAfter > 0 ? 0 : setting(settings, "UWSGI_IDLE");
  const trailing = Object.entries(settings).filter(([, value]) => cutByEnvdir(value));
  const program = kindOptions[kind]!(app, worker);
  return [
    ...program,
    ...renewal(settings, program),
    ["listen", setting(settings, "UWSGI_LISTEN")],
    ["processes", setting(settings, "UWSGI_PROCESSES")],
    // A request wakes one process instead of all: a tenth of its cost (uWSGI's documentation:
    // "Serializing accept()").
    ["thunder-lock", "true"],
    // Without the original's `die-on-idle`: the emperor starts a master that died at once, with the
    // app loaded, so nothing is gained, and requests of the second in between are lost.
    ...(idle > 0
      ? ([
          ["cheap", "true"],
          ["idle", idle],
        ] as const)
      : []),
    ["log-x-forwarded-for", String(setting(settings, "UWSGI_LOG_X_FORWARDED_FOR"))],
    ["log-format", logFormat],
    ...(listen && "socket" in listen
      ? socketPairs(listen, sleepsAfter)
      : listen
        ? [["http-socket", `${listen.address}:${listen.port}`] as const]
        : []),
    ...(askedPath(worker) && listen && "socket" in listen
      ? [["http-socket", files.http] as const]
      : []),
    // A cheap app has no process that accepts before the first request, but it is loaded by then.
    [idle > 0 ? "hook-post-app" : "hook-accepting1-once", `write:${files.ready} ready`],
    // To be woken is not to be restarted.
    ["hook-asap", `${sleepsAfter > 0 ? "write" : "append"}:${files.starts} .`],
    ["envdir", files.envdir],
    ...trailing.map(
      ([key, value]) => ["env", `${key}=${escapeValue(value, `the value of ${key}`)}`] as const,
    ),
  ];
}

/**
 * The socket that nginx asks. One that sleeps gets its socket from the emperor, as descriptor 0, and
 * tells it when nobody has asked for so many seconds; where the emperor does not do that, it is a
 * worker like any other.
 */
function socketPairs(
  { socket, mode }: { socket: string; mode: SocketMode },
  sleepsAfter: number,
): Pair[] {
  const own: Pair[] = [
    ["socket", socket],
    ["chmod-socket", mode],
  ];
  if (sleepsAfter === 0) return own;
  return [
    ["if-env", onDemand],
    ["idle", sleepsAfter],
    ["die-on-idle", "true"],
    ["endif", ""],
    ["if-not-env", onDemand],
    ...own,
    ["endif", ""],
  ];
}

/**
 * After how many requests a process makes room for a new one. With threads only where the app asks
 * for it: two threads that reach the number at once wait for each other in uWSGI 2.0
 * (wait_for_threads), and nobody is answered until the mercy has passed.
 */
function renewal(settings: Settings, program: readonly Pair[]): Pair[] {
  const isThreaded = program.some(([key, value]) => key === "threads" && value !== 1);
  if (!isThreaded) return [["max-requests", setting(settings, "UWSGI_MAX_REQUESTS")]];
  return settings.UWSGI_MAX_REQUESTS === undefined
    ? []
    : [
        ["max-requests", setting(settings, "UWSGI_MAX_REQUESTS")],
        ["worker-reload-mercy", setting(settings, "PIKU_GRACE")],
      ];
}

// uWSGI hands programs a datagram socket for their output, and Node writes nothing at all to one of
// those.
const streamed: Pair = ["log-master-stream", "true"];

/**
 * Without `exec` the shell that uWSGI starts stays in between, and what it started is left on the
 * port when it ends.
 */
const daemonPairs = (launcher: string): Pair[] => [
  ["processes", 0],
  streamed,
  ["attach-daemon", `exec sh ${launcher}`],
];

const cronPairs = (worker: Worker, launcher: string): Pair[] => [
  ["processes", 0],
  streamed,
  ...cronTimes(worker.cron!).map((time) => ["cron", `${time} exec sh ${launcher}`] as const),
];
