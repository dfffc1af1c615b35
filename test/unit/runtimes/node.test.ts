import { expect, test } from "bun:test";
import { bun } from "../../../src/runtimes/bun.ts";
import { deno } from "../../../src/runtimes/deno.ts";
import { detectRuntime } from "../../../src/runtimes/index.ts";
import { goesLive, node } from "../../../src/runtimes/node.ts";
import type { Step } from "../../../src/runtimes/runtime.ts";
import { sourceOf } from "../../host/source.ts";

type Facts = Parameters<typeof sourceOf>[0];

const manifest = (facts: object = {}) => ({ "package.json": JSON.stringify(facts) });
const npm = ["node", "npm"];
const answers = { "node -v": "v18.19.0" };

const line = (step: Step) => step.argv.join(" ");

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

const create = 'sh -c cp -P "$@" "$0" && mkdir "$0/node_modules" /e package.json';
const createAll =
  'sh -c cp -a . "$0" && rm -rf "$0/.git" "$0/node_modules" && mkdir "$0/node_modules" /e';
const withLock = { ...manifest(), "package-lock.json": "{}" };
const yarn1 = { ...manifest(), "yarn.lock": "# yarn lockfile v1\n" };
const yarn4 = { ...manifest(), "yarn.lock": "__metadata:\n" };

test.each<[string, Facts, string[]]>([
  ["without a lock file", { files: manifest() }, [create, "npm install --no-audit --no-fund"]],
  ["with one", { files: withLock }, [`${create} package-lock.json`, "npm ci --no-audit --no-fund"]],
  [
    "as the original did",
    { files: withLock, settings: { NODE_PACKAGE_MANAGER: "npm --package-lock=false" } },
    [`${create} package-lock.json`, "npm --package-lock=false install --no-audit --no-fund"],
  ],
  [
    "with its own scripts",
    { files: manifest({ scripts: { postinstall: "x" } }) },
    [createAll, "npm install --no-audit --no-fund"],
  ],
  [
    "with husky",
    { files: manifest({ scripts: { prepare: "husky install" } }) },
    [create, "npm install --no-audit --no-fund"],
  ],
  [
    "with workspaces",
    { files: manifest({ workspaces: ["a"] }) },
    [createAll, "npm install --no-audit --no-fund"],
  ],
  [
    "with a package of its own",
    { files: manifest({ dependencies: { a: "file:a" } }) },
    [createAll, "npm install --no-audit --no-fund"],
  ],
  [
    "with yarn, which is there",
    { files: yarn1, tools: [...npm, "yarn"], settings: { NODE_PACKAGE_MANAGER: "yarn" } },
    [`${create} yarn.lock`, "yarn install --frozen-lockfile"],
  ],
  [
    "with yarn, which is not",
    { files: yarn1, settings: { NODE_PACKAGE_MANAGER: "yarn" } },
    [
      "npm install --global --no-audit --no-fund yarn@1",
      `${create} yarn.lock`,
      "yarn install --frozen-lockfile",
    ],
  ],
  [
    "with a modern yarn, whatever is there",
    { files: yarn4, tools: [...npm, "yarn"], settings: { NODE_PACKAGE_MANAGER: "yarn" } },
    [
      "npm install --global --no-audit --no-fund @yarnpkg/cli-dist@4",
      `${create} yarn.lock`,
      "yarn install --immutable",
    ],
  ],
  [
    "with the pnpm that package.json names",
    {
      files: { ...manifest({ packageManager: "pnpm@9.8.0+sha512.00" }), "pnpm-lock.yaml": "x" },
      tools: [...npm, "pnpm"],
      settings: { NODE_PACKAGE_MANAGER: "pnpm" },
    },
    [
      "npm install --global --no-audit --no-fund pnpm@9.8.0",
      `${create} pnpm-lock.yaml`,
      "pnpm install --frozen-lockfile",
    ],
  ],
  [
    "with another Node",
    { files: manifest(), tools: [...npm, "nodeenv"], settings: { NODE_VERSION: "20.11.1" } },
    [
      "nodeenv --prebuilt --node=20.11.1 --clean-src --force /e",
      create,
      "npm install --no-audit --no-fund",
    ],
  ],
  [
    "with the Node that is there",
    { files: manifest(), settings: { NODE_VERSION: "v18" } },
    [create, "npm install --no-audit --no-fund"],
  ],
])("node installs %s", (_, facts, lines) => {
  expect(node.install!(sourceOf({ tools: npm, answers, ...facts }), "/e").map(line)).toEqual(lines);
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
    node.madeFrom!(sourceOf({ files: manifest(), tools: npm, answers, ...facts })),
  ).toThrow(message);
});

test.each<[string, Facts, string[]]>([
  ["a manifest", { files: manifest() }, ["v18.19.0", "npm", "false", "package.json", "{}"]],
  [
    "a lock file",
    { files: withLock },
    ["v18.19.0", "npm", "false", "package.json", "{}", "package-lock.json", "{}"],
  ],
  [
    "settings",
    {
      files: manifest(),
      settings: { NODE_ENV: "production", npm_config_omit: "dev", COLOUR: "red" },
    },
    [
      "v18.19.0",
      "npm",
      "false",
      "NODE_ENV=production",
      "npm_config_omit=dev",
      "package.json",
      "{}",
    ],
  ],
  [
    "any file of the app",
    { files: manifest({ workspaces: [] }) },
    ["v18.19.0", "npm", "false", "c1"],
  ],
])("node's folder is made from %s", (_, facts, parts) => {
  expect(node.madeFrom!(sourceOf({ tools: npm, answers, ...facts }))).toEqual(parts);
});

const builds = manifest({ scripts: { build: "x" } });
const link = 'sh -c rm -rf node_modules && ln -s "$0/node_modules" node_modules /e';

test.each<[string, Facts, string[]]>([
  ["without a build script", { files: manifest() }, [link]],
  ["with one", { files: builds }, [link, "npm run build"]],
  ["that release runs", { files: builds, commands: ["npm ci && npm run build"] }, [link]],
  [
    "that is not what release runs",
    { files: builds, commands: ["npm ci; make build"] },
    [link, "npm run build"],
  ],
  [
    "beside a worker in a folder build",
    { files: builds, commands: ["node build/server.js"] },
    [link, "npm run build"],
  ],
  ["with packages of its own", { files: { ...manifest(), "node_modules/a/index.js": "" } }, []],
])("node builds %s", (_, facts, lines) => {
  expect(node.build!(sourceOf({ tools: npm, ...facts }), "/e").map(line)).toEqual(lines);
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
])("of a build %s goes live: %p", (name, live) => {
  expect(goesLive(name)).toBe(live);
});

test("Bun and Deno install", () => {
  const ofBun = sourceOf({ files: { ...manifest(), "bun.lock": "" }, tools: ["bun"] });
  expect(bun.install!(ofBun, "/e").map(line)).toEqual([
    `${create} bun.lock`,
    "bun install --frozen-lockfile",
  ]);
  const ofDeno = (files: Record<string, string>) =>
    deno.install!(sourceOf({ files }), "/e").map(line);
  expect(ofDeno({ "deno.json": "{}" })).toEqual(["deno install --no-lock"]);
  expect(ofDeno({ "deno.json": "{}", "deno.lock": "{}" })).toEqual(["deno install --frozen"]);
});
