import type { Host } from "../host/host.ts";
import { PikuError } from "../text/errors.ts";
import type { Pair } from "./ini.ts";

/** Debian's folder of uWSGI plugins; on other distributions only uWSGI itself knows. */
const pluginFolder = "/usr/lib/uwsgi/plugins";

/**
 * Plugins that a Procfile or a setting asks for, and the packages of Debian and Ubuntu that have
 * them: their names change with the release (bookworm: uwsgi-plugin-rack-ruby3.1, trixie:
 * uwsgi-plugin-ruby). `usual` is trixie's name, for where apt does not know.
 */
const pluginPackages: Record<string, { usual: string; pattern: RegExp }> = {
  python3: { usual: "uwsgi-plugin-python3", pattern: /-plugin-python3$/ },
  asyncio_python3: { usual: "uwsgi-plugin-python3", pattern: /-plugin-asyncio-python3$/ },
  gevent_python3: { usual: "uwsgi-plugin-gevent-python3", pattern: /-plugin-gevent-python3$/ },
  jvm: { usual: "uwsgi-plugin-java", pattern: /-plugin-(java|jvm-openjdk-\d+)$/ },
  jwsgi: { usual: "uwsgi-plugin-java", pattern: /-plugin-(java|jwsgi-openjdk-\d+)$/ },
  php: { usual: "uwsgi-plugin-php", pattern: /-plugin-php$/ },
  rack: { usual: "uwsgi-plugin-ruby", pattern: /-plugin-(ruby|rack-ruby[\d.]+)$/ },
};

/** The plugins that the lines of a vassal ask for, without the modifier of `0:rack`. */
const askedFor = (pairs: readonly Pair[]) =>
  pairs.flatMap(([key, value]) => (key === "plugin" ? [String(value).split(":").at(-1)!] : []));

/**
 * The packages to install for these plugins. `known`: names of packages that apt knows, of which
 * the newest is taken.
 */
export const packagesOf = (plugins: readonly string[], known: readonly string[]): string[] => [
  ...new Set(
    plugins.map((plugin) => {
      const { usual, pattern } = pluginPackages[plugin]!;
      return (
        known
          .filter((name) => pattern.test(name))
          .sort(byNumber)
          .at(-1) ?? usual
      );
    }),
  ),
];

// `openjdk-8` comes before `openjdk-17`.
const byNumber = (a: string, b: string) => {
  const numberOf = (name: string) => Number(/[\d.]+$/.exec(name)?.[0] ?? 0);
  return numberOf(a) - numberOf(b) || (a < b ? -1 : 1);
};

/**
 * Refuses the lines of vassals whose plugins are not installed, with what to install on this
 * distribution.
 */
export function refuseMissingPlugins(host: Host, pairs: readonly Pair[]): void {
  if (!host.stat(pluginFolder)) return;
  const installed = host.list(pluginFolder);
  const missing = [...new Set(askedFor(pairs))].filter(
    (name) => Object.hasOwn(pluginPackages, name) && !installed.includes(`${name}_plugin.so`),
  );
  if (missing.length === 0) return;
  const known = host.capture(["apt-cache", "pkgnames", "uwsgi-plugin-"]).stdout.split("\n");
  throw new PikuError(
    `uWSGI's plugin '${missing.join("' and '")}' is not installed on the server`,
    `on the server: sudo apt install ${packagesOf(missing, known).join(" ")}`,
  );
}
