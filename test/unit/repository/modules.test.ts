import { expect, test } from "bun:test";
import { embeddedWarnings, lfsPattern } from "../../../src/repository/missing.ts";
import { moduleError, parseModules } from "../../../src/repository/modules.ts";

const modules = (url: string) => `[submodule "lib"]\n\tpath = lib\n\turl = ${url}\n`;

test.each([
  ["", []],
  [modules("../lib"), [{ path: "lib", url: "../lib" }]],
  [
    `# libraries\r\n[submodule "a"]\r\n  url = "https://x.test/a b.git"\r\n  Path=a/b\r\n${modules("x")}`,
    [
      { path: "a/b", url: "https://x.test/a b.git" },
      { path: "lib", url: "x" },
    ],
  ],
  ['[submodule "a"]\nurl = x\n', []],
])("parseModules(%j)", (text, expected) => {
  expect(parseModules(text)).toEqual(expected);
});

/** What git writes when it cannot clone a submodule. */
const cloning = (reason: string, from: string) =>
  `${reason}\nfatal: clone of '${from}' into submodule path '/p/tree/lib' failed\nFailed to clone 'lib'. Retry scheduled\n${reason}\nfatal: clone of '${from}' into submodule path '/p/tree/lib' failed\nFailed to clone 'lib' a second time, aborting\n`;
const refusedBySsh =
  "fatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\nand the repository exists.";
const useHttps = "give it an https address that the board can reach";

test.each<[string, string, string, string, string]>([
  [
    "a relative address",
    "../lib",
    `warning: could not look up configuration 'remote.origin.url'. Assuming this repository is its own authoritative upstream.\n${cloning("fatal: transport 'file' not allowed", "/p/lib")}`,
    "submodule 'lib' could not be fetched from ../lib: transport 'file' not allowed",
    useHttps,
  ],
  [
    "an address by ssh",
    "git@github.com:x/lib.git",
    cloning(
      `git@github.com: Permission denied (publickey).\n${refusedBySsh}`,
      "git@github.com:x/lib.git",
    ),
    "submodule 'lib' could not be fetched from git@github.com:x/lib.git: git@github.com: Permission denied (publickey).",
    useHttps,
  ],
  [
    "a name that is nowhere",
    "https://nowhere.test/x.git",
    cloning(
      "fatal: unable to access 'https://nowhere.test/x.git/': Could not resolve host: nowhere.test",
      "https://nowhere.test/x.git",
    ),
    "submodule 'lib' could not be fetched from https://nowhere.test/x.git: unable to access 'https://nowhere.test/x.git/': Could not resolve host: nowhere.test",
    "look at its address",
  ],
  [
    "a private repository",
    "https://x:s3cret@github.com/x/lib",
    cloning(
      "fatal: Authentication failed for 'https://x:s3cret@github.com/x/lib/'",
      "https://x:s3cret@github.com/x/lib",
    ),
    "submodule 'lib' could not be fetched from https://github.com/x/lib: Authentication failed for 'https://github.com/x/lib/'",
    "make it public",
  ],
  [
    "no address at all",
    "",
    "fatal: No url found for submodule path 'theme' in .gitmodules\n",
    "submodule 'theme' could not be fetched: No url found for submodule path 'theme' in .gitmodules",
    "has a .git of its own",
  ],
  [
    "a commit that was not pushed",
    "https://x.test/lib",
    "fatal: remote error: upload-pack: not our ref 1111\nfatal: Fetched in submodule path 'lib', but it did not contain 1111. Direct fetching of that commit failed.\n",
    "submodule 'lib' could not be fetched from https://x.test/lib: remote error: upload-pack: not our ref 1111",
    "push it from inside the submodule first",
  ],
])("a submodule with %s", (_, url, said, message, hint) => {
  const error = moduleError(said, modules(url), "/p/tree");
  expect(error.message).toBe(message);
  expect(error.hint).toContain(hint);
});

test("repositories that were added by mistake are named, and submodules are not", () => {
  expect(embeddedWarnings(["lib", "theme"], modules("x"))).toEqual([
    "theme/ has a .git of its own, so its files were not pushed; on your machine: rm -rf theme/.git; git rm --cached theme; git add theme",
  ]);
});

test.each([
  ["*.jpg filter=lfs diff=lfs merge=lfs -text\n", "*.jpg"],
  ["* text=auto\r\n# *.gif filter=lfs\r\n  data/** -text filter=lfs\r\n", "data/**"],
  ["*.jpg filter=other\n*.png -filter\n", undefined],
  [`${"x".repeat(1_000_000)}\n`, undefined],
  ["", undefined],
])("lfsPattern %#", (attributes, pattern) => {
  expect(lfsPattern(attributes)).toBe(pattern);
});
