import { type App, listApps, printable } from "./app.ts";
import { environmentFolder, environmentKey } from "./environment.ts";
import { PikuError } from "./errors.ts";
import { type Commit, fileOf, linksOf, namesOf } from "./git.ts";
import type { Host } from "./host/host.ts";
import { portNumber, readMachine } from "./machine.ts";
import {
  askNginx,
  type Backend,
  type Mapping,
  parseServerNames,
  planSite,
  protocolOf,
  readSites,
  refuseTakenNames,
  type Site,
} from "./nginx.ts";
import { refuseTakenPort, takePorts } from "./ports.ts";
import {
  isCron,
  type Procfile,
  parseCron,
  parseProcfile,
  parseScaling,
  planScaling,
  type Scaling,
  siteKinds,
  type Workers,
} from "./procfile.ts";
import type { Release, Slot } from "./releases.ts";
import { generic } from "./runtimes/generic.ts";
import { detectRuntime, type Runtime, type Source } from "./runtimes/index.ts";
import { layered, parseServerSettings, parseSettings, renderSettings, type Settings } from "./settings.ts";
import { isOn } from "./text.ts";
import { findTool } from "./tools.ts";
import { escapeValue, parseVassal, slotFlag, socketLink, socketOf, type Worker } from "./uwsgi.ts";

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
  /** Whether a worker can run beside the one that it follows. */
  overlaps(worker: Worker): boolean;
  site?: Site;
  /** The version of nginx, when there is a site. */
  nginx: readonly number[];
  /** How nginx is told to read its files again (PIKU_NGINX_RELOAD); undefined where something watches the folder. */
  reload?: string;
  warnings: string[];
}

/** Kinds that are known to the original and not to this version. */
const missingKinds = ["jwsgi", "rwsgi", "php"];

/**
 * Reads a commit and everything that bears on it, refuses what cannot work, and says what is to be done. Touches
 * nothing but the list of ports that belong to the app.
 */
export function planDeploy(host: Host, request: Request, live: Release | undefined, release: number): Plan {
  const { commit } = request;
  const { app } = commit;
  const names = namesOf(host, commit);
  const given = readProcfile(host, commit, names);
  const missing = missingKinds.find((kind) => kind in given.workers);
  if (missing)
    throw new PikuError(
      `Procfile: this version of piku cannot run '${missing}' workers yet`,
      "use `web` with a server of its own",
    );
  const machine = readMachine(host, app.paths.settings);
  const layers = [
    machine.settings,
    parseSettings(fileOf(host, commit, "ENV") ?? "", "ENV"),
    parseServerSettings(request.serverSettings),
  ];
  // Lock files of some megabytes are not rare.
  const read = (name: string) => fileOf(host, commit, name, 16 * 1024 * 1024) ?? "";
  const sourceOf = (settings: Settings): Source => ({
    workers: given.workers,
    commands: [given.preflight, given.release, ...Object.values(given.workers)].filter((line) => line !== undefined),
    settings,
    names,
    commit: commit.id,
    read,
    has: (tool) => findTool(host, tool) !== undefined,
    probe: (...argv) => host.capture(argv).status === 0,
    ask: (...argv) => host.capture(argv).stdout.trim(),
  });
  const first = sourceOf(layered(baseSettings(host, app, undefined), layers));
  const { runtime, lacking } = detectRuntime(first);
  const warnings = [...given.warnings, ...lacking.map((one) => lackOf(one).join(". "))];
  // As the original: an app that builds and serves by itself runs without the tools of a language that it also uses.
  const brings = given.release !== undefined && "web" in given.workers;
  if (lacking[0] && !brings && (!runtime || runtime === generic)) throw new PikuError(...lackOf(lacking[0]));
  if (!runtime) throw new PikuError("Could not detect runtime!");
  const web = runtime.web?.(first);
  const procfile = web === undefined ? given : { ...given, workers: { ...given.workers, web } };
  refuseTwinFiles(host, app, Object.keys(procfile.workers));
  const was = parseScaling(host.read(`${app.envs}/SCALING`) ?? "");
  const scaling = planScaling(procfile.workers, was, request.scaling);
  const key = environmentKey(host, runtime, first);
  const environment = key === undefined ? undefined : { key, folder: environmentFolder(app, key) };
  const common = baseSettings(host, app, environment?.folder);
  const base = { ...common, ...runtime.settings(environment?.folder ?? app.envs, common) };
  const settings = layered(base, layers);

  const networked = Object.keys(procfile.workers).some((kind) => siteKinds.includes(kind));
  const named = parseServerNames(settings.NGINX_SERVER_NAME).length > 0;
  const fixedPort = settings.PORT ? portNumber(settings.PORT, "PORT") : undefined;
  const bind = settings.BIND_ADDRESS || "127.0.0.1";
  if (!/^[\w.:[\]-]+$/.test(bind))
    throw new PikuError(`BIND_ADDRESS: '${printable(bind)}' is no address`, "write 127.0.0.1 or 0.0.0.0");
  const overlap = named && (settings.PIKU_OVERLAP === undefined || isOn(settings.PIKU_OVERLAP));
  const switches = overlap && "web" in procfile.workers && fixedPort === undefined;
  const slot: Slot = switches && live?.slot === "a" && live.number > 0 ? "b" : "a";
  const counted = (kind: string) => scaling[kind] ?? 0;
  const ports = networked
    ? takePorts(host, app, Math.max(counted("web"), counted("wsgi"), 1), fixedPort)
    : { a: [], b: [] };
  if (fixedPort !== undefined) refuseTakenPort(host, app, fixedPort);

  const deployed = liveSettings(app, settings, {
    named,
    networked,
    bind,
    port: ports[slot][0],
    workers: procfile.workers,
  });
  const workers = planWorkers(app, procfile.workers, scaling, deployed, {
    release,
    named,
    bind,
    ports: ports[slot],
    virtualenv: environment?.folder,
    site: parseServerNames(settings.NGINX_SERVER_NAME)[0],
  });
  for (const worker of workers) refuseLongSocket(app, worker);
  const backend = planBackend(app, procfile.workers, scaling, { ports, switches, bind });
  const nginx =
    named && (backend || "static" in procfile.workers || settings.NGINX_STATIC_PATHS) ? askNginx(host) : undefined;
  const site =
    nginx &&
    planSite(
      app,
      procfile.workers,
      settings,
      { http2: nginx.http2, ipv6: host.stat("/proc/net/if_inet6") !== undefined, ports: machine.ports },
      backend,
    );
  if (site) {
    refuseTakenNames(site.names, app.name, readSites(host, app.paths));
    refuseLinksOut(app, site.statics, linksOf(host, commit));
    site.include = readInclude(host, commit, deployed);
  }
  return {
    app,
    request,
    procfile,
    runtime,
    source: { ...first, settings },
    environment,
    settings: deployed,
    scaling,
    slot,
    workers,
    overlaps: ({ kind, listen }) =>
      overlap && (kind === "wsgi" ? listen !== undefined && "socket" in listen : kind === "web" && switches),
    site,
    nginx: nginx?.version ?? [],
    reload: machine.reload,
    warnings,
  };
}

/** What to tell when the tools of a runtime are missing: the sentence, and the remedy. */
const lackOf = ({ name, needs, remedy }: Runtime): [string, string] => [
  `this looks like a ${name} app, but the server has no ${needs.map((tools) => tools.join(" and ")).join(", or ")}`,
  `on the server: ${remedy ?? "install it"}`,
];

function readProcfile(host: Host, commit: Commit, names: readonly string[]): Procfile {
  const content = fileOf(host, commit, "Procfile");
  if (content !== undefined) return parseProcfile(content);
  const near = names.find((name) => /^procfile(\.|$)/i.test(name));
  throw new PikuError(
    near ? `there is no Procfile, but '${printable(near)}'` : "there is no Procfile",
    near
      ? "call it Procfile, with a capital P and no ending; a link does not count"
      : "add a file called Procfile with a line such as `web: python3 app.py`",
  );
}

/** What every app gets, below its own settings. */
function baseSettings(host: Host, app: App, environment: string | undefined): Settings {
  const env = host.env();
  const folder = environment ?? app.envs;
  return {
    APP: app.name,
    LOG_ROOT: app.paths.logs,
    DATA_ROOT: app.data,
    HOME: app.paths.home,
    USER: env.USER ?? env.LOGNAME ?? "piku",
    PATH: `${folder}/bin:${env.PATH ?? ""}`,
    PWD: app.tree,
    VIRTUAL_ENV: folder,
  };
}

/** The settings of a deploy with what piku adds about addresses, as the original writes them into LIVE_ENV. */
function liveSettings(
  app: App,
  settings: Settings,
  facts: { named: boolean; networked: boolean; bind: string; port?: number; workers: Workers },
): Settings {
  const { PORT, BIND_ADDRESS, ...rest } = settings;
  if (!facts.networked) return settings;
  if (facts.named && "wsgi" in facts.workers) return { ...rest, BIND_ADDRESS: `unix://${socketLink(app, 1)}` };
  return { ...rest, BIND_ADDRESS: facts.bind, PORT: String(facts.port ?? PORT) };
}

/** Every process of the app, as it is to run. */
function planWorkers(
  app: App,
  workers: Workers,
  scaling: Scaling,
  settings: Settings,
  facts: {
    release: number;
    named: boolean;
    bind: string;
    ports: readonly number[];
    virtualenv?: string;
    site?: string;
  },
): Worker[] {
  const { release, named, bind, ports, virtualenv, site } = facts;
  const healthcheck = healthPath(settings.PIKU_HEALTHCHECK);
  return Object.entries(workers)
    .filter(([kind]) => kind !== "static")
    .flatMap(([kind, command]) =>
      Array.from({ length: scaling[kind] ?? 1 }, (_, i): Worker => {
        const ordinal = i + 1;
        const isSite = siteKinds.includes(kind);
        const port = isSite ? ports[i] : undefined;
        const socket = kind === "wsgi" && named ? socketOf(app, ordinal, release) : undefined;
        const cron = isCron(kind) ? parseCron(command, `Procfile: ${kind}`) : undefined;
        // A port that changes with every deploy is of no use to those that do not listen on it, and would make them look changed.
        const { PORT, ...others } = settings;
        return {
          kind,
          ordinal,
          command,
          release,
          settings: { ...others, ...(port !== undefined && !socket ? { PORT: String(port) } : {}), PROC_TYPE: kind },
          listen: socket ? { socket } : port !== undefined ? { address: bind, port } : undefined,
          ...(isSite ? { site, healthcheck } : {}),
          cron,
          virtualenv: kind === "wsgi" ? virtualenv : undefined,
        };
      }),
    )
    .map((worker) => {
      if (worker.kind === "wsgi") escapeValue(worker.command, "the wsgi worker's command");
      return worker;
    });
}

function healthPath(value: string | undefined): string | undefined {
  if (value && !/^\/[!-~]*$/.test(value)) {
    throw new PikuError(
      `PIKU_HEALTHCHECK: '${printable(value)}' is no path`,
      "write a path of the app that answers quickly, such as /health",
    );
  }
  return value || undefined;
}

/** Where nginx finds the app. */
function planBackend(
  app: App,
  workers: Workers,
  scaling: Scaling,
  { ports, switches, bind }: { ports: Record<Slot, number[]>; switches: boolean; bind: string },
): Backend | undefined {
  const kind = siteKinds.find((one) => one in workers);
  const count = kind === undefined ? 0 : (scaling[kind] ?? 0);
  if (kind === undefined || count === 0) return undefined;
  if (kind === "wsgi")
    return {
      protocol: protocolOf(workers),
      first: Array.from({ length: count }, (_, i) => `unix:${socketLink(app, i + 1)}`),
    };
  const address = bind === "0.0.0.0" || bind === "::" || bind === "[::]" ? "127.0.0.1" : bind;
  const servers = (slot: Slot) => ports[slot].slice(0, count).map((port) => `${address}:${port}`);
  return switches
    ? { protocol: "http", first: servers("a"), second: servers("b"), flag: slotFlag(app) }
    : { protocol: "http", first: servers("a") };
}

/** Refuses a kind whose worker's file would be that of another app's: `foo` with `bar_web`, `foo_bar` with `web`. */
function refuseTwinFiles(host: Host, app: App, kinds: readonly string[]): void {
  for (const other of listApps(host, app.paths)) {
    if (other === app.name) continue;
    const theirs = Object.keys(parseScaling(host.read(`${app.paths.envs}/${other}/SCALING`) ?? "")).map(
      (kind) => `${other}_${kind}`,
    );
    const twin = kinds.find((kind) => theirs.includes(`${app.name}_${kind}`));
    if (twin)
      throw new PikuError(
        `the files of worker '${twin}' would be those of app '${other}'`,
        "give the worker, or the app, another name",
      );
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

/** Refuses links in folders of static files that lead out of the app: nginx would serve what they lead to. */
function refuseLinksOut(app: App, statics: readonly Mapping[], links: ReadonlyMap<string, string>): void {
  for (const [name, target] of links) {
    const path = `${app.tree}/${name}`;
    if (!statics.some(({ folder }) => path.startsWith(`${folder}/`) || path === folder)) continue;
    const aim = resolvePath(target.startsWith("/") ? target : `${path.slice(0, path.lastIndexOf("/"))}/${target}`);
    if (aim !== app.tree && !aim.startsWith(`${app.tree}/`) && !aim.startsWith(`${app.data}/`)) {
      throw new PikuError(
        `'${printable(name)}' is a link out of the app, in a folder that is served to everybody`,
        `remove it, or link to something below the app or ${app.data}`,
      );
    }
  }
}

/** A path without `.` and `..`. */
function resolvePath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "." && part !== "") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

/** The directives of NGINX_INCLUDE_FILE, a file of the app, with its settings put in. */
function readInclude(host: Host, commit: Commit, settings: Settings): string | undefined {
  const name = settings.NGINX_INCLUDE_FILE;
  if (!name) return undefined;
  if (name.startsWith("/") || `/${name}/`.includes("/../"))
    throw new PikuError(`NGINX_INCLUDE_FILE: '${printable(name)}' is not a file of the app`);
  const content = fileOf(host, commit, name);
  if (content === undefined)
    throw new PikuError(`NGINX_INCLUDE_FILE: there is no file '${printable(name)}' in the app`);
  const known = new Set(Object.keys(settings));
  return content.replace(/\$(?:(\w+)|\{(\w+)\})/g, (all, bare?: string, braced?: string) =>
    known.has((bare ?? braced)!) ? settings[(bare ?? braced)!]! : all,
  );
}

/** The record of what is planned, as it will be when it is live. */
export const releaseOf = (
  plan: Plan,
  number: number,
  facts: Pick<Release, "subject" | "who" | "vassals">,
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

/** LIVE_ENV of a plan. */
export const liveFileOf = ({ settings }: Plan) => renderSettings(settings);

/** A vassal's file name to look for when an unchanged worker of the live release is to go on. */
export const followedBy = (live: Release | undefined, worker: Worker): number | undefined =>
  live?.vassals
    .map((file) => parseVassal(file, `project = ${file.slice(0, file.lastIndexOf(`_${worker.kind}.`))}\n`))
    .find((vassal) => vassal?.kind === worker.kind && vassal.ordinal === worker.ordinal)?.release;
