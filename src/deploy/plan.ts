import type { App } from "../app/app.ts";
import { type BoardSettings, readBoardSettings } from "../app/board-settings.ts";
import { callerAddress } from "../app/caller.ts";
import type { Settings } from "../app/env-file.ts";
import { liveSettings as formerSettings, readScaling } from "../app/live.ts";
import {
  isUwsgiKind,
  type Procfile,
  planScaling,
  type Scaling,
  type Workers,
} from "../app/procfile.ts";
import type { Release, Slot } from "../app/releases.ts";
import { setting } from "../app/settings.ts";
import type { Host } from "../host/host.ts";
import { type Commit, refuseManyNames } from "../repository/commit.ts";
import { includedFile } from "../repository/include.ts";
import type { Runtime, Source } from "../runtimes/runtime.ts";
import { refuseLeadingOut } from "../site/allowed.ts";
import { askNginx } from "../site/nginx.ts";
import { ownPageFolder } from "../site/own-page.ts";
import { isShared } from "../site/reload.ts";
import { planBackend, planSite, readInclude, type Site } from "../site/site.ts";
import { PikuError } from "../text/errors.ts";
import { printable } from "../text/text.ts";
import { webSleeps } from "../workers/idle.ts";
import {
  isolationWarnings,
  refuseLoosening,
  type Wall,
  wallOf,
  whyNoWall,
} from "../workers/isolation.ts";
import { limitDoubts } from "../workers/limits-board.ts";
import { parseOptions } from "../workers/options.ts";
import type { OwnPorts, PortNeeds } from "../workers/ports.ts";
import { socketLink, type Worker } from "../workers/worker.ts";
import { overlookedWarnings } from "./overlooked.ts";
import { unparsableScripts } from "./php-pages.ts";
import { planPlace } from "./plan-place.ts";
import { refuseSite } from "./plan-site.ts";
import { planWorkers, refuseWorkers, type WorkersFacts } from "./plan-workers.ts";
import type { Target } from "./request.ts";
import { type Survey, surveyCommit } from "./survey.ts";

/** What is asked of a deploy, and why. */
export interface AskedDeploy {
  cause: string;
  target: Target;
}

/** A worker and how the deploy treats it. */
export interface PlannedWorker extends Worker {
  /**
   * Whether a running one continues untouched (PIKU_AUTO_RESTART, or only another kind is
   * restarted).
   */
  keeps: boolean;
  /** Whether it can run beside the one it replaces. */
  overlaps: boolean;
}

/** Everything that a deploy will do, decided before anything is touched. */
export interface Plan {
  app: App;
  cause: string;
  target: Target;
  procfile: Procfile;
  runtime: Runtime;
  source: Source;
  /** The key and the folder of its dependencies. */
  environment?: { key: string; folder: string };
  /** What every process gets, and LIVE_ENV holds. */
  settings: Settings;
  scaling: Scaling;
  slot: Slot;
  /** The ports that will belong to the app; undefined for an app without an http worker. */
  ports?: OwnPorts;
  workers: PlannedWorker[];
  site?: Site;
  machine: BoardSettings;
  /** What everything of it runs behind (PIKU_ISOLATION). */
  wall?: Wall;
  warnings: string[];
}

/**
 * Examines a commit and the board, refuses what cannot work, and returns what to do. Changes
 * nothing.
 */
export function planDeploy(
  host: Host,
  asked: AskedDeploy,
  live: Release | undefined,
  release: number,
): Plan {
  const { cause, target } = asked;
  const { app } = target.commit;
  const machine = readBoardSettings(host, app.paths.settings);
  const isNew = target.commit.id !== live?.commit;
  if (isNew) refuseManyNames(host, target.commit, machine.mostFiles);
  const kept = target.builds ? undefined : live?.environment;
  const survey = surveyCommit(host, target.commit, target.serverSettings, machine, kept);
  const { procfile, runtime, source, environment, warnings } = survey;
  const scaling = planScaling(procfile.workers, readScaling(host, app), target.scaling);
  const keeps = keepsKind("web", asked, survey, live);
  const place = planPlace(host, app, survey, scaling, live, keeps);
  const settings = settingsToBe(app, survey.settings, procfile.workers, place);
  const shared = isShared(host, app.paths, machine);
  const wall = wallOf(machine.settings, survey.settings);
  const refusal = wall && whyNoWall(host, app.paths);
  if (refusal) throw refusal;
  if (!wall) refuseLoosening(host, formerSettings(host, app), survey.settings);
  const common = {
    release,
    wall,
    options: uwsgiOptions(host, target.commit, settings),
    virtualenv: environment?.folder,
    phpIni: survey.names.includes("php.ini"),
  };
  const web = webSleeps(host, survey.settings);
  const facts: WorkersFacts = {
    ...{ app, procfile, scaling, settings, place, common },
    socketMode: shared ? "660" : "600",
    webSleeps: web.sleeps,
  };
  const workers = planWorkers(facts);
  refuseWorkers(host, app, workers);
  return {
    app,
    cause,
    target,
    procfile,
    runtime,
    source,
    environment,
    settings,
    scaling,
    slot: place.slot,
    ports: place.own,
    workers: workers.map((worker) => ({
      ...worker,
      keeps: keepsKind(worker.kind, asked, survey, live),
      overlaps: overlaps(worker, place),
    })),
    site: planSiteOf(host, target.commit, survey, facts, shared, wall),
    machine,
    wall,
    warnings: [
      ...warnings,
      ...isolationWarnings(machine.settings, survey.settings),
      ...("web" in procfile.workers && web.missing
        ? [`PIKU_IDLE has no effect on 'web': there is no ${web.missing} on the server`]
        : []),
      ...(isNew ? overlookedWarnings(host, target.commit, survey) : []),
      ...(isNew ? unparsableScripts(host, target.commit, source, live) : []),
      ...(target.builds ? limitDoubts(host, settings, runtime.needs.flat()) : []),
    ],
  };
}

/** The app's own options of uWSGI (UWSGI_INCLUDE_FILE). */
function uwsgiOptions(host: Host, commit: Commit, settings: Settings) {
  const file = includedFile(host, commit, settings, "UWSGI_INCLUDE_FILE");
  return file && parseOptions(file.content, printable(file.name));
}

/** Whether running workers of a kind continue untouched. */
function keepsKind(
  kind: string,
  { cause, target: { only } }: AskedDeploy,
  { settings }: Survey,
  live: Release | undefined,
): boolean {
  if (only !== undefined) return kind !== only;
  return live !== undefined && !restarts.includes(cause) && !autoRestart(settings);
}

/** Whether a worker can run beside the one it replaces. */
const overlaps = ({ kind, listen }: Worker, { overlap, switches }: PortNeeds): boolean =>
  overlap &&
  (isUwsgiKind(kind) ? listen !== undefined && "socket" in listen : kind === "web" && switches);

/** The app's site, checked against all others; undefined for an app without one. */
function planSiteOf(
  host: Host,
  commit: Commit,
  { procfile: { workers }, settings, machine, names, source }: Survey,
  { scaling, place, settings: deployed, webSleeps }: WorkersFacts,
  shared: boolean,
  wall: Wall | undefined,
): Site | undefined {
  const { app } = commit;
  const backend = planBackend(app, workers, scaling, place, webSleeps);
  if (place.names.length === 0) return undefined;
  const ipv6 = host.stat("/proc/net/if_inet6") !== undefined;
  const facts = {
    ...machine,
    ...askNginx(host),
    ipv6,
    isShared: shared,
    deployer: callerAddress(host),
    ownPort: place.ownPort,
    isIsolated: wall !== undefined,
  };
  const site = planSite(app, workers, settings, facts, backend);
  if (!site) return undefined;
  if (site.password && shared)
    throw new PikuError(
      "PIKU_PASSWORD works with piku's own nginx only, and this board's nginx is shared",
      "use auth_basic in NGINX_INCLUDE_FILE",
    );
  site.include = readInclude(host, commit, deployed);
  if (wall && site.include !== undefined) refuseLeadingOut(app, site.include);
  site.page = ownPageFolder(app, site.statics, (name) =>
    name.includes("/") ? source.read(name) !== "" : names.includes(name),
  );
  refuseSite(host, commit, site, machine, shared);
  return site;
}

/** Commands whose purpose is to start workers anew, whatever PIKU_AUTO_RESTART says. */
const restarts = ["restart", "ps:scale", "rollback", "restore"];

const autoRestart = (settings: Settings) =>
  setting(
    settings,
    settings.PIKU_AUTO_RESTART === undefined ? "AUTO_RESTART" : "PIKU_AUTO_RESTART",
  );

/**
 * The app's settings plus the addresses that piku adds, as the original writes them to LIVE_ENV.
 */
function settingsToBe(
  app: App,
  settings: Settings,
  workers: Workers,
  { names, networked, bind, ports, slot }: PortNeeds,
): Settings {
  const { PORT, BIND_ADDRESS, PIKU_PASSWORD, ...rest } = settings;
  if (!networked)
    return {
      ...rest,
      ...(PORT === undefined ? {} : { PORT }),
      ...(BIND_ADDRESS === undefined ? {} : { BIND_ADDRESS }),
    };
  if (names.length > 0 && Object.keys(workers).some(isUwsgiKind))
    return { ...rest, BIND_ADDRESS: `unix://${socketLink(app, 1)}` };
  return { ...rest, BIND_ADDRESS: bind, PORT: String(ports[slot][0] ?? PORT) };
}
