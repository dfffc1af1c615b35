/**
 * What the slowest board has to do for a command, counted: programs started and files synced are
 * what a push waits for there, and no noise reaches their number. Who makes one of them smaller
 * lowers its limit.
 */
import { expect } from "bun:test";
import { type Counts, countCommands, type Trace } from "./counting.ts";
import { Sandbox } from "./sandbox.ts";
import { stories, unlessLong } from "./story.ts";

/** The most that each may cost: programs, calls of fsync and its like, bytes written. */
const limits: Record<string, [programs: number, syncs: number, bytes: number]> = {
  "`apps`": [3, 0, 0],
  "a push of an empty commit": [18, 6, 17_000],
  "a push of one file": [21, 8, 20_000],
  "`config:set`": [9, 6, 17_000],
  "`restart`": [9, 4, 17_000],
  "`rollback`": [9, 4, 17_000],
};

const overstepped = ({ programs, syncs, bytes }: Counts, limit: readonly number[]) =>
  [programs, syncs, bytes].some((count, i) => count > limit[i]!);

stories((board, story) => {
  story("no command starts more programs, syncs or writes more than it did", () => {
    if (!(board instanceof Sandbox)) throw new Error("not a sandbox");
    const counted = countCommands(board);
    const grown = [...counted].filter(([title, { counts }]) => overstepped(counts, limits[title]!));
    for (const [title, trace] of grown) console.error(`${title}\n${told(trace)}`);
    const shown = (all: readonly [string, Trace][]) =>
      Object.fromEntries(all.map(([title, { counts }]) => [title, Object.values(counts)]));
    console.log(shown([...counted]));
    expect(shown(grown)).toEqual({});
  });
}, unlessLong);

const told = ({ programs, synced }: Trace) =>
  [...programs, ...synced.map((file) => `synced ${file}`)].join("\n");
