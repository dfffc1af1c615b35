import { expect, test } from "bun:test";
import { parseVassal, vassalName } from "../../../src/workers/worker.ts";

test.each<[string, string, [string, string, number, number?] | undefined]>([
  ["foo_web.1-12.ini", "project = foo\n", ["foo", "web", 1, 12]],
  ["foo_web.1.ini", "project = foo\n", ["foo", "web", 1]],
  ["foo_web.1.ini", "", ["foo", "web", 1]],
  ["foo_bar_web.1-2.ini", "[uwsgi]\nproject = foo\n", ["foo", "bar_web", 1, 2]],
  ["foo_bar_web.1-2.ini", "[uwsgi]\nproject = foo_bar\n", ["foo_bar", "web", 1, 2]],
  ["foo_bar_web.1.ini", "", ["foo_bar", "web", 1]],
  ["foo_bar_web.1.ini", "project = other\n", ["foo_bar", "web", 1]],
  ["foo2_web.1.ini", "project = foo\n", ["foo2", "web", 1]],
  ["foo_web.1.ini", "; project = x\nproject=foo  \r\n", ["foo", "web", 1]],
  ["a.b-c.2_my-worker.10-3.ini", "project = a.b-c.2\n", ["a.b-c.2", "my-worker", 10, 3]],
  ["foo.1_web.2.ini", "", ["foo.1", "web", 2]],
  ["2048_cron1.1-1.ini", "project = 2048\n", ["2048", "cron1", 1, 1]],
  // Nothing but blanks may stand between the name and what it is.
  ["foo_bar_web.1.ini", "project =\nfoo\n", ["foo_bar", "web", 1]],
  ["foo_web.ini", "project = foo\n", undefined],
  ["foo_web.x.ini", "", undefined],
  ["foo.1.ini", "", undefined],
  ["_web.1.ini", "", undefined],
  ["foo_.1.ini", "project = foo\n", undefined],
  ["foo_web.1.ini.bak", "", undefined],
  ["foo_web.1-.ini", "", undefined],
  ["uwsgi.ini", "", undefined],
])("parseVassal(%s, %j)", (file, content, expected) => {
  const [name, kind, ordinal, release] = expected ?? [];
  expect(parseVassal(file, content)).toEqual(
    expected ? ({ file, app: name, kind, ordinal, release } as never) : undefined,
  );
});

test("vassalName and parseVassal agree", () => {
  const worker = { kind: "my_worker", ordinal: 3, release: 20 };
  const file = vassalName("foo_bar", worker);
  expect(parseVassal(file, "project = foo_bar")).toEqual({ file, app: "foo_bar", ...worker });
});
