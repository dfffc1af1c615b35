import { expect, test } from "bun:test";
import { appOf } from "../../../src/app/app.ts";
import { pathsOf } from "../../../src/app/paths.ts";
import {
  liveNumber,
  liveRelease,
  nextNumber,
  numbersOf,
  outdated,
  type Release,
  writeLive,
  writeRelease,
} from "../../../src/app/releases.ts";
import { memoryHost } from "../../host/memory.ts";

const upTo = (last: number) => Array.from({ length: last }, (_, i) => i + 1);

test.each<[number[], number | undefined, number[]]>([
  [[], undefined, []],
  [upTo(20), 20, []],
  [upTo(21), 21, [1]],
  [upTo(25), 25, [1, 2, 3, 4, 5]],
  [upTo(25), 3, [1, 2, 4, 5]],
  [upTo(25), undefined, [1, 2, 3, 4, 5]],
  [[0, ...upTo(20)], 20, [0]],
  [[0, ...upTo(20)], 0, []],
])("outdated(%j, %j)", (numbers, live, expected) => {
  expect(outdated(numbers, live)).toEqual(expected);
});

const folder = "/home/piku/.piku/releases/blog";
const hostWith = (files: string[]) =>
  memoryHost({
    env: { HOME: "/home/piku" },
    files: Object.fromEntries(files.map((name) => [`${folder}/${name}`, ""])),
  });
const appOn = (host: ReturnType<typeof hostWith>) => appOf(pathsOf(host), "blog");

test.each<[string[], number[], number]>([
  [[], [], 1],
  [["1.json", "1.log", "1.ENV"], [1], 2],
  [["2.log", "10.json", "run-11/web.1.sh", "9.made"], [2, 9, 10, 11], 12],
  [
    ["0.json", "live", "ports.json", "tree/3.json", "job", "journal.json", "run-x/y", "12x"],
    [0],
    1,
  ],
])("numbersOf(%j)", (files, numbers, next) => {
  const host = hostWith(files);
  expect([numbersOf(host, appOn(host)), nextNumber(host, appOn(host))]).toEqual([numbers, next]);
});

test.each<[string | undefined, number | undefined]>([
  [undefined, undefined],
  ["", undefined],
  ["7\n", 7],
  ["0\n", 0],
  ["x", undefined],
  ["1.5", undefined],
])("liveNumber: %j", (content, expected) => {
  const host = memoryHost({
    env: { HOME: "/home/piku" },
    files: content === undefined ? {} : { [`${folder}/live`]: content },
  });
  expect(liveNumber(host, appOn(host))).toBe(expected);
});

test("a release comes back as it was written", () => {
  const host = hostWith(["job"]);
  const release: Release = {
    number: 3,
    cause: "push",
    changed: ["A"],
    slot: "b",
    workers: { web: "a" },
    scaling: { web: 2 },
    vassals: ["blog_web.1-3.ini"],
    steps: [{ title: "x", milliseconds: 1 }],
  };
  writeRelease(host, appOn(host), release);
  writeLive(host, appOn(host), 3);
  expect(liveRelease(host, appOn(host))).toEqual(release);
});
