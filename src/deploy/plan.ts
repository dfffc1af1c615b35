import type { App } from "../app/app.ts";
import { portNumber, readMachine } from "../app/board-settings.ts";
import type { Settings } from "../app/env-file.ts";
import {
  isInside,
  type Procfile,
  parseScaling,
  planScaling,
  type Scaling,
  siteKinds,
  type Workers,
} from "../app/procfile.ts";
import type { Release, Slot } from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { type Commit, refuseManyNames } from "../repository/commit.ts";
import { includedFile } from "../repository/include.ts";
import type { Runtime, Source } from "../runtimes/runtime.ts";
import { ensureRanges } from "../site/cloudflare.ts";
import { siteNames } from "../site/names.ts";
import { askNginx } from "../site/nginx.ts";
import { isShared } from "../site/reload.ts";
import { hasSite, planBackend, planSite, readInclude, type Site } from "../site/site.ts";
import { PikuError } from "../text/errors.ts";
import { isOn, printable } from "../text/text.ts";
import { pluginFolder, refuseMissingPlugins } from "../workers/kinds.ts";
import { parseOptions } from "../workers/options.ts";
import { type Place, refuseTakenPort, takePorts } from "../workers/ports.ts";
import { vassalPairs } from "../workers/vassal.ts";
import { socketLink, type Worker } from "../workers/worker.ts";
import { refuseSite } from "./plan-site.ts";
import { planWorkers, refuseLongSocket } from "./plan-workers.ts";
import { type Survey, surveyCommit } from "./survey.ts";

/** What is asked of a deploy. */
export interface Request {
  /** `push`, `config:set`, ...: what people call it. */
  cause: string;
  commit: Commit;
  branch?: string;
  /** The server-side ENV file as it is to be. */
  serverSettings: string;
  /** Changes of the number of workers. */
  scaling?: Scaling;
  /** Names that were changed, for the record. */
  changed?: string[];
  /** The one kind whose workers are restarted; all others go on as they are. */
  only?: string;
  /** Whether preflight and the runtime's build run; scaling and restarting never build. */
  builds: boolean;
  /** Whether the Procfile's release runs: not for what has been live before. */
  releases: boolean;
}

/** Everything that a deploy is going to do, made from what there is before anything is touched. */
export interface Plan {
  app: App;
  request: Request;
  procfile: Procfile;
  runtime: Runtime;
  source: Source;
  /** The key and the folder of dependencies. */
  environment?: { key: string; folder: string };
  /** What every process gets, and LIVE_ENV holds. */
  settings: Settings;
  scaling: Scaling;
  slot: Slot;
  workers: Worker[];
  /**
   * Whether workers of a kind that run go on as they are (PIKU_AUTO_RESTART, or another kind is
   * restarted).
   */
  keeps(kind: string): boolean;
  /** Whether a worker can run beside the one that it follows. */
  overlaps(worker: Worker): boolean;
  site?: Site;
  /** A command that has a shared nginx read its files again (PIKU_NGINX_RELOAD). */
  reload?: string;
  warnings: string[];
}

/**
 * Looks at a commit and everything that bears on it, refuses what cannot work, and says what is to
 * be done. Touches nothing but the list of ports that belong to the app, and that of Cloudflare's
 * addresses.
 */
export function planDeploy(
  host: Host,
  request: Request,
  live: Release | undefined,
  release: number,
): Plan {
  const { app } = request.commit;
  if (request.commit.id !== live?.commit)
    refuseManyNames(host, request.commit, readMachine(host, app.paths.settings).mostFiles);
  const survey = surveyCommit(host, request.commit, request.serverSettings);
  const { procfile, settings, environment, machine, names } = survey;
  const { workers: commands } = procfile;
  const scaling = planScaling(
    commands,
    parseScaling(host.read(`${app.envs}/SCALING`) ?? ""),
    request.scaling,
  );
  const { only } = request;
  const goesOn =
    live !== undefined && !restarts.includes(request.cause) && !isOn(autoRestart(settings));
  const keeps = (kind: string) => (only === undefined ? goesOn : kind !== only);
  const place = planPlace(host, app, survey, scaling, live, keeps("web"));
  const deployed = liveSettings(app, settings, commands, place);
  const file = includedFile(host, request.commit, deployed, "UWSGI_INCLUDE_FILE");
  const options = file && parseOptions(file.content, printable(file.name));
  const facts = {
    release,
    options,
    virtualenv: environment?.folder,
    phpIni: names.includes("php.ini"),
  };
  const shared = isShared(host, app.paths);
  const workers = planWorkers(
    app,
    commands,
    scaling,
    deployed,
    place,
    facts,
    shared ? "660" : "600",
  );
  const plugins = host.stat(pluginFolder) && host.list(pluginFolder);
  for (const worker of workers) {
    refuseLongSocket(app, worker);
    const pairs = vassalPairs(app, worker, host);
    if (plugins) refuseMissingPlugins(pairs, plugins);
  }
  const backend = planBackend(app, commands, scaling, place);
  const nginx =
    place.names.length > 0 && hasSite(commands, settings, backend) ? askNginx(host) : undefined;
  const ipv6 = host.stat("/proc/net/if_inet6") !== undefined;
  const site =
    nginx &&
    planSite(
      app,
      commands,
      settings,
      { ...machine, ...nginx, ipv6, deployer: deployerOf(host) },
      backend,
    );
  if (site) {
    site.include = readInclude(host, request.commit, deployed);
    refuseSite(host, request.commit, site, machine, shared);
    if (site.cloudflare) ensureRanges(host, app.paths, machine);
  }
  return {
    app,
    request,
    procfile,
    runtime: survey.runtime,
    source: survey.source,
    environment,
    settings: deployed,
    scaling,
    slot: place.slot,
    workers,
    keeps,
    overlaps: ({ kind, listen }) =>
      place.overlap &&
      (isInside(kind)
        ? listen !== undefined && "socket" in listen
        : kind === "web" && place.switches),
    site,
    reload: machine.reload,
    warnings: survey.warnings,
  };
}

/** The address from which somebody gave this command by ssh (ssh(1): SSH_CLIENT). */
const deployerOf = (host: Host) => /^[0-9a-fA-F.:]+(?= )/.exec(host.env().SSH_CLIENT ?? "")?.[0];

/** What is asked for in order to have workers anew, whatever the settings say. */
const restarts = ["restart", "ps:scale", "rollback", "restore"];

const autoRestart = ({ PIKU_AUTO_RESTART, AUTO_RESTART }: Settings) =>
  PIKU_AUTO_RESTART ?? AUTO_RESTART ?? "true";

function planPlace(
  host: Host,
  app: App,
  { procfile, settings }: Survey,
  scaling: Scaling,
  live: Release | undefined,
  keeps: boolean,
): Place {
  const networked = Object.keys(procfile.workers).some((kind) => siteKinds.includes(kind));
  const names = siteNames(settings);
  const fixed = settings.PORT ? portNumber(settings.PORT, "PORT") : undefined;
  const bind = settings.BIND_ADDRESS || "127.0.0.1";
  if (!/^[\w.:[\]-]+$/.test(bind)) {
    throw new PikuError(
      `BIND_ADDRESS: '${printable(bind)}' is no address`,
      "write 127.0.0.1 or 0.0.0.0",
    );
  }
  const overlap =
    names.length > 0 && (settings.PIKU_OVERLAP === undefined || isOn(settings.PIKU_OVERLAP));
  const switches = overlap && "web" in procfile.workers && fixed === undefined;
  const count = Math.max(...siteKinds.map((kind) => scaling[kind] ?? 0), 1);
  const ports = networked ? takePorts(host, app, count, fixed) : { a: [], b: [] };
  if (fixed !== undefined) refuseTakenPort(host, app, fixed);
  const other = switches && live?.slot === "a" && live.number > 0 ? "b" : "a";
  const slot = keeps && live ? live.slot : other;
  return { names, networked, bind, overlap, switches, slot, ports };
}

/**
 * The settings of a deploy with what piku adds about addresses, as the original writes them into
 * LIVE_ENV.
 */
function liveSettings(
  app: App,
  settings: Settings,
  workers: Workers,
  { names, networked, bind, ports, slot }: Place,
): Settings {
  const { PORT, BIND_ADDRESS, ...rest } = settings;
  if (!networked) return settings;
  if (names.length > 0 && Object.keys(workers).some(isInside))
    return { ...rest, BIND_ADDRESS: `unix://${socketLink(app, 1)}` };
  return { ...rest, BIND_ADDRESS: bind, PORT: String(ports[slot][0] ?? PORT) };
}

/** The record of what is planned, as it will be when it is live. */
export const releaseOf = (
  plan: Plan,
  number: number,
  facts: Pick<Release, "subject" | "who" | "vassals" | "held">,
): Release => ({
  number,
  cause: plan.request.cause,
  commit: plan.request.commit.id,
  branch: plan.request.branch,
  changed: plan.request.changed ?? [],
  slot: plan.slot,
  environment: plan.environment?.key,
  workers: plan.procfile.workers,
  scaling: plan.scaling,
  steps: [],
  ...facts,
});
