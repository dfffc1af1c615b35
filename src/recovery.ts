import type { App } from "./app.ts";
import { listVassals, restoreVassals, staleVassals, stopVassals } from "./generation.ts";
import { commitOf } from "./git.ts";
import type { Host } from "./host/host.ts";
import { parseScaling, renderScaling } from "./procfile.ts";
import {
  forgetRelease,
  jobFile,
  liveRelease,
  type Release,
  readJournal,
  releaseFiles,
  removeJournal,
  writeLive,
  writeRelease,
} from "./releases.ts";
import { pointTo, removeSite, restoreSite } from "./switch.ts";
import { restoreTree } from "./tree.ts";
import { runFolder } from "./uwsgi.ts";

/** Takes an app that the original deployed as release 0, so that there is something to go back to. */
export function adopt(host: Host, app: App): void {
  if (liveRelease(host, app) || !host.stat(`${app.tree}/.git`)) return;
  const vassals = listVassals(host, app.paths, app.name);
  host.mkdir(runFolder(app, 0), 0o700);
  for (const { file } of vassals)
    host.write(`${runFolder(app, 0)}/${file}`, host.read(`${app.paths.enabled}/${file}`) ?? "", 0o600);
  const files = releaseFiles(app, 0);
  const copy = (from: string, to: string) => {
    const content = host.read(from);
    if (content !== undefined) host.write(to, content, 0o600);
  };
  copy(`${app.envs}/ENV`, files.settings);
  copy(`${app.envs}/LIVE_ENV`, files.live);
  copy(app.site, files.site);
  const scaling = parseScaling(host.read(`${app.envs}/SCALING`) ?? "");
  writeRelease(host, app, {
    number: 0,
    cause: "piku.py",
    commit: commitOf(host, app.tree),
    changed: [],
    slot: "a",
    workers: Object.fromEntries(Object.keys(scaling).map((kind) => [kind, ""])),
    scaling,
    vassals: vassals.map(({ file }) => file),
    steps: [],
  });
  writeLive(host, app, 0);
}

/**
 * Puts an app right after a deploy that failed or was ended, at whatever point: `live` says which release it is, and
 * everything else is made to agree with it. Nothing to do when no deploy is under way.
 */
export function recover(host: Host, app: App): void {
  host.end({ status: jobFile(app) }, 2_000);
  const journal = readJournal(host, app);
  if (!journal) return;
  const live = liveRelease(host, app);
  const undo = live?.number !== journal.release;
  if (!undo) host.remove(stoppedFile(app));
  // Requests go back to what still runs before anything is ended.
  if (live) {
    restoreSite(host, app, live);
    pointTo(host, app, live);
  }
  if (undo) {
    stopVassals(host, app, staleVassals(host, app), 2_000);
    if (journal.tree && live) restoreTree(host, app, journal.release, live.commit);
  }
  if (live) {
    if (!host.stat(stoppedFile(app))) restoreVassals(host, app, live.vassals);
    settleFiles(host, app, live);
  } else {
    forget(host, app);
  }
  if (undo) {
    host.remove(runFolder(app, journal.release));
    forgetRelease(host, app, journal.release);
  }
  removeJournal(host, app);
}

/** Removes what a first deploy that failed has made. */
function forget(host: Host, app: App): void {
  removeSite(host, app);
  for (const name of ["crt", "key"]) host.remove(`${app.paths.nginx}/${app.name}.${name}`);
  host.remove(app.tree);
}

/** The files that say what is live, for people and for the original. */
export function settleFiles(host: Host, app: App, release: Release): void {
  const files = releaseFiles(app, release.number);
  host.mkdir(app.envs);
  for (const [copy, name] of [
    [files.settings, "ENV"],
    [files.live, "LIVE_ENV"],
  ] as const) {
    const content = host.read(copy);
    if (content !== undefined && content !== host.read(`${app.envs}/${name}`))
      host.write(`${app.envs}/${name}`, content, 0o600);
  }
  host.write(`${app.envs}/SCALING`, renderScaling(release.scaling));
}

/** A mark that an app was stopped, so that nothing but a deploy starts it. */
export const stoppedFile = (app: App) => `${app.releases}/stopped`;

const patience = 30_000;

/** Ends an app's workers; its site stays. Gives whether there were any. For those who hold the app's turn. */
export function stop(host: Host, app: App): boolean {
  recover(host, app);
  const vassals = listVassals(host, app.paths, app.name);
  host.mkdir(app.releases, 0o700);
  host.write(stoppedFile(app), "");
  stopVassals(host, app, vassals, patience);
  return vassals.length > 0;
}

/** Whether an app is up: it has workers, or a site without any. */
export const isUp = (host: Host, app: App) =>
  listVassals(host, app.paths, app.name).length > 0 ||
  (host.stat(app.site) !== undefined && liveRelease(host, app)?.vassals.length === 0);
