import { type App, printable } from "../app/app.ts";
import type { Paths } from "../app/paths.ts";
import { type Cron, isCron } from "../app/procfile.ts";
import { type Settings, wholeNumberIn } from "../app/settings.ts";
import { PikuError } from "../text/errors.ts";
import { shellQuote } from "../text/text.ts";

/** Who may write to a worker's socket, and so run code as its app: piku's user, and its nginx; or the group of a shared nginx as well. */
export type SocketMode = "600" | "660";

/** One process of an app, as one generation of it runs. */
export interface Worker {
  kind: string;
  ordinal: number;
  /** What the Procfile says. */
  command: string;
  /** The number of the release that it belongs to. */
  release: number;
  /** What it gets, `PORT` and `PROC_TYPE` included. */
  settings: Settings;
  /** Where it answers http: a port of an address, a socket of its own, or nothing. */
  listen?: { address: string; port: number } | { socket: string; mode: SocketMode };
  /** The site's name, for a worker that nginx sends requests to: it must listen to be healthy. */
  site?: string;
  /** A path that must answer before it is healthy (PIKU_HEALTHCHECK). */
  healthcheck?: string;
  /** When it runs, for a cron worker. */
  cron?: Cron;
  /** The folder of its dependencies, for uWSGI's Python plugin. */
  virtualenv?: string;
  /** Whether the app brings a php.ini, which takes the place of the server's. */
  phpIni?: boolean;
  /** Options of uWSGI that the app adds (UWSGI_INCLUDE_FILE). */
  options?: readonly Pair[];
}

/** One line of a vassal's file; keys may come several times. */
export type Pair = readonly [key: string, value: string | number];

/** The name of a worker's file among the vassals: a new one each generation, since the emperor delays a name that it has seen end. */
export const vassalName = (app: string, { kind, ordinal, release }: Pick<Worker, "kind" | "ordinal" | "release">) =>
  `${app}_${kind}.${ordinal}-${release}.ini`;

/** A vassal's file, ours or the original's (which has no release in its name). */
export interface Vassal {
  file: string;
  app: string;
  kind: string;
  ordinal: number;
  release?: number;
}

/**
 * Whose worker a vassal's file is: its `project =` line says, else its name read from the right, never a prefix, so
 * that `foo` is not taken for `foo_bar`. Undefined for a file that is no vassal of piku's.
 */
export function parseVassal(file: string, content: string): Vassal | undefined {
  const [, owner, ordinal, release] = /^(.+)\.(\d+)(?:-(\d+))?\.ini$/.exec(file) ?? [];
  if (owner === undefined || !/._./.test(owner)) return undefined;
  const project = /^project[ \t]*=[ \t]*(\S+)[ \t]*$/m.exec(content)?.[1];
  const [app, kind] =
    project !== undefined && owner.startsWith(`${project}_`)
      ? [project, owner.slice(project.length + 1)]
      : [owner.slice(0, owner.lastIndexOf("_")), owner.slice(owner.lastIndexOf("_") + 1)];
  if (!app || !kind) return undefined;
  return { file, app, kind, ordinal: Number(ordinal), release: release === undefined ? undefined : Number(release) };
}

/** The files of one generation, below `releases/<app>/run-<release>`. */
export function filesOf(app: App, { kind, ordinal, release }: Pick<Worker, "kind" | "ordinal" | "release">) {
  const folder = runFolder(app, release);
  const base = `${folder}/${kind}.${ordinal}`;
  return {
    vassal: `${app.paths.enabled}/${vassalName(app.name, { kind, ordinal, release })}`,
    /** A copy of the vassal, from which a stopped one is brought back. */
    copy: `${folder}/${vassalName(app.name, { kind, ordinal, release })}`,
    launcher: `${base}.sh`,
    envdir: `${base}.env`,
    /** uWSGI's own process, written when it starts. */
    master: `${base}.pid`,
    /** The process that the launcher became. */
    daemon: `${base}.daemon`,
    /** A byte for each time that it was started, by the launcher or by uWSGI. */
    starts: `${base}.starts`,
    /** Written when the app is loaded and accepts. */
    ready: `${base}.ready`,
    /** A second socket of a wsgi worker, which speaks http, for its health check. */
    http: `${app.paths.sockets}/${app.name}.${ordinal}-${release}.http`,
    log: `${app.logs}/${kind}.${ordinal}.log`,
  };
}

/** The folder with the files of one generation. */
export const runFolder = (app: App, release: number) => `${app.releases}/run-${release}`;

/** A worker's own socket, of one generation; and the link that nginx follows to the live one. */
export const socketOf = (app: App, ordinal: number, release: number) =>
  `${app.paths.sockets}/${app.name}.${ordinal}-${release}.sock`;
export const socketLink = (app: App, ordinal: number) => `${app.paths.sockets}/${app.name}.${ordinal}.sock`;

/** What nginx looks for to send a `web` app's requests to its second set of ports. */
export const slotFlag = (app: App) => `${app.paths.sockets}/${app.name}.b`;

/** What uWSGI is told to run for each kind whose app runs inside of it; everything else is a program below a launcher. */
const programs: Record<string, (app: App, worker: Worker) => Pair[]> = {
  wsgi: (_, { command, virtualenv, settings }) => [
    ["plugin", "python3"],
    ...(virtualenv ? [["virtualenv", virtualenv] as const] : []),
    ["module", escapeValue(command, "the wsgi worker's command")],
    ...concurrency(settings),
    ...mustLoad,
  ],
  jwsgi: (app, { command, settings }) => [
    ["plugin", "0:jvm"],
    ["plugin", "0:jwsgi"],
    ...classpath(app),
    ["jwsgi", escapeValue(command, "the jwsgi worker's command")],
    ...threads(settings),
  ],
  // Without threads: Ruby's plugin dies with them.
  rwsgi: (_, { command }) => [
    ["plugin", "0:rack"],
    ["rack", escapeValue(command, "the rwsgi worker's command")],
    // Rack reads a request's body more than once.
    ["post-buffering", 8192],
    ...mustLoad,
  ],
  php: (app, { command, phpIni }) => {
    const folder = escapeValue(
      `${app.tree}/${command}`.replace(/\/+/g, "/").replace(/\/$/, ""),
      "the php worker's folder",
    );
    return [
      ["plugin", "0:php"],
      ...(phpIni ? [["php-ini", `${app.tree}/php.ini`] as const] : []),
      ["check-static", folder],
      ["static-skip-ext", ".php"],
      ["static-skip-ext", ".inc"],
      ["static-index", "index.html"],
      ["php-docroot", folder],
      ["php-allowed-ext", ".php"],
      ["php-index", "index.php"],
    ];
  },
};

/** What serves several requests in one process of Python instead of threads, by the setting that says how many. */
const engines = [
  { setting: "UWSGI_GEVENT", plugin: "gevent_python3", option: "gevent" },
  { setting: "UWSGI_ASYNCIO", plugin: "asyncio_python3", option: "async" },
] as const;

function concurrency(settings: Settings): Pair[] {
  const [engine, other] = engines.filter(({ setting }) => count(settings, setting) > 0);
  if (engine && other) {
    throw new PikuError(
      `${engine.setting} and ${other.setting} cannot both be set`,
      "one of them says how requests run at the same time; config:unset the other",
    );
  }
  return [
    ...(engine
      ? ([
          ["plugin", engine.plugin],
          [engine.option, count(settings, engine.setting)],
          enableThreads(settings),
        ] as const)
      : threads(settings)),
  ];
}

const threads = (settings: Settings): Pair[] => [
  ["threads", wholeNumber(settings, "UWSGI_THREADS")],
  enableThreads(settings),
];

const enableThreads = (settings: Settings): Pair => [
  "enable-threads",
  /^(false|0|no|off)$/i.test(settings.UWSGI_ENABLE_THREADS ?? "") ? "false" : "true",
];

/** Where Java finds classes: uWSGI's own, then the app's folder and what Maven or Gradle made in it. uWSGI looks for jars when it starts. */
const classpath = ({ tree }: App): Pair[] => [
  ["jvm-classpath", "/usr/share/java/uwsgi.jar"],
  ["jvm-classpath", tree],
  ["jvm-classpath", `${tree}/target/classes`],
  ["jvm-classpath", `${tree}/build/classes/java/main`],
  ...["target", "target/dependency", "build/libs"].flatMap((folder): Pair[] => [
    ["for-glob", `${tree}/${folder}/*.jar`],
    ["jvm-classpath", "%(_)"],
    ["endfor", ""],
  ]),
];

/** Kinds whose app is loaded by each process for itself, not by uWSGI's master before it makes them. */
export const loadsLate = (kind: string) => kind === "jwsgi";

/** The path that must answer before a worker is healthy; any answer will do for an app that only a request loads. */
export const askedPath = ({ kind, settings, healthcheck }: Worker): string | undefined =>
  healthcheck ?? (loadsLate(kind) && count(settings, "UWSGI_IDLE") > 0 ? "/" : undefined);

/** An app that cannot be loaded ends the process, instead of an answer 500 to everything. */
const mustLoad: Pair[] = [["need-app", "true"]];

/** Whether the app of this kind runs inside uWSGI. */
export const isInside = (kind: string) => Object.hasOwn(programs, kind);

// Once each a placeholder that stands for `(`, and one that stands for nothing (after a trailing blank).
const placeholders = "set-placeholder = pikunil=\nset-placeholder = pikulp=(\n";

/**
 * A value that uWSGI takes as it is: its ini files know `%d`, `%(name)`, `$(VAR)` and `@(exec://…)`, which are told
 * from text by their `(` and `%`. Throws for control characters, and for the one form that cannot be written.
 */
export function escapeValue(value: string, what: string): string {
  if (/[\x00-\x08\x0a-\x1f\x7f]/.test(value)) throw new PikuError(`${what} has a control character in it`);
  const from = value.indexOf("%(");
  const to = value.indexOf(")", from);
  if (from >= 0 && to >= 0)
    throw new PikuError(
      `${what} has '${printable(value.slice(from, to + 1))}' in it, which uWSGI would replace`,
      "write it without the brackets, or take the trailing blank away",
    );
  const escaped = value.replaceAll("%", "%%").replaceAll("(", "%(pikulp)");
  return /[ \t]$/.test(escaped) ? `${escaped}%(pikunil)` : escaped;
}

/** The text of a vassal's file. */
export const renderVassal = (pairs: readonly Pair[]) =>
  `[uwsgi]\n; Written by piku; changes are lost.\n${pairs.map(([key, value]) => `${key} = ${value}\n`).join("")}${placeholders}`;

/** Values that uWSGI's envdir cannot carry: it cuts blanks at their end. */
const cutByEnvdir = (value: string) => /[ \t]$/.test(value);

/** The files of a wsgi worker's envdir: a name each, the value and a line break. */
export const envdirFiles = (settings: Settings): Settings =>
  Object.fromEntries(
    Object.entries(settings).flatMap(([key, value]) => (cutByEnvdir(value) ? [] : [[key, `${value}\n`]])),
  );

/** What the original takes for an app that does not say otherwise; and in seconds how long a process may take to end, and to be healthy. */
const usual = {
  UWSGI_LISTEN: "48",
  UWSGI_LOG_MAXSIZE: "1048576",
  UWSGI_MAX_REQUESTS: "1024",
  UWSGI_PROCESSES: "2",
  UWSGI_THREADS: "4",
  PIKU_GRACE: "30",
  PIKU_HEALTHCHECK_TIMEOUT: "60",
};

/** Milliseconds that a process has for its last requests, once it is told to end. */
export const graceOf = (settings: Settings) => 1000 * wholeNumber(settings, "PIKU_GRACE");

/** One of these settings. Throws for one that is no whole number. */
export const wholeNumber = (settings: Settings, key: keyof typeof usual) => wholeNumberIn(settings, usual, key);

/** A setting that is a whole number; 0 where it is not set. Throws for one that is none. */
const count = (settings: Settings, key: string) =>
  key in settings ? wholeNumberIn(settings, { [key]: "60" }, key) : 0;

/** Where Debian keeps uWSGI's plugins; elsewhere only uWSGI itself knows. */
export const pluginFolder = "/usr/lib/uwsgi/plugins";

/** Plugins that Debian has in packages of their own. */
const packages: Record<string, string> = {
  asyncio_python3: "uwsgi-plugin-asyncio-python3",
  gevent_python3: "uwsgi-plugin-gevent-python3",
  jvm: "uwsgi-plugin-jvm-openjdk-17",
  jwsgi: "uwsgi-plugin-jwsgi-openjdk-17",
  php: "uwsgi-plugin-php",
};

/** Refuses a vassal that asks for a plugin which is none of those `installed` in `pluginFolder`. */
export function refuseMissingPlugins(pairs: readonly Pair[], installed: readonly string[]): void {
  const asked = pairs.flatMap(([key, value]) => (key === "plugin" ? [String(value).split(":").at(-1)!] : []));
  const missing = asked.find((name) => Object.hasOwn(packages, name) && !installed.includes(`${name}_plugin.so`));
  if (missing)
    throw new PikuError(
      `uWSGI's plugin '${missing}' is not installed on the server`,
      `on the server: sudo apt install ${packages[missing]}`,
    );
}

const logFormat =
  '%%(addr) - %%(user) [%%(ltime)] "%%(method) %%(uri) %%(proto)" %%(status) %%(size) "%%(referer)" "%%(uagent)" %%(msecs)ms';

// In front of each piece of text that uWSGI gets: pieces are no lines, so that a mark must tell where one begins (logs.ts).
// biome-ignore lint/suspicious/noTemplateCurlyInString: it is uWSGI that fills it in.
const timed: Pair = ["log-encoder", "format \x1e${strftime:%%Y-%%m-%%dT%%H:%%M:%%S%%z} ${msgnl}"];

/** The lines of a worker's vassal, in the original's order and with its defaults. */
export function vassalPairs(app: App, worker: Worker, user: { uid: number }): Pair[] {
  const { kind, settings } = worker;
  const files = filesOf(app, worker);
  return [
    ["chdir", app.tree],
    // uWSGI takes a 0 for a name; root has nothing to give up anyway. No `gid`: one that is not the emperor's would keep the worker from
    // starting, and the group of piku's user changes when its nginx becomes its own.
    ...(user.uid > 0 ? ([["uid", user.uid]] as const) : []),
    ["master", "true"],
    ["project", app.name],
    ["procname-prefix", `${app.name}:${kind}:`],
    ["pidfile", files.master],
    ["log-maxsize", wholeNumber(settings, "UWSGI_LOG_MAXSIZE")],
    ["logfile-chmod", "640"],
    ["logto2", files.log],
    ["log-backupname", `${files.log}.old`],
    timed,
    // How long a process may take to end once it is told to.
    ["reload-mercy", wholeNumber(settings, "PIKU_GRACE")],
    ...(isInside(kind)
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
  const idle = count(settings, "UWSGI_IDLE");
  const trailing = Object.entries(settings).filter(([, value]) => cutByEnvdir(value));
  const program = programs[kind]!(app, worker);
  return [
    ...program,
    ...renewal(settings, program),
    ["listen", wholeNumber(settings, "UWSGI_LISTEN")],
    ["processes", wholeNumber(settings, "UWSGI_PROCESSES")],
    // A request wakes one process instead of all: a tenth of its cost (uWSGI's documentation: "Serializing accept()").
    ["thunder-lock", "true"],
    // Without the original's `die-on-idle`: the emperor starts a master that died at once, with the app loaded, so
    // nothing is gained, and requests of the second in between are lost.
    ...(idle > 0
      ? ([
          ["cheap", "true"],
          ["idle", idle],
        ] as const)
      : []),
    ["log-x-forwarded-for", /^(true|1|yes|on)$/i.test(settings.UWSGI_LOG_X_FORWARDED_FOR ?? "") ? "true" : "false"],
    ["log-format", logFormat],
    ...(listen && "socket" in listen
      ? ([
          ["socket", listen.socket],
          ["chmod-socket", listen.mode],
        ] as const)
      : listen
        ? [["http-socket", `${listen.address}:${listen.port}`] as const]
        : []),
    ...(askedPath(worker) && listen && "socket" in listen ? [["http-socket", files.http] as const] : []),
    // A cheap app has no process that accepts before the first request, but it is loaded by then.
    [idle > 0 ? "hook-post-app" : "hook-accepting1-once", `write:${files.ready} ready`],
    ["hook-asap", `append:${files.starts} .`],
    ["envdir", files.envdir],
    ...trailing.map(([key, value]) => ["env", `${key}=${escapeValue(value, `the value of ${key}`)}`] as const),
  ];
}

/**
 * After how many requests a process makes room for a new one. With threads only where the app asks for it: two threads that
 * reach the number at once wait for each other in uWSGI 2.0 (wait_for_threads), and nobody is answered until the mercy has passed.
 */
function renewal(settings: Settings, program: readonly Pair[]): Pair[] {
  const isThreaded = program.some(([key, value]) => key === "threads" && value !== 1);
  if (!isThreaded) return [["max-requests", wholeNumber(settings, "UWSGI_MAX_REQUESTS")]];
  return settings.UWSGI_MAX_REQUESTS === undefined
    ? []
    : [
        ["max-requests", wholeNumber(settings, "UWSGI_MAX_REQUESTS")],
        ["worker-reload-mercy", wholeNumber(settings, "PIKU_GRACE")],
      ];
}

// uWSGI hands programs a datagram socket for their output, and Node writes nothing at all to one of those.
const streamed: Pair = ["log-master-stream", "true"];

/** Without `exec` the shell that uWSGI starts stays in between, and what it started is left on the port when it ends. */
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

const mostTimes = 100;

/** What of a cron line uWSGI is told, and what the launcher looks at. */
function divideCron(cron: Cron): { told: number[][]; looked: Partial<Cron> } {
  const { day, weekday, month, hour, bothDays } = cron;
  // uWSGI takes either day where both are given, which is right for one of each unless both must fit.
  const apart = day && weekday && (bothDays || day.length + weekday.length > 2);
  const any = [-1];
  const minutes = uwsgiField(cron.minute, 60);
  const told = [minutes, uwsgiField(hour, 24), (!apart && day) || any, month ?? any, (!apart && weekday) || any];
  if (told.reduce((product, values) => product * values.length, 1) <= mostTimes) {
    return { told, looked: apart ? { day, weekday } : {} };
  }
  return { told: [minutes, any, any, any, any], looked: cron };
}

/** The values of a field that counts from 0, as -n where they are every n-th of `size`. */
function uwsgiField(values: number[] | undefined, size: number): number[] {
  if (!values) return [-1];
  const step = values[1] ?? 0;
  const isStep =
    values[0] === 0 &&
    step > 1 &&
    values.length === Math.ceil(size / step) &&
    values.every((value, i) => value === i * step);
  return isStep ? [-step] : values;
}

/**
 * The times of a cron worker as uWSGI writes them: five numbers, -1 for any and -n for every n. uWSGI knows no lists, so
 * a line becomes as many as it takes; where that were too many, or uWSGI cannot say it, the launcher looks at the rest.
 */
export const cronTimes = (cron: Cron): string[] =>
  divideCron(cron).told.reduce<string[]>(
    (times, field) => times.flatMap((time) => field.map((value) => `${time} ${value}`.trim())),
    [""],
  );

/** Shell lines that end a cron job at a time that uWSGI alone could not tell from a right one. */
export function cronGuard(cron: Cron): string {
  const { hour, day, month, weekday } = divideCron(cron).looked;
  const fits = (values: number[], field: string) => `case ,${values.join(",")}, in *,${field},*) ;; *) false ;; esac`;
  const [hours, days, months, weekdays] = [hour, day, month, weekday].map(
    (values, i) => values && fits(values, `$${i + 1}`),
  );
  const either = days && weekdays && !cron.bothDays ? [`{ ${days}; } || ${weekdays}`] : [days, weekdays];
  const tests = [hours, months, ...either].filter((test) => test !== undefined);
  return tests.length === 0
    ? ""
    : `set -- $(date '+%-H %-d %-m %w')\n${tests.map((test) => `{ ${test}; } || exit 0\n`).join("")}`;
}

// Words that `exec` cannot stand in front of, and characters that make a line more than one simple command.
const shellWords =
  /^(\.|:|!|\[|\{|\(|alias|break|case|cd|command|continue|eval|exec|exit|export|for|if|read|readonly|return|set|shift|source|test|time|times|trap|ulimit|umask|unset|until|wait|while)$/;
const compound = /[;&|<>()`\n]/;

/** A Procfile command such that its process is the one that uWSGI signals, where the line is one simple command. */
export function execLine(command: string): string {
  const [, assignments = "", rest = ""] = /^((?:[A-Za-z_]\w*=[^\s'"$]*\s+)*)(.*)$/s.exec(command) ?? [];
  const first = rest.split(/\s/)[0]!;
  const simple = !compound.test(command) && first !== "" && !shellWords.test(first) && !/^[A-Za-z_]\w*=/.test(first);
  return simple ? `${assignments}exec ${rest}` : command;
}

/**
 * The shell script below which a daemon or a cron job runs. It gives it exactly its settings, notes its process, and
 * becomes it. The Procfile's command is the only text in it that the shell interprets.
 */
export function renderLauncher(app: App, worker: Worker): string {
  const files = filesOf(app, worker);
  const exports = Object.entries(worker.settings).map(
    ([key, value]) => `export ${key}='${value.replaceAll("'", `'\\''`)}'\n`,
  );
  // A second start means that the process has ended.
  const note = `printf . >>${files.starts}\necho $$ >${files.daemon}\n`;
  const command = worker.cron ? worker.cron.command : execLine(worker.command);
  return [
    "# Written by piku; changes are lost.\n",
    "unset UWSGI_EMPEROR_FD UWSGI_RELOADS UWSGI_ORIGINAL_PROC_NAME\n",
    worker.cron ? cronGuard(worker.cron) : note,
    // Before the settings: it sets PWD and OLDPWD, which may be among them.
    `cd ${shellQuote(app.tree)} || exit 1\n`,
    ...exports,
    `${command}\n`,
  ].join("");
}

/** The emperor's own file: nothing but what an emperor needs, since a board has little memory. */
export const renderEmperor = (paths: Paths) =>
  renderVassal([
    ["chdir", paths.uwsgi],
    ["emperor", paths.enabled],
    ["emperor-pidfile", emperorPidfile(paths)],
    // The emperor kills a vassal that takes longer to end than this; a worker's own grace is shorter.
    ["emperor-curse-tolerance", 3600],
    ["emperor-graceful-shutdown", "true"],
    ["emperor-no-blacklist", "true"],
    // log-maxsize would need a master process beside it, of 3 MB; `piku daily` looks after the log instead.
    ["logto", emperorLog(paths)],
  ]);

/** Where the emperor writes its process's number, and its log. */
export const emperorPidfile = (paths: Paths) => `${paths.uwsgi}/emperor.pid`;

export const emperorLog = (paths: Paths) => `${paths.uwsgi}/uwsgi.log`;
