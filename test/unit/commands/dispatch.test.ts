import { expect, test } from "bun:test";
import { pathsOf } from "../../../src/app/paths.ts";
import { readWords } from "../../../src/commands/arguments.ts";
import { renderCommandHelp } from "../../../src/commands/help.ts";
import { dispatch, everyCommand, instead } from "../../../src/commands/index.ts";
import { parseSshCommand } from "../../../src/commands/ssh.ts";
import type { PikuError } from "../../../src/text/errors.ts";
import { splitWords } from "../../../src/text/text.ts";
import { memoryHost } from "../../host/memory.ts";

const commands = await everyCommand();

const boardOf = (files: Record<string, string> = {}) =>
  memoryHost({ env: { HOME: "/home/piku", PIKU_ROOT: "/p" }, files });

const commandOf = (name: string) => commands.find((command) => command.name === name)!;

/** What a call prints, or the sentence and the hint with which it is refused. */
async function answer(line: string, host = boardOf()): Promise<string[]> {
  try {
    await dispatch(host, parseSshCommand(line));
    return [...host.said, ...host.complained];
  } catch (error) {
    const { exitCode, message, hint = "" } = error as PikuError;
    return [`${exitCode}`, message, hint];
  }
}

const synonyms = {
  apps: ["list", "ls", "apps:list"],
  destroy: ["remove", "rm", "delete", "apps:destroy", "apps:delete", "apps:remove"],
  logs: ["log", "tail"],
  ps: ["status", "info", "apps:info"],
  "ps:scale": ["scale"],
  restart: ["start", "ps:start"],
  run: ["exec"],
  stop: ["ps:stop"],
  deploy: ["redeploy", "rebuild", "ps:rebuild"],
  "deploy:cancel": ["cancel"],
  releases: ["history"],
  rollback: ["releases:rollback"],
  config: ["env", "config:show", "config:list"],
  "config:get": ["get", "env:get"],
  "config:set": ["set", "env:set"],
  "config:unset": ["unset", "env:unset", "config:remove", "config:rm", "config:delete"],
  completion: ["completions"],
  doctor: ["check", "diagnose"],
  help: ["--help", "-h"],
  keys: ["keys:list", "ssh-keys", "ssh-keys:list"],
  "keys:add": ["ssh-keys:add"],
  "keys:remove": ["keys:rm", "keys:delete", "ssh-keys:remove"],
  update: ["upgrade"],
  "--version": ["-V", "-v", "version"],
};

test.each(Object.entries(synonyms).flatMap(([name, words]) => words.map((word) => [word, name])))(
  "%s leads to %s",
  async (word, name) => {
    expect(await answer(`${word} --help`)).toEqual([renderCommandHelp(commandOf(name!))]);
  },
);

test("these are all synonyms; none of them is a command, or stands for two", () => {
  const table = commands.flatMap(({ name, alias }) => (alias ? [[name, alias]] : []));
  expect(Object.fromEntries(table)).toEqual(synonyms);
  const words = [
    ...commands.flatMap(({ name, alias = [] }) => [name, ...alias]),
    ...Object.keys(instead),
  ];
  expect(words.filter((word, i) => words.indexOf(word) !== i)).toEqual([]);
});

test.each([
  ["url", "ssh -t piku@board apps shows each app's address"],
  ["open blog", "ssh -t piku@board apps shows each app's address"],
  ["create blog", "git push piku@board:APP main makes an app of that name"],
  ["domains:add blog blog.org", "config:set APP NGINX_SERVER_NAME=... gives an app its addresses"],
  ["shell blog", "ssh -t piku@board run APP bash opens a shell in an app's directory"],
  [
    "maintenance blog",
    "maintenance:on APP closes an app's site, maintenance:off APP opens it again",
  ],
  ["confg:set blog A=1", "did you mean 'config:set'?"],
  ["frobnicate", "`help` lists them"],
  ["toString", "`help` lists them"],
  ["__proto__", "`help` lists them"],
])("%s is no command, but: %s", async (line, hint) => {
  expect(await answer(line)).toEqual(["2", `there is no command '${line.split(" ")[0]}'`, hint]);
});

test("a plugin comes before a synonym, and after a command", async () => {
  const host = boardOf({ "/p/plugins/README": "" });
  for (const name of ["info", "apps"]) host.write(`/p/plugins/${name}`, "#!/bin/sh\n", 0o755);
  expect(await answer("info blog", host)).toEqual([]);
  expect(host.ran.at(-1)).toEqual([`${pathsOf(host).plugins}/info`, "blog"]);
  expect(await answer("apps", host)).toEqual(["There are no applications deployed."]);
});

test.each([
  ["apps --jsn", "there is no option '--jsn'", "did you mean '--json'?"],
  ["apps -json", "there is no option '-json'", "did you mean '--json'?"],
  ["apps --__proto__=x", "there is no option '--__proto__=x'", "usage: apps [options]"],
  ["apps --_", "there is no option '--_'", "usage: apps [options]"],
  ["logs -f=_", "there is no option '-f=_'", "did you mean '-n'?"],
  ["apps -A=_", "there is no option '-A=_'", "usage: apps [options]"],
  ["apps && id", "unexpected word '&&'", "usage: apps [options]"],
  ["apps -- --json", "unexpected word '--json'", "usage: apps [options]"],
  ["logs blog --tial 5", "there is no option '--tial'", "did you mean '--tail'?"],
  ["logs blog --no-folow", "there is no option '--no-folow'", "did you mean '--no-follow'?"],
  ["logs blog --no-lines", "there is no option '--no-lines'", "did you mean '--lines'?"],
  ["logs blog -x", "there is no option '-x'", "did you mean '-n'?"],
  [
    "logs blog --colour=red",
    "there is no option '--colour=red'",
    "usage: logs <app> [process] [options]",
  ],
  [
    "logs blog --lines",
    "--lines needs a value",
    "--lines NUMBER: show this many of the last lines, of all logs together",
  ],
  [
    "logs blog -nten",
    "invalid number 'ten' for --lines",
    "--lines NUMBER: show this many of the last lines, of all logs together",
  ],
  [
    "logs blog --since noon",
    "invalid age 'noon' for --since",
    "--since AGE: show lines at most this old: 90s, 15m, 1h, 2d",
  ],
  [
    "logs blog 'a b'",
    "invalid process 'a b'",
    "[process]: a kind of worker, or one process such as web.1; all of them unless given",
  ],
  [
    "rollback blog one",
    "invalid number 'one'",
    "[number]: a release's number; the one before unless given",
  ],
  ["restart", "<app> is missing", "e.g.: ssh piku@board restart blog"],
  ["restart --aap blog", "there is no option '--aap'", "usage: restart <app>"],
  ["restart blog --app=x", "there is no option '--app=x'", "usage: restart <app>"],
  ["restart blog x", "unexpected word 'x'", "usage: restart <app>"],
  ["config:set blog", "<settings> is missing", "such as DEBUG=1 behind the app's name"],
  [
    "run blog",
    "<command> is missing",
    "e.g.: ssh piku@board run blog -- python3 manage.py migrate",
  ],
  ["git-receive-pack --help", "there is no option '--help'", "usage: git-receive-pack <app>"],
])("%s is refused: %s", async (line, message, hint) => {
  expect(await answer(line)).toEqual(["2", message, hint]);
});

test.each<[string, Record<string, unknown>]>([
  ["blog", { app: "blog", follow: true }],
  ["blog web -n5", { app: "blog", process: "web", lines: "5", follow: true }],
  ["blog -n 5 -f", { app: "blog", lines: "5", follow: true }],
  ["--tail 5 blog", { app: "blog", lines: "5", follow: true }],
  ["blog --tail=5 --no-follow", { app: "blog", lines: "5", follow: false }],
  ["blog -tn5", { app: "blog", times: true, lines: "5", follow: true }],
  ["blog --lines=5 -- web.1", { app: "blog", process: "web.1", lines: "5", follow: true }],
  ["--help", { help: true }],
  ["blog -h", { help: true }],
])("logs %s", (line, expected) => {
  const read = readWords(commandOf("logs"), splitWords(line).words);
  const names = ["app", "process", "lines", "follow", "times", "help"];
  expect(Object.fromEntries(names.map((name) => [name, read[name]]))).toEqual(expected);
});

test.each([
  ["run blog --help", ["sh", "-c", "--help"]],
  ["run blog -- a -- b", ["sh", "-c", "a -- b"]],
  ["exec blog echo  -n", ["sh", "-c", "echo -n"]],
])("%s: its words are the command's own", async (line, argv) => {
  const host = boardOf({ "/p/apps/blog/x": "" });
  expect(await answer(line, host)).toEqual([]);
  expect(host.ran).toEqual([argv]);
});

/** What sshd gets of a line that is typed into a shell, without what the shell itself does. */
function sentOver(line: string): string[] {
  const { words } = splitWords(line.replace(/ [<>]\S+$/, ""));
  return words.slice(words[1] === "-t" ? 3 : 2);
}

test.each(commands.flatMap(({ name, examples }) => examples.map((example) => [example, name])))(
  "%s is understood",
  (example, name) => {
    const { passthrough } = commandOf(name!);
    if (!/^ssh /.test(example!)) return expect(passthrough).toBe(true);
    const [typed, ...words] = parseSshCommand(sentOver(example!).join(" "));
    expect(typed).toBe(name!);
    readWords(commandOf(name!), passthrough ? ["--", ...words] : words);
  },
);

test("a command without words is help", async () => {
  const [page = ""] = await answer("");
  expect(page).toMatch(/^piku \S+ \(.*\): the smallest PaaS/);
  expect(page).not.toMatch(/INTERNAL/);
  expect((await answer("help --all"))[0]!).toMatch(/\n {2}git-hook .*INTERNAL: /);
});
