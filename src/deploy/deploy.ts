import { type App, refuseTwin } from "../app/app.ts";
import { readDifferently, renderSettings } from "../app/env-file.ts";
import { whoAsks, withTurn } from "../app/locks.ts";
import { isInside, siteKinds } from "../app/procfile.ts";
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
import { setting } from "../app/settings.ts";
import type { Host } from "../host/host.ts";
import { applyTree, planTree } from "../repository/checkout.ts";
import { subjectOf } from "../repository/commit.ts";
import { keepCommit } from "../repository/push.ts";
import { isClosed } from "../site/maintenance.ts";
import { runningNginx } from "../site/reload.ts";
import { renderSite } from "../site/render.ts";
import { certify } from "../site/renew.ts";
import { addressesOf, serverName } from "../site/site.ts";
import { pointTo, switchSite } from "../site/switch.ts";
import { Ended, explain, PikuError } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { ensureDaily } from "../workers/daily.ts";
import { listVassals, requireEmperor } from "../workers/emperor.ts";
import { awaitHealthy } from "../workers/health.ts";
import { isInPlace, isUnchanged, startWorkers, writeWorker } from "../workers/start.ts";
import { drain, staleVassals, stopVassals } from "../workers/stop.ts";
import {
  followedBy,
  graceOf,
  slotFlag,
  socketLink,
  type Vassal,
  vassalName,
  type Worker,
} from "../workers/worker.ts";
import { adopt } from "./adopt.ts";
import { build, runRelease } from "./build.ts";
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

/**
 * Starts the new processes and waits until they are healthy: beside those that they follow, or in
 * their place.
 */
function startGeneration(
  { host, show }: Recorder,
  plan: Plan,
  release: Release,
  fresh: readonly Worker[],
): void {
  const { app } = plan;
  const grace = graceOf(plan.settings);
  const start = (workers: readonly Worker[]) => {
    if (workers.length > 0)
      awaitHealthy(host, app, startWorkers(host, app, workers, grace), patienceOf(plan), show);
  };
  for (const worker of fresh) writeWorker(host, app, worker);
  // A terminal that is closed now would leave an app without its workers until the next command.
  host.persist();
  // What the deploy before has replaced may still be leaving, on the very ports that are needed
  // now.
  const leaving = staleVassals(host, app);
  if (leaving.length > 0) drain(host, app, leaving, grace);
  stopVassals(host, app, leaving, grace);
  start(fresh.filter(plan.overlaps));
  const instead = fresh.filter((worker) => !plan.overlaps(worker));
  stopVassals(host, app, rivals(host, app, release, instead), grace);
  start(instead);
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

/** Milliseconds that a process has to become healthy. */
const patienceOf = ({ settings }: Plan) => 1000 * setting(settings, "PIKU_HEALTHCHECK_TIMEOUT");

/**
 * An unchanged cron worker of the live release goes on under its old name, and with
 * PIKU_AUTO_RESTART=false every worker that runs where it is looked for: none, or one pair of
 * worker and file.
 */
function keptVassal(
  host: Host,
  { app, keeps }: Plan,
  live: Release | undefined,
  worker: Worker,
): [Worker, string][] {
  const earlier = followedBy(live, worker);
  if (earlier === undefined) return [];
  const same = { ...worker, release: earlier };
  const goesOn = keeps(worker.kind)
    ? isInPlace(host, app, same)
    : worker.cron !== undefined && isUnchanged(host, app, same);
  return goesOn ? [[worker, vassalName(app.name, same)]] : [];
}

/** The folders of dependencies that these vassals of the live release were started with. */
const heldBy = (live: Release | undefined, files: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    files.flatMap((file) => {
      const key = live?.held?.[file] ?? live?.environment;
      return key === undefined ? [] : [[file, key]];
    }),
  );

/**
 * Vassals that must have ended before those start which cannot run beside them: of the same kind,
 * or on the same port.
 */
function rivals(host: Host, app: App, release: Release, instead: readonly Worker[]): Vassal[] {
  const kinds = new Set(instead.map(({ kind }) => kind));
  const takesPort = instead.some(({ listen }) => listen && "port" in listen);
  return listVassals(host, app.paths, app.name).filter(
    ({ file, kind }) =>
      !release.vassals.includes(file) &&
      (kinds.has(kind) || (takesPort && siteKinds.includes(kind))),
  );
}

/** What the first deploy over the original's has to say about settings that it read otherwise. */
function tellDifferences({ host }: Recorder, { source, settings }: Plan): void {
  const keys = readDifferently(source.read("ENV")).filter((key) => key in settings);
  if (keys.length > 0)
    voiceOf(host).warn(
      `the former piku kept quotes and comments of ENV in the values of ${keys.join(", ")}; they are taken off now.`,
    );
}

/** Where the app is now, or how it gets a name. */
function whereabouts(host: Host, { app, site, workers, settings, reload }: Plan): string[] {
  const server = serverName(host);
  if (site)
    return [
      `-----> ${addressesOf(site, server).join(" and ")}`,
      ...(runningNginx(host, app.paths, reload).way === "none"
        ? [
            "       Nobody sees it yet, since nginx is not running on the server: sudo systemctl start piku-web",
          ]
        : []),
    ];
  const login = `${host.env().USER ?? "piku"}@${server}`;
  const remedy = `       To give it a name: ssh ${login} config:set ${app.name} NGINX_SERVER_NAME=${app.name}.example.com`;
  const listen = workers.find(({ listen }) => listen && "port" in listen)?.listen;
  if (listen && "port" in listen) {
    const only = listen.address.startsWith("127.") ? ", on the server itself only" : "";
    return [`-----> It listens on http://${listen.address}:${listen.port}/${only}.`, remedy];
  }
  return settings.NGINX_STATIC_PATHS || workers.length === 0
    ? ["-----> Nothing is served yet: it has no server name.", remedy]
    : [];
}
