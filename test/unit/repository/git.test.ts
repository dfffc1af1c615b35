import { expect, test } from "bun:test";
import { appOf } from "../../../src/app/app.ts";
import { pathsOf } from "../../../src/app/paths.ts";
import { isCommit, linksOf, refuseManyNames } from "../../../src/repository/commit.ts";
import {
  branchToDeploy,
  hookText,
  parseUpdates,
  refuseReferences,
  type Update,
} from "../../../src/repository/push.ts";
import { memoryHost } from "../../host/memory.ts";

const [a, b, none] = ["a".repeat(40), "b".repeat(40), "0".repeat(40)];
const long = "c".repeat(64);

test.each<[string, boolean]>([
  [a, true],
  [long, true],
  [none, true],
  ["a".repeat(39), false],
  ["A".repeat(40), false],
  [`${a}\n`, false],
  ["--help", false],
  ["", false],
])("isCommit(%j)", (id, expected) => {
  expect(isCommit(id)).toBe(expected);
});

test.each<[string, Update[]]>([
  ["", []],
  [`${none} ${a} refs/heads/main\n`, [{ before: none, after: a, reference: "refs/heads/main" }]],
  [
    `${a} ${b} refs/heads/main\n${none} ${a} refs/tags/v1\n`,
    [
      { before: a, after: b, reference: "refs/heads/main" },
      { before: none, after: a, reference: "refs/tags/v1" },
    ],
  ],
  [`${long} ${long} refs/heads/é/x`, [{ before: long, after: long, reference: "refs/heads/é/x" }]],
  [`x ${a} refs/heads/main\n${a} ${b}\n${a} ${b} refs/heads/main more\nnonsense\n`, []],
])("parseUpdates(%j)", (input, updates) => {
  expect(parseUpdates(input)).toEqual(updates);
});

/** `name` is pushed, `-name` deleted. */
const push = (names: string[]): Update[] =>
  names.map((name) => ({
    before: a,
    after: name.startsWith("-") ? none : b,
    reference: `refs/${name.replace(/^-/, "")}`,
  }));

test.each<[string[], string | undefined, string[]]>([
  [[], undefined, []],
  [["heads/main"], "refs/heads/main", []],
  [["heads/x", "heads/master", "heads/main"], "refs/heads/main", ["x", "master"]],
  [["heads/x", "heads/master"], "refs/heads/master", ["x"]],
  [["heads/x/y", "heads/a"], "refs/heads/x/y", ["a"]],
  [["tags/v1"], undefined, []],
  [["tags/main", "heads/x"], "refs/heads/x", []],
  [["-heads/main"], undefined, []],
  [["-heads/main", "heads/x"], "refs/heads/x", []],
  [["notes/commits", "piku/1"], undefined, []],
  [["heads/heads/main"], "refs/heads/heads/main", []],
  [["heads/x", "heads/refs/heads/y"], "refs/heads/x", ["refs/heads/y"]],
])("a push of %j deploys %s", (names, reference, others) => {
  const found = branchToDeploy(push(names));
  expect([found.update?.reference, found.others]).toEqual([reference, others]);
});

test("a hook's text", () => {
  const host = { ...memoryHost({ env: { HOME: "/home/piku" } }), self: "/opt/my tools/piku" };
  expect(hookText(host, appOf(pathsOf(host), "blog"))).toBe(`#!/bin/sh
# Written by piku at every push; changes are lost.
[ -x '/opt/my tools/piku' ] || exit 0
unset BUN_OPTIONS BUN_BE_BUN SSH_ORIGINAL_COMMAND
export PIKU_ROOT=/home/piku/.piku
exec '/opt/my tools/piku' git-hook blog
`);
});

test.each([
  "refs/heads/main",
  "refs/heads/feature/x",
  "refs/heads/AHEAD",
  "refs/heads/head",
  "refs/heads/-x",
  `refs/heads/${a.slice(1)}`,
  "refs/tags/v1",
])("a push of %s is taken", (reference) => {
  expect(() => refuseReferences([{ before: none, after: a, reference }])).not.toThrow();
});

test.each([
  [`refs/replace/${a}`, "is neither a branch nor a tag"],
  ["refs/notes/commits", "is neither a branch nor a tag"],
  ["refs/piku/1", "is neither a branch nor a tag"],
  ["refs/headsmain", "is neither a branch nor a tag"],
  ["refs/heads/", "is neither a branch nor a tag"],
  ["HEAD", "is neither a branch nor a tag"],
  ["refs/x\u001b[2J", "'refs/x?[2J' is neither a branch nor a tag"],
  ["refs/heads/HEAD", "no branch or tag can be called 'HEAD' here"],
  ["refs/heads/@", "no branch or tag can be called '@' here"],
  ["refs/tags/FETCH_HEAD", "no branch or tag can be called 'FETCH_HEAD' here"],
  [`refs/heads/${a}`, `no branch or tag can be called '${a}' here`],
  [`refs/tags/${long}`, `no branch or tag can be called '${long}' here`],
  ["refs/heads/refs/heads/main", "no branch or tag can be called 'refs/heads/main' here"],
])("a push of %j is refused, unless it takes it away", (reference, message) => {
  const main = { before: none, after: a, reference: "refs/heads/main" };
  expect(() => refuseReferences([main, { before: none, after: b, reference }])).toThrow(message);
  expect(() => refuseReferences([main, { before: b, after: none, reference }])).not.toThrow();
});

const commitIn = (answer: (line: string, input: string) => string | undefined) => {
  const host = memoryHost({
    env: { HOME: "/home/piku" },
    files: { "/proc/sys/kernel/random/uuid": "5b1e-mark\n" },
    answer: (argv, { input = "" }) => ({ stdout: answer(argv.join(" "), input) ?? "" }),
  });
  return { host, commit: { id: a, app: appOf(pathsOf(host), "blog") } };
};

test.each([
  ["  100000 5000000\n", undefined],
  ["0 0", undefined],
  ["100001 5000000", "the commit has more than 100000 files and folders"],
  ["3 20000000", "the names of the commit's files and folders are together longer than 20 MB"],
])("a commit whose names are counted as %j", (counted, message) => {
  const { host, commit } = commitIn(() => counted);
  const refuse = () => refuseManyNames(host, commit, 100_000);
  if (message) expect(refuse).toThrow(message);
  else expect(refuse).not.toThrow();
});

test("links are read by one call, and none can speak for another", () => {
  const blobs = {
    [a]: "../x",
    [b]: `y\n${a} blob 4\nevil\nother missing\n`,
    [long.slice(0, 40)]: "",
  };
  const [one, two, three] = Object.keys(blobs);
  const { host, commit } = commitIn((line, input) =>
    line.includes("ls-tree")
      ? `120000 blob ${one}\tl/1\x00120000 blob ${two}\tl\n2\x00120000 blob ${one}\tl/3\x00120000 blob ${three}\tl4\x00`
      : input
          .trim()
          .split("\n")
          .map((name) =>
            name in blobs
              ? `${name} blob ${blobs[name]!.length}\n${blobs[name]}\n`
              : `${name} missing\n`,
          )
          .join(""),
  );
  expect([...linksOf(host, commit)]).toEqual([
    ["l/1", blobs[a]!],
    ["l\n2", blobs[b]!],
    ["l/3", blobs[a]!],
    ["l4", ""],
  ]);
  // The first for the commit itself.
  expect(host.ran.filter((argv) => argv.includes("cat-file")).length).toBe(2);
});
