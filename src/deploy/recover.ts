import type { App } from "../app/app.ts";
import type { Paths } from "../app/paths.ts";
import { parseScaling, renderScaling } from "../app/procfile.ts";
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
} from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { restoreTree } from "../repository/checkout.ts";
import { commitOf } from "../repository/git.ts";
import { settlePage } from "../site/maintenance.ts";
import { pointTo, removeSite, restoreSite } from "../site/switch.ts";
import { restoreLogs } from "../workers/logs.ts";
import { listVassals, restoreVassals, stopVassals } from "../workers/start.ts";
import { runFolder, type Vassal } from "../workers/vassal.ts";

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
 * Puts an app right after a deploy or a stop that failed or was ended, at whatever point: `live` says which release it is, the
 * mark of `stop` whether it runs, and everything else is made to agree with them.
 */
export function recover(host: Host, app: App): void {
  host.end({ status: jobFile(app) }, 2_000);
  const journal = readJournal(host, app);
  if (journal) finishDeploy(host, app, journal);
  if (isStopped(host, app)) finishStop(host, app, endPatience);
  else settlePage(host, app, false);
}

const endPatience = 2_000;

function finishDeploy(host: Host, app: App, journal: Journal): void {
  const live = liveRelease(host, app);
  // Requests go back to what still runs before anything is ended.
  if (live) pointTo(host, app, live);
  if (live?.number === journal.release) markStarted(host, app);
  else undo(host, app, journal, live);
  if (live) {
    if (!isStopped(host, app)) restoreVassals(host, app, live.vassals);
    settleFiles(host, app, live);
    restoreSite(host, app, live);
  }
  removeJournal(host, app);
}

/** Takes back what a deploy did that did not go live. What an earlier one has replaced goes on leaving by itself. */
function undo(host: Host, app: App, journal: Journal, live: Release | undefined): void {
  const isIts = ({ release }: Vassal) => release === journal.release;
  stopVassals(host, app, listVassals(host, app.paths, app.name).filter(isIts), endPatience);
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

/** Whether an app was stopped. */
export const isStopped = (host: Host, app: App) => host.stat(stoppedFile(app)) !== undefined;

/** Says that an app runs again, and takes the page of a stopped one away. For a release that is live. */
export function markStarted(host: Host, app: App): void {
  host.remove(stoppedFile(app));
  settlePage(host, app, false);
}

const patience = 30_000;

/** Ends an app's workers; its site stays, and says so. For those who hold the app's turn. */
export function stop(host: Host, app: App): void {
  recover(host, app);
  host.mkdir(app.releases, 0o700);
  host.write(stoppedFile(app), "");
  finishStop(host, app, patience);
}

/** Nobody is asked any more before anybody is ended: whoever has the port next is not to answer for the app. */
function finishStop(host: Host, app: App, grace: number): void {
  settlePage(host, app, true);
  stopVassals(host, app, listVassals(host, app.paths, app.name), grace);
}

/** Names of the apps that have workers. */
export const appsWithWorkers = (host: Host, paths: Paths): Set<string> =>
  new Set(listVassals(host, paths).map(({ app }) => app));

/** Whether an app is up: it has workers, or a site without any that is not stopped. `working`: those that have, for a call for many apps. */
export const isUp = (host: Host, app: App, working?: ReadonlySet<string>) =>
  (working ? working.has(app.name) : listVassals(host, app.paths, app.name).length > 0) ||
  (host.stat(app.site) !== undefined && !isStopped(host, app) && readableLive(host, app)?.vassals.length === 0);
