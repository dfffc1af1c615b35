import { expect, test } from "bun:test";
import { parseBoard, parseRemotes, parseUrl, urlOf } from "../../../src/client/remotes.ts";

test.each([
  ["piku@board:blog", { address: "piku@board", app: "blog" }],
  ["board.local:blog.git", { address: "board.local", app: "blog" }],
  ["piku@board:/blog", { address: "piku@board", app: "blog" }],
  ["ssh://piku@board/blog", { address: "piku@board", app: "blog" }],
  ["ssh://piku@board:2222/blog.git", { address: "piku@board", port: "2222", app: "blog" }],
  ["ssh://piku@[fe80::1]:2222/blog", { address: "piku@fe80::1", port: "2222", app: "blog" }],
  ["piku@[fe80::1]:blog", { address: "piku@fe80::1", app: "blog" }],
  ["git@github.com:somebody/blog.git", undefined],
  ["https://github.com/somebody/blog", undefined],
  ["/srv/git/blog", undefined],
  ["C:/Users/anna/blog", undefined],
  ["C:blog", undefined],
  ["-oProxyCommand=id:blog", undefined],
  ["ssh://-oProxyCommand=id/blog", undefined],
  ["piku@board:", undefined],
  ["", undefined],
])("the board and the app of %s", (url, expected) => {
  expect(parseUrl(url)).toEqual(expected as ReturnType<typeof parseUrl>);
});

test.each([
  ["board", { address: "piku@board" }],
  ["anna@board.local", { address: "anna@board.local" }],
  ["ssh://board:2222", { address: "piku@board", port: "2222" }],
  ["ssh://piku@board:2222/", { address: "piku@board", port: "2222" }],
  ["192.168.1.20", { address: "piku@192.168.1.20" }],
  ["[fe80::1]", { address: "piku@fe80::1" }],
])("a board typed as %s", (typed, expected) => {
  expect(parseBoard(typed)).toEqual(expected);
});

test.each(["-oProxyCommand=id", "a b", "", "piku@", "board/app", "https://board"])(
  "'%s' is no board",
  (typed) => {
    expect(() => parseBoard(typed)).toThrow("is not the name of a board");
  },
);

test.each(["board", "ssh://board:2222", "[fe80::1]", "ssh://anna@[fe80::1]:22"])(
  "git's address of an app on %s leads back to it",
  (typed) => {
    const board = parseBoard(typed);
    expect(parseUrl(urlOf(board, "blog"))).toEqual({ ...board, app: "blog" });
  },
);

test("of the remotes that git lists those count that may lead to a board", () => {
  const listed = [
    "origin\tgit@github.com:anna/blog.git (fetch)",
    "origin\tgit@github.com:anna/blog.git (push)",
    "piku\tpiku@board:old (fetch)",
    "piku\tpiku@board:blog (push)",
    "",
  ].join("\n");
  expect(parseRemotes(listed)).toEqual([{ name: "piku", address: "piku@board", app: "blog" }]);
});
