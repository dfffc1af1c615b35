import type { Settings } from "../app/env-file.ts";
import { siteKinds } from "../app/procfile.ts";
import { invalid, setting } from "../app/settings.ts";
import { PikuError } from "../text/errors.ts";
import { splitWords } from "../text/text.ts";
import type { Runtime, Source, Step } from "./runtime.ts";

const manifest = "package.json";

/** The fields of package.json that matter here. */
interface Manifest {
  scripts: Record<string, string>;
  packageManager?: string;
  workspaces?: unknown;
}

function readManifest({ read }: Source): Manifest {
  const text = read(manifest);
  try {
    const found: unknown = JSON.parse(text);
    if (typeof found === "object" && found !== null)
      return { ...found, scripts: { ...(found as Partial<Manifest>).scripts } };
  } catch {
    // Said below.
  }
  throw new PikuError(
    "package.json is not JSON, or not an object",
    "`npm install` on your machine says where",
  );
}

/** Whether a line of the Procfile runs one of these programs. */
export const runsOne = ({ commands }: Source, ...programs: string[]) =>
  commands.some((line) => new RegExp(`(^|[\\s;&|(/])(${programs.join("|")})\\s`).test(`${line} `));

/** Whether piku runs the `build` script: there is one, and no line of the Procfile runs it. */
export const mustBuild = (source: Source) =>
  "build" in readManifest(source).scripts &&
  !source.commands.some((line) => /\b(npm|npx|yarn|pnpm|bunx?|deno)\b[^;&|]*\bbuild\b/.test(line));

/**
 * The `start` script, for an app without workers, or with a server name that no worker would answer
 * for.
 */
export function startScript(source: Source, command: string): string | undefined {
  const kinds = Object.keys(source.workers);
  const answers = kinds.some((kind) => kind === "static" || siteKinds.includes(kind));
  const isServed =
    setting(source.settings, "NGINX_SERVER_NAME").length > 0 &&
    setting(source.settings, "NGINX_STATIC_PATHS").length === 0;
  const wanted = kinds.length === 0 || (!answers && isServed);
  return wanted && "start" in readManifest(source).scripts ? command : undefined;
}

/**
 * The files that an install reads, or undefined if it may read any file of the app: install
 * scripts, local packages, patches.
 */
function manifests(source: Source, locks: readonly string[]): string[] | undefined {
  const { scripts, workspaces } = readManifest(source);
  const lifecycle = ["preinstall", "install", "postinstall", "prepare", "prepublish"];
  const elsewhere =
    // Husky only concerns the developer's git, and half of all apps have it.
    lifecycle.some((name) => name in scripts && !/^husky\b[^&;|]*$/.test(scripts[name]!)) ||
    workspaces !== undefined ||
    source.names.some((name) => ["binding.gyp", "pnpm-workspace.yaml", ".yarn/"].includes(name)) ||
    /"(file|link|portal|patch|workspace):|"patchedDependencies"/.test(source.read(manifest));
  const known = [
    manifest,
    ...locks,
    ".npmrc",
    ".yarnrc",
    ".yarnrc.yml",
    ".pnpmfile.cjs",
    "bunfig.toml",
  ];
  return elsewhere ? undefined : known.filter((name) => source.names.includes(name));
}

/** What an install depends on, for the key of its folder. */
export const manifestTexts = (source: Source, locks: readonly string[]) =>
  manifests(source, locks)?.flatMap((name) => [name, source.read(name)]) ?? [source.commit];

/** Settings that change what an install does. */
export const installSettings = ({ settings }: Source) =>
  Object.entries(settings)
    .filter(([name]) => /^(NODE_ENV$|(npm|yarn|pnpm|bun)_)/i.test(name))
    .map(([name, value]) => `${name}=${value}`);

/** Copies what an install reads into the dependency folder. */
export function copyManifests(source: Source, environment: string, locks: readonly string[]): Step {
  const title = "Creating node_modules";
  const files = manifests(source, locks);
  // With a copy of the link package managers would work in the previous release's folder.
  const copy = files ? 'cp -P "$@" "$0"' : 'cp -a . "$0" && rm -rf "$0/.git" "$0/node_modules"';
  return {
    title,
    argv: ["sh", "-c", `${copy} && mkdir "$0/node_modules"`, environment, ...(files ?? [])],
  };
}

/**
 * Links the dependency folder where Node looks for it; the link goes live with the build output.
 */
export const linkModules = ({ names }: Source, environment: string): Step[] =>
  names.includes("node_modules/")
    ? []
    : [
        {
          title: "Linking node_modules",
          argv: [
            "sh",
            "-c",
            'rm -rf node_modules && ln -s "$0/node_modules" node_modules',
            environment,
          ],
        },
      ];

/** Below node_modules only the link goes live, and build caches do not. */
export const goesLive = (name: string) =>
  !/(^|\/)(node_modules|\.cache|\.parcel-cache|\.turbo|\.next\/cache)\//.test(name);

export const nodeSettings = (environment: string, base: Settings): Settings => ({
  NODE_PATH: `${environment}/node_modules`,
  NPM_CONFIG_PREFIX: environment,
  PATH: `${environment}/bin:${environment}/node_modules/.bin:${base.PATH}`,
});

/** A way of installing packages. */
interface Manager {
  locks: string[];
  /** Its npm package, if package.json names no version. */
  comesAs(lock: string): string;
  /** Its arguments. `lock`: the text of its lock file, empty if there is none. */
  install(lock: string, options: readonly string[]): string[];
  /** Makes it install into a folder that Node understands, without asking questions. */
  env?: Settings;
  /** Makes it install development dependencies as well, whatever NODE_ENV says. */
  everything: Settings;
}

const isModernYarn = (lock: string) => lock.includes("__metadata:");

const managers: Record<string, Manager> = {
  npm: {
    locks: ["package-lock.json", "npm-shrinkwrap.json"],
    comesAs: () => "npm",
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
    comesAs: (lock) => (isModernYarn(lock) ? "@yarnpkg/cli-dist@4" : "yarn@1"),
    install: (lock) => {
      if (!lock) return ["install"];
      return ["install", isModernYarn(lock) ? "--immutable" : "--frozen-lockfile"];
    },
    env: { YARN_NODE_LINKER: "node-modules", YARN_ENABLE_IMMUTABLE_INSTALLS: "false" },
    everything: { YARN_PRODUCTION: "false" },
  },
  pnpm: {
    locks: ["pnpm-lock.yaml"],
    comesAs: () => "pnpm@9",
    install: (lock) => ["install", lock ? "--frozen-lockfile" : "--no-frozen-lockfile"],
    env: { CI: "true" },
    everything: { npm_config_production: "false" },
  },
};

/**
 * NODE_PACKAGE_MANAGER: a name, or a command as in the original, `npm --package-lock=false`. Never
 * passed to a shell.
 */
function managerOf({ settings }: Source): { name: string; options: string[]; manager: Manager } {
  const typed = setting(settings, "NODE_PACKAGE_MANAGER");
  const [name = "", ...options] = splitWords(typed).words;
  const manager = Object.hasOwn(managers, name) ? managers[name] : undefined;
  if (!manager)
    throw invalid("NODE_PACKAGE_MANAGER", typed, {
      hint: `write ${Object.keys(managers).join(", ")}, with options behind it if need be`,
    });
  return { name, options, manager };
}

/** The npm package to install the package manager from, or undefined if it is installed. */
function managerPackage(source: Source): string | undefined {
  const { name, manager } = managerOf(source);
  if (name === "npm") return undefined;
  const [, wanted, version] =
    /^(\w+)@([\w.-]+)/.exec(readManifest(source).packageManager ?? "") ?? [];
  if (wanted === name)
    return `${name === "yarn" && !/^[01]\./.test(version!) ? "@yarnpkg/cli-dist" : name}@${version}`;
  const lock = lockOf(source);
  return source.has(name) && !isModernYarn(lock) ? undefined : manager.comesAs(lock);
}

const lockOf = (source: Source) => {
  const lock = managerOf(source).manager.locks.find((name) => source.names.includes(name));
  return lock === undefined ? "" : source.read(lock) || lock;
};

/**
 * NODE_VERSION as it was asked for, undefined for any; and the version that the server has, empty
 * when it has none.
 */
function versions({ settings, has, ask }: Source): { wanted?: string; installed: string } {
  const program = ["node", "nodejs"].find(has);
  return {
    wanted: setting(settings, "NODE_VERSION")?.replace(/^v/, ""),
    installed: program === undefined ? "" : ask(program, "-v").replace(/^v/, ""),
  };
}

/** Whether the app asks for a version that the server has not. */
const lacksVersion = ({ wanted, installed }: ReturnType<typeof versions>) =>
  wanted !== undefined && !`${installed}.`.startsWith(`${wanted}.`);

/**
 * The version to get with nodeenv, or undefined when the Node on the path will do, or has to: as
 * the original, without nodeenv.
 */
function wantedVersion(source: Source): string | undefined {
  const { wanted, installed } = versions(source);
  if (!source.has("nodeenv")) return undefined;
  if (installed === "" || !source.has("npm")) return wanted ?? "lts";
  return lacksVersion({ wanted, installed }) ? wanted : undefined;
}

/** Node with a package.json. */
export const node: Runtime = {
  name: "Node",
  needs: [["node", "npm"], ["nodejs", "npm"], ["nodeenv"]],
  remedy: "sudo apt install nodejs npm",
  detects: ({ names }) => names.includes(manifest),
  madeFrom(source) {
    const program = ["node", "nodejs"].find(source.has) ?? "node";
    const { name, options, manager } = managerOf(source);
    return [
      wantedVersion(source) ?? source.ask(program, "-v"),
      [managerPackage(source) ?? name, ...options].join(" "),
      String(mustBuild(source)),
      ...installSettings(source),
      ...manifestTexts(source, manager.locks),
    ];
  },
  settings: nodeSettings,
  warns(source) {
    const { wanted, installed } = versions(source);
    return source.has("nodeenv") || !lacksVersion({ wanted, installed })
      ? []
      : [
          `NODE_VERSION is ${wanted}, but the server has Node ${installed}, which is used, and no nodeenv to get another. On the server: sudo apt install nodeenv.`,
        ];
  },
  web: (source) => startScript(source, `${managerOf(source).name} start`),
  install(source, environment) {
    const { name, options, manager } = managerOf(source);
    const version = wantedVersion(source);
    const manages = managerPackage(source);
    const steps: Step[] = [];
    if (version)
      steps.push({
        title: `Installing node version '${version}' using nodeenv`,
        argv: ["nodeenv", "--prebuilt", `--node=${version}`, "--clean-src", "--force", environment],
      });
    if (manages)
      steps.push({
        title: `Installing package manager ${manages} with npm`,
        argv: ["npm", "install", "--global", "--no-audit", "--no-fund", manages],
      });
    const install = manager.install(lockOf(source), options);
    return [
      ...steps,
      copyManifests(source, environment, manager.locks),
      {
        title: `Running ${[name, ...options, install[0]].join(" ")}`,
        argv: [name, ...options, ...install],
        cwd: environment,
        env: { ...manager.env, ...(mustBuild(source) ? manager.everything : {}) },
      },
    ];
  },
  build: (source, environment) => [
    ...linkModules(source, environment),
    ...(mustBuild(source)
      ? [{ title: "Running the build script", argv: [managerOf(source).name, "run", "build"] }]
      : []),
  ],
  goesLive,
};
