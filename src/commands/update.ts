import { version as number } from "../../package.json" with { type: "json" };
import { readBoardSettings } from "../app/board-settings.ts";
import { withLock } from "../app/locks.ts";
import { pathsOf } from "../app/paths.ts";
import type { Host } from "../host/host.ts";
import { must, PikuError } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { printable } from "../text/text.ts";
import { command } from "./command.ts";

export const update = command({
  name: "update",
  group: "The board",
  description: "Update piku, or go back to the release before",
  details: "The release that is replaced is kept beside it, as piku.old.",
  examples: ["ssh piku@board update", "ssh piku@board update --rollback"],
  alias: ["upgrade"],
  args: {
    from: {
      type: "string",
      valueHint: "URL",
      description:
        "a URL, or a directory on the board, with SHA256SUMS and the executables; PIKU_RELEASES in ~/.piku/ENV unless given",
    },
    rollback: { type: "boolean", description: "go back to the release that was replaced last" },
  },
  run({ args, host }) {
    withLock(host, pathsOf(host), "update", undefined, "", () => {
      const fresh = `${host.self}.new`;
      // One that was cut off may have left the earlier release under this name, and a download
      // would be written into it.
      host.remove(fresh);
      try {
        if (args.rollback) takeOld(host, fresh);
        else {
          const from = releasesAt(host, args.from);
          voiceOf(host).log("Updating piku...");
          if (!downloadFrom(host, from, fresh)) return host.say(`This is piku ${number} already.`);
        }
        replaceSelf(host, fresh, args.rollback ? "Back again" : "Update successful");
      } finally {
        host.remove(fresh);
      }
      voiceOf(host).log("Done.");
    });
  },
});

/** Gives a file a second name: an executable may have 110 MB, and a card little room. */
const linkFile = (host: Host, file: string, name: string) =>
  must(host, ["ln", "-f", file, name], "cannot keep the present release");

const oldOf = (host: Host) => `${host.self}.old`;

function takeOld(host: Host, fresh: string): void {
  if (!host.stat(oldOf(host))) throw new PikuError("there is no earlier release to go back to");
  linkFile(host, oldOf(host), fresh);
}

/** Puts an executable that runs here in the place of this one, which is kept as `.old`. */
function replaceSelf(host: Host, fresh: string, done: string): void {
  const version = must(host, [fresh, "--version"], "that release does not run here").stdout.trim();
  // A name may reach the disk before what it stands for.
  host.capture(["sync", fresh]);
  linkFile(host, host.self, oldOf(host));
  host.rename(fresh, host.self);
  voiceOf(host).log(`${done}: ${version}`);
}

/** Where releases are: what was typed, or PIKU_RELEASES. Throws for no directory and no URL. */
function releasesAt(host: Host, typed: string | undefined): string {
  const { settings } = pathsOf(host);
  const from = typed ?? readBoardSettings(host, settings).releases;
  if (!from)
    throw new PikuError(
      "no release URL is configured",
      `set it once, in ${settings}: PIKU_RELEASES=https://...`,
    );
  if (!/^(https?:\/)?\/[^\s]+$/.test(from))
    throw new PikuError(`'${printable(from)}' is neither a directory nor a URL`);
  return from;
}

/**
 * Gets the executable of this target and checks it against SHA256SUMS. False when it is the one
 * that runs.
 */
function downloadFrom(host: Host, from: string, file: string): boolean {
  const get = (name: string, to: string) => {
    const source = `${from}/${name}`;
    const argv = from.startsWith("/")
      ? ["cp", source, to]
      : ["curl", "-fsSL", "--retry", "2", "-o", to, source];
    must(host, argv, `could not download ${name} from ${from}`);
    return to;
  };
  const name = `piku-${host.target}`;
  const sums = `${file}.sums`;
  try {
    const lines = host.read(get("SHA256SUMS", sums))?.split("\n") ?? [];
    const wanted = lines.find((line) => line.slice(66) === name);
    if (!wanted) throw new PikuError(`the release at ${from} has no ${name}`);
    const isOf = (one: string) =>
      must(host, ["sha256sum", one], `could not check ${name}`).stdout.slice(0, 64) ===
      wanted.slice(0, 64);
    if (isOf(host.self)) return false;
    get(name, file);
    if (!isOf(file))
      throw new PikuError(
        `checksum mismatch: ${name} is not what SHA256SUMS says`,
        "try again; the download may have been cut short",
      );
    host.chmod(file, 0o755);
    return true;
  } finally {
    host.remove(sums);
  }
}
