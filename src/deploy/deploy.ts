import { type App, refuseTwin } from "../app/app.ts";
import { renderSettings } from "../app/env-file.ts";
import { whoAsks, withTurn } from "../app/locks.ts";
import { isInside } from "../app/procfile.ts";
import {
  cancelFile,
  forgetRelease,
  liveNumber,
  liveRelease,
  nextNumber,
  type Release,
  releaseFiles,
  removeJournal,
  writeJournal,
  writeLive,
  writeRelease,
} from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { applyTree, planTree } from "../repository/checkout.ts";
import { subjectOf } from "../repository/commit.ts";
import { keepCommit } from "../repository/push.ts";
import { isClosed } from "../site/maintenance.ts";
import { renderSite } from "../site/render.ts";
import { certify } from "../site/renew.ts";
import { pointTo, switchSite } from "../site/switch.ts";
import { Ended, explain, PikuError } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { ensureDaily } from "../workers/daily.ts";
import { requireEmperor } from "../workers/emperor.ts";
import { slotFlag, socketLink, vassalName } from "../workers/worker.ts";
import { adopt } from "./adopt.ts";
import { tellDifferences, whereabouts } from "./announce.ts";
import { build, runRelease } from "./build.ts";
import { heldBy, keptVassal, startGeneration } from "./generation.ts";
import { askHook, hookFacts, tellHook } from "./hooks.ts";
import { type Plan, planDeploy, type Request, releaseOf } from "./plan.ts";
import { recover, settleFiles } from "./recover.ts";
import { retireLater } from "./retire.ts";
import { makeRoom, memoryWarning, refuseFullDisk } from "./space.ts";
import { markStarted } from "./stopped.ts";
import { type Recorder, record } from "./transcript.ts";

/**
 * Deploys: whatever fails, at whatever step, the release that was live stays live and whole
 * (design: a deploy is a transaction). Everything is said to the transcript and, as far as they
 * listen, to whoever asked. Throws `Ended` when it failed; why has been said then.
 */
export function deploy(
  host: Host,
  app: App,
  request: (live: Release | undefined) => Request,
  cause: string,
): void {
  const underLock = () => {
    // It may have been destroyed while this command waited for its turn.
    if (!host.stat(app.repo))
      throw new PikuError(`app '${app.name}' not found.`, "`apps` lists what is deployed");
    recover(host, app);
    adopt(host, app);
    const live = liveRelease(host, app);
    const number = nextNumber(host, app);
    host.mkdir(app.releases, 0o700);
    host.append(releaseFiles(app, number).transcript, "");
    const recorder = cancellable(
      host,
      app,
      record(host, releaseFiles(app, number).transcript, cause !== "push"),
    );
    let facts = {};
    try {
      const asked = request(live);
      facts = hookFacts(app, number, asked);
      goLive(recorder, app, number, live, asked);
      tellHook(recorder, app, "post-deploy", facts);
    } catch (error) {
      if (liveNumber(host, app) !== number) fail(recorder, app, number, error, facts);
      voiceOf(recorder.host).warn(
        `release ${number} is live, but not all is cleared away: ${explain(error).message}; the next command does it.`,
      );
    } finally {
      recorder.finish();
    }
  };
  try {
    withTurn(host, app.paths, "deploy", app, cause, underLock);
  } finally {
    leaveBehind(host, app);
  }
}

/**
 * A recorder that, wherever something is waited for, throws once somebody has cancelled the deploy.
 */
function cancellable(host: Host, app: App, recorder: Recorder): Recorder {
  // From before this deploy: it came too late for the one that it was meant for.
  host.remove(cancelFile(app));
  const show = () => {
    recorder.show();
    const who = host.read(cancelFile(app));
    if (who !== undefined) throw new PikuError(`the deploy was cancelled by ${who}`);
  };
  return { ...recorder, show };
}

/**
 * Lets what was replaced leave. What cannot be done now is done by the next command, and does not
 * undo what is live.
 */
function leaveBehind(host: Host, app: App): void {
  try {
    retireLater(host, app);
  } catch (error) {
    voiceOf(host).warn(`what was replaced is not gone yet: ${explain(error).message}`);
  }
}

/** Says why a deploy failed, puts back what it had begun, and ends the command. */
function fail(
  recorder: Recorder,
  app: App,
  number: number,
  error: unknown,
  facts: Record<string, string>,
): never {
  const { host } = recorder;
  const voice = voiceOf(host);
  const { message, hint } = explain(error);
  voice.error(message);
  if (hint) host.complain(`Hint: ${hint}`);
  try {
    makeRoom(host, app);
    recover(host, app);
    const live = liveNumber(host, app);
    if (live !== number) forgetRelease(host, app, number);
    voice.log(
      live === undefined
        ? `-----> Nothing of app '${app.name}' is live.`
        : `-----> Release ${live} is live.`,
    );
  } catch (worse) {
    voice.error(`what was begun could not be put back: ${explain(worse).message}`);
    voice.log(`Hint: once that is mended: restart ${app.name}`);
  }
  tellHook(recorder, app, "deploy-failed", { PIKU_APP: app.name, ...facts, PIKU_ERROR: message });
  throw new Ended(1);
}

/** The steps of a deploy. */
function goLive(
  recorder: Recorder,
  app: App,
  number: number,
  live: Release | undefined,
  request: Request,
): void {
  const { host } = recorder;
  const voice = voiceOf(host);
  const former = host.read(`${app.envs}/ENV`) ?? "";
  const steps: Release["steps"] = [];
  const step = <T>(title: string, action: () => T): T => {
    const start = host.ticks();
    const result = action();
    steps.push({ title, milliseconds: Math.round(host.ticks() - start) });
    return result;
  };

  voice.start(`Deploying app '${app.name}'`);
  if (!live) refuseTwin(host, app);
  const plan = step("plan", () => planDeploy(host, request, live, number));
  for (const warning of plan.warnings) voice.warn(warning);
  if (live?.number === 0) tellDifferences(recorder, plan);
  if (plan.workers.length > 0) requireEmperor(host, app.paths);
  refuseFullDisk(host, app);
  const shortage = memoryWarning(host);
  if (shortage) voice.warn(shortage);
  askHook(recorder, app, hookFacts(app, number, request));
  host.mkdir(app.data);
  host.mkdir(app.cache);

  const built = step("build", () => build(recorder, plan));
  const { goesLive = () => true, isOutput = () => false } = plan.runtime;
  const outputs = built ? { goesLive, isOutput } : undefined;
  const tree = step("tree", () => planTree(host, request.commit, number, live, outputs));
  const kept = new Map(plan.workers.flatMap((worker) => keptVassal(host, plan, live, worker)));
  const fresh = plan.workers.filter((worker) => !kept.has(worker));
  const release = releaseOf(plan, number, {
    subject: subjectOf(host, request.commit),
    who: whoAsks(host),
    vassals: plan.workers.map((worker) => kept.get(worker) ?? vassalName(app.name, worker)),
    held: kept.size > 0 ? heldBy(live, [...kept.values()]) : undefined,
  });
  writeRelease(host, app, release);
  writeJournal(host, app, {
    release: number,
    cause: request.cause,
    tree: tree !== undefined,
    made: !host.stat(app.tree),
  });
  if (tree) step("checkout", () => applyTree(host, tree));
  if (request.releases && plan.procfile.release) step("release", () => runRelease(recorder, plan));

  step("start", () => startGeneration(recorder, plan, release, fresh));
  keepFiles(host, plan, release);
  if (plan.site) ensureDaily(host, app.paths);
  step("switch", () => {
    // A site that is new to nginx must find the new processes at once.
    if (!isLookedAt(host, app, release)) pointTo(host, app, release);
    switchSite(host, plan);
    pointTo(host, app, release);
  });
  goBeyondReturn(
    host,
    plan,
    { ...release, when: new Date(host.now()).toISOString(), steps },
    former,
  );
  voice.log(`-----> Release ${number} of app '${app.name}' is live.`);
  if (plan.site)
    certify(host, { app, site: plan.site, settings: plan.settings, reload: plan.reload });
  for (const line of whereabouts(host, plan)) voice.log(line);
  if (isClosed(host, app))
    voice.log(`-----> Visitors do not see it yet; to open it: maintenance:off ${app.name}`);
  if (request.only === undefined && [...kept.keys()].some(({ cron }) => !cron))
    voice.log(
      `-----> Workers go on as they are (PIKU_AUTO_RESTART); restart them with: restart ${app.name}`,
    );
}

/**
 * Whether the site that nginx has now looks at what sends requests to a release: the flag for its
 * ports, or the links to its sockets.
 */
function isLookedAt(host: Host, app: App, { workers }: Release): boolean {
  const looked = Object.keys(workers).some(isInside) ? socketLink(app, 1) : slotFlag(app);
  return (host.read(app.site) ?? "").includes(looked);
}

/** Keeps what a release is made of, to come back to it. */
function keepFiles(host: Host, { app, site, request, ...plan }: Plan, { number }: Release): void {
  const files = releaseFiles(app, number);
  if (site) host.write(files.site, renderSite(site), 0o600);
  host.write(files.settings, request.serverSettings, 0o600);
  host.write(files.live, renderSettings(plan.settings), 0o600);
}

/**
 * Makes a release the live one. All that could fail comes before the one file that says so: a disk
 * may be full, and git has not accepted the push yet. `former` is ENV as it was when the deploy
 * began.
 */
function goBeyondReturn(
  host: Host,
  { app, request }: Plan,
  release: Release,
  former: string,
): void {
  writeRelease(host, app, release);
  keepCommit(host, request.commit, release.number);
  settleFiles(host, app, release);
  // A deploy that changes no settings leaves the file alone: somebody may have written into it by
  // hand meanwhile.
  if (former !== request.serverSettings) {
    if ((host.read(`${app.envs}/ENV`) ?? "") !== former) {
      throw new PikuError(
        `the settings of app '${app.name}' were changed by hand meanwhile`,
        "try again",
      );
    }
    host.write(releaseFiles(app, release.number).former, former, 0o600);
    host.write(`${app.envs}/ENV`, request.serverSettings, 0o600);
  }
  writeLive(host, app, release.number);
  markStarted(host, app);
  removeJournal(host, app);
}
