import { expect, test } from "bun:test";
import { appOf } from "./app.ts";
import { branchToDeploy, hookText, isCommit, parseUpdates, type Update } from "./git.ts";
import { memoryHost } from "./host/memory.ts";
import { pathsOf } from "./paths.ts";

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
PIKU_ROOT=/home/piku/.piku exec env -u BUN_OPTIONS -u BUN_BE_BUN -u SSH_ORIGINAL_COMMAND '/opt/my tools/piku' git-hook blog
`);
});
