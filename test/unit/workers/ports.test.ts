import { expect, test } from "bun:test";
import { appOf } from "../../../src/app/app.ts";
import { pathsOf } from "../../../src/app/paths.ts";
import { takePorts } from "../../../src/workers/ports.ts";
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
      const { a, b } = takePorts(host, appOf(pathsOf(host), "blog"), 1, undefined);
      expect([a.length, b.length]).toEqual([1, 1]);
      expect(a[0]).not.toBe(b[0]!);
    }
  },
);
