import { type App, refuseTwin } from "./app.ts";
import { isComplete, linkEnvironment, markComplete } from "./environment.ts";
import { Ended, explain, PikuError } from "./errors.ts";
import {
  awaitHealthy,
  drain,
  isUnchanged,
  listVassals,
  requireEmperor,
  restoreVassals,
  staleVassals,
  startWorkers,
  stopVassals,
  writeWorker,
} from "./generation.ts";
import { commitOf, holdCommit, subjectOf } from "./git.ts";
import type { Host } from "./host/host.ts";
import { whoAsks, withTurn } from "./locks.ts";
import { readMachine } from "./machine.ts";
import { readSites, reloadNginx, renderSite, stagingOf, testSites } from "./nginx.ts";
import { followedBy, liveFileOf, type Plan, planDeploy, type Request, releaseOf } from "./plan.ts";
import { parseScaling, renderScaling, siteKinds } from "./procfile.ts";
import {
  forgetRelease,
  type Journal,
  jobFile,
  liveRelease,
  nextNumber,
  numbersOf,
  outdated,
  type Release,
  readJournal,
  readRelease,
  releaseFiles,
  removeJournal,
  writeJournal,
  writeLive,
  writeRelease,
} from "./releases.ts";
import { parseServerSettings, readDifferently } from "./settings.ts";
import { makeCertificate, needsCertificate } from "./tls.ts";
import { programEnvironment } from "./tools.ts";
import { type Recorder, record } from "./transcript.ts";
import { applyTree, buildTree, planTree, prepareBuildTree, restoreTree } from "./tree.ts";
import { runFolder, slotFlag, socketLink, socketOf, type Vassal, vassalName, type Worker } from "./uwsgi.ts";
import { voiceOf } from "./voice.ts";

const leastBytes = 100 * 1024 * 1024;
const leastInodes = 500;
const usualPatience = 60;
const usualGrace = 30;

/**
 * Deploys: whatever fails, at whatever step, the release that was live stays live and whole (design: a deploy is a
 * transaction). Everything is said to the transcript and, as far as they listen, to whoever asked.
 * Throws `Ended` when it failed; why has been said then.
 */
export function deploy(host: Host, app: App, request: (live: Release | undefined) => Request, cause: string): void {
  withTurn(host, app.paths, "deploy", app, cause, () => {
    recover(host, app);
    adopt(host, app);
    const live = liveRelease(host, app);
    const number = nextNumber(host, app);
    host.mkdir(app.releases, 0o700);
    host.append(releaseFiles(app, number).transcript, "");
    const recorder = record(host, releaseFiles(app, number).transcript);
    try {
      goLive(recorder, app, number, live, request(live));
    } catch (error) {
      fail(recorder, app, live, error);
    } finally {
      recorder.finish();
    }
  });
  retireLater(host, app);
}

/** Says why a deploy failed, puts back what it had begun, and ends the command. */
function fail({ host }: Recorder, app: App, live: Release | undefined, error: unknown): never {
  const voice = voiceOf(host);
  const { message, hint } = explain(error);
  voice.error(message);
  if (hint) voice.log(`Hint: ${hint}`);
  try {
    recover(host, app);
    voice.log(
      live
        ? `-----> The release that was live, ${live.number}, goes on.`
        : `-----> Nothing of app '${app.name}' is live.`,
    );
  } catch (worse) {
    voice.error(`what was begun could not be put back: ${explain(worse).message}`);
    voice.log(`Hint: once that is mended: restart ${app.name}`);
  }
  throw new Ended(1);
}

/** The steps of a deploy. */
function goLive(recorder: Recorder, app: App, number: number, live: Release | undefined, request: Request): void {
  const { host } = recorder;
  const voice = voiceOf(host);
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
  host.mkdir(app.data);
  host.mkdir(app.cache);

  const built = request.builds && step("build", () => build(recorder, plan));
  const tree = step("tree", () => planTree(host, request.commit, number, live, built));
  const kept = new Map(plan.workers.flatMap((worker) => keptVassal(host, app, live, worker)));
  const fresh = plan.workers.filter((worker) => !kept.has(worker));
  const release = releaseOf(plan, number, {
    subject: subjectOf(host, request.commit),
    who: whoAsks(host),
    vassals: plan.workers.map((worker) => kept.get(worker) ?? vassalName(app.name, worker)),
  });
  writeRelease(host, app, release);
  const begin = (journal: Omit<Journal, "release" | "cause">) =>
    writeJournal(host, app, { release: number, cause: request.cause, ...journal });
  begin({ tree: tree !== undefined });
  if (tree) step("checkout", () => applyTree(host, tree));
  if (request.builds && plan.procfile.release) step("release", () => runRelease(recorder, plan));

  const grace = secondsOf(plan, "PIKU_GRACE", usualGrace);
  const patience = secondsOf(plan, "PIKU_HEALTHCHECK_TIMEOUT", usualPatience);
  const start = (workers: Worker[]) =>
    awaitHealthy(host, app, startWorkers(host, app, workers, grace), patience, recorder.show);
  const beside = fresh.filter(plan.overlaps);
  const instead = fresh.filter((worker) => !plan.overlaps(worker));
  for (const worker of fresh) writeWorker(host, app, worker);
  step("start", () => {
    // What the deploy before has replaced may still be leaving, on the very ports that are needed now.
    const leaving = staleVassals(host, app);
    if (leaving.length > 0) drain(host, app, leaving, grace);
    stopVassals(host, app, leaving, grace);
    if (beside.length > 0) start(beside);
    // What follows one that nobody is switched away from ends now, and what the switch is for ends later.
    stopVassals(host, app, rivals(host, app, release, instead), grace);
    if (instead.length > 0) start(instead);
  });

  const files = releaseFiles(app, number);
  if (plan.site) host.write(files.site, renderSite(plan.site), 0o600);
  host.write(files.settings, request.serverSettings, 0o600);
  host.write(files.live, liveFileOf(plan), 0o600);
  step("switch", () => {
    switchSite(recorder, plan);
    pointTo(host, app, release);
  });
  writeRelease(host, app, { ...release, when: new Date(host.now()).toISOString(), steps });
  writeLive(host, app, number);
  settleFiles(host, app, release);
  host.remove(stoppedFile(app));
  removeJournal(host, app);
  voice.log(`-----> Release ${number} of app '${app.name}' is live.`);
  for (const line of whereabouts(host, plan)) voice.log(line);
}

const secondsOf = (plan: Plan, key: string, usual: number) =>
  1000 * (/^\d{1,4}$/.test(plan.settings[key] ?? "") ? Number(plan.settings[key]) : usual);

/** An unchanged cron worker of the live release goes on under its old name: none, or one pair of worker and file. */
function keptVassal(host: Host, app: App, live: Release | undefined, worker: Worker): [Worker, string][] {
  const earlier = worker.cron && followedBy(live, worker);
  if (earlier === undefined) return [];
  const same = { ...worker, release: earlier };
  return isUnchanged(host, app, same) ? [[worker, vassalName(app.name, same)]] : [];
}

/** Vassals that must have ended before those start which cannot run beside them: of the same kind, or on the same port. */
function rivals(host: Host, app: App, release: Release, instead: readonly Worker[]): Vassal[] {
  const kinds = new Set(instead.map(({ kind }) => kind));
  const takesPort = instead.some(({ listen }) => listen && "port" in listen);
  return listVassals(host, app.paths, app.name).filter(
    ({ file, kind }) => !release.vassals.includes(file) && (kinds.has(kind) || (takesPort && siteKinds.includes(kind))),
  );
}

function refuseFullDisk(host: Host, app: App): void {
  const { bytes, inodes } = host.free(app.paths.root);
  if (bytes < leastBytes)
    throw new PikuError(
      `the server's disk has only ${Math.floor(bytes / 1024 / 1024)} MB left`,
      "a deploy needs 100 MB; `destroy` an app that is not needed, or make room",
    );
  if (inodes < leastInodes)
    throw new PikuError(`the server's disk has room for only ${inodes} more files`, "a deploy needs 500; make room");
}

/** What the first deploy over the original's has to say about settings that it read otherwise. */
function tellDifferences({ host }: Recorder, { source, settings }: Plan): void {
  const keys = readDifferently(source.read("ENV")).filter((key) => key in settings);
  if (keys.length > 0)
    voiceOf(host).warn(
      `the former piku kept quotes and comments of ENV in the values of ${keys.join(", ")}; they are taken off now.`,
    );
}

/** preflight, and the folder of dependencies; in the build tree. Gives whether anything ran there. */
function build(recorder: Recorder, plan: Plan): boolean {
  const { host } = recorder;
  const voice = voiceOf(host);
  const { app, environment, procfile, runtime, source, request } = plan;
  const installs = environment !== undefined && !isComplete(host, environment.folder);
  if (!procfile.preflight && !installs) {
    voice.start(`${runtime.name} app detected.`);
    return false;
  }
  prepareBuildTree(host, request.commit);
  if (procfile.preflight) {
    voice.start("Running preflight.");
    runJob(recorder, plan, ["sh", "-c", procfile.preflight], "preflight");
  }
  voice.start(`${runtime.name} app detected.`);
  if (!installs) return true;
  // A folder without its mark was never finished.
  host.remove(environment.folder);
  host.mkdir(app.envs);
  try {
    for (const { title, argv } of runtime.install?.(source, environment.folder) ?? []) {
      voice.start(`${title} for '${app.name}'`);
      runJob(recorder, plan, argv, argv.slice(0, 4).join(" "));
    }
  } catch (error) {
    host.remove(environment.folder);
    throw error;
  }
  markComplete(host, environment.folder);
  return true;
}

// The first to go when memory is short, and the last to be served, so that what runs goes on running.
const politely = ["sh", "-c", 'echo 500 >/proc/$$/oom_score_adj; exec nice -n 10 "$@"', "sh"];

const killed = 137;

/** Runs one command of a deploy to its end, showing what it prints. Throws when it fails. */
function runJob(
  { host, show, transcript }: Recorder,
  { app, settings }: Plan,
  argv: string[],
  what: string,
  cwd = buildTree(app),
): void {
  const env = { ...programEnvironment(host.env()), ...settings, PWD: cwd };
  const job = host.start(cwd === app.tree ? argv : [...politely, ...argv], {
    cwd,
    env,
    log: transcript,
    status: jobFile(app),
  });
  let status = host.poll(job);
  while (status === undefined) {
    host.sleep(50);
    show();
    status = host.poll(job);
  }
  show();
  if (status === 0) return;
  const why =
    status === killed ? "was killed; most likely the server's memory ran out" : `failed with exit status ${status}`;
  throw new PikuError(`${what} ${why}`, "what it said stands above");
}

function runRelease(recorder: Recorder, plan: Plan): void {
  voiceOf(recorder.host).start("Releasing");
  runJob(recorder, plan, ["sh", "-c", plan.procfile.release!], "release", plan.app.tree);
}

/** Makes the site the one of the plan: tested with all others, then put in place, then seen to have taken. */
function switchSite(recorder: Recorder, plan: Plan): void {
  const { host } = recorder;
  const { app, site, nginx, reload } = plan;
  withTurn(host, app.paths, "machine", undefined, "", () => {
    const before = host.read(app.site);
    if (!site) {
      if (before !== undefined) reloadNginx(host, app.paths, reload, () => host.remove(app.site));
      return;
    }
    const wanted = renderSite(site);
    const staged = needsCertificate(host, site) ? makeCertificate(host, app, site) : undefined;
    if (before === wanted && !staged) return;
    const voice = voiceOf(host);
    if (staged) voice.start("generating self-signed certificate");
    const sites = readSites(host, app.paths);
    const complaint = testSites(host, app.paths, sites.set(app.name, renderSite({ ...site, ...staged })), nginx);
    if (complaint) throw badSite(host, plan, complaint);
    const install = () => {
      if (staged) {
        host.rename(staged.key, site.key);
        host.rename(staged.certificate, site.certificate);
      }
      const file = `${stagingOf(app.paths)}/${app.name}.conf`;
      host.write(file, wanted);
      host.rename(file, app.site);
    };
    voice.start(`nginx will map app '${app.name}' to hostname(s) '${site.names.join(" ")}'`);
    try {
      reloadNginx(host, app.paths, reload, install);
    } catch (error) {
      if (before === undefined) host.remove(app.site);
      else host.write(app.site, before);
      throw error;
    }
  });
}

/** nginx's complaint, with the name of the app whose site it is about. */
function badSite(host: Host, { app, nginx, site }: Plan, complaint: string): PikuError {
  const alone = testSites(
    host,
    app.paths,
    new Map([
      [
        app.name,
        renderSite(site!)
          .replace(/^\s*ssl_.*$/gm, "")
          .replace(/^(\s*listen\s.*) ssl( http2)?;/gm, "$1;"),
      ],
    ]),
    nginx,
  );
  const guilty = / in (\S+)\.conf:\d+/.exec(complaint)?.[1];
  if (alone === undefined && guilty && guilty !== app.name) {
    return new PikuError(
      `nginx refuses the site of app '${guilty}', so no site can be changed: ${complaint}`,
      `deploy '${guilty}' again, or destroy it`,
    );
  }
  return new PikuError(
    `nginx refuses the site of app '${app.name}': ${complaint}`,
    "look at the NGINX_ settings and NGINX_INCLUDE_FILE",
  );
}

/** Sends requests to a release: the links to its sockets, and the flag for its ports. Release 0, the original's, has neither. */
function pointTo(host: Host, app: App, release: Release): void {
  if (release.number === 0) return;
  for (let ordinal = 1; ordinal <= (release.scaling.wsgi ?? 0); ordinal++) {
    if (release.workers.wsgi !== undefined)
      host.link(socketOf(app, ordinal, release.number).split("/").at(-1)!, socketLink(app, ordinal));
  }
  if (release.slot === "b") host.write(slotFlag(app), "");
  else host.remove(slotFlag(app));
}

/** The files that say what is live, for people and for the original. */
function settleFiles(host: Host, app: App, release: Release): void {
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

/** Where the app is now, or how it gets a name. */
function whereabouts(host: Host, { app, site, workers, settings }: Plan): string[] {
  if (site) {
    const url = (scheme: string, port: number, usual: number) =>
      `${scheme}://${site.names[0]}${port === usual ? "" : `:${port}`}/`;
    const https = url("https", site.ports.https, 443);
    return [`-----> ${site.httpsOnly ? https : `${url("http", site.ports.http, 80)} and ${https}`}`];
  }
  const server = host.env().SSH_CONNECTION?.split(" ")[2] ?? "SERVER";
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

const stoppedFile = (app: App) => `${app.releases}/stopped`;

/** Takes an app that the original deployed as release 0, so that there is something to go back to. */
function adopt(host: Host, app: App): void {
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
  const machine = readMachine(host, app.paths.settings);
  const undo = live?.number !== journal.release;
  if (undo) {
    stopVassals(host, app, staleVassals(host, app), 2_000);
    if (journal.tree && live) restoreTree(host, app, journal.release, live.commit);
  } else {
    host.remove(stoppedFile(app));
  }
  if (live) {
    if (!host.stat(stoppedFile(app))) restoreVassals(host, app, live.vassals);
    const site = host.read(releaseFiles(app, live.number).site);
    if (site !== host.read(app.site)) {
      reloadNginx(host, app.paths, machine.reload, () =>
        site === undefined ? host.remove(app.site) : host.write(app.site, site),
      );
    }
    pointTo(host, app, live);
    settleFiles(host, app, live);
  } else {
    forget(host, app, machine.reload);
  }
  if (undo) {
    host.remove(runFolder(app, journal.release));
    forgetRelease(host, app, journal.release);
  }
  removeJournal(host, app);
}

/** Removes what a first deploy that failed has made. */
function forget(host: Host, app: App, reload: string | undefined): void {
  if (host.stat(app.site)) reloadNginx(host, app.paths, reload, () => host.remove(app.site));
  for (const name of ["crt", "key"]) host.remove(`${app.paths.nginx}/${app.name}.${name}`);
  host.remove(app.tree);
}

/** Lets what is no longer live leave: in a process of its own, so that nobody has to wait for it. */
function retireLater(host: Host, app: App): void {
  if (staleVassals(host, app).length === 0) retire(host, app);
  else host.start([host.self, "retire", app.name], { log: "/dev/null", status: `${app.releases}/retire` });
}

/** Ends the workers that belong to no live release as soon as nobody is connected to them, and removes what was theirs. */
export function retire(host: Host, app: App): void {
  const live = liveRelease(host, app);
  if (!live || readJournal(host, app)) return;
  const stale = staleVassals(host, app);
  const settings = parseServerSettings(host.read(`${app.envs}/LIVE_ENV`) ?? "");
  const grace = 1000 * (Number(settings.PIKU_GRACE) || usualGrace);
  if (stale.length > 0) drain(host, app, stale, grace);
  if (liveRelease(host, app)?.number !== live.number) return;
  stopVassals(host, app, stale, grace);
  const numbers = numbersOf(host, app);
  const used = new Set(live.vassals.map((file) => Number(/-(\d+)\.ini$/.exec(file)?.[1] ?? 0)));
  for (const number of numbers) if (number < live.number && !used.has(number)) host.remove(runFolder(app, number));
  const before = numbers.filter((number) => number < live.number && host.stat(releaseFiles(app, number).record)).at(-1);
  linkEnvironment(host, app, live, before === undefined ? undefined : readRelease(host, app, before));
  for (const number of numbers.filter((one) => one < live.number)) host.remove(releaseFiles(app, number).before);
  for (const number of outdated(numbers, live.number)) {
    forgetRelease(host, app, number);
    host.remove(releaseFiles(app, number).transcript);
    holdCommit(host, app, number, undefined);
  }
}

/** Ends an app's workers; its site stays. Gives whether there were any. For those who hold the app's turn. */
export function stop(host: Host, app: App): boolean {
  recover(host, app);
  const vassals = listVassals(host, app.paths, app.name);
  host.mkdir(app.releases, 0o700);
  host.write(stoppedFile(app), "");
  stopVassals(host, app, vassals, 1000 * usualGrace);
  return vassals.length > 0;
}

/** Whether an app is up: it has workers, or a site without any. */
export const isUp = (host: Host, app: App) =>
  listVassals(host, app.paths, app.name).length > 0 ||
  (host.stat(app.site) !== undefined && liveRelease(host, app)?.vassals.length === 0);
