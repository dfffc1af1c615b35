import { runsOne, startScript } from "./manifest.ts";
import {
  buildWithModules,
  copyManifests,
  isNodeOutput,
  modulesFrom,
  nodeSettings,
  settleModules,
} from "./modules.ts";
import type { Runtime, Source } from "./runtime.ts";

/** Node takes precedence unless the Procfile runs Bun or npm is not installed. */
const isNodeRather = (source: Source) => !runsOne(source, "bun", "bunx") && source.has("npm");

/** Bun, recognised by its lock file. */
export const bun: Runtime = {
  name: "Bun",
  needs: [["bun"]],
  remedy: "install it from https://bun.sh, as piku's user",
  detects: (source) =>
    ["bun.lock", "bun.lockb"].some((name) => source.names.includes(name)) && !isNodeRather(source),
  madeFrom: { ...modulesFrom, facts: (source) => [source.ask("bun", "--version")] },
  settings: nodeSettings,
  web: (source) => startScript(source, "bun run start"),
  install: (source, environment) => [
    ...copyManifests(source, environment, "bun"),
    {
      title: "Running bun install",
      argv: ["bun", "install", "--frozen-lockfile"],
      cwd: environment,
    },
    ...settleModules(source, environment),
  ],
  build: (source, environment) =>
    buildWithModules(source, environment, {
      build: ["bun", "run", "build"],
      alone: ["bun", "run"],
    }),
  goesLive: isNodeOutput,
};
