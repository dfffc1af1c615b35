import type { Settings } from "../app/env-file.ts";
import { invalid, setting } from "../app/settings.ts";
import { splitWords } from "../text/text.ts";
import { packageJson, readManifest } from "./manifest.ts";
import type { Source } from "./runtime.ts";

/** A way of installing packages. */
interface Manager {
  locks: string[];
  /** The npm package that it is. */
  package: string;
  /** Its version if package.json names none. `lock`: the text of its lock file. */
  version?(lock: string): string;
  /** Its arguments. `lock`: empty if there is no lock file. */
  install(lock: string, options: readonly string[]): string[];
  /** Makes it install into a folder that Node understands, without asking questions. */
  env?: Settings;
  /** What the app's processes get, so that they may call it. */
  settings?: Settings;
  /** Makes it install development dependencies as well, whatever NODE_ENV says. */
  everything?: Settings;
}

const isModern = (lock: string) => lock.includes("__metadata:");

const modernYarn = "yarn 2";

const managers: Record<string, Manager> = {
  npm: {
    locks: ["package-lock.json", "npm-shrinkwrap.json"],
    package: "npm",
    install: (lock, options) => {
      const unlocked = options.some((word) =>
        ["--package-lock=false", "--no-package-lock"].includes(word),
      );
      return [lock && !unlocked ? "ci" : "install", "--no-audit", "--no-fund"];
    },
    everything: { npm_config_include: "dev" },
  },
  yarn: {
    locks: ["yarn.lock"],
    package: "yarn",
    version: () => "1",
    install: (lock) => (lock ? ["install", "--frozen-lockfile"] : ["install"]),
    everything: { YARN_PRODUCTION: "false" },
  },
  // It refuses settings that it does not know, and always installs everything.
  [modernYarn]: {
    locks: ["yarn.lock"],
    package: "@yarnpkg/cli-dist",
    version: () => "4",
    // One that yarn 1 made is converted.
    install: (lock) => (isModern(lock) ? ["install", "--immutable"] : ["install"]),
    env: { YARN_NODE_LINKER: "node-modules", YARN_ENABLE_IMMUTABLE_INSTALLS: "false" },
  },
  pnpm: {
    locks: ["pnpm-lock.yaml"],
    package: "pnpm",
    // Each reads only some versions of the lock file.
    version: (lock) =>
      ({ 5: "7", 6: "8" })[/^lockfileVersion: *'?(\d)/m.exec(lock)?.[1] ?? ""] ?? "9",
    install: (lock) => ["install", lock ? "--frozen-lockfile" : "--no-frozen-lockfile"],
    env: { CI: "true" },
    // From version 11 `pnpm start` would install again.
    settings: { pnpm_config_verify_deps_before_run: "false" },
    everything: { npm_config_production: "false" },
  },
  bun: {
    locks: ["bun.lock", "bun.lockb"],
    package: "bun",
    version: () => "1",
    install: (lock) => (lock ? ["install", "--frozen-lockfile"] : ["install"]),
  },
};

/** The package manager of an app, and how it is called. */
export interface Chosen extends Manager {
  name: string;
  options: string[];
  /** What has decided, unless a setting has, or nothing. */
  because?: string;
  /** The npm package to install it from, or undefined if it is installed. */
  comesAs?: string;
  /** The text of its lock file, empty if there is none. */
  lock: string;
}

/**
 * What package.json and lock files say, for an app without NODE_PACKAGE_MANAGER. npm's own lock file
 * goes before: the original knew nothing else.
 */
function declared(source: Source): { typed: string; because?: string } {
  const isThere = (name: string) =>
    name !== modernYarn && Object.hasOwn(managers, name) && (name !== "bun" || source.has("bun"));
  const lockOf = (name: string) =>
    managers[name]!.locks.find((lock) => source.names.includes(lock));
  const [, named = ""] =
    /^(\w+)(@|$)/.exec(String(readManifest(source).packageManager ?? "")) ?? [];
  if (lockOf("npm") !== undefined || named === "npm") return { typed: "npm" };
  if (isThere(named)) return { typed: named, because: `packageManager in ${packageJson}` };
  const locked = Object.keys(managers).find((name) => isThere(name) && lockOf(name) !== undefined);
  return locked === undefined ? { typed: "npm" } : { typed: locked, because: lockOf(locked)! };
}

/**
 * The package manager of an app. NODE_PACKAGE_MANAGER is a name, or a command as in the original,
 * `npm --package-lock=false`; it is never passed to a shell. Throws for one that is unknown.
 */
export function managerOf(source: Source): Chosen {
  const given = setting(source.settings, "NODE_PACKAGE_MANAGER");
  const { typed, because } = given === undefined ? declared(source) : { typed: given };
  const [name = "", ...options] = splitWords(typed).words;
  if (name === modernYarn || !Object.hasOwn(managers, name))
    throw invalid("NODE_PACKAGE_MANAGER", typed, {
      hint: "write npm, yarn, pnpm or bun, with options behind it if need be",
    });
  const file = managers[name]!.locks.find((lock) => source.names.includes(lock));
  const lock = file === undefined ? "" : source.read(file) || file;
  const [, wanted, asked] =
    /^(\w+)@([\w.-]+)/.exec(String(readManifest(source).packageManager ?? "")) ?? [];
  const version = wanted === name ? asked : undefined;
  const installed = name !== "npm" && source.has(name) ? source.ask(name, "--version") : undefined;
  const is2 = (number: string | undefined) => Number.parseInt(number ?? "", 10) >= 2;
  const isNew =
    name === "yarn" &&
    (version
      ? is2(version)
      : isModern(lock) || source.names.includes(".yarnrc.yml") || is2(installed));
  const manager = managers[isNew ? modernYarn : name]!;
  const suits = installed !== undefined && (name !== "yarn" || is2(installed) === isNew);
  const comesAs =
    name === "npm" || (suits && version === undefined)
      ? undefined
      : `${manager.package}@${version ?? manager.version?.(lock)}`;
  return { ...manager, name, options, because, comesAs, lock };
}
