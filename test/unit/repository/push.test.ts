import { expect, test } from "bun:test";
import { mostReceived, parseSize } from "../../../src/repository/accept.ts";
import { parseChoices } from "../../../src/repository/own.ts";
import { branchToDeploy, pushOf } from "../../../src/repository/push.ts";

const id = "a".repeat(40);
const none = "0".repeat(40);
const pushed = (...names: string[]) =>
  names.map((name) => ({
    before: none,
    after: name.startsWith(":") ? none : id,
    reference: `refs/heads/${name.replace(":", "")}`,
  }));

test.each([
  [["main"], undefined, "main", []],
  [["b", "master", "a"], undefined, "master", ["b", "a"]],
  [["b", "a"], undefined, "b", ["a"]],
  [["b", "main"], "b", "b", ["main"]],
  [["b"], "main", undefined, ["b"]],
  [[":main", "b"], "main", undefined, ["b"]],
  [[":main"], undefined, undefined, []],
] as const)("of a push of %p, PIKU_BRANCH %p", (names, wanted, deployed, others) => {
  const found = branchToDeploy(pushed(...names), wanted);
  expect(found.update?.reference).toBe(deployed && `refs/heads/${deployed}`);
  expect(found.others).toEqual([...others]);
});

test.each([
  [[], { keep: [], take: [] }],
  [["take=db.sqlite3", "keep=a b", "take=."], { keep: ["a b"], take: ["db.sqlite3", "."] }],
  [["keep=a=b"], { keep: ["a=b"], take: [] }],
] as const)("push options %p", (options, choices) => {
  expect(parseChoices(options)).toEqual({ keep: [...choices.keep], take: [...choices.take] });
});

test.each([["ci.skip"], ["take="], ["tak=x"]])("there is no push option %p", (option) => {
  expect(() => parseChoices([option])).toThrow("there is no push option");
});

test("push options come in the environment of the hook", () => {
  const env = { GIT_PUSH_OPTION_COUNT: "2", GIT_PUSH_OPTION_0: "take=a", GIT_PUSH_OPTION_1: "b" };
  expect(pushOf({ ...env, GIT_QUARANTINE_PATH: "/q" })).toEqual({
    incoming: "/q",
    options: ["take=a", "b"],
  });
  expect(pushOf({ GIT_PUSH_OPTION_COUNT: "9".repeat(9) }).options.length).toBe(1000);
  expect(pushOf({}).options).toEqual([]);
});

test.each([
  ["0", 0],
  ["500", 500],
  ["2k", 2048],
  ["20M", 20 * 1024 ** 2],
  ["1g", 1024 ** 3],
] as const)("the size %s", (size, bytes) => {
  expect(parseSize(size)).toBe(bytes);
});

test.each([
  [0, 100, 0],
  [100, 1000, 200],
  [100, 100, 125],
  [100, 0, 100],
])("of a limit of %d bytes with %d free, git takes %d", (limit, free, most) => {
  expect(mostReceived(limit, free)).toBe(most);
});
