import { version as number } from "../../package.json" with { type: "json" };
import { readBoardSettings } from "../app/board-settings.ts";
import { withLock } from "../app/locks.ts";
import { pathsOf } from "../app/paths.ts";
import {
  compareVersions,
  doubtsOfPlace,
  fetchFile,
  type PikuRelease,
  readPikuRelease,
  sumOf,
} from "../board/release.ts";
import type { Host } from "../host/host.ts";
import { must, PikuError } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { command } from "./command.ts";

export const update = command({
  name: "update",
  group: "The board",
  description: "Update piku, or go back to the release before",
  details:
    "A release has to be signed with a key that this piku knows, and may not be older than it. The one that is replaced is kept beside it, as piku.old.",
  examples: ["ssh piku@board update", "ssh piku@board update --rollback"],
  alias: ["upgrade"],
  args: {
    from: {
      type: "string",
      valueHint: "URL",
      description:
        "a URL, or a directory on the board, with SHA256SUMS and the executables; PIKU_RELEASES in ~/.piku/ENV unless given",
    },
    force: { type: "boolean", description: "take an older release too" },
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
          const release = readPikuRelease(host, from, fresh);
          if (!args.force) refuseOlder(release);
          if (!getExecutable(host, release, fresh))
            return host.say(`This is piku ${number} already.`);
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

/** Where releases are: what was typed, or PIKU_RELEASES. Throws for what is not to be trusted. */
function releasesAt(host: Host, typed: string | undefined): string {
  const { settings } = pathsOf(host);
  const from = (typed ?? readBoardSettings(host, settings).releases)?.replace(/(?<=.)\/+$/, "");
  if (!from)
    throw new PikuError(
      "no release URL is configured",
      `set it once, in ${settings}: PIKU_RELEASES=https://...`,
    );
  const doubts = doubtsOfPlace(from);
  if (doubts) voiceOf(host).warn(`${from}: ${doubts}`);
  return from;
}

/** An old release is signed as well, and has faults that are known. */
function refuseOlder({ from, version }: PikuRelease): void {
  if (compareVersions(version, number) < 0)
    throw new PikuError(
      `the release at ${from} is piku ${version}, and this is ${number}, which is newer`,
      "to go back all the same: update --force; to the one that was replaced last: update --rollback",
    );
}

/**
 * Gets the executable of this target and checks it against what was signed. False when it is the
 * one that runs.
 */
function getExecutable(host: Host, release: PikuRelease, file: string): boolean {
  const name = `piku-${host.target}`;
  const wanted = sumOf(release, name);
  const isWanted = (one: string) =>
    must(host, ["sha256sum", one], `could not check ${name}`).stdout.slice(0, 64) === wanted;
  if (isWanted(host.self)) return false;
  fetchFile(host, release.from, name, file);
  if (!isWanted(file))
    throw new PikuError(
      `checksum mismatch: ${name} is not what SHA256SUMS says`,
      "try again; the download may have been cut short",
    );
  host.chmod(file, 0o755);
  return true;
}
