import { expect, test } from "bun:test";
import { withIncluded } from "../../../src/site/include.ts";
import { parseOptions } from "../../../src/workers/options.ts";
import { memoryHost } from "../../host/memory.ts";

test.each<[string, [string, string][]]>([
  ["", []],
  ["# a\n; b = c\n\n", []],
  [
    "harakiri = 30\nbuffer-size=8192\r\n",
    [
      ["harakiri", "30"],
      ["buffer-size", "8192"],
    ],
  ],
  [
    "route = ^/a addvar:B=c\nroute = ^/d addvar:E=f",
    [
      ["route", "^/a addvar:B=c"],
      ["route", "^/d addvar:E=f"],
    ],
  ],
  [
    "env = A=%(project) $(HOME) @(/etc/hostname)",
    [["env", "A=%(project) $(HOME) @(/etc/hostname)"]],
  ],
  ["py_call_osafterfork=", [["py_call_osafterfork", ""]]],
  ["chdir = /srv", [["chdir", "/srv"]]],
  ["socket-timeout = 5", [["socket-timeout", "5"]]],
  ["http-timeout = 5", [["http-timeout", "5"]]],
  ["hook-accepting1 = print:a", [["hook-accepting1", "print:a"]]],
])("parseOptions(%j)", (content, expected) => {
  expect(parseOptions(content, "uwsgi.conf")).toEqual(expected);
});

test.each([
  ["a = b\n[uwsgi]", "uwsgi.conf line 2: '[uwsgi]' is not 'option = value'"],
  ["harakiri 30", "uwsgi.conf line 1: 'harakiri 30' is not 'option = value'"],
  ["a b = c", "uwsgi.conf line 1: 'a b = c' is not 'option = value'"],
  ["a = b\x07c", "uwsgi.conf line 1: the value of a has a control character in it"],
  ["a = b\rsocket = c", "uwsgi.conf line 1: the value of a has a control character in it"],
  ...[
    "socket",
    "http-socket",
    "uwsgi-socket",
    "chmod-socket",
    "http",
    "https",
    "zerg",
    "pidfile",
    "safe-pidfile2",
    "daemonize",
    "master",
    "logto",
    "logto2",
    "log-backupname",
    "cheap",
    "idle",
    "die-on-idle",
    "envdir",
    "uid",
    "immediate-gid",
    "chroot",
    "emperor",
    "emperor-pidfile",
    "vassals-inherit",
    "project",
    "procname-prefix",
    "hook-accepting1-once",
  ].map((option) => [`# first\n${option}=x`, `uwsgi.conf line 2: '${option}' cannot be set here`]),
])("parseOptions refuses %j", (content, message) => {
  expect(() => parseOptions(content, "uwsgi.conf")).toThrow(message);
});

test.each<[string, Record<string, string>, string]>([
  ["gzip on;", {}, "gzip on;"],
  ["include a.conf;", { "/etc/nginx/a.conf": "a;" }, "include a.conf;\na;"],
  [
    "include /x/*.conf;",
    { "/x/a.conf": "a;", "/x/b.conf": "b;", "/x/c": "c;" },
    "include /x/*.conf;\na;\nb;",
  ],
  [
    "include '/x/a';",
    { "/x/a": "include /x/b;", "/x/b": "include /x/a;" },
    "include '/x/a';\ninclude /x/b;\ninclude /x/a;",
  ],
  ["include /none; # include /x/a;", { "/x/a": "a;" }, "include /none; # include /x/a;\n"],
])("withIncluded(%j)", (text, files, expected) => {
  expect(withIncluded(memoryHost({ files }), text)).toBe(expected);
});

test.each([
  [
    { "/x": "a".repeat(600_000), "/y": "a".repeat(600_000) },
    "'/y' makes more than 1 MB of included files",
  ],
  [{ "/x/y": "" }, "the included file '/x' cannot be read"],
])("withIncluded refuses what is too much, and what cannot be read", (files, message) => {
  expect(() =>
    withIncluded(memoryHost({ files: files as never }), "include /x; include /y;"),
  ).toThrow(message);
});
