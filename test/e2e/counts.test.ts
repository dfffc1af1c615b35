/**
 * What the slowest board has to do for a command, counted: programs started and files synced are
 * what a push waits for there, and no noise reaches their number. Who makes one of them smaller
 * lowers its limit.
 */
import { expect } from "bun:test";
import { countCommands, type Trace } from "./counting.ts";
import { Sandbox } from "./sandbox.ts";
import { stories, unlessLong } from "./story.ts";

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
}, unlessLong);

const told = ({ programs, synced }: Trace) =>
  [...programs, ...synced.map((file) => `synced ${file}`)].join("\n");
