import { type App, appOf, refuseTwin } from "../app/app.ts";
import { callerOf } from "../app/caller.ts";
import { withLock } from "../app/locks.ts";
import type { Paths } from "../app/paths.ts";
import type { Host } from "../host/host.ts";
import { maintenanceFile } from "../site/maintenance.ts";
import { siteLogFolder } from "../site/site.ts";
import { explain, PikuError } from "../text/errors.ts";

/** The record of what `destroy` keeps of an app for a day, so that it can be undone. */
export interface Kept {
  /** When the app was destroyed, milliseconds since 1970. */
  when: number;
  /** Who destroyed it, as `callerOf` gives it. */
  who: string;
  /** Whether it had been stopped before. */
  wasStopped: boolean;
  /** False while files are moved: if nobody holds the machine's lock, whoever did it was killed. */
  isWhole: boolean;
}

const day = 86_400_000;

const keptFolder = ({ name, paths }: App) => `${paths.destroyed}/${name}`;
const recordFile = (app: App) => `${keptFolder(app)}/record.json`;

/** What is kept of a destroyed app; undefined if nothing is, or its record is damaged. */
export function readKept(host: Host, app: App): Kept | undefined {
  try {
    return JSON.parse(host.read(recordFile(app)) ?? "") as Kept;
  } catch {
    return undefined;
  }
}

const writeKept = (host: Host, app: App, kept: Kept) =>
  host.write(recordFile(app), JSON.stringify(kept), 0o600);

/**
 * Whether a name in the folder of sites is this app's: its site, certificate, key and what the
 * original kept there.
 */
const ownsSiteFile = (app: string, name: string) =>
  name.startsWith(`${app}.`) && /^[a-z]+$/.test(name.slice(app.length + 1));

/**
 * The parts of an app that are kept: their names there, and their paths while the app exists.
 * `sites`: the folder that holds its site's files now. The work tree comes last: as long as it
 * exists, so does the app.
 */
export const partsOf = (host: Host, app: App, sites: string): [name: string, path: string][] => [
  ["repo", app.repo],
  ["envs", app.envs],
  ["logs", app.logs],
  ["weblogs", siteLogFolder(app)],
  ["releases", app.releases],
  ["acme", `${app.paths.acme}/${app.name}`],
  ["page", maintenanceFile(app)],
  ...host
    .list(sites)
    .filter((name) => ownsSiteFile(app.name, name))
    .map((name): [string, string] => [`nginx/${name}`, `${app.paths.nginx}/${name}`]),
  ["tree", app.tree],
];

/** Changes of what is kept are short, and one at a time. */
const alone = <T>(host: Host, { paths }: App, action: () => T): T =>
  withLock(host, paths, "machine", undefined, "", action);

/**
 * Moves an app aside, which has no processes and no site any more. Only renames, so everything
 * keeps its owner and its rights, and takes no more space. Throws if a part is on another file
 * system.
 */
export function keepAside(host: Host, app: App, wasStopped: boolean): void {
  alone(host, app, () => {
    discard(host, app);
    host.mkdir(`${keptFolder(app)}/nginx`, 0o700);
    const kept = { when: host.now(), who: callerOf(host), wasStopped, isWhole: false };
    writeKept(host, app, kept);
    moveAside(host, app, kept);
  });
  removeDiscarded(host, app.paths);
}

function moveAside(host: Host, app: App, kept: Kept): void {
  for (const [name, path] of partsOf(host, app, app.paths.nginx)) {
    if (!host.stat(path)) continue;
    const place = `${keptFolder(app)}/${name}`;
    if (host.stat(place)) host.remove(path);
    else host.rename(path, place);
  }
  writeKept(host, app, { ...kept, isWhole: true });
}

/** Finishes what a `destroy`, or undoes what a `destroy --undo` had begun that was killed. */
export function settleKept(host: Host, app: App): void {
  if (readKept(host, app)?.isWhole !== false) return;
  alone(host, app, () => {
    const kept = readKept(host, app);
    if (kept?.isWhole === false) moveAside(host, app, kept);
  });
}

/**
 * Brings back what is kept of a destroyed app: everything but its processes and its site. Returns
 * its record. Throws if nothing is kept, if there is an app of this name again, or if a key that is
 * bound to apps asks for what somebody else destroyed: its owner may have had the name before.
 */
export function bringBack(host: Host, app: App): Kept {
  settleKept(host, app);
  const { name } = app;
  const kept = alone(host, app, () => {
    const found = readKept(host, app);
    if (!found)
      throw new PikuError(
        `nothing of app '${name}' is kept`,
        "a destroyed app is kept for a day, if the disk has room for it; push it again",
      );
    if (host.env().PIKU_KEY_APPS !== undefined && found.who !== callerOf(host))
      throw new PikuError(
        `app '${name}' was destroyed with another key`,
        "ask whoever did that to bring it back",
      );
    if ([app.tree, app.repo, app.envs, app.releases].some((path) => host.stat(path)))
      throw new PikuError(
        `there is an app '${name}' again`,
        `to have the former one in its place: destroy --purge ${name}, then destroy --undo ${name}`,
      );
    refuseTwin(host, app);
    writeKept(host, app, { ...found, isWhole: false });
    for (const [part, path] of partsOf(host, app, `${keptFolder(app)}/nginx`)) {
      const place = `${keptFolder(app)}/${part}`;
      if (!host.stat(place)) continue;
      host.remove(path);
      host.rename(place, path);
    }
    host.remove(recordFile(app));
    return found;
  });
  host.remove(keptFolder(app));
  return kept;
}

/** Removes for good what is kept of an app. `when`: only if it was destroyed then. */
export function purgeKept(host: Host, app: App, when?: number): void {
  alone(host, app, () => {
    if (when === undefined || (readKept(host, app)?.when ?? 0) === when) discard(host, app);
  });
  removeDiscarded(host, app.paths);
}

// No app's name begins with a dot.
const discarded = (name: string) => name.startsWith(".");

/** Renames what is kept of an app, so that it can be removed while others go on. */
function discard(host: Host, app: App): void {
  if (!host.stat(keptFolder(app))) return;
  host.rename(keptFolder(app), `${app.paths.destroyed}/.${app.name}.${host.now()}.${host.pid}`);
}

function removeDiscarded(host: Host, { destroyed }: Paths): void {
  for (const name of host.list(destroyed).filter(discarded)) {
    try {
      host.remove(`${destroyed}/${name}`);
    } catch (error) {
      // Somebody else may be removing it as well.
      if (host.stat(`${destroyed}/${name}`))
        host.sayError(`Warning: '${destroyed}/${name}' stays: ${explain(error).message}`);
    }
  }
}

/**
 * Removes what has been kept for a day, and the oldest of the rest as long as less than `least` is
 * free on the disk. Settles what was cut off.
 */
export function expireKept(
  host: Host,
  paths: Paths,
  least: { bytes: number; inodes: number },
): void {
  removeDiscarded(host, paths);
  const all = host
    .list(paths.destroyed)
    .filter((name) => !discarded(name))
    .map((name) => {
      const app = appOf(paths, name);
      settleKept(host, app);
      return { app, when: readKept(host, app)?.when ?? 0 };
    })
    .sort((a, b) => a.when - b.when);
  for (const { app, when } of all) {
    if (host.now() - when >= day) purgeKept(host, app, when);
    else {
      const { bytes, inodes } = host.free(paths.root);
      if (bytes >= least.bytes && inodes >= least.inodes) continue;
      host.sayError(
        `Warning: the disk is nearly full: what was kept of the destroyed app '${app.name}' is removed.`,
      );
      purgeKept(host, app, when);
    }
  }
}
