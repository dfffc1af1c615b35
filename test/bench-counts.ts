/**
 * The rows of the bench that no noise reaches: what is counted of each command (e2e/counting.ts),
 * and the instructions of an ARMv6 processor, which qemu's user mode counts.
 */
import fs from "node:fs";
import path from "node:path";
import { type Counts, countCommands } from "./e2e/counting.ts";
import { InstructionCounter } from "./e2e/instructions.ts";
import type { Sandbox } from "./e2e/sandbox.ts";

/** The cells of a row, one for each board, by its title. */
type Cells = Map<string, string[]>;

const shown = ({ programs, syncs, bytes, flushes }: Counts) =>
  [programs, syncs, (bytes / 1024).toFixed(0), ...(flushes === undefined ? [] : [flushes])].join(
    " / ",
  );

/** Programs, calls of fsync and its like, kilobytes written, flushes of the disk; of each command. */
export function countTable(boards: readonly Sandbox[]): Cells {
  const counted = boards.map(countCommands);
  const titles = [...new Set(counted.flatMap((one) => [...one.keys()]))];
  return new Map(
    titles.map((title) => [
      title,
      counted.map((one) => {
        const trace = one.get(title);
        return trace ? shown(trace.counts) : "";
      }),
    ]),
  );
}

/**
 * Millions of instructions on ARMv6, of dist/piku-linux-armv6: with qemu-user's plugins, and the
 * executable, where both are there.
 */
export function instructionTable(folder: string): Cells {
  const executable = path.resolve(import.meta.dir, "../dist/piku-linux-armv6");
  if (!fs.existsSync(executable)) return new Map();
  const counter = new InstructionCounter(folder, "arm");
  const env = { HOME: folder, PATH: process.env.PATH ?? "" };
  const run = (...words: string[]) => counter.count([executable, ...words], env);
  run("setup");
  const commands = ["apps", "config:get", "keys", "--help", "--version"];
  return new Map(
    commands.map((one) => [`ARMv6 instructions of \`${one}\`, million`, [run(one).toFixed(1)]]),
  );
}
