import type { App } from "../app/app.ts";
import { withLock } from "../app/locks.ts";
import { renderScaling } from "../app/procfile.ts";
import {
  forgetRelease,
  isStopped,
  type Journal,
  jobFile,
  liveRelease,
  type Release,
  readJournal,
  releaseFiles,
  removeJournal,
  removeLive,
  syncApp,
  writeJournal,
} from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { restoreTree } from "../repository/checkout.ts";
import { holdCommit } from "../repository/push.ts";
import { settlePage } from "../site/maintenance.ts";
import { removeSite, restoreSite, routeTo } from "../site/switch.ts";
import { restoreVassals } from "../workers/bring-back.ts";
import { listVassals } from "../workers/emperor.ts";
import { forgetSockets } from "../workers/idle.ts";
import { restoreLogs } from "../workers/logs.ts";
import { stopVassals } from "../workers/stop.ts";
import { runFolder, type Vassal } from "../workers/worker.ts";
import { renderUnchanged } from "./announce.ts";
import { finishStop, markStarted } from "./stopped.ts";

/**
 * Repairs an app after a deploy or a stop that failed or was killed at any point: the file `live`
 * says which release is live, the mark of `stop` whether it runs, and everything else is made to
 * agree with them.
 */
export function recover(host: Host, app: App): void {
  host.end({ status: jobFile(app) }, 2_000);
  const journal = readJournal(host, app);
  if (journal) finishDeploy(host, app, journal);
  if (isStopped(host, app)) finishStop(host, app, undoTimeout);
  else settlePage(host, app, false);
}

/** Undoes the first release of an app, when its push was refused after all. */
export function withdraw(host: Host, app: App, release: number, hadTree: boolean): void {
  withLock(host, app.paths, "deploy", app, "push", () => {
    writeJournal(host, app, { release, cause: "push", made: !hadTree });
    syncApp(host, app);
    removeLive(host, app);
    recover(host, app);
    holdCommit(host, app, release, undefined);
  });
  host.sayError(renderUnchanged(host, app));
}

const undoTimeout = 2_000;

function finishDeploy(host: Host, app: App, journal: Journal): void {
  const live = liveRelease(host, app);
  // Requests go back to the processes that still run before anything is stopped.
  if (live) routeTo(host, app, live);
  if (live?.number === journal.release) markStarted(host, app);
  else undo(host, app, journal, live);
  if (live) {
    if (!isStopped(host, app)) restoreVassals(host, app, live.vassals);
    settleFiles(host, app, live);
    restoreSite(host, app, live);
  }
  forgetSockets(host, app);
  syncApp(host, app);
  removeJournal(host, app);
}

/** Undoes a deploy that did not go live. What an earlier deploy replaced retires by itself. */
function undo(host: Host, app: App, journal: Journal, live: Release | undefined): void {
  const isIts = ({ release }: Vassal) => release === journal.release;
  stopVassals(host, app, listVassals(host, app.paths, app.name).filter(isIts), undoTimeout);
  restoreLogs(host, app, journal.release);
  if (journal.made) host.remove(app.tree);
  else if (journal.tree) restoreTree(host, app, journal.release, journal.tree);
  if (!live) forget(host, app);
  const { former, settings } = releaseFiles(app, journal.release);
  const before = host.read(former);
  // What somebody has written by hand meanwhile stays.
  if (before !== undefined && host.read(`${app.envs}/ENV`) === host.read(settings))
    host.write(`${app.envs}/ENV`, before, 0o600);
  // Of a commit that may have been lost, and then git would refuse to go on.
  host.remove(`${app.repo}/refs/piku/${journal.release}`);
  host.remove(runFolder(app, journal.release));
  forgetRelease(host, app, journal.release);
  for (const name of host.list(app.paths.enabled)) {
    if (name.startsWith(`.${app.name}_`) && name.endsWith(".tmp"))
      host.remove(`${app.paths.enabled}/${name}`);
  }
}

/** Removes what a failed first deploy has created outside of the work tree. */
function forget(host: Host, app: App): void {
  removeSite(host, app);
  for (const name of ["crt", "key", "facts"]) host.remove(`${app.paths.nginx}/${app.name}.${name}`);
  // If the folder existed before, it shows no commit that a later deploy could start from.
  host.remove(`${app.tree}/.git`);
}

function noteIfOther(host: Host, path: string, content: string | undefined, mode: number): void {
  if (content !== undefined && host.read(path) !== content) host.note(path, content, mode);
}

/** Writes the files that tell people, and the original, what is live. */
export function settleFiles(host: Host, app: App, release: Release): void {
  const files = releaseFiles(app, release.number);
  host.mkdir(app.envs);
  const live = host.read(files.live);
  noteIfOther(host, `${app.envs}/LIVE_ENV`, live, 0o600);
  noteIfOther(host, `${app.envs}/SCALING`, renderScaling(release.scaling), 0o644);
}
