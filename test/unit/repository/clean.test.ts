import { expect, test } from "bun:test";
import { cleanConfig } from "../../../src/repository/clean.ts";

const own = `[core]
	repositoryformatversion = 0
	filemode = true
	bare = false
	logallrefupdates = false
`;
const module = `[submodule "lib/sub"]
	url = https://example.com/a.git
	active = true
[remote "origin"]
	url = git@example.com:a/b.git
	fetch = +refs/heads/*:refs/remotes/origin/*
`;

test("what git writes itself stays", () => {
  expect(cleanConfig(own)).toBe(own);
  expect(cleanConfig(own + module)).toBe(own + module);
  expect(cleanConfig("")).toBe("");
});

test.each([
  "\tfsmonitor = id\n",
  "\thooksPath = /tmp\n",
  "\tsshCommand = id\n",
  "\tworktree = /home/piku/.piku/uwsgi-enabled\n",
  "\tFSMONITOR=id\n",
  "\tbare = false ; fsmonitor = id\n",
  "\tfilemode = true\\\nfsmonitor = id\n",
  '[filter "x"]\n\tclean = id\n',
  "[filter.x]\n\tsmudge = id\n",
  '[FILTER "x"]\n\tprocess = id\n',
  "[include]\n\tpath = /tmp/x\n",
  '[includeIf "gitdir:/"]\n\tpath = /tmp/x\n',
  '[alias]\n\tx = "!id"\n',
  '[diff "x"]\n\ttextconv = id\n',
  '[remote "origin"]\n\tuploadpack = id\n',
  '[submodule "x"]\n\tupdate = !id\n',
  "[extensions]\n\tworktreeConfig = true\n",
  '[url "ext::id"]\n\tinsteadOf = https://\n',
  "[core] fsmonitor = id\n",
  '[remote "x"] uploadpack = id\n[core]\n',
  '[remote "a\\"]\n\turl = x\n',
])("what could run a program, or lead elsewhere, does not: %j", (bad) => {
  for (const text of [own + bad, bad + own]) {
    const clean = cleanConfig(text);
    expect(clean).not.toMatch(/id\b|\/tmp|uwsgi|ext::|true\\|worktree|a\\/i);
    expect(cleanConfig(clean)).toBe(clean);
  }
});
