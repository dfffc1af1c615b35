/**
 * How many instructions a program takes, which no noise reaches: qemu's user mode runs it and a
 * plugin counts (qemu-user 7.2 or later). What it starts runs as it is, and is not counted.
 */
import { spawnSync } from "node:child_process";
import path from "node:path";

/** Counts calls of an executable for a processor that qemu knows: `arm`, `x86_64`, `aarch64`. */
export class InstructionCounter {
  readonly #plugin: string;

  /** `folder`: where the plugin is made. Throws without a C compiler. */
  constructor(
    folder: string,
    readonly processor: string = { x64: "x86_64", arm64: "aarch64" }[process.arch as string] ?? "",
  ) {
    this.#plugin = `${folder}/instructions.so`;
    const source = path.resolve(import.meta.dir, "../instructions.c");
    const ran = spawnSync("gcc", ["-shared", "-fPIC", "-O2", "-o", this.#plugin, source]);
    if (ran.status !== 0) throw new Error(`no plugin: ${ran.stderr}`);
  }

  /** Millions of instructions of one call; what it prints is lost. */
  count(argv: readonly string[], env: Record<string, string>, cwd = "/"): number {
    const emulator = `qemu-${this.processor}`;
    const { stderr } = spawnSync(emulator, ["-plugin", this.#plugin, ...argv], {
      env,
      cwd,
      input: "",
      encoding: "utf8",
      maxBuffer: 2 ** 30,
    });
    const found = /^instructions: (\d+)$/m.exec(stderr ?? "")?.[1];
    if (found === undefined) throw new Error(`${emulator} ${argv.join(" ")}: ${stderr}`);
    return Number(found) / 1e6;
  }
}
