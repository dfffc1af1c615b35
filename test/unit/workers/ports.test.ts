import { expect, test } from "bun:test";
import { appOf } from "../../../src/app/app.ts";
import { pathsOf } from "../../../src/app/paths.ts";
import { choosePorts, claimPorts } from "../../../src/workers/ports.ts";
import { memoryHost } from "../../host/memory.ts";

test.each([["junk"], ["null"], ['{"a":1}'], ['{"a":["x"],"b":[null]}']])(
  "an app's spoilt list of ports kept every app from being deployed: %s",
  (content) => {
    const files = { "/p/apps/other/x": "", "/p/apps/blog/x": "" };
    for (const spoilt of ["other", "blog"]) {
      const lists = { [`/p/releases/${spoilt}/ports.json`]: content };
      const host = memoryHost({
        env: { HOME: "/home/piku", PIKU_ROOT: "/p" },
        files: { ...files, ...lists },
      });
      const app = appOf(pathsOf(host), "blog");
      const { a, b } = choosePorts(host, app, 1);
      expect([a.length, b.length]).toEqual([1, 1]);
      expect(a[0]).not.toBe(b[0]!);
      expect(claimPorts(host, app, { a, b })).toBe(true);
      expect(choosePorts(host, app, 1)).toEqual({ a, b });
    }
  },
);

test("a port that another app has taken since it was chosen is not claimed", () => {
  const host = memoryHost({
    env: { HOME: "/home/piku", PIKU_ROOT: "/p" },
    files: { "/p/apps/other/x": "", "/p/apps/blog/x": "" },
  });
  const [blog, other] = ["blog", "other"].map((name) => appOf(pathsOf(host), name));
  const chosen = choosePorts(host, blog!, 2);
  expect(host.stat("/p/releases/blog/ports.json")).toBeUndefined();
  expect(claimPorts(host, other!, { a: [chosen.b[1]!], b: [20_001] })).toBe(true);
  expect(claimPorts(host, blog!, chosen)).toBe(false);
  expect(host.stat("/p/releases/blog/ports.json")).toBeUndefined();
  const again = choosePorts(host, blog!, 2);
  expect([...again.a, ...again.b]).not.toContain(chosen.b[1]!);
  expect(claimPorts(host, blog!, again)).toBe(true);
});
