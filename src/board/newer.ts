import { version } from "../../package.json" with { type: "json" };
import type { BoardSettings } from "../app/board-settings.ts";
import type { Paths } from "../app/paths.ts";
import type { Host } from "../host/host.ts";
import { PikuError } from "../text/errors.ts";
import { compareVersions, doubtsOfPlace, readPikuRelease } from "./release.ts";
import { getExecutable, replaceSelf, takeOld } from "./self.ts";

const newestFile = (paths: Paths) => `${paths.uwsgi}/newest-release`;
const refusedFile = (paths: Paths) => `${paths.uwsgi}/refused-release`;

/** Notes the version at the place of releases, for `doctor` and the board's page. */
export function noteRelease(host: Host, paths: Paths, offered: string): void {
  // A laptop has no such directory.
  if (host.stat(paths.uwsgi)) host.write(newestFile(paths), `${offered}\n`);
}

/** The version of a newer release, when one was seen; undefined otherwise. */
export const newerRelease = (host: Host, paths: Paths): string | undefined =>
  newerIn(host, newestFile(paths));

/** The version of a newer release that this board has taken back by itself, where one was. */
export const refusedRelease = (host: Host, paths: Paths): string | undefined =>
  newerIn(host, refusedFile(paths));

function newerIn(host: Host, file: string): string | undefined {
  const noted = host.readFrom(file, 0).text.trim();
  return /^[\w.-]{1,40}$/.test(noted) && compareVersions(noted, version) > 0 ? noted : undefined;
}

/**
 * Looks for a newer release, as PIKU_UPDATE says, and with `auto` takes it: what `doctor` found well
 * before has to be well with the new one too, or it is taken back and not tried again. Throws where
 * that went wrong; a place that cannot be reached is no fault of a board that only looks.
 */
export function keepCurrent(host: Host, paths: Paths, machine: BoardSettings): void {
  const { releases: from, update = "check" } = machine;
  if (!from || update === "false") return;
  const fresh = `${host.self}.new`;
  host.remove(fresh);
  try {
    const release = lookFor(host, from, fresh, update);
    if (!release) return;
    noteRelease(host, paths, release.version);
    const { version: newer } = release;
    const isWanted = newerRelease(host, paths) && refusedRelease(host, paths) !== newer;
    if (update !== "auto" || !isWanted) return;
    const before = wellChecks(host);
    if (!getExecutable(host, release, fresh)) return;
    replaceSelf(host, fresh, "Update successful");
    const well = wellChecks(host);
    const lost = before.filter((check) => !well.includes(check));
    if (lost.length === 0) return;
    takeOld(host, fresh);
    replaceSelf(host, fresh, "Back again");
    host.write(refusedFile(paths), `${newer}\n`);
    throw new PikuError(
      `piku ${newer} was taken back: with it, doctor found something wrong with ${lost.join(", ")}`,
      "`update` tries it again",
    );
  } finally {
    host.remove(fresh);
  }
}

function lookFor(host: Host, from: string, fresh: string, update: string) {
  try {
    doubtsOfPlace(from);
    return readPikuRelease(host, from, fresh);
  } catch (error) {
    if (update === "auto" || !(error instanceof PikuError)) throw error;
    return undefined;
  }
}

const vital = ["emperor", "nginx", "sites", "processes"];

/**
 * Which of the checks that tell whether apps are served have found nothing wrong, by the executable
 * that is in our place now.
 */
function wellChecks(host: Host): string[] {
  const { stdout } = host.capture([host.self, "doctor", "--json"]);
  let found: { check: string; ok: boolean }[] = [];
  try {
    found = JSON.parse(stdout);
  } catch {
    // It does not even say.
  }
  const of = (name: string) => found.filter(({ check }) => check === name);
  return vital.filter((name) => of(name).length > 0 && of(name).every(({ ok }) => ok));
}
