import { type App, refuseTwin } from "../app/app.ts";
import { renderSettings } from "../app/env-file.ts";
import { withLock } from "../app/locks.ts";
import { isUwsgiKind } from "../app/procfile.ts";
import {
  forgetRelease,
  liveNumber,
  liveRelease,
  nextNumber,
  type Release,
  readJournal,
  releaseFiles,
  removeJournal,
  syncApp,
  writeJournal,
  writeLive,
  writeRelease,
} from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import type { CheckoutRequest } from "../repository/change.ts";
import {
  applyCheckout,
  type Checkout,
  keepReplaced,
  planCheckout,
} from "../repository/checkout.ts";
import { dropGuard } from "../repository/guard.ts";
import { recordOutputs } from "../repository/own.ts";
import { keepCommit } from "../repository/push.ts";
import { isComplete } from "../runtimes/dependencies.ts";
import { ensureRanges } from "../site/cloudflare.ts";
import { renderSite } from "../site/render.ts";
import { routeTo, switchSite } from "../site/switch.ts";
import { Ended, explain, PikuError } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { ensureDaily } from "../workers/daily.ts";
import { requireEmperor } from "../workers/emperor.ts";
import { claimPorts } from "../workers/ports.ts";
import { slotFlag, socketLink } from "../workers/worker.ts";
import { adopt } from "./adopt.ts";
import { announce, renderInterrupted, renderOwn, renderUnchanged, warn } from "./announce.ts";
import { build, runRelease } from "./build.ts";
import { warnOfFrontPage } from "./front-page.ts";
import { type Generation, planGeneration, startGeneration } from "./generation.ts";
import { guardTrees } from "./guard-trees.ts";
import { askHook, hookFacts, tellHook } from "./hooks.ts";
import { settleKept } from "./kept.ts";
import { type AskedDeploy, type Plan, planDeploy } from "./plan.ts";
import { cancellable, cancellation, cancelOnInterrupt, withProgress } from "./progress.ts";
import { recover, settleFiles } from "./recover.ts";
import type { DeployRequest } from "./request.ts";
import { retireLater } from "./retire.ts";
import { makeRoom, memoryWarning, refuseFullDisk } from "./space.ts";
import { markStarted } from "./stopped.ts";
import { type Recorder, record } from "./transcript.ts";

/**
 * Deploys an app. Whichever step fails, the release that was live stays live and complete
 * (docs/how-a-deploy-works.md). All output goes to the transcript, and to the caller as far as they
 * read it. Throws `Ended` when the deploy failed; the reason has been printed by then.
 */
export function deploy(host: Host, request: DeployRequest): void {
  const { app, cause } = request;
  try {
    withLock(host, app.paths, "deploy", app, cause, () => deployLocked(host, request));
  } finally {
    cleanUpLater(host, app);
  }
}

/** The same for those who hold the app's lock. */
function deployLocked(host: Host, { app, cause, target }: DeployRequest): void {
  settleKept(host, app);
  // It may have been destroyed while this command waited for the lock.
  if (!host.stat(app.repo))
    throw new PikuError(`app '${app.name}' not found.`, "`apps` lists what is deployed");
  const interrupted = readJournal(host, app);
  recover(host, app);
  adopt(host, app);
  const live = liveRelease(host, app);
  if (interrupted) host.say(renderInterrupted(app, interrupted, live));
  const number = nextNumber(host, app);
  const { transcript } = releaseFiles(app, number);
  host.mkdir(app.releases, 0o700);
  host.append(transcript, "");
  const recorder = cancellable(
    host,
    app,
    withProgress(record(host, transcript, cause !== "push"), app),
  );
  cancelOnInterrupt(host, app);
  let facts = {};
  try {
    const asked = { cause, target: target(live) };
    facts = hookFacts(app, number, asked);
    goLive(recorder, app, number, live, asked);
    tellHook(recorder, app, "post-deploy", facts);
  } catch (error) {
    const why = cancellation(host, app) ?? error;
    if (liveNumber(host, app) !== number) fail(recorder, app, number, why, { cause, facts });
    voiceOf(recorder.host).warn(
      `release ${number} is live, but not all is cleared away: ${explain(error).message}; the next command does it.`,
    );
  } finally {
    recorder.finish();
  }
}

/**
 * Retires what was replaced. What cannot be done now is left to the next command; the new release
 * stays live.
 */
function cleanUpLater(host: Host, app: App): void {
  try {
    retireLater(host, app);
  } catch (error) {
    voiceOf(host).warn(`what was replaced is not gone yet: ${explain(error).message}`);
  }
}

/** Prints why a deploy failed, undoes what it had begun, and ends the command. */
function fail(
  recorder: Recorder,
  app: App,
  number: number,
  error: unknown,
  { cause, facts }: { cause: string; facts: Record<string, string> },
): never {
  const { host } = recorder;
  const voice = voiceOf(host);
  const { message, hint } = explain(error);
  voice.error(message);
  if (hint) host.sayError(`Hint: ${hint}`);
  try {
    makeRoom(host, app);
    recover(host, app);
    const live = liveNumber(host, app);
    if (live !== number) forgetRelease(host, app, number);
    // What is restored was not running before; the command says what became of it.
    if (cause !== "restore") host.sayError(renderUnchanged(host, app));
  } catch (worse) {
    voice.error(`what was begun could not be put back: ${explain(worse).message}`);
    host.sayError(`Hint: once that is mended: restart ${app.name}`);
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
  asked: AskedDeploy,
): void {
  const { host } = recorder;
  const { target } = asked;
  const { step, steps } = stopwatch(host);
  const former = host.read(`${app.envs}/ENV`) ?? "";
  voiceOf(host).start(`Deploying app '${app.name}'`);
  if (!live) refuseTwin(host, app);
  const plan = step("plan", () => planAndClaim(host, asked, live, number));
  warn(recorder, plan, live);
  prepare(recorder, plan, number);
  guardTrees(host, plan);
  const wanted = wantedFiles(plan, number, live);
  const { environment } = plan;
  const isBuilt = environment !== undefined && !isComplete(host, environment.folder);
  // Refused before anything is built; the app may write on meanwhile.
  const early = planCheckout(host, wanted, undefined);
  const outputs = step("build", () => build(recorder, plan));
  // Where nothing was built no time has passed.
  const checkout = step("tree", () =>
    isBuilt || outputs ? planCheckout(host, wanted, outputs) : early,
  );
  const { change } = checkout;
  const planned = planGeneration(host, plan, live, number);
  const generation = { ...planned, release: { ...planned.release, took: change?.took } };
  begin(host, plan, generation, checkout, former);
  if (change) step("checkout", () => applyCheckout(host, checkout, change));
  const releases = target.releases && plan.procfile.release !== undefined;
  const release = () => step("release", () => runRelease(recorder, plan));
  recordOutputs(host, app, { number, live: live?.number }, releases ? release : undefined);
  step("start", () => startGeneration(recorder, plan, generation));
  step("switch", () => switchOver(host, plan, generation.release));
  makeLive(host, plan, { ...generation.release, steps }, former);
  warnOfFrontPage(host, plan);
  announce(host, plan, generation, live);
}

/** What is to be checked out, and how to say whose files stay when the app has written into them. */
function wantedFiles(
  { app, cause, target, runtime }: Plan,
  number: number,
  live: Release | undefined,
): CheckoutRequest {
  const { commit, choices, back, branch } = target;
  const again = (choice: string, files: string) =>
    cause === "push"
      ? `git push -o ${choice}=${files} piku ${branch}`
      : `${back ? `rollback ${app.name} ${back.number}` : `deploy ${app.name}`} --${choice} ${files}`;
  const isOutput = (name: string) => runtime.isOutput?.(name) === true;
  return { commit, release: number, live, choices, back: back?.number, isOutput, again };
}

/** Runs steps and records how long each took. */
function stopwatch(host: Host) {
  const steps: Release["steps"] = [];
  const step = <T>(title: string, action: () => T): T => {
    const start = host.ticks();
    const result = action();
    steps.push({ title, milliseconds: Math.round(host.ticks() - start) });
    return result;
  };
  return { step, steps };
}

/** Plans again until nobody else has taken the chosen ports. */
function planAndClaim(
  host: Host,
  asked: AskedDeploy,
  live: Release | undefined,
  number: number,
): Plan {
  for (;;) {
    const plan = planDeploy(host, asked, live, number);
    if (!plan.ports || claimPorts(host, plan.app, plan.ports)) return plan;
  }
}

/** Refuses the deploy if the board cannot carry it out now, and creates what a build needs. */
function prepare(recorder: Recorder, plan: Plan, number: number): void {
  const { host } = recorder;
  const { app, machine, site, workers } = plan;
  if (workers.length > 0) requireEmperor(host, app.paths);
  refuseFullDisk(host, app);
  const shortage = memoryWarning(host);
  if (shortage) voiceOf(host).warn(shortage);
  if (site?.cloudflare) ensureRanges(host, app.paths, machine);
  askHook(recorder, app, hookFacts(app, number, plan));
  host.mkdir(app.data);
  host.mkdir(app.cache);
}

/**
 * Records what is about to change, so that it can be undone whatever happens. Files of the app's
 * that will be replaced are on the disk before the journal is, which lets them be put back.
 */
function begin(
  host: Host,
  plan: Plan,
  { release }: Generation,
  checkout: Checkout,
  former: string,
) {
  const { app, cause } = plan;
  const { change } = checkout;
  if (change) for (const line of renderOwn(change)) host.say(line);
  keepFiles(host, plan, release.number, former);
  if (keepReplaced(host, checkout)) syncApp(host, app);
  writeJournal(host, app, {
    release: release.number,
    cause,
    made: !host.stat(app.tree),
    tree: checkout.change?.undo,
  });
  syncApp(host, app);
  // A record counts as one of a release that was live: none may be there without the journal.
  writeRelease(host, app, release);
}

/** Sends requests to the new processes. */
function switchOver(host: Host, plan: Plan, release: Release): void {
  const { app, machine, site } = plan;
  if (site) ensureDaily(host, app.paths, machine.domain);
  // A site that nginx does not know yet must reach the new processes from its first request on.
  if (!isLookedAt(host, app, release)) routeTo(host, app, release);
  switchSite(host, { app, site, reload: machine.reload });
  routeTo(host, app, release);
}

/**
 * Whether the site that nginx has loaded already follows the switch to another release: the flag
 * for its ports, or the links to its sockets.
 */
function isLookedAt(host: Host, app: App, { workers }: Release): boolean {
  const looked = Object.keys(workers).some(isUwsgiKind) ? socketLink(app, 1) : slotFlag(app);
  return (host.read(app.site) ?? "").includes(looked);
}

/** Saves what a release consists of, for a later rollback. */
function keepFiles(
  host: Host,
  { app, site, target, settings }: Plan,
  number: number,
  former: string,
): void {
  const files = releaseFiles(app, number);
  if (site) host.note(files.site, renderSite(site), 0o600);
  host.note(files.settings, target.serverSettings, 0o600);
  host.note(files.live, renderSettings(settings), 0o600);
  if (former !== target.serverSettings) host.note(files.former, former, 0o600);
}

/**
 * Makes a release the live one. Everything that can fail comes before the one file that decides it:
 * the disk may be full, and git has not accepted the push yet. `former` is ENV as it was when the
 * deploy began.
 */
function makeLive(host: Host, { app, target, wall }: Plan, release: Release, former: string): void {
  writeRelease(host, app, { ...release, when: new Date(host.now()).toISOString() });
  keepCommit(host, target.commit, release.number);
  settleFiles(host, app, release);
  // A deploy that changes no settings leaves the file alone: it may have been edited by hand
  // meanwhile.
  if (former !== target.serverSettings) {
    if ((host.read(`${app.envs}/ENV`) ?? "") !== former) {
      throw new PikuError(
        `the settings of app '${app.name}' were changed by hand meanwhile`,
        "try again",
      );
    }
    host.write(`${app.envs}/ENV`, target.serverSettings, 0o600);
  }
  syncApp(host, app);
  writeLive(host, app, release.number);
  if (!wall) dropGuard(host, app);
  markStarted(host, app);
  removeJournal(host, app);
}
