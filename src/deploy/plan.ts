import type { App } from "../app/app.ts";
import { type Machine, readMachine } from "../app/board-settings.ts";
import { parseCron } from "../app/cron.ts";
import type { Settings } from "../app/env-file.ts";
import { readScaling } from "../app/live.ts";
import {
  isCron,
  isInside,
  type Procfile,
  planScaling,
  type Scaling,
  siteKinds,
  type Workers,
} from "../app/procfile.ts";
import type { Release, Slot } from "../app/releases.ts";
import { setting } from "../app/settings.ts";
import type { Host } from "../host/host.ts";
import { type Commit, linksOf, refuseManyNames } from "../repository/commit.ts";
import { includedFile } from "../repository/include.ts";
import type { Runtime, Source } from "../runtimes/runtime.ts";
import { ensureRanges } from "../site/cloudflare.ts";
import { defaultPortsIn, listensIn, serverNamesIn } from "../site/directives.ts";
import { refuseCacheFolder, refuseServedLinks } from "../site/folders.ts";
import { withIncluded } from "../site/include.ts";
import { siteNames } from "../site/names.ts";
import { askNginx, readSites, refuseSecondDefault, refuseTakenNames } from "../site/nginx.ts";
import { isShared } from "../site/reload.ts";
import { renderSite } from "../site/render.ts";
import { hasSite, planBackend, planSite, readInclude, type Site } from "../site/site.ts";
import { refuseLinksOut } from "../site/static.ts";
import { PikuError } from "../text/errors.ts";
import { printable } from "../text/text.ts";
import { escapeValue } from "../workers/ini.ts";
import { pluginFolder, refuseMissingPlugins } from "../workers/kinds.ts";
import { parseOptions } from "../workers/options.ts";
import { type Place, refuseTakenPort, takePorts } from "../workers/ports.ts";
import { vassalPairs } from "../workers/vassal.ts";
import { type SocketMode, socketLink, socketOf, type Worker } from "../workers/worker.ts";
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
  const machine = readMachine(host, app.paths.settings);
  if (request.commit.id !== live?.commit) refuseManyNames(host, request.commit, machine.mostFiles);
  const survey = surveyCommit(host, request.commit, request.serverSettings, machine);
  const { procfile, settings, environment, names } = survey;
  const { workers: commands } = procfile;
  const scaling = planScaling(commands, readScaling(host, app), request.scaling);
  const { only } = request;
  const goesOn = live !== undefined && !restarts.includes(request.cause) && !autoRestart(settings);
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
  const shared = isShared(host, app.paths, machine);
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

/**
 * Refuses a site that would take something from others: a name, the part of the default site, or a
 * folder.
 */
function refuseSite(
  host: Host,
  commit: Commit,
  site: Site,
  { ports, folders }: Machine,
  isShared: boolean,
): void {
  const { app } = commit;
  // What another app includes, and cannot be read, must not keep this one from being deployed.
  const whole = (theirs: string) => {
    try {
      return withIncluded(host, theirs);
    } catch {
      return theirs;
    }
  };
  const sites = new Map(
    [...readSites(host, app.paths)].map(([name, theirs]) => [name, whole(theirs)]),
  );
  const text = withIncluded(host, renderSite(site));
  const hostname = host.read("/proc/sys/kernel/hostname")?.trim();
  refuseTakenNames([...serverNamesIn(text, hostname)], app.name, sites, hostname);
  refuseTakenAddress(listensIn(text), app.name, sites);
  if (defaultPortsIn(text).some((port) => Object.values(ports).includes(port)))
    refuseSecondDefault(host, app.name, sites, ports, isShared);
  if (site.cache) refuseCacheFolder(host, app, site.cache.folder, folders, sites);
  if (site.statics.length === 0) return;
  refuseServedLinks(
    host,
    app,
    site.statics.map(({ folder }) => folder),
    folders,
  );
  refuseLinksOut(app, site.statics, linksOf(host, commit));
}

/**
 * Refuses an address of its own for a site while others listen everywhere: nginx would ask none of
 * them for what comes to this address, whatever name is asked for. What a site has already stays.
 */
export function refuseTakenAddress(
  listens: readonly string[],
  app: string,
  sites: ReadonlyMap<string, string>,
): void {
  const own = new Set(listensIn(sites.get(app) ?? ""));
  const isEverywhere = (listen: string) => /^(\*|\[::\]):/.test(listen);
  const everywhere = (listen: string) =>
    listen.replace(/^(\[)?.*:/, (_, six) => (six ? "[::]:" : "*:"));
  for (const listen of listens.filter((one) => !isEverywhere(one) && !own.has(one))) {
    const other = [...sites].find(
      ([name, site]) => name !== app && listensIn(site).includes(everywhere(listen)),
    )?.[0];
    if (other)
      throw new PikuError(
        `the address ${printable(listen)} would be taken from app '${other}', which listens everywhere`,
        "leave the address out (NGINX_IPV4_ADDRESS, NGINX_IPV6_ADDRESS, NGINX_INCLUDE_FILE), or give the other apps one of their own first: config:set --global NGINX_IPV4_ADDRESS=...",
      );
  }
}

/** The address from which somebody gave this command by ssh (ssh(1): SSH_CLIENT). */
const deployerOf = (host: Host) => /^[0-9a-fA-F.:]+(?= )/.exec(host.env().SSH_CLIENT ?? "")?.[0];

/** What is asked for in order to have workers anew, whatever the settings say. */
const restarts = ["restart", "ps:scale", "rollback", "restore"];

const autoRestart = (settings: Settings) =>
  setting(
    settings,
    settings.PIKU_AUTO_RESTART === undefined ? "AUTO_RESTART" : "PIKU_AUTO_RESTART",
  );

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
  const fixed = setting(settings, "PORT");
  const bind = setting(settings, "BIND_ADDRESS");
  const overlap = names.length > 0 && setting(settings, "PIKU_OVERLAP");
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

/** Every process of the app, as it is to run. */
function planWorkers(
  app: App,
  workers: Workers,
  scaling: Scaling,
  settings: Settings,
  { names, bind, ports, slot }: Place,
  {
    release,
    options,
    virtualenv,
    phpIni,
  }: Pick<Worker, "release" | "options" | "virtualenv" | "phpIni">,
  socketMode: SocketMode,
): Worker[] {
  const front = siteKinds.find((kind) => kind in workers);
  const healthcheck = setting(settings, "PIKU_HEALTHCHECK");
  // A port that changes with every deploy is of no use to those that do not listen on it, and would
  // make them look changed.
  const { PORT, ...others } = settings;
  const planWorker = (kind: string, command: string, ordinal: number): Worker => {
    const isSite = siteKinds.includes(kind);
    const port = isSite ? ports[slot][ordinal - 1] : undefined;
    const isBehind = isInside(kind) && kind === front && names.length > 0;
    const socket = isBehind ? socketOf(app, ordinal, release) : undefined;
    return {
      kind,
      ordinal,
      command,
      release,
      settings: {
        ...others,
        ...(port !== undefined && !socket ? { PORT: String(port) } : {}),
        PROC_TYPE: kind,
      },
      listen: socket
        ? { socket, mode: socketMode }
        : port !== undefined
          ? { address: bind, port }
          : undefined,
      ...(isSite ? { site: names[0], healthcheck } : {}),
      cron: isCron(kind) ? parseCron(command, `Procfile: ${kind}`) : undefined,
      virtualenv: kind === "wsgi" ? virtualenv : undefined,
      phpIni: kind === "php" ? phpIni : undefined,
      options,
    };
  };
  const kinds = Object.entries(workers).filter(([kind]) => kind !== "static");
  for (const [kind, command] of kinds) refuseCommand(kind, command);
  return kinds.flatMap(([kind, command]) =>
    Array.from({ length: scaling[kind] ?? 1 }, (_, i) => planWorker(kind, command, i + 1)),
  );
}

/** Refuses what uWSGI could not be told, or what leads out of the app. */
function refuseCommand(kind: string, command: string): void {
  if (isInside(kind)) escapeValue(command, `the ${kind} worker's command`);
  if (kind === "jwsgi" && !/^[A-Za-z_$][\w$.]*(:[\w$]+)?$/.test(command)) {
    throw new PikuError(
      `Procfile: '${printable(command)}' is not the name of a class, which is what a jwsgi worker is`,
      `for a program that listens by itself: web: ${printable(command)}`,
    );
  }
  if (kind === "php" && `/${command}/`.includes("/../")) {
    throw new PikuError(`Procfile: '${printable(command)}' is not a folder of the app`);
  }
}

// sun_path of unix(7), less its closing zero.
const longestSocket = 107;

function refuseLongSocket(app: App, { listen }: Worker): void {
  if (listen && "socket" in listen && listen.socket.length > longestSocket) {
    throw new PikuError(
      `the name of app '${app.name}' is too long for a socket below ${app.paths.sockets}`,
      "choose a shorter name",
    );
  }
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
