import { expect, test } from "bun:test";
import { bun } from "../../../src/runtimes/bun.ts";
import { deno } from "../../../src/runtimes/deno.ts";
import { detectRuntime } from "../../../src/runtimes/index.ts";
import { managerOf } from "../../../src/runtimes/managers.ts";
import { workspaceFolders } from "../../../src/runtimes/manifest.ts";
import script from "../../../src/runtimes/modules.sh" with { type: "text" };
import { isNodeOutput } from "../../../src/runtimes/modules.ts";
import { node } from "../../../src/runtimes/node.ts";
import type { Step } from "../../../src/runtimes/runtime.ts";
import { sourceOf } from "../../host/source.ts";

type Facts = Parameters<typeof sourceOf>[0];

const manifest = (facts: object = {}) => ({ "package.json": JSON.stringify(facts) });
const npm = ["node", "npm"];
const answers = { "node -v": "v18.19.0" };

const line = ({ argv, title }: Step) =>
  argv.includes(script) ? `${title}: ${argv[3]}` : argv[1] === "-e" ? title : argv.join(" ");

test.each<[string, Facts, string]>([
  ["package.json", { files: manifest(), tools: npm }, "Node"],
  ["nothing but nodeenv", { files: manifest(), tools: ["nodeenv"] }, "Node"],
  ["no npm", { files: manifest(), tools: ["node"] }, "Generic"],
  [
    "requirements.txt first",
    { files: { ...manifest(), "requirements.txt": "" }, tools: [...npm, "python3"] },
    "Python",
  ],
  [
    "a Node app with Bun's lock file",
    { files: { ...manifest(), "bun.lock": "" }, tools: [...npm, "bun"] },
    "Node",
  ],
  [
    "an app that Bun runs",
    {
      files: { ...manifest(), "bun.lock": "" },
      tools: [...npm, "bun"],
      workers: { web: "exec bun run start" },
    },
    "Bun",
  ],
  ["Bun's lock file, no npm", { files: { ...manifest(), "bun.lockb": "" }, tools: ["bun"] }, "Bun"],
  [
    "no Bun for an app that Bun runs",
    { files: { ...manifest(), "bun.lock": "" }, tools: npm, workers: { web: "bun a.ts" } },
    "Node",
  ],
  ["deno.json", { files: { "deno.json": "{}" }, tools: [...npm, "deno"] }, "Deno"],
  [
    "a Node app with a deno.json",
    { files: { ...manifest(), "deno.json": "" }, tools: [...npm, "deno"] },
    "Node",
  ],
  [
    "an app that Deno runs",
    {
      files: { ...manifest(), "deno.jsonc": "" },
      tools: [...npm, "deno"],
      workers: { web: "deno task start" },
    },
    "Deno",
  ],
])("detectRuntime: %s", (_, facts, name) => {
  expect(detectRuntime(sourceOf(facts)).runtime?.name).toBe(name);
});

const copying = (...names: string[]) =>
  `sh -c tar -cf - --exclude=node_modules --exclude=.git -- "$@" | tar -C "$0" -xf - && mkdir -p "$0/node_modules" /e ${names.join(" ")}`;
const create = copying("package.json");
const leaveOut = "Leaving the app's own scripts to the build";
const withLock = { ...manifest(), "package-lock.json": "{}" };
const yarn1 = { ...manifest(), "yarn.lock": "# yarn lockfile v1\n" };
const yarn4 = { ...manifest(), "yarn.lock": "__metadata:\n" };

const workspace = { ...manifest({ workspaces: ["packages/*"] }), "packages/a/package.json": "{}" };
const npmInstall = "npm install --no-audit --no-fund";
const pnpmLock = (version: string) => ({
  ...manifest(),
  "pnpm-lock.yaml": `lockfileVersion: ${version}\n`,
});
const globally = (what: string) => `npm install --global --no-audit --no-fund ${what}`;

test.each<[string, Facts, string[]]>([
  ["without a lock file", { files: manifest() }, [create, npmInstall]],
  [
    "with one",
    { files: withLock },
    [copying("package.json", "package-lock.json"), "npm ci --no-audit --no-fund"],
  ],
  [
    "as the original did",
    { files: withLock, settings: { NODE_PACKAGE_MANAGER: "npm --package-lock=false" } },
    [
      copying("package.json", "package-lock.json"),
      "npm --package-lock=false install --no-audit --no-fund",
    ],
  ],
  [
    "with its own scripts",
    { files: { ...manifest({ scripts: { postinstall: "x" } }), "a.js": "x" } },
    [create, leaveOut, npmInstall],
  ],
  [
    "with a script that comes before",
    { files: { ...manifest({ scripts: { preinstall: "x" } }), "a.js": "x" } },
    [copying("."), npmInstall],
  ],
  [
    "with husky",
    { files: manifest({ scripts: { prepare: "husky install" } }) },
    [create, npmInstall],
  ],
  [
    "with workspaces",
    { files: { ...workspace, "packages/a/a.js": "x" } },
    [
      copying("package.json", "packages/a/package.json"),
      npmInstall,
      "Linking the workspace: settle",
    ],
  ],
  [
    "with a package of its own",
    {
      files: { ...manifest({ dependencies: { a: "file:./lib/a" } }), "lib/a/package.json": "{}" },
    },
    [copying("package.json", "lib/a"), npmInstall],
  ],
  [
    "with yarn, which is there",
    { files: yarn1, tools: [...npm, "yarn"], settings: { NODE_PACKAGE_MANAGER: "yarn" } },
    [copying("package.json", "yarn.lock"), "yarn install --frozen-lockfile"],
  ],
  [
    "with yarn, which is not",
    { files: yarn1, settings: { NODE_PACKAGE_MANAGER: "yarn" } },
    [globally("yarn@1"), copying("package.json", "yarn.lock"), "yarn install --frozen-lockfile"],
  ],
  [
    "with a modern yarn, where the other is there",
    { files: yarn4, tools: [...npm, "yarn"], settings: { NODE_PACKAGE_MANAGER: "yarn" } },
    [
      globally("@yarnpkg/cli-dist@4"),
      copying("package.json", "yarn.lock"),
      "yarn install --immutable",
    ],
  ],
  [
    "with a modern yarn, which is there",
    { files: yarn4, tools: [...npm, "yarn"], answers: { ...answers, "yarn --version": "4.9.2" } },
    [copying("package.json", "yarn.lock"), "yarn install --immutable"],
  ],
  [
    "with a modern yarn and a lock file of the other",
    { files: { ...yarn1, ...manifest({ packageManager: "yarn@4.9.2" }) } },
    [globally("@yarnpkg/cli-dist@4.9.2"), copying("package.json", "yarn.lock"), "yarn install"],
  ],
  [
    "with the pnpm that package.json names",
    {
      files: { ...manifest({ packageManager: "pnpm@9.8.0+sha512.00" }), "pnpm-lock.yaml": "x" },
      tools: [...npm, "pnpm"],
      settings: { NODE_PACKAGE_MANAGER: "pnpm" },
    },
    [
      globally("pnpm@9.8.0"),
      copying("package.json", "pnpm-lock.yaml"),
      "pnpm install --frozen-lockfile",
    ],
  ],
  ...["5.4", "'6.0'", "'9.0'"].map((version, i): [string, Facts, string[]] => [
    `with a lock file of pnpm's version ${version}`,
    { files: pnpmLock(version) },
    [
      globally(`pnpm@${7 + i}`),
      copying("package.json", "pnpm-lock.yaml"),
      "pnpm install --frozen-lockfile",
    ],
  ]),
  [
    "with Bun, which is there",
    { files: { ...manifest(), "bun.lock": "x" }, tools: [...npm, "bun"] },
    [copying("package.json", "bun.lock"), "bun install --frozen-lockfile"],
  ],
  [
    "with another Node",
    { files: manifest(), tools: [...npm, "nodeenv"], settings: { NODE_VERSION: "20.11.1" } },
    ["nodeenv --prebuilt --node=20.11.1 --clean-src --force /e", create, npmInstall],
  ],
  [
    "with the Node that is there",
    { files: manifest(), settings: { NODE_VERSION: "v18" } },
    [create, npmInstall],
  ],
])("node installs %s", (_, facts, lines) => {
  const source = sourceOf({ tools: npm, answers, ...facts });
  expect(
    node.install!({ ...source, settings: { PWD: "/a", ...source.settings } }, "/e").map(line),
  ).toEqual(lines);
});

// Regression: `packageManager` and lock files were ignored in silence.
test.each<[string, Record<string, string>, Facts, string, string | undefined]>([
  ["nothing", {}, {}, "npm", undefined],
  [
    "packageManager",
    { packageManager: "pnpm@10.4.1" },
    {},
    "pnpm",
    "packageManager in package.json",
  ],
  [
    "packageManager npm",
    { packageManager: "npm@10" },
    { files: { "yarn.lock": "" } },
    "npm",
    undefined,
  ],
  ["a strange packageManager", { packageManager: "vlt@1" }, {}, "npm", undefined],
  ["pnpm's lock file", {}, { files: { "pnpm-lock.yaml": "" } }, "pnpm", "pnpm-lock.yaml"],
  ["yarn's lock file", {}, { files: { "yarn.lock": "" } }, "yarn", "yarn.lock"],
  ["Bun's lock file", {}, { files: { "bun.lock": "" }, tools: [...npm, "bun"] }, "bun", "bun.lock"],
  ["Bun's lock file, no Bun", {}, { files: { "bun.lock": "" } }, "npm", undefined],
  [
    "npm's lock file beside others",
    { packageManager: "pnpm@10.4.1" },
    { files: { "pnpm-lock.yaml": "", "package-lock.json": "" } },
    "npm",
    undefined,
  ],
  [
    "the setting",
    { packageManager: "pnpm@10.4.1" },
    { files: { "pnpm-lock.yaml": "" }, settings: { NODE_PACKAGE_MANAGER: "npm" } },
    "npm",
    undefined,
  ],
])("the package manager by %s", (_, fields, facts, name, because) => {
  const files = { ...manifest(fields), ...facts.files };
  const source = sourceOf({ tools: npm, ...facts, files });
  const chosen = managerOf(source);
  expect([chosen.name, chosen.because]).toEqual([name, because]);
  const title = node.install!(source, "/e").at(-1)!.title;
  expect(title).toContain(because ? ` because of ${because}` : "Running npm");
});

test.each<[string, object]>([
  ["npm", {}],
  ["pnpm", { pnpm_config_verify_deps_before_run: "false" }],
])("node's settings with %s", (name, more) => {
  const source = sourceOf({ files: manifest({ packageManager: `${name}@11.0.0` }), tools: npm });
  expect(node.settings("/e", { PATH: "/bin" }, source)).toEqual({
    NODE_PATH: "/e/node_modules",
    NPM_CONFIG_PREFIX: "/e",
    PATH: "/e/bin:/e/node_modules/.bin:/bin",
    ...more,
  });
});

// Regression: Yarn 2 and newer refuse a setting of Yarn 1.
test.each<[string, string | undefined]>([
  ["1.22.22", "false"],
  ["2.4.3", undefined],
  ["3.8.7", undefined],
  ["4.9.2", undefined],
])("for a build script, yarn %s is told of production: %p", (version, told) => {
  const files = manifest({ packageManager: `yarn@${version}`, scripts: { build: "x" } });
  const step = node.install!(sourceOf({ files, tools: npm }), "/e").at(-1)!;
  expect(step.env?.YARN_PRODUCTION).toBe(told!);
});

test.each<[string, object, string | undefined, string[]]>([
  ["nothing", {}, undefined, []],
  ["a list", { workspaces: ["packages/*", "./site/"] }, undefined, ["packages/a", "site"]],
  [
    "an object",
    { workspaces: { packages: ["packages/**"] } },
    undefined,
    ["packages/a", "packages/b/c"],
  ],
  ["an exception", { workspaces: ["packages/**", "!packages/b/*"] }, undefined, ["packages/a"]],
  [
    "braces, which may mean any",
    { workspaces: ["{packages,libs}/*"] },
    undefined,
    ["packages/a", "packages/b/c", "site", "x"],
  ],
  [
    "very many stars",
    { workspaces: [`${"**a".repeat(40)}`, "!*"] },
    undefined,
    ["packages/a", "packages/b/c"],
  ],
  ["no patterns", { workspaces: [1, null] }, undefined, []],
  [
    "pnpm",
    {},
    "packages:\n  # ours\n  - 'packages/*'\n  - site\nonlyBuilt:\n  - x\n",
    ["packages/a", "site"],
  ],
])("packages of a workspace: %s", (_, fields, pnpm, folders) => {
  const names = ["packages/a", "packages/b/c", "site", "x", "packages/a/node_modules/y"];
  const files = {
    ...manifest(fields),
    ...(pnpm === undefined ? {} : { "pnpm-workspace.yaml": pnpm }),
    ...Object.fromEntries(names.map((name) => [`${name}/package.json`, "{}"])),
  };
  expect(workspaceFolders(sourceOf({ files }))).toEqual(folders);
});

// Regression: the original's own sample asks for a version, and must go in on a server without
// nodeenv.
test.each<[string, Facts, string | undefined]>([
  ["no version", {}, undefined],
  ["the version that is there", { settings: { NODE_VERSION: "18" } }, undefined],
  [
    "another, with nodeenv",
    { settings: { NODE_VERSION: "20" }, tools: [...npm, "nodeenv"] },
    undefined,
  ],
  [
    "another, without nodeenv",
    { settings: { NODE_VERSION: "20" } },
    "NODE_VERSION is 20, but the server has Node 18.19.0",
  ],
  ["a part of another", { settings: { NODE_VERSION: "1" } }, "NODE_VERSION is 1, but"],
])("node warns of %s", (_, facts, message) => {
  const source = sourceOf({ files: manifest(), tools: npm, answers, ...facts });
  const warnings = node.warns!(source);
  expect(warnings.length).toBe(message === undefined ? 0 : 1);
  if (message !== undefined) {
    expect(warnings[0]).toContain(message);
    expect(node.install!(source, "/e").map(line)).toEqual([
      create,
      "npm install --no-audit --no-fund",
    ]);
  }
});

test.each<[string, Facts, string]>([
  [
    "a version that is none",
    { settings: { NODE_VERSION: "20; id" } },
    "NODE_VERSION: invalid version '20; id'",
  ],
  [
    "a manager that is none",
    { settings: { NODE_PACKAGE_MANAGER: "sh -c id" } },
    "NODE_PACKAGE_MANAGER: invalid package manager 'sh -c id'",
  ],
  [
    "a manager of JavaScript's own",
    { settings: { NODE_PACKAGE_MANAGER: "toString" } },
    "NODE_PACKAGE_MANAGER: invalid package manager 'toString'",
  ],
  ["a manifest that is no JSON", { files: { "package.json": "{" } }, "package.json is not JSON"],
  ["a manifest that is null", { files: { "package.json": "null" } }, "package.json is not JSON"],
])("node refuses %s", (_, facts, message) => {
  expect(() =>
    node.madeFrom!.facts(sourceOf({ files: manifest(), tools: npm, answers, ...facts })),
  ).toThrow(message);
});

const builds = manifest({ scripts: { build: "x" } });
const [own, link, publish] = [
  "Preparing node_modules: own",
  "Linking node_modules: link",
  "Linking node_modules: publish",
];
const prepares = manifest({
  scripts: { prepare: "y", postinstall: "z", build: "x", preinstall: "v" },
});
const alone = "npm run --ignore-scripts";

test.each<[string, Facts, string[]]>([
  ["without a build script", { files: manifest() }, [link]],
  ["with one", { files: builds }, [own, "npm run build", publish]],
  ["that release runs", { files: builds, commands: ["npm ci && npm run build"] }, [link]],
  [
    "that is not what release runs",
    { files: builds, commands: ["npm ci; make build"] },
    [own, "npm run build", publish],
  ],
  [
    "beside a worker in a folder build",
    { files: builds, commands: ["node build/server.js"] },
    [own, "npm run build", publish],
  ],
  ["with packages of its own", { files: { ...manifest(), "node_modules/a/index.js": "" } }, []],
  [
    "with packages of its own and a build script",
    { files: { ...builds, "node_modules/a/index.js": "" } },
    ["npm run build"],
  ],
  [
    "with install scripts, in npm's order",
    { files: prepares },
    [own, `${alone} postinstall`, `${alone} prepare`, "npm run build", publish],
  ],
  [
    "with husky",
    { files: manifest({ scripts: { prepare: "husky || true" } }) },
    [own, `${alone} prepare`, publish],
  ],
  ["with nothing but husky", { files: manifest({ scripts: { prepare: "husky" } }) }, [link]],
  [
    "with a native module",
    { files: { ...manifest(), "binding.gyp": "{}" } },
    [own, "npm exec -c node-gyp rebuild", publish],
  ],
  [
    "with install scripts of a workspace",
    { files: { ...workspace, "packages/a/package.json": '{"scripts":{"prepare":"x"}}' } },
    [own, `sh -c cd "$0" && exec "$@" packages/a ${alone} prepare`, publish],
  ],
  [
    "with a modern yarn and no lock file",
    { files: manifest({ packageManager: "yarn@4.9.2" }) },
    ["cp /e/yarn.lock .", link],
  ],
])("node builds %s", (_, facts, lines) => {
  const source = sourceOf({ tools: npm, settings: { PWD: "/a" }, ...facts });
  expect(node.build!(source, "/e").map(line)).toEqual(lines);
});

const starts = manifest({ scripts: { start: "x" } });
const named = { NGINX_SERVER_NAME: "a.b" };

test.each<[string, Facts, string | undefined]>([
  ["nothing else", { files: starts, workers: {} }, "npm start"],
  [
    "yarn",
    { files: starts, workers: {}, settings: { NODE_PACKAGE_MANAGER: "yarn" } },
    "yarn start",
  ],
  ["no script", { files: manifest(), workers: {} }, undefined],
  ["a web line", { files: starts, workers: { web: "a" }, settings: named }, undefined],
  ["a worker of an app without a name", { files: starts, workers: { worker: "a" } }, undefined],
  [
    "a worker of an app with a name",
    { files: starts, workers: { worker: "a" }, settings: named },
    "npm start",
  ],
  ["static files", { files: starts, workers: { static: "/" }, settings: named }, undefined],
])("node's web worker beside %s", (_, facts, command) => {
  expect(node.web!(sourceOf({ tools: npm, ...facts }))).toBe(command);
});

test.each([
  ["node_modules", true],
  ["dist/main.js", true],
  ["node_modules/a/index.js", false],
  ["packages/a/node_modules/b", false],
  [".next/cache/x", false],
  [".next/server/x", true],
  [".next/node_modules/a-1", true],
  [".next/standalone/node_modules/a/index.js", true],
  [".output/server/node_modules/a/index.js", true],
  ["site/.output/server/node_modules/a/index.js", true],
  ["node_modules/a/dist/node_modules/b.js", false],
  ["client/node_modules/a/build/b.js", false],
])("of a build %s goes live: %p", (name, live) => {
  expect(isNodeOutput(name)).toBe(live);
});

test("Bun and Deno install", () => {
  const ofBun = sourceOf({ files: { ...manifest(), "bun.lock": "" }, tools: ["bun"] });
  expect(bun.install!(ofBun, "/e").map(line)).toEqual([
    copying("package.json", "bun.lock"),
    "bun install --frozen-lockfile",
  ]);
  const ofDeno = (files: Record<string, string>) =>
    deno.install!(sourceOf({ files }), "/e").map(line);
  expect(ofDeno({ "deno.json": "{}" })).toEqual(["deno install --no-lock"]);
  expect(ofDeno({ "deno.json": "{}", "deno.lock": "{}" })).toEqual(["deno install --frozen"]);
});
