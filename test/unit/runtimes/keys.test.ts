import { expect, test } from "bun:test";
import { bun } from "../../../src/runtimes/bun.ts";
import { deno } from "../../../src/runtimes/deno.ts";
import { countedFiles, environmentKey } from "../../../src/runtimes/dependencies.ts";
import { go } from "../../../src/runtimes/go.ts";
import { node } from "../../../src/runtimes/node.ts";
import { poetry } from "../../../src/runtimes/poetry.ts";
import { python } from "../../../src/runtimes/python.ts";
import { ruby } from "../../../src/runtimes/ruby.ts";
import type { Runtime } from "../../../src/runtimes/runtime.ts";
import { uv } from "../../../src/runtimes/uv.ts";
import { memoryHost } from "../../host/memory.ts";
import { sourceOf } from "../../host/source.ts";

type Facts = Parameters<typeof sourceOf>[0];

/** Any function of a text, as 16 hexadecimal digits. */
const hashed = (text: string) =>
  [...text]
    .reduce((hash, letter) => (hash * 31n + BigInt(letter.charCodeAt(0))) % 2n ** 64n, 7n)
    .toString(16)
    .padStart(16, "0");

const host = memoryHost({ answer: (_, { input = "" }) => ({ stdout: hashed(input) }) });

const keyOf = (runtime: Runtime, facts: Facts) =>
  environmentKey(host, runtime, sourceOf({ tools: ["node", "npm", "python3"], ...facts }));

/** Files of an app, and a change of them; undefined removes a file. */
type Files = Record<string, string | undefined>;

const json = (facts: object) => ({ "package.json": JSON.stringify(facts) });
const express = json({ dependencies: { express: "4" } });
const scripts = { postinstall: "node setup.js", prepare: "svelte-kit sync || echo ''" };
const svelte = { ...json({ scripts }), "setup.js": "1", "package-lock.json": "{}" };
const workspace = {
  ...json({ workspaces: ["packages/*"] }),
  "packages/a/package.json": "{}",
  "packages/a/index.js": "1",
};
const local = { ...json({ dependencies: { a: "file:./lib/a" } }), "lib/a/index.js": "1" };
const pip = { "requirements.txt": "flask\n-r requirements/base.txt", "requirements/base.txt": "1" };
const nested = { "requirements.txt": "-r deps/a.in", "deps/a.in": "-r b.in", "deps/b.in": "1" };
const project = { "pyproject.toml": "[project]", "uv.lock": "1", "poetry.lock": "1" };
const gems = { Gemfile: 'gem "rack"', "Gemfile.lock": "1" };

// Whether dependencies are made again.
test.each<[string, Runtime, Files, Files, boolean]>([
  ["a file of the app", node, express, { "index.js": "2" }, false],
  ["its manifest", node, express, json({}), true],
  [
    "its lock file",
    node,
    { ...express, "package-lock.json": "1" },
    { "package-lock.json": "2" },
    true,
  ],
  ["a lock file that is new", node, express, { "package-lock.json": "1" }, true],
  ["npm's configuration", node, express, { ".npmrc": "a=b" }, true],
  ["a patch", node, express, { "patches/a+1.0.0.patch": "1" }, true],
  ["a plugin of Yarn's", node, express, { ".yarn/plugins/a.cjs": "1" }, true],
  ["a committed package", node, express, { "node_modules/a/package.json": "{}" }, false],
  // Its own scripts run at every deploy, in the build tree.
  ["what `postinstall` runs", node, svelte, { "setup.js": "2" }, false],
  ["what `prepare` reads", node, svelte, { "svelte.config.js": "2" }, false],
  ["the scripts themselves", node, svelte, json({ scripts: { postinstall: "x" } }), true],
  [
    "a file, where `preinstall` may read any",
    node,
    json({ scripts: { preinstall: "node a.js" } }),
    { "b.js": "2" },
    true,
  ],
  [
    "a file, where `preinstall` only looks who installs",
    node,
    json({ scripts: { preinstall: "npx only-allow pnpm" } }),
    { "b.js": "2" },
    false,
  ],
  ["a package of a workspace", node, workspace, { "packages/a/index.js": "2" }, false],
  ["its manifest", node, workspace, { "packages/a/package.json": "{ }" }, true],
  ["a new package", node, workspace, { "packages/b/package.json": "{}" }, true],
  ["a package by its folder", node, local, { "lib/a/index.js": "2" }, true],
  ["a folder beside it", node, local, { "lib/b/index.js": "2" }, false],
  ["its manifest", bun, { ...express, "bun.lock": "" }, json({}), true],
  ["what `postinstall` runs", bun, { ...svelte, "bun.lock": "" }, { "setup.js": "2" }, false],
  ["a module", deno, { "deno.json": "{}" }, { "main.ts": "2" }, false],
  ["an import map", deno, { "deno.json": "{}" }, { "import_map.json": "2" }, true],
  ["a member of a workspace", deno, { "deno.json": "{}" }, { "a/deno.json": "{}" }, true],
  ["a file of the app", python, pip, { "app.py": "2" }, false],
  ["a list in a folder", python, pip, { "requirements/base.txt": "2" }, true],
  ["a list that no other names", python, pip, { "requirements/test.txt": "2" }, false],
  ["a list named by a list", python, nested, { "deps/b.in": "2" }, true],
  ["constraints", python, pip, { "constraints.txt": "2" }, true],
  ["any file, for `-e .`", python, { "requirements.txt": "-e .\n" }, { "a.py": "2" }, true],
  ["any file, for a path", python, { "requirements.txt": "./a\n" }, { "b.py": "2" }, true],
  ["any file, for file:", python, { "requirements.txt": "a @ file:a\n" }, { "b.py": "2" }, true],
  ["a file of the app", uv, project, { "app.py": "2" }, false],
  ["the lock file", uv, project, { "uv.lock": "2" }, true],
  ["the version", uv, project, { ".python-version": "3.12" }, true],
  ["any file, for a path", uv, { "pyproject.toml": 'a = { path = "a" }' }, { "a.py": "2" }, true],
  ["a file of the app", poetry, project, { "app.py": "2" }, false],
  ["the lock file", poetry, project, { "poetry.lock": "2" }, true],
  ["its own package", poetry, project, { "src/a.py": "2" }, true],
  ["a file of the app", ruby, gems, { "app.rb": "2" }, false],
  ["the lock file", ruby, gems, { "Gemfile.lock": "2" }, true],
  ["a gemspec", ruby, gems, { "a.gemspec": "2" }, true],
  ["any file, for a path", ruby, { Gemfile: 'gem "a", path: "a"' }, { "a.rb": "2" }, true],
  ["any file, for another Gemfile", ruby, { Gemfile: 'eval_gemfile "b"' }, { b: "2" }, true],
])("another key for %s (%#)", (_, runtime, files, change, isOther) => {
  const present = (all: Files) =>
    Object.fromEntries(
      Object.entries(all).flatMap(([name, text]) => (text === undefined ? [] : [[name, text]])),
    );
  const before = keyOf(runtime, { files: present(files) });
  expect(before).toMatch(/^[0-9a-f]{16}$/);
  expect(keyOf(runtime, { files: present(files) })).toBe(before!);
  expect(keyOf(runtime, { files: present({ ...files, ...change }) }) !== before).toBe(isOther);
});

test.each<[string, Runtime, Facts, boolean]>([
  ["a setting of npm", node, { settings: { npm_config_omit: "dev" } }, true],
  ["NODE_ENV", node, { settings: { NODE_ENV: "production" } }, true],
  ["another setting", node, { settings: { COLOUR: "red" } }, false],
  ["another Node", node, { answers: { "node -v": "v99" } }, true],
  ["another manager", node, { settings: { NODE_PACKAGE_MANAGER: "pnpm" } }, true],
  ["a setting of Bundler", ruby, { settings: { BUNDLE_WITHOUT: "test" } }, true],
  ["another Ruby", ruby, { answers: { "ruby -v": "9" } }, true],
  ["a setting of uv", uv, { settings: { UV_EXTRA: "x" } }, true],
  ["uWSGI", uv, { workers: { wsgi: "a:b" } }, true],
  ["another Python", python, { answers: { "python3 -V": "9" } }, true],
  ["another Deno", deno, { answers: { "deno --version": "9" } }, true],
])("another key for %s", (_, runtime, facts, isOther) => {
  const files = { ...express, ...pip, ...project, ...gems, "deno.json": "{}" };
  expect(keyOf(runtime, { files, ...facts }) !== keyOf(runtime, { files })).toBe(isOther);
});

test("a manifest that is a link, and a submodule, may lead to anything", () => {
  const files = { ...pip, "a.py": "1" };
  const link = { "requirements.txt": "120000" };
  expect(keyOf(python, { files, modes: link })).not.toBe(
    keyOf(python, { files: { ...files, "a.py": "2" }, modes: link }),
  );
  const module = { lib: "160000" };
  expect(keyOf(python, { files: { ...files, lib: "1" }, modes: module })).not.toBe(
    keyOf(python, { files: { ...files, lib: "2" }, modes: module }),
  );
});

test("a runtime without dependencies has no key", () => {
  expect(keyOf(go, { files: { "go.mod": "" } })).toBeUndefined();
});

test("a path that leads out of the commit is all of it", () => {
  const source = sourceOf({ files: { "requirements.txt": "-r ../../x.txt\n-r ..\n" } });
  expect(countedFiles(source, python.madeFrom!).folders).toEqual(["x.txt", "."]);
});
