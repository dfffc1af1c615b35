import { rustCauses } from "./causes.ts";
import type { Runtime, Source } from "./runtime.ts";

/** The original built without `--release`, so there are Procfiles that ask for such a program. */
const wantsDebug = ({ workers }: Source) =>
  Object.values(workers).some(
    (command) => /\btarget\/debug\//.test(command) || isPlainRun(command),
  );

const isPlainRun = (command: string) =>
  /\bcargo\s+run\b/.test(command) && !/\s(--release|-r)\b/.test(command);

const wantsRelease = (source: Source) =>
  !wantsDebug(source) ||
  Object.values(source.workers).some((command) =>
    /\btarget\/release\/|\s(--release|-r)\b/.test(command),
  );

const scratch = "cargo";

/** Rust, built by cargo in the release profile. */
export const rust: Runtime = {
  name: "Rust",
  needs: [["rustc", "cargo"]],
  remedy: "sudo apt install cargo, or see https://rustup.rs",
  causes: rustCauses,
  detects: ({ names }) => names.includes("Cargo.toml"),
  // One folder for what cargo (from 1.91) makes on the way, so that a `cargo run` worker need not
  // build dependencies again.
  settings: (environment) => ({ CARGO_BUILD_BUILD_DIR: `${environment}/${scratch}` }),
  scratch,
  build: (source) => [
    ...(wantsRelease(source)
      ? [{ title: "Running cargo build", argv: ["cargo", "build", "--release"] }]
      : []),
    ...(wantsDebug(source)
      ? [{ title: "Running cargo build without optimization", argv: ["cargo", "build"] }]
      : []),
  ],
  // Of the hundreds of megabytes below `target` only programs and shared libraries.
  isOutput: (name) => name.startsWith("target/"),
  goesLive: (name) =>
    !name.startsWith("target/") ||
    /^target\/([^/]+\/)?(release|debug)\/([^/.]+|[^/]+\.so)$/.test(name),
};
