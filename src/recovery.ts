import type { App } from "./app.ts";
import { listVassals, restoreVassals, stopVassals } from "./generation.ts";
import { commitOf } from "./git.ts";
import type { Host } from "./host/host.ts";
import { restoreLogs } from "./logs.ts";
import type { Paths } from "./paths.ts";
import { parseScaling, renderScaling } from "./procfile.ts";
import {
  forgetRelease,
  type Journal,
  jobFile,
  liveRelease,
  type Release,
  readableLive,
  readJournal,
  releaseFiles,
  removeJournal,
  writeLive,
  writeRelease,
} from "./releases.ts";
import { pointTo, removeSite, restoreSite } from "./switch.ts";
import { restoreTree } from "./tree.ts";
import { runFolder, type Vassal } from "./uwsgi.ts";

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
  // Requests go back to what still runs before anything is ended.
  if (live) pointTo(host, app, live);
  if (live?.number === journal.release) host.remove(stoppedFile(app));
  else undo(host, app, journal, live);
  if (live) {
    if (!host.stat(stoppedFile(app))) restoreVassals(host, app, live.vassals);
    settleFiles(host, app, live);
    restoreSite(host, app, live);
  }
  removeJournal(host, app);
}

/** Takes back what a deploy did that did not go live. What an earlier one has replaced goes on leaving by itself. */
function undo(host: Host, app: App, journal: Journal, live: Release | undefined): void {
  const isIts = ({ release }: Vassal) => release === journal.release;
  stopVassals(host, app, listVassals(host, app.paths, app.name).filter(isIts), 2_000);
  restoreLogs(host, app, journal.release);
  if (journal.made) host.remove(app.tree);
  else if (journal.tree) restoreTree(host, app, journal.release);
  if (!live) forget(host, app);
  const former = host.read(releaseFiles(app, journal.release).former);
  if (former !== undefined) host.write(`${app.envs}/ENV`, former, 0o600);
  host.remove(runFolder(app, journal.release));
  forgetRelease(host, app, journal.release);
  for (const name of host.list(app.paths.enabled)) {
    if (name.startsWith(`.${app.name}_`) && name.endsWith(".tmp")) host.remove(`${app.paths.enabled}/${name}`);
  }
}

/** Removes what a first deploy that failed has made beside the work tree. */
function forget(host: Host, app: App): void {
  removeSite(host, app);
  for (const name of ["crt", "key"]) host.remove(`${app.paths.nginx}/${app.name}.${name}`);
  // A folder that was there before has no commit to go on from.
  host.remove(`${app.tree}/.git`);
}

/** The files that say what is live, for people and for the original. */
export function settleFiles(host: Host, app: App, release: Release): void {
  const files = releaseFiles(app, release.number);
  host.mkdir(app.envs);
  const live = host.read(files.live);
  if (live !== undefined) host.write(`${app.envs}/LIVE_ENV`, live, 0o600);
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

/** Names of the apps that have workers. */
export const appsWithWorkers = (host: Host, paths: Paths): Set<string> =>
  new Set(listVassals(host, paths).map(({ app }) => app));

/** Whether an app is up: it has workers, or a site without any. `working`: those that have, for a call for many apps. */
export const isUp = (host: Host, app: App, working?: ReadonlySet<string>) =>
  (working ? working.has(app.name) : listVassals(host, app.paths, app.name).length > 0) ||
  (host.stat(app.site) !== undefined && readableLive(host, app)?.vassals.length === 0);
