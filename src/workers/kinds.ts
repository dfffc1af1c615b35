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
export const programs: Record<string, (app: App, worker: Worker) => Pair[]> = {
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

/** Debian's folder of uWSGI plugins; on other distributions only uWSGI itself knows. */
export const pluginFolder = "/usr/lib/uwsgi/plugins";

/** Plugins for which Debian has separate packages. */
const packages: Record<string, string> = {
  asyncio_python3: "uwsgi-plugin-asyncio-python3",
  gevent_python3: "uwsgi-plugin-gevent-python3",
  jvm: "uwsgi-plugin-jvm-openjdk-17",
  jwsgi: "uwsgi-plugin-jwsgi-openjdk-17",
  php: "uwsgi-plugin-php",
};

/** Refuses a vassal whose plugin is not among those `installed` in `pluginFolder`. */
export function refuseMissingPlugins(pairs: readonly Pair[], installed: readonly string[]): void {
  const asked = pairs.flatMap(([key, value]) =>
    key === "plugin" ? [String(value).split(":").at(-1)!] : [],
  );
  const missing = asked.find(
    (name) => Object.hasOwn(packages, name) && !installed.includes(`${name}_plugin.so`),
  );
  if (missing)
    throw new PikuError(
      `uWSGI's plugin '${missing}' is not installed on the server`,
      `on the server: sudo apt install ${packages[missing]}`,
    );
}
