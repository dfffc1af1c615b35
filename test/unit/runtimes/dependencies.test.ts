import { expect, test } from "bun:test";
import { appOf } from "../../../src/app/app.ts";
import { pathsOf } from "../../../src/app/paths.ts";
import type { Release } from "../../../src/app/releases.ts";
import { linkEnvironment } from "../../../src/runtimes/dependencies.ts";
import { memoryHost } from "../../host/memory.ts";

const release = (number: number, environment: string, held?: Record<string, string>): Release => ({
  number,
  cause: "push",
  changed: [],
  slot: "a",
  environment,
  workers: {},
  scaling: {},
  vassals: [],
  held,
  steps: [],
});

test.each([
  ["without workers that go on", undefined, [".bbbbbbbbbbbbbbbb", ".cccccccccccccccc"]],
  [
    "with workers that go on",
    { "foo_wsgi.1-1.ini": "aaaaaaaaaaaaaaaa" },
    [".aaaaaaaaaaaaaaaa", ".bbbbbbbbbbbbbbbb", ".cccccccccccccccc"],
  ],
])("folders of dependencies that stay, %s", (_, held, expected) => {
  const names = ["a", "b", "c", "d"].map((letter) => `.${letter.repeat(16)}`);
  const host = memoryHost({
    env: { HOME: "/home/piku", PIKU_ROOT: "/p" },
    files: Object.fromEntries(names.map((name) => [`/p/envs/foo/${name}/.complete`, ""])),
  });
  const app = appOf(pathsOf(host), "foo");
  linkEnvironment(host, app, release(9, "c".repeat(16), held), release(8, "b".repeat(16)));
  expect(host.list(app.envs)).toEqual(expected);
});
