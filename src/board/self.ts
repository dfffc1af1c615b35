import { version } from "../../package.json" with { type: "json" };
import { readBoardSettings } from "../app/board-settings.ts";
import { pathsOf } from "../app/paths.ts";
import type { Host } from "../host/host.ts";
import { must, PikuError } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { compareVersions, doubtsOfPlace, fetchFile, type PikuRelease, sumOf } from "./release.ts";

/** Gives a file a second name: an executable may have 110 MB, and a card little room. */
const linkFile = (host: Host, file: string, name: string) =>
  must(host, ["ln", "-f", file, name], "cannot keep the present release");

const oldOf = (host: Host) => `${host.self}.old`;

/** Puts the release that was replaced last under this name. Throws where there is none. */
export function takeOld(host: Host, fresh: string): void {
  if (!host.stat(oldOf(host))) throw new PikuError("there is no earlier release to go back to");
  linkFile(host, oldOf(host), fresh);
}

/** Puts an executable that runs here in the place of this one, which is kept as `.old`. */
export function replaceSelf(host: Host, fresh: string, done: string): void {
  const version = must(host, [fresh, "--version"], "that release does not run here").stdout.trim();
  // A name may reach the disk before what it stands for.
  host.capture(["sync", fresh]);
  linkFile(host, host.self, oldOf(host));
  host.rename(fresh, host.self);
  voiceOf(host).log(`${done}: ${version}`);
}

/** Where releases are: what was typed, or PIKU_RELEASES. Throws for what is not to be trusted. */
export function releasesAt(host: Host, typed: string | undefined): string {
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

/** Throws for one that is older than this: it is signed as well, and has faults that are known. */
export function refuseOlder({ from, version: offered }: PikuRelease): void {
  if (compareVersions(offered, version) < 0)
    throw new PikuError(
      `the release at ${from} is piku ${offered}, and this is ${version}, which is newer`,
      "to go back all the same: update --force; to the one that was replaced last: update --rollback",
    );
}

/**
 * Gets the executable of this target and checks it against what was signed. False when it is the
 * one that runs.
 */
export function getExecutable(host: Host, release: PikuRelease, file: string): boolean {
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
