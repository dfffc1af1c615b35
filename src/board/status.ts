import { type App, appOf, listApps, readOfAny } from "../app/app.ts";
import { type Ports, readBoardSettings } from "../app/board-settings.ts";
import { calledAddress } from "../app/caller.ts";
import { nextRun, parseCron } from "../app/cron.ts";
import { leastOf, limitsOf } from "../app/limits.ts";
import { liveSettings, readScaling } from "../app/live.ts";
import type { Paths } from "../app/paths.ts";
import { isCron, isUwsgiKind } from "../app/procfile.ts";
import { type Release, readableLive } from "../app/releases.ts";
import { setting } from "../app/settings.ts";
import type { Host } from "../host/host.ts";
import { restOfLine } from "../host/lines.ts";
import { everyProcess, familiesIn, memoryOf, type Running } from "../host/processes.ts";
import { siteNames } from "../site/names.ts";
import { addressesOf } from "../site/site.ts";
import { isUp, vassalsByApp } from "../workers/emperor.ts";
import { startsOf } from "../workers/health.ts";
import { isAsleep } from "../workers/idle.ts";
import { useOf } from "../workers/limits.ts";
import { sitePortOf } from "../workers/ports.ts";
import { portOf, processesOf } from "../workers/stop.ts";
import { filesOf, parseVassal, type Vassal } from "../workers/worker.ts";

/** How one process that an app is to have is doing. */
export interface ProcessStatus {
  app: string;
  /** Kind and number, as its log is called: `web.1`. */
  process: string;
  kind: string;
  up: boolean;
  /** Of one that is up: it has no process, and the next request starts it (PIKU_IDLE). */
  asleep?: true;
  /** When it last started, ISO 8601. */
  since?: string;
  /**
   * How often it was restarted in this release; unknown for what the original has started.
   */
  restarts?: number;
  /**
   * Bytes of memory and seconds of CPU time, of it, of all that it has started and of uWSGI's own
   * process above it.
   */
  memory?: number;
  cpu?: number;
  /** Of one with limits: the most bytes and processes that it may have, and its share in percent. */
  memoryLimit?: number;
  processes?: number;
  processLimit?: number;
  cpuLimit?: number;
  /** How many of its processes were ended because they needed more memory than that. */
  endedForMemory?: number;
  port?: number;
  /** Of a cron line: when it ran last and will run next, ISO 8601, and what it ended with. */
  lastRun?: string;
  lastStatus?: number;
  nextRun?: string;
  /** The processes that it has started in sessions of their own. */
  detached?: number[];
}

/** How an app is doing. */
export interface AppStatus {
  app: string;
  running: boolean;
  release?: number;
  commit?: string;
  /** When its release went live, ISO 8601. */
  since?: string;
  up: number;
  /** How many of those sleep, if any do. */
  asleep?: number;
  wanted: number;
  url?: string;
  /** nginx's own port, of an app without a name. */
  ownPort?: number;
}

/** What is read once, for a look at many apps. */
interface Seen {
  processes: ReadonlyMap<number, Running>;
  familyOf: ReturnType<typeof familiesIn>;
  vassals: ReadonlyMap<string, readonly Vassal[]>;
}

/** Looks at the processes of the machine (`every`), and at all vassals. */
export const lookAtAll = (host: Host, paths: Paths, every = everyProcess(host)): Seen => ({
  processes: new Map(every.map((one) => [one.pid, one])),
  familyOf: familiesIn(every),
  vassals: vassalsByApp(host, paths),
});

/** The processes that an app is to have, and how each is doing. */
export function surveyProcesses(
  host: Host,
  app: App,
  seen: Seen,
  live = readableLive(host, app),
): ProcessStatus[] {
  const vassals = (seen.vassals.get(app.name) ?? []).filter(
    ({ file }) => !live || live.vassals.includes(file),
  );
  return Object.entries(readScaling(host, app, readOfAny))
    .filter(([kind]) => kind !== "static")
    .flatMap(([kind, count]) => Array.from({ length: count }, (_, i) => ({ kind, ordinal: i + 1 })))
    .map(({ kind, ordinal }) => ({
      app: app.name,
      process: `${kind}.${ordinal}`,
      kind,
      ...vassalStatus(
        host,
        app,
        vassals.find((vassal) => vassal.kind === kind && vassal.ordinal === ordinal),
        seen,
      ),
      ...(isCron(kind) ? runsOf(host, app, kind, live) : {}),
    }))
    .map((status) => ({ ...status, ...limitStatus(host, app, status, vassals) }));
}

/** What a process uses of its limits, where it has any: as its control group counts it. */
function limitStatus(
  host: Host,
  app: App,
  { kind, process, memory }: Pick<ProcessStatus, "kind" | "process" | "memory">,
  vassals: readonly Vassal[],
): Partial<ProcessStatus> {
  const vassal = vassals.find((one) => `${one.kind}.${one.ordinal}` === process);
  const release = vassal?.release;
  if (!vassal || release === undefined) return {};
  if (!host.stat(filesOf(app, { ...vassal, release }).limits)) return {};
  const limits = leastOf(limitsOf(liveSettings(host, app, readOfAny), kind));
  const use = useOf(host, app, { ...vassal, release });
  return {
    memory: use?.memory ?? memory,
    memoryLimit: limits.memory,
    processes: use?.processes,
    processLimit: limits.processes,
    cpuLimit: limits.cpu,
    endedForMemory: use?.ended,
  };
}

/** When a cron line ran last and will run next, in the board's time. */
function runsOf(
  host: Host,
  app: App,
  kind: string,
  live: Release | undefined,
): Pick<ProcessStatus, "lastRun" | "lastStatus" | "nextRun"> {
  const line = live?.workers[kind];
  const vassal = live?.vassals
    .map((file) => parseVassal(file, `project = ${app.name}\n`))
    .find((one) => one?.kind === kind);
  if (line === undefined || vassal?.release === undefined) return {};
  const { began, ended } = filesOf(app, { ...vassal, release: vassal.release });
  const [start, end] = [began, ended].map((file) => host.stat(file)?.modified);
  const next = nextRun(parseCron(line, "Procfile"), host.now());
  return {
    lastRun: start === undefined ? undefined : new Date(start).toISOString(),
    lastStatus:
      start !== undefined && end !== undefined && end >= start
        ? Number(readOfAny(host, ended))
        : undefined,
    nextRun: next === undefined ? undefined : new Date(next).toISOString(),
  };
}

/** How the process of a vassal is doing. */
function vassalStatus(
  host: Host,
  app: App,
  vassal: Vassal | undefined,
  { processes, familyOf }: Seen,
): Omit<ProcessStatus, "app" | "process" | "kind"> {
  if (!vassal) return { up: false };
  const { masters, group } = processesOf(host, app, vassal);
  const { kind, release } = vassal;
  const files = release === undefined ? undefined : filesOf(app, { ...vassal, release });
  const isReady = isUwsgiKind(kind)
    ? host.stat(files?.ready ?? "/") !== undefined
    : isCron(kind) || group !== undefined;
  // The program of one that falls asleep ends before its master.
  const isGone = masters.length === 0 || (group === undefined && !isUwsgiKind(kind));
  const asleep = isGone && release !== undefined && isAsleep(host, app, { ...vassal, release });
  const up = asleep || (masters.length > 0 && (files === undefined || isReady));
  const began = processes.get(group ?? masters[0] ?? 0)?.began;
  const family = familyOf([...masters, ...(group === undefined ? [] : [group])]);
  return {
    up,
    ...(asleep ? { asleep } : {}),
    since: up && began !== undefined ? new Date(began).toISOString() : undefined,
    // A cron line has no process that could end.
    restarts: files && !isCron(kind) ? Math.max(0, startsOf(host, files) - 1) : undefined,
    memory:
      masters.length > 0
        ? family.reduce((sum, { pid }) => sum + memoryOf(host, pid), 0)
        : undefined,
    cpu: masters.length > 0 ? family.reduce((sum, { cpu }) => sum + cpu, 0) / 1000 : undefined,
    port: portOfVassal(host, app, vassal),
  };
}

/**
 * Where a worker was told to listen: its launcher knows, or its vassal where it runs inside uWSGI,
 * or is the original's.
 */
const portOfVassal = (host: Host, app: App, vassal: Vassal): number | undefined => {
  const { release } = vassal;
  const inner = release === undefined ? "" : filesOf(app, { ...vassal, release }).inner;
  const text = readOfAny(host, inner) || readOfAny(host, `${app.paths.enabled}/${vassal.file}`);
  const told = restOfLine(text, "http-socket = ") ?? restOfLine(text, "env = PORT=");
  const port = Number(told?.split(":").at(-1) || Number.NaN);
  if (Number.isInteger(port)) return port;
  return release === undefined ? undefined : portOf(host, app, { ...vassal, release });
};

/** How each of these apps is doing; all of the board's unless given. */
export function surveyApps(
  host: Host,
  paths: Paths,
  names: readonly string[] = listApps(host, paths),
): AppStatus[] {
  const seen = lookAtAll(host, paths);
  const working = new Set(seen.vassals.keys());
  const ports = portsOf(host, paths);
  return names.map((name) => {
    const app = appOf(paths, name);
    const live = readableLive(host, app);
    const processes = surveyProcesses(host, app, seen, live);
    return {
      app: name,
      running: isUp(host, app, working),
      release: live?.number,
      commit: live?.commit,
      since: live?.when,
      up: processes.filter(({ up }) => up).length,
      asleep: processes.filter(({ asleep }) => asleep).length || undefined,
      wanted: processes.length,
      ...(ports && addressOf(host, app, ports)),
    };
  });
}

/** The ports of all sites; undefined where the board's settings cannot be read. */
function portsOf(host: Host, { settings }: Paths): Ports | undefined {
  try {
    return readBoardSettings(host, settings).ports;
  } catch {
    return undefined;
  }
}

/** Where an app is in a browser, if it has a site. */
function addressOf(host: Host, app: App, ports: Ports): Pick<AppStatus, "url" | "ownPort"> {
  if (!host.stat(app.site)) return {};
  try {
    const settings = liveSettings(host, app);
    const named = siteNames(settings);
    const ownPort = named.length > 0 ? undefined : sitePortOf(host, app);
    const site = {
      names: ownPort === undefined ? named : ["_"],
      ownPort,
      ports,
      httpsOnly: setting(settings, "NGINX_HTTPS_ONLY"),
    };
    return site.names.length > 0 ? { url: addressesOf(site, calledAddress(host))[0], ownPort } : {};
  } catch {
    return {};
  }
}
