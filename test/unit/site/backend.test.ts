import { expect, test } from "bun:test";
import { appOf } from "../../../src/app/app.ts";
import { pathsOf } from "../../../src/app/paths.ts";
import type { Workers } from "../../../src/app/procfile.ts";
import { type Backend, planBackend } from "../../../src/site/site.ts";
import type { PortNeeds } from "../../../src/workers/ports.ts";
import { memoryHost } from "../../host/memory.ts";

const app = appOf(pathsOf(memoryHost({ env: { PIKU_ROOT: "/p", HOME: "/home/piku" } })), "blog");
const place: PortNeeds = {
  names: ["a.test"],
  networked: true,
  bind: "127.0.0.1",
  overlap: true,
  switches: true,
  slot: "a",
  ports: { a: [5000, 5001], b: [6000, 6001] },
};
const sockets = ["unix:/p/sockets/blog.1.sock", "unix:/p/sockets/blog.2.sock"];

test.each<[string, Workers, sleeps: boolean, Backend]>([
  ["wsgi", { wsgi: "a:b" }, false, { protocol: "uwsgi", first: sockets }],
  [
    "web",
    { web: "./a" },
    false,
    {
      protocol: "http",
      first: ["127.0.0.1:5000", "127.0.0.1:5001"],
      second: ["127.0.0.1:6000", "127.0.0.1:6001"],
      flag: "/p/sockets/blog.b",
    },
  ],
  ["web that sleeps", { web: "./a" }, true, { protocol: "http", first: sockets }],
])("where nginx finds %s", (_, workers, sleeps, expected) => {
  expect(planBackend(app, workers, { wsgi: 2, web: 2 }, place, sleeps)).toEqual(expected);
});
