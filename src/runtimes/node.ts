import { setting } from "../app/settings.ts";
import { type Chosen, managerOf } from "./managers.ts";
import { mustBuild, packageJson, startScript } from "./manifest.ts";
import {
  buildWithModules,
  copyManifests,
  isNodeOutput,
  modulesFrom,
  nodeSettings,
  settleModules,
} from "./modules.ts";
import type { Runtime, Source, Step } from "./runtime.ts";

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
function wantedNode(source: Source): string | undefined {
  const { wanted, installed } = versions(source);
  if (!source.has("nodeenv")) return undefined;
  if (installed === "" || !source.has("npm")) return wanted ?? "lts";
  return lacksVersion({ wanted, installed }) ? wanted : undefined;
}

/** The install itself, in the dependency folder. */
export function runInstall(source: Source, environment: string, manager: Chosen): Step {
  const { name, options, because } = manager;
  const install = manager.install(manager.lock, options);
  return {
    title: `Running ${[name, ...options, install[0]].join(" ")}${because ? ` because of ${because}` : ""}`,
    argv: [name, ...options, ...install],
    cwd: environment,
    env: { ...manager.env, ...(mustBuild(source) ? manager.everything : {}) },
  };
}

/** Node with a package.json. */
export const node: Runtime = {
  name: "Node",
  needs: [["node", "npm"], ["nodejs", "npm"], ["nodeenv"]],
  remedy: "sudo apt install nodejs npm",
  detects: ({ names }) => names.includes(packageJson),
  madeFrom: {
    ...modulesFrom,
    facts(source) {
      const program = ["node", "nodejs"].find(source.has) ?? "node";
      const { name, options, comesAs } = managerOf(source);
      return [
        wantedNode(source) ?? source.ask(program, "-v"),
        [comesAs ?? name, ...options].join(" "),
        String(mustBuild(source)),
      ];
    },
  },
  settings: (environment, base, source) => ({
    ...nodeSettings(environment, base),
    ...managerOf(source).settings,
  }),
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
    const manager = managerOf(source);
    const version = wantedNode(source);
    return [
      ...(version
        ? [
            {
              title: `Installing node version '${version}' using nodeenv`,
              argv: [
                "nodeenv",
                "--prebuilt",
                `--node=${version}`,
                "--clean-src",
                "--force",
                environment,
              ],
            },
          ]
        : []),
      ...(manager.comesAs
        ? [
            {
              title: `Installing package manager ${manager.comesAs} with npm`,
              argv: ["npm", "install", "--global", "--no-audit", "--no-fund", manager.comesAs],
            },
          ]
        : []),
      ...copyManifests(source, environment, "node"),
      runInstall(source, environment, manager),
      ...settleModules(source, environment),
    ];
  },
  build(source, environment) {
    const manager = managerOf(source);
    const steps = buildWithModules(source, environment, {
      build: [manager.name, "run", "build"],
      alone: ["npm", "run", "--ignore-scripts"],
    });
    // It runs no script without one.
    const keepsLock = manager.package.startsWith("@yarnpkg/") && manager.lock === "";
    return keepsLock
      ? [
          { title: "Using the first yarn.lock", argv: ["cp", `${environment}/yarn.lock`, "."] },
          ...steps,
        ]
      : steps;
  },
  goesLive: isNodeOutput,
};
