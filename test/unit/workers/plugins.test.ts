import { expect, test } from "bun:test";
import type { Pair } from "../../../src/workers/ini.ts";
import { packagesOf, refuseMissingPlugins } from "../../../src/workers/plugins.ts";
import { vassalPairs } from "../../../src/workers/vassal.ts";
import { memoryHost } from "../../host/memory.ts";
import { appBelow, workerOf } from "./example.ts";

// What `apt-cache pkgnames uwsgi-plugin-` says there, of these plugins.
const bookworm = [
  "uwsgi-plugin-asyncio-python3",
  "uwsgi-plugin-gevent-python3",
  "uwsgi-plugin-jvm-openjdk-17",
  "uwsgi-plugin-jwsgi-openjdk-17",
  "uwsgi-plugin-php",
  "uwsgi-plugin-python3",
  "uwsgi-plugin-rack-ruby3.1",
  "uwsgi-plugin-rbthreads",
  "uwsgi-plugin-ring-openjdk-17",
];
const trixie = [
  "uwsgi-plugin-gevent-python3",
  "uwsgi-plugin-java",
  "uwsgi-plugin-php",
  "uwsgi-plugin-pypy3",
  "uwsgi-plugin-python3",
  "uwsgi-plugin-ruby",
];
const both = ["uwsgi-plugin-jvm-openjdk-8", "uwsgi-plugin-jvm-openjdk-17"];

test.each<[string, string[], string[], string]>([
  ["rack on bookworm", ["rack"], bookworm, "uwsgi-plugin-rack-ruby3.1"],
  ["rack on trixie", ["rack"], trixie, "uwsgi-plugin-ruby"],
  [
    "Java on bookworm",
    ["jvm", "jwsgi"],
    bookworm,
    "uwsgi-plugin-jvm-openjdk-17 uwsgi-plugin-jwsgi-openjdk-17",
  ],
  ["Java on trixie", ["jvm", "jwsgi"], trixie, "uwsgi-plugin-java"],
  ["asyncio on bookworm", ["asyncio_python3"], bookworm, "uwsgi-plugin-asyncio-python3"],
  ["asyncio on trixie", ["asyncio_python3"], trixie, "uwsgi-plugin-python3"],
  ["gevent", ["gevent_python3"], trixie, "uwsgi-plugin-gevent-python3"],
  ["php", ["php"], bookworm, "uwsgi-plugin-php"],
  ["python3", ["python3"], bookworm, "uwsgi-plugin-python3"],
  ["the newest of two", ["jvm"], both, "uwsgi-plugin-jvm-openjdk-17"],
  ["where apt does not know", ["rack"], [], "uwsgi-plugin-ruby"],
])("packages of plugins: %s", (_, plugins, known, packages) => {
  expect(packagesOf(plugins, known).join(" ")).toBe(packages);
});

const boardWith = (...plugins: string[]) =>
  memoryHost({
    files: Object.fromEntries(
      ["http", ...plugins].map((name) => [`/usr/lib/uwsgi/plugins/${name}_plugin.so`, ""]),
    ),
    answer: ([program]) => (program === "apt-cache" ? { stdout: bookworm.join("\n") } : undefined),
  });
const refusal = (pairs: readonly Pair[], ...plugins: string[]) => {
  try {
    return void refuseMissingPlugins(boardWith(...plugins), pairs);
  } catch (error) {
    const { message, hint } = error as { message: string; hint: string };
    return `${message}; ${hint}`;
  }
};
const pairsOf = (kind: string) => vassalPairs(appBelow("/p"), workerOf({ kind }), { uid: 1000 });

test.each([
  ["rwsgi", ["rack"], "uwsgi-plugin-rack-ruby3.1"],
  ["jwsgi", ["jvm", "jwsgi"], "uwsgi-plugin-jvm-openjdk-17 uwsgi-plugin-jwsgi-openjdk-17"],
  ["php", ["php"], "uwsgi-plugin-php"],
  ["wsgi", ["python3"], "uwsgi-plugin-python3"],
])(
  "a %s worker is refused without its plugins, before anything starts",
  (kind, plugins, packages) => {
    expect(refusal(pairsOf(kind))).toBe(
      `uWSGI's plugin '${plugins.join("' and '")}' is not installed on the server; on the server: sudo apt install ${packages}`,
    );
    expect(refusal(pairsOf(kind), ...plugins)).toBeUndefined();
  },
);

test("other distributions keep their plugins elsewhere", () => {
  expect(refuseMissingPlugins(memoryHost(), pairsOf("rwsgi"))).toBeUndefined();
});
