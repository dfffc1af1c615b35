/**
 * The rows of the bench that no noise reaches: what is counted of each command (e2e/counting.ts),
 * and the instructions of an ARMv6 processor, which qemu's user mode counts.
 */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { type Counts, countCommands } from "./e2e/counting.ts";
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

const root = path.resolve(import.meta.dir, "..");

/**
 * Millions of instructions on ARMv6, of dist/piku-linux-armv6: with qemu-user's plugins, and the
 * executable, where both are there.
 */
export function instructionTable(folder: string): Cells {
  const executable = `${root}/dist/piku-linux-armv6`;
  const plugin = `${folder}/instructions.so`;
  const words = ["-shared", "-fPIC", "-O2", "-o", plugin, `${root}/test/instructions.c`];
  if (!fs.existsSync(executable) || spawnSync("gcc", words).status !== 0) return new Map();
  const env = { HOME: folder, PATH: process.env.PATH ?? "" };
  const run = (...argv: string[]) => {
    const { stderr } = spawnSync("qemu-arm", ["-plugin", plugin, executable, ...argv], {
      env,
      encoding: "utf8",
    });
    return Number(/^instructions: (\d+)$/m.exec(stderr ?? "")?.[1]) / 1e6;
  };
  run("setup");
  const commands = ["apps", "--help", "--version"];
  return new Map(
    commands.map((one) => [`ARMv6 instructions of \`${one}\`, million`, [run(one).toFixed(1)]]),
  );
}
