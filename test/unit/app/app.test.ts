import { expect, test } from "bun:test";
import { appOf, findApp, listApps, parseAppName, refuseTwin } from "../../../src/app/app.ts";
import { pathsOf } from "../../../src/app/paths.ts";
import { printable } from "../../../src/text/text.ts";
import { memoryHost } from "../../host/memory.ts";

test.each([
  ["foo", "foo"],
  ["/foo", "foo"],
  ["foo.git", "foo"],
  ["/foo.git", "foo"],
  ["Foo_Bar-2.0", "Foo_Bar-2.0"],
  ["2048", "2048"],
  ["a", "a"],
  ["a.b.c", "a.b.c"],
  ["x".repeat(60), "x".repeat(60)],
])("%s is a name", (typed, name) => {
  expect(parseAppName(typed)).toBe(name);
});

test.each([
  ["", ""],
  ["..", ".."],
  [".", "."],
  ["/", "/"],
  ["//foo", "//foo"],
  ["/../foo", "/../foo"],
  ["-x", "-x"],
  ["a/b", "a/b"],
  ["a..b", "a..b"],
  [".hidden", ".hidden"],
  ["_x", "_x"],
  ["foo.", "foo."],
  ["foo.lock", "foo.lock"],
  ["foo.git.git", "foo.git.git"],
  [".git", ".git"],
  ["x".repeat(61), "x".repeat(61)],
  ["x".repeat(80), "x".repeat(80)],
  ["x".repeat(81), "x".repeat(80)],
  ["bücher", "bücher"],
  ["приложение", "приложение"],
  ["foo\n", "foo?"],
  ["a b", "a b"],
  ["a;b", "a;b"],
  ["a\0b", "a?b"],
  ["$(id)", "$(id)"],
  ["~foo", "~foo"],
  ["\x1b[31mred", "?[31mred"],
])("%j is none", (typed, shown) => {
  expect(() => parseAppName(typed)).toThrow(
    expect.objectContaining({
      message: `'${shown}' cannot be an app's name`,
      hint: "a name is letters, digits, '.', '_' and '-', begins with a letter or a digit, and has at most 60 characters",
      exitCode: 2,
    }),
  );
});

const env = { HOME: "/home/piku" };
const host = memoryHost({
  env,
  files: {
    "/home/piku/.piku/apps/blog/Procfile": "",
    "/home/piku/.piku/apps/_old..app/Procfile": "",
    "/home/piku/.piku/apps/.trash/Procfile": "",
    "/home/piku/.piku/apps/file": "",
  },
});

test.each([
  ["blog", "blog"],
  ["/blog.git", "blog"],
  // The original allowed it.
  ["_old..app", "_old..app"],
])("findApp: %s", (typed, name) => {
  expect(findApp(host, typed)).toEqual(appOf(pathsOf(host), name));
});

test.each([
  ["nothing", "app 'nothing' not found."],
  ["file", "app 'file' not found."],
  ["../repos", "'../repos' cannot be an app's name"],
  ["..", "'..' cannot be an app's name"],
])("findApp: %s is not there", (typed, message) => {
  expect(() => findApp(host, typed)).toThrow(message);
});

test("listApps", () => {
  expect(listApps(host, pathsOf(host))).toEqual(["_old..app", "blog"]);
});

test("refuseTwin", () => {
  expect(() => refuseTwin(host, appOf(pathsOf(host), "Blog"))).toThrow(
    "app 'Blog' differs from app 'blog' only by case",
  );
  expect(() => refuseTwin(host, appOf(pathsOf(host), "blog"))).not.toThrow();
});

test("appOf", () => {
  const paths = pathsOf(memoryHost({ env: { ...env, PIKU_ROOT: "/srv/p" } }));
  expect(appOf(paths, "x.y")).toEqual({
    name: "x.y",
    paths,
    tree: "/srv/p/apps/x.y",
    repo: "/srv/p/repos/x.y",
    envs: "/srv/p/envs/x.y",
    data: "/srv/p/data/x.y",
    cache: "/srv/p/cache/x.y",
    logs: "/srv/p/logs/x.y",
    releases: "/srv/p/releases/x.y",
    site: "/srv/p/nginx/x.y.conf",
  });
});

test.each([["relative"], ["/a b"], ["/a;b"], ["/a'"], ["/a/../b"], ["/a/.."], ["/ü"], ["/a\nb"]])(
  "PIKU_ROOT=%j is refused",
  (root) => {
    expect(() => pathsOf(memoryHost({ env: { ...env, PIKU_ROOT: root } }))).toThrow(
      "cannot be piku's folder",
    );
  },
);

test("the home folder comes from /etc/passwd when there is no HOME", () => {
  const passwd = "root:x:0:0::/root:/bin/sh\npiku:x:1000:1000::/srv/piku:/bin/sh\n";
  expect(pathsOf(memoryHost({ files: { "/etc/passwd": passwd } })).root).toBe("/srv/piku/.piku");
});

test.each([
  ["plain ü €", "plain ü €"],
  ["a\x1b\t\x7f\x80b", "a????b"],
  ["x".repeat(200), "x".repeat(80)],
])("printable: %j", (typed, shown) => {
  expect(printable(typed)).toBe(shown);
});
