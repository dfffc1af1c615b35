import {
  copyManifests,
  goesLive,
  installSettings,
  linkModules,
  manifestTexts,
  mustBuild,
  nodeSettings,
  runsOne,
  startScript,
} from "./node.ts";
import type { Runtime, Source } from "./runtime.ts";

const locks = ["bun.lock", "bun.lockb"];

/** Node takes precedence unless the Procfile runs Bun or npm is not installed. */
const isNode = (source: Source) => !runsOne(source, "bun", "bunx") && source.has("npm");

/** Bun, recognised by its lock file. */
export const bun: Runtime = {
  name: "Bun",
  needs: [["bun"]],
  remedy: "install it from https://bun.sh, as piku's user",
  detects: (source) => locks.some((name) => source.names.includes(name)) && !isNode(source),
  madeFrom: (source) => [
    source.ask("bun", "--version"),
    ...installSettings(source),
    ...manifestTexts(source, locks),
  ],
  settings: nodeSettings,
  web: (source) => startScript(source, "bun run start"),
  install: (source, environment) => [
    copyManifests(source, environment, locks),
    {
      title: "Running bun install",
      argv: ["bun", "install", "--frozen-lockfile"],
      cwd: environment,
    },
  ],
  build: (source, environment) => [
    ...linkModules(source, environment),
    ...(mustBuild(source)
      ? [{ title: "Running the build script", argv: ["bun", "run", "build"] }]
      : []),
  ],
  goesLive,
};
