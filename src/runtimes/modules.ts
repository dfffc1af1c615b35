import type { Settings } from "../app/env-file.ts";
import { countedFiles, isIn } from "./dependencies.ts";
import leaveOut from "./leave-out.cjs" with { type: "text" };
import {
  type InstallScript,
  inFolder,
  installScripts,
  mustBuild,
  packageJson,
  workspaceFolders,
} from "./manifest.ts";
import script from "./modules.sh" with { type: "text" };
import type { MadeFrom, Source, Step } from "./runtime.ts";

/** What the node_modules of every package manager is made from, but for what it says itself. */
export const modulesFrom: Omit<MadeFrom, "facts"> = {
  linked: true,
  settings: /^(NODE_ENV$|(npm|yarn|pnpm|bun)_)/i,
  files:
    /(^|\/)package\.json$|^(package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|pnpm-workspace\.yaml|bun\.lockb?|bunfig\.toml|\.npmrc|\.yarnrc|\.yarnrc\.yml|\.pnpmfile\.c?js)$|\.patch$/,
  folders: [".yarn", "patches"],
  elsewhere: {
    in: /(^|\/)package\.json$/,
    // What runs before an install may change what is installed; this one only checks who does it.
    by: /"(?:file|link|portal):([^"]*)"|"(?:preinstall|pnpm:devPreinstall)"\s*:\s*"(?!(?:npx (?:-y |--yes )?)?only-allow )/g,
  },
};

/**
 * Copies what an install reads into the dependency folder, so that it cannot depend on anything
 * else, and leaves out the scripts that run in the build tree.
 */
export function copyManifests(source: Source, environment: string, engine: string): Step[] {
  const { files, folders } = countedFiles(source, { facts: () => [], ...modulesFrom });
  const there = folders.filter(
    (folder) => folder === "." || [...source.files().keys()].some((name) => isIn(name, folder)),
  );
  const names = there.includes(".")
    ? ["."]
    : [...files.filter((name) => !there.some((folder) => isIn(name, folder))), ...there];
  const copy =
    'tar -cf - --exclude=node_modules --exclude=.git -- "$@" | tar -C "$0" -xf - && mkdir -p "$0/node_modules"';
  const scripts = installScripts(source).filter(({ line }) => line !== undefined);
  const manifests = [...new Set(scripts.map(({ folder }) => inFolder(folder, packageJson)))];
  return [
    { title: "Creating node_modules", argv: ["sh", "-c", copy, environment, ...names] },
    ...(manifests.length > 0
      ? [
          {
            title: "Leaving the app's own scripts to the build",
            argv: [
              engine,
              "-e",
              leaveOut,
              [...new Set(scripts.map(({ name }) => name))].join(" "),
              ...manifests,
            ],
            cwd: environment,
          },
        ]
      : []),
  ];
}

/** Where packages are: at the top unless the commit has its own, and in folders of a workspace. */
const modulesOf = (source: Source) => [
  ...(source.names.includes("node_modules/") ? [] : ["node_modules"]),
  ...workspaceFolders(source).map((folder) => `${folder}/node_modules`),
];

const linkStep = (title: string, to: string, source: Source, environment: string): Step => ({
  title,
  argv: ["sh", "-c", script, to, environment, source.settings.PWD!, ...modulesOf(source)],
});

/** Leads packages of a workspace to where the app runs. The last step of an install. */
export const settleModules = (source: Source, environment: string): Step[] =>
  workspaceFolders(source).length > 0
    ? [{ ...linkStep("Linking the workspace", "settle", source, environment), cwd: environment }]
    : [];

/**
 * The app's own install scripts and its build script, in the build tree with a node_modules of its
 * own; then a link takes its place, which goes live with the build output. `run`: how the package
 * manager runs a script, and one of an install alone.
 */
export function buildWithModules(
  source: Source,
  environment: string,
  run: { build: string[]; alone: string[] },
): Step[] {
  const alone = ({ folder, name, line }: InstallScript): Step => {
    const argv =
      line === undefined ? ["npm", "exec", "-c", "node-gyp rebuild"] : [...run.alone, name];
    return {
      title: `Running the ${name} script${folder === "." ? "" : ` of ${folder}`}`,
      argv: folder === "." ? argv : ["sh", "-c", 'cd "$0" && exec "$@"', folder, ...argv],
      // Git's hooks are the developer's.
      env: { HUSKY: "0" },
    };
  };
  const scripts = [
    ...installScripts(source).map(alone),
    ...(mustBuild(source) ? [{ title: "Running the build script", argv: run.build }] : []),
  ];
  if (modulesOf(source).length === 0) return scripts;
  const title = "Linking node_modules";
  if (scripts.length === 0) return [linkStep(title, "link", source, environment)];
  return [
    linkStep("Preparing node_modules", "own", source, environment),
    ...scripts,
    linkStep(title, "publish", source, environment),
  ];
}

// The first of them on the way to a file, and not in a package.
const output =
  /^((?!node_modules\/)[^/]+\/)*?(\.next|\.output|\.nuxt|\.svelte-kit|\.vercel|build|dist|out)\//;

/**
 * Of what a build made, caches do not go live, nor packages: only the link to them. Those that a
 * build has put into its output are part of it.
 */
export const isNodeOutput = (name: string) =>
  !/(^|\/)(\.cache|\.parcel-cache|\.turbo|\.next\/cache)\//.test(name) &&
  (!/(^|\/)node_modules\//.test(name) || output.test(name));

export const nodeSettings = (environment: string, base: Settings): Settings => ({
  NODE_PATH: `${environment}/node_modules`,
  NPM_CONFIG_PREFIX: environment,
  PATH: `${environment}/bin:${environment}/node_modules/.bin:${base.PATH}`,
});
