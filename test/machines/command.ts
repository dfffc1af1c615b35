/** machine.sh, as the tests call it. */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { type Ran, systemPath } from "../e2e/board.ts";

export const script = path.join(import.meta.dir, "machine.sh");

/** Why no machine can be made here; undefined where one can. */
export function noMachines(arch = "amd64"): string | undefined {
  if (process.getuid?.() !== 0) return "needs root";
  const lacking = ["systemd-nspawn", "debootstrap", "nft"].filter(
    (name) => !Bun.which(name, { PATH: systemPath }),
  );
  if (lacking.length > 0) return `${lacking.join(", ")} missing: sh test/setup.sh machines`;
  const emulator = { arm64: "qemu-aarch64", armhf: "qemu-arm" }[arch];
  if (emulator && !fs.existsSync(`/proc/sys/fs/binfmt_misc/${emulator}`))
    return `${emulator} missing: sh test/setup.sh machines`;
  return undefined;
}

/** Runs machine.sh and waits for it: minutes, where a system has to be made first. */
export const machine = (...words: string[]) => made([script, ...words]);

/** The same for another script that makes systems. */
export function made(argv: readonly string[]): Ran {
  const began = performance.now();
  const ran = spawnSync(argv[0]!, argv.slice(1), {
    encoding: "utf8",
    timeout: 1_800_000,
    killSignal: "SIGKILL",
    maxBuffer: 64 << 20,
  });
  const [stdout, stderr] = [ran.stdout ?? "", ran.stderr ?? ""];
  const ms = performance.now() - began;
  return {
    command: argv.join(" "),
    status: ran.status ?? 128,
    stdout,
    stderr,
    output: stdout + stderr,
    ms,
  };
}
