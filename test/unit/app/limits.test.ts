import { expect, test } from "bun:test";
import {
  bindingLimit,
  leastOf,
  limitedIn,
  limitsOf,
  limitWarnings,
  stepLimits,
  tightened,
} from "../../../src/app/limits.ts";
import { originsOf } from "../../../src/app/origins.ts";
import { settingWarnings } from "../../../src/app/settings.ts";

const mega = 1024 * 1024;

test.each([
  ["200M", 200 * mega],
  ["200m", 200 * mega],
  ["200MB", 200 * mega],
  ["1G", 1024 * mega],
  ["512k", mega / 2],
  [" 64M ", 64 * mega],
  ["", undefined],
])("PIKU_MEMORY=%s", (text, bytes) => {
  expect(limitsOf({ PIKU_MEMORY: text }, "web").app.memory).toBe(bytes);
});

test.each(["80", "0M", "-1M", "1.5G", "much", "200 M", "12345678M", "M"])(
  "PIKU_MEMORY=%s is refused",
  (text) => {
    expect(() => limitsOf({ PIKU_MEMORY_WEB: text }, "web")).toThrow(
      `PIKU_MEMORY_WEB: invalid size '${text}'`,
    );
  },
);

test.each([
  ["25%", 25],
  ["25", 25],
  ["100%", 100],
])("PIKU_CPU=%s", (text, share) => {
  expect(limitsOf({ PIKU_CPU: text }, "web").app.cpu).toBe(share);
});
test.each(["0", "101%", "half", "0.5"])("PIKU_CPU=%s is refused", (text) => {
  expect(() => limitsOf({ PIKU_CPU: text }, "web")).toThrow("PIKU_CPU: invalid share");
});
test.each(["0", "-1", "many"])("PIKU_PROCESSES=%s is refused", (text) => {
  expect(() => limitsOf({ PIKU_PROCESSES: text }, "web")).toThrow("PIKU_PROCESSES: invalid");
});

test("a kind has limits of its own within its app's; its name is in capitals, - is _", () => {
  const settings = { PIKU_MEMORY: "200M", PIKU_MEMORY_MY_WORKER: "100M", PIKU_PROCESSES_WEB: "9" };
  expect(limitsOf(settings, "my-worker")).toEqual({
    app: { memory: 200 * mega, processes: undefined, cpu: undefined },
    own: { memory: 100 * mega, processes: undefined, cpu: undefined },
  });
  expect(leastOf(limitsOf(settings, "my-worker")).memory).toBe(100 * mega);
  expect(leastOf(limitsOf(settings, "web"))).toEqual({
    memory: 200 * mega,
    processes: 9,
    cpu: undefined,
  });
  expect(limitedIn(settings)).toEqual(["memory", "processes"]);
  expect(limitedIn({ PIKU_GRACE: "1" })).toEqual([]);
});

test("a step has its own limit instead of the app's, also a larger one", () => {
  const settings = { PIKU_MEMORY: "200M", PIKU_MEMORY_BUILD: "600M" };
  expect(stepLimits(settings, "build").memory).toBe(600 * mega);
  expect(stepLimits(settings, "run").memory).toBe(200 * mega);
});

test.each([
  ["web", { PIKU_MEMORY: "200M" }, "PIKU_MEMORY=200M"],
  ["web", { PIKU_MEMORY: "200M", PIKU_MEMORY_WEB: "80M" }, "PIKU_MEMORY_WEB=80M"],
  ["web", { PIKU_MEMORY: "200M", PIKU_MEMORY_WEB: "1G" }, "PIKU_MEMORY=200M"],
  ["build", { PIKU_MEMORY: "200M", PIKU_MEMORY_BUILD: "1G" }, "PIKU_MEMORY_BUILD=1G"],
  ["build", { PIKU_MEMORY: "200M", PIKU_MEMORY_BUILD: "" }, "PIKU_MEMORY=200M"],
  ["web", { PIKU_CPU: "5" }, undefined],
])("the limit of %s that binds, of %p", (kind, settings, expected) => {
  expect(bindingLimit(settings, kind, "memory")).toBe(expected!);
});

// The board's word, what an app gets by its layers, and what counts of it.
const words: readonly [
  string,
  Record<string, string>,
  Record<string, string>,
  Record<string, string>,
][] = [
  ["nothing is asked for", {}, { A: "1" }, { A: "1" }],
  ["the board says nothing", {}, { PIKU_MEMORY: "900M" }, { PIKU_MEMORY: "900M" }],
  ["only the board does", { PIKU_MEMORY: "200M" }, { A: "1" }, { A: "1", PIKU_MEMORY: "200M" }],
  ["looser", { PIKU_MEMORY: "200M" }, { PIKU_MEMORY: "900M" }, { PIKU_MEMORY: "200M" }],
  ["tighter", { PIKU_MEMORY: "200M" }, { PIKU_MEMORY: "90M" }, { PIKU_MEMORY: "90M" }],
  ["the same", { PIKU_MEMORY: "1G" }, { PIKU_MEMORY: "1024M" }, { PIKU_MEMORY: "1024M" }],
  ["taken away", { PIKU_MEMORY: "200M" }, { PIKU_MEMORY: "" }, { PIKU_MEMORY: "200M" }],
  ["processes", { PIKU_PROCESSES: "50" }, { PIKU_PROCESSES: "99" }, { PIKU_PROCESSES: "50" }],
  ["share", { PIKU_CPU: "50%" }, { PIKU_CPU: "60" }, { PIKU_CPU: "50%" }],
  [
    "one kind",
    { PIKU_MEMORY_WORKER: "80M" },
    { PIKU_MEMORY_WORKER: "1G", PIKU_MEMORY_WEB: "1G" },
    { PIKU_MEMORY_WORKER: "80M", PIKU_MEMORY_WEB: "1G" },
  ],
  [
    "a kind beside the app, which holds for it as well",
    { PIKU_MEMORY: "200M" },
    { PIKU_MEMORY: "200M", PIKU_MEMORY_WEB: "1G" },
    { PIKU_MEMORY: "200M", PIKU_MEMORY_WEB: "1G" },
  ],
  [
    "builds, for which the board has nothing of their own",
    { PIKU_MEMORY: "200M" },
    { PIKU_MEMORY: "200M", PIKU_MEMORY_BUILD: "9G", PIKU_MEMORY_RUN: "9G" },
    { PIKU_MEMORY: "200M", PIKU_MEMORY_BUILD: "200M", PIKU_MEMORY_RUN: "200M" },
  ],
  [
    "builds, for which the board allows more",
    { PIKU_MEMORY: "200M", PIKU_MEMORY_BUILD: "600M" },
    { PIKU_MEMORY: "90M", PIKU_MEMORY_BUILD: "900M" },
    { PIKU_MEMORY: "90M", PIKU_MEMORY_BUILD: "600M" },
  ],
];
test.each(words)("the board's word is the least that holds: %s", (_, board, app, expected) => {
  expect(tightened(app, board)).toEqual(expected);
});

test("what is doubtful about limits is said", () => {
  const own = { PIKU_MEMORY: "900M", PIKU_MEMORY_WROKER: "1G", PIKU_CPU_BUILD: "5%", A: "PIKU_" };
  expect(limitWarnings(own, tightened(own, { PIKU_MEMORY: "200M" }), ["worker"])).toEqual([
    "the board allows less than PIKU_MEMORY=900M: 200M counts",
    "PIKU_MEMORY_WROKER limits nothing: the Procfile has no line of that kind",
  ]);
  expect(limitWarnings({ PIKU_MEMORY: "$SIZE" }, { PIKU_MEMORY: "90M" }, [])).toEqual([]);
  expect(settingWarnings({ PIKU_MEMORY_WORKER: "1G", PIKU_MEMROY: "1G" }, "app")).toEqual([
    "unknown setting PIKU_MEMROY; did you mean PIKU_MEMORY?",
  ]);
});

test("a limit that the board's takes the place of comes from the board", () => {
  const layers = { host: { PIKU_MEMORY: "200M" }, server: { PIKU_MEMORY: "900M" } };
  expect(originsOf({ PIKU_MEMORY: "200M" }, layers, {})).toEqual([
    { key: "PIKU_MEMORY", value: "200M", from: "host", isLive: true },
  ]);
});
