import type { App } from "../app/app.ts";
import type { Settings } from "../app/env-file.ts";
import { setting } from "../app/settings.ts";
import { PikuError } from "../text/errors.ts";
import { escapeValue, type Pair } from "./ini.ts";
import type { Worker } from "./worker.ts";

/**
 * The options for each kind whose app runs inside uWSGI; all other kinds are programs started by a
 * launcher.
 */
export const kindOptions: Record<string, (app: App, worker: Worker) => Pair[]> = {
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
  // No threads: Ruby's plugin crashes with them.
  rwsgi: (_, { command }) => [
    ["plugin", "0:rack"],
    ["rack", escapeValue(command, "the rwsgi worker's command")],
    // Rack rewinds the body of a request.
    ["post-buffering", 8192],
    ...mustLoad,
  ],
  php: (app, { command, phpIni, settings }) => {
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
      ["static-skip-ext", ".phtml"],
      ["static-index", "index.html"],
      ["php-docroot", folder],
      ["php-allowed-ext", ".php"],
      ["php-index", "index.php"],
      ...frontControllerOptions(folder, setting(settings, "NGINX_CATCH_ALL")),
    ];
  },
};

// biome-ignore lint/suspicious/noTemplateCurlyInString: it is uWSGI that fills it in.
const asked = "${PATH_INFO}";

/**
 * Sends what is no file or folder to the script that NGINX_CATCH_ALL names, as Apache does with a
 * front controller's `.htaccess`: SCRIPT_NAME is the script, and REQUEST_URI stays what was asked
 * for. uWSGI's `php-fallback` would leave the asked path in SCRIPT_NAME, which routers take for the
 * folder that the app lies in. `/other.php/path/info` keeps its way.
 */
function frontControllerOptions(folder: string, catchAll: string | undefined): Pair[] {
  const script = catchAll?.replace(/^\/?/, "/");
  if (!script?.endsWith(".php")) return [];
  // uWSGI takes a blank for the end of the condition.
  if (folder.includes(" ")) return [["php-fallback", `${folder}${script}`]];
  const run = `setpathinfo:${script}`;
  return [
    ...(script === "/index.php" ? [["route-if", `equal:${asked};/ ${run}`] as const] : []),
    ["route-if", `contains:${asked};.php/ last:`],
    ["route-if-not", `exists:${folder}${asked} ${run}`],
  ];
}

/**
 * What handles concurrent requests in a Python process instead of threads, by the setting that
 * enables it.
 */
const engines = [
  { name: "UWSGI_GEVENT", plugin: "gevent_python3", option: "gevent" },
  { name: "UWSGI_ASYNCIO", plugin: "asyncio_python3", option: "async" },
] as const;

function concurrency(settings: Settings): Pair[] {
  const [engine, other] = engines.filter(({ name }) => setting(settings, name) > 0);
  if (engine && other) {
    throw new PikuError(
      `${engine.name} and ${other.name} cannot both be set`,
      "one of them says how requests run at the same time; config:unset the other",
    );
  }
  return [
    ...(engine
      ? ([
          ["plugin", engine.plugin],
          [engine.option, setting(settings, engine.name)],
          enableThreads(settings),
        ] as const)
      : threads(settings)),
  ];
}

const threads = (settings: Settings): Pair[] => [
  ["threads", setting(settings, "UWSGI_THREADS")],
  enableThreads(settings),
];

const enableThreads = (settings: Settings): Pair => [
  "enable-threads",
  String(setting(settings, "UWSGI_ENABLE_THREADS")),
];

/**
 * Java's class path: uWSGI's own classes, the app's folder, and what Maven or Gradle built in it.
 * uWSGI lists the jars when it starts.
 */
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

/** If the app cannot be loaded uWSGI exits, instead of answering every request with 500. */
const mustLoad: Pair[] = [["need-app", "true"]];
