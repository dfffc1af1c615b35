/**
 * What the slowest board has to do for a command, counted: programs started and files synced are
 * what a push waits for there, and no noise reaches their number. Who makes one of them smaller
 * lowers its limit.
 */
import { expect } from "bun:test";
import { spawnSync } from "node:child_process";
import { countCommands, type Trace } from "./counting.ts";
import { InstructionCounter } from "./instructions.ts";
import { Sandbox } from "./sandbox.ts";
import { skipped, stories, unlessLong } from "./story.ts";

/**
 * The most that each may cost, on Debian 12: programs, calls of fsync and its like, bytes written
 * (less exact: paths and settings are in them).
 */
const limits: Record<string, [programs: number, syncs: number, bytes: number]> = {
  "`apps`": [3, 0, 0],
  "a push of an empty commit": [20, 6, 18_000],
  "a push of one file": [23, 8, 21_000],
  "`config:set`": [9, 6, 18_500],
  "`restart`": [9, 4, 18_000],
  "`rollback`": [9, 4, 18_000],
};

/**
 * Millions of instructions of the QuickJS executable on x64 for a command's start and little else:
 * it reads only what the command needs.
 */
const instructionLimits: Record<string, number> = {
  "--version": 6.6,
  apps: 9.8,
  "config:get counted A": 11,
  keys: 7.8,
  "releases counted": 10.4,
};

const figures = ({ counts: { programs, syncs, bytes } }: Trace) => [programs, syncs, bytes];

stories((board, story) => {
  story("no command starts more programs, syncs or writes more than it did", () => {
    if (!(board instanceof Sandbox)) throw new Error("not a sandbox");
    const counted = countCommands(board);
    const grown = [...counted].filter(([title, trace]) =>
      figures(trace).some((count, i) => count > limits[title]![i]!),
    );
    for (const [title, trace] of grown) console.error(`${title}\n${told(trace)}`);
    const shown = (all: readonly [string, Trace][]) =>
      Object.fromEntries(all.map(([title, trace]) => [title, figures(trace)]));
    console.log(shown([...counted]));
    expect(shown(grown)).toEqual({});
  });

  const isThere = process.arch === "x64" && spawnSync("qemu-x86_64", ["--version"]).status === 0;
  if (!isThere || !(board instanceof Sandbox) || !board.target.name.endsWith("-lite"))
    return skipped(
      "no command reads more of piku than it did",
      "needs qemu-user, and QuickJS on x64",
    );
  story("no command reads more of piku than it did", () => {
    const counter = new InstructionCounter(board.folder);
    const counted = Object.keys(instructionLimits).map((words) => {
      const argv = [`${board.home}/piku`, ...words.split(" ")];
      return [words, counter.count(argv, board.boardEnv(), board.home)] as const;
    });
    console.log(Object.fromEntries(counted.map(([words, count]) => [words, +count.toFixed(2)])));
    expect(counted.filter(([words, count]) => count > instructionLimits[words]!)).toEqual([]);
  });
}, unlessLong);

const told = ({ programs, synced }: Trace) =>
  [...programs, ...synced.map((file) => `synced ${file}`)].join("\n");
