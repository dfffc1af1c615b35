import type { App } from "../app/app.ts";
import type { Cron } from "../app/cron.ts";
import type { Settings } from "../app/env-file.ts";
import type { Paths } from "../app/paths.ts";
import type { Release } from "../app/releases.ts";
import { setting } from "../app/settings.ts";
import type { Pair } from "./ini.ts";
import type { Wall } from "./isolation.ts";

/**
 * Who may write to a worker's socket, and so run code as its app: piku's user, and its nginx; or
 * the group of a shared nginx as well.
 */
export type SocketMode = "600" | "660";

/** One process of an app, as one generation of it runs. */
export interface Worker {
  kind: string;
  ordinal: number;
  /** What the Procfile says. */
  command: string;
  /** The number of the release that it belongs to. */
  release: number;
  /** What it gets, `PORT` and `PROC_TYPE` included. */
  settings: Settings;
  /** Where it answers http: a port of an address, a socket of its own, or nothing. */
  listen?: { address: string; port: number } | { socket: string; mode: SocketMode };
  /**
   * Of a `web` worker that sleeps: the socket that nginx asks. What is asked there is brought to its
   * port.
   */
  held?: string;
  /** The site's name, for a worker that nginx sends requests to: it must listen to be healthy. */
  site?: string;
  /** A path that must answer before it is healthy (PIKU_HEALTHCHECK). */
  healthcheck?: string;
  /** When it runs, for a cron worker. */
  cron?: Cron;
  /** The folder of its dependencies, for uWSGI's Python plugin. */
  virtualenv?: string;
  /** Whether the app brings a php.ini, which takes the place of the server's. */
  phpIni?: boolean;
  /** Options of uWSGI that the app adds (UWSGI_INCLUDE_FILE). */
  options?: readonly Pair[];
  /** What it runs behind (PIKU_ISOLATION). */
  wall?: Wall;
}

/**
 * The name of a worker's file among the vassals: a new one each generation, since the emperor
 * delays a name that it has seen end.
 */
export const vassalName = (
  app: string,
  { kind, ordinal, release }: Pick<Worker, "kind" | "ordinal" | "release">,
) => `${app}_${kind}.${ordinal}-${release}.ini`;

/** A vassal's file, ours or the original's (which has no release in its name). */
export interface Vassal {
  file: string;
  app: string;
  kind: string;
  ordinal: number;
  release?: number;
}

/**
 * Whose worker a vassal's file is: its `project =` line says, else its name read from the right,
 * never a prefix, so that `foo` is not taken for `foo_bar`. Undefined for a file that is no vassal
 * of piku's.
 */
export function parseVassal(file: string, content: string): Vassal | undefined {
  const [, owner, ordinal, release] = /^(.+)\.(\d+)(?:-(\d+))?\.ini$/.exec(file) ?? [];
  if (owner === undefined || !/._./.test(owner)) return undefined;
  const project = /^project[ \t]*=[ \t]*(\S+)[ \t]*$/m.exec(content)?.[1];
  const [app, kind] =
    project !== undefined && owner.startsWith(`${project}_`)
      ? [project, owner.slice(project.length + 1)]
      : [owner.slice(0, owner.lastIndexOf("_")), owner.slice(owner.lastIndexOf("_") + 1)];
  if (!app || !kind) return undefined;
  return {
    file,
    app,
    kind,
    ordinal: Number(ordinal),
    release: release === undefined ? undefined : Number(release),
  };
}

/** The files of one generation, below `releases/<app>/run-<release>`. */
export function filesOf(
  app: App,
  { kind, ordinal, release }: Pick<Worker, "kind" | "ordinal" | "release">,
) {
  const folder = runFolder(app, release);
  const base = `${folder}/${kind}.${ordinal}`;
  return {
    vassal: `${app.paths.enabled}/${vassalName(app.name, { kind, ordinal, release })}`,
    /** A copy of the vassal, from which a stopped one is brought back. */
    copy: `${folder}/${vassalName(app.name, { kind, ordinal, release })}`,
    /** Of one that sleeps: beside each of both, the socket that the emperor is to hold. */
    held: `${app.paths.enabled}/${vassalName(app.name, { kind, ordinal, release })}${heldBeside}`,
    heldCopy: `${folder}/${vassalName(app.name, { kind, ordinal, release })}${heldBeside}`,
    /** Of a worker with limits or a wall: what enters the limits, and the vassal that is loaded within. */
    limits: `${base}.limits`,
    inner: `${base}.ini`,
    /** Of a `web` worker that sleeps: what starts it, and brings connections to its port. */
    sleeper: `${base}.sleep`,
    launcher: `${base}.sh`,
    envdir: `${base}.env`,
    /** uWSGI's own process, written when it starts. */
    master: `${base}.pid`,
    /** What every process of it has in its environment, as PIKU_PROCESS. */
    mark: base,
    /** The process that the launcher became. */
    daemon: `${base}.daemon`,
    /** A byte for each time that it was started, by the launcher or by uWSGI. */
    starts: `${base}.starts`,
    /** Touched when a cron job begins; and, when it has ended, with its exit status. */
    began: `${base}.began`,
    ended: `${base}.ended`,
    /** Written when the app is loaded and accepts. */
    ready: `${base}.ready`,
    /** A second socket of a wsgi worker, which speaks http, for its health check. */
    http: `${app.paths.sockets}/${app.name}.${ordinal}-${release}.http`,
    log: `${app.logs}/${kind}.${ordinal}.log`,
  };
}

/** What the name of a vassal's file ends in beside which the emperor looks for a socket to hold. */
export const heldBeside = ".socket";

/** The folder with the files of one generation. */
export const runFolder = (app: App, release: number) => `${app.releases}/run-${release}`;

/** A worker's own socket, of one generation; and the link that nginx follows to the live one. */
export const socketOf = (app: App, ordinal: number, release: number) =>
  `${app.paths.sockets}/${app.name}.${ordinal}-${release}.sock`;
export const socketLink = (app: App, ordinal: number) =>
  `${app.paths.sockets}/${app.name}.${ordinal}.sock`;

/** Where an isolated app makes its sockets, each of which gets a second name outside. */
export const socketFolder = (app: App) => `${app.paths.sockets}/${app.name}~`;

/** What nginx looks for to send a `web` app's requests to its second set of ports. */
export const slotFlag = (app: App) => `${app.paths.sockets}/${app.name}.b`;

/**
 * Kinds whose app is loaded by each process for itself, not by uWSGI's master before it makes them.
 */
export const loadsLate = (kind: string) => kind === "jwsgi";

/** The variable by which the processes of a worker are known, wherever they have gone. */
export const markName = "PIKU_PROCESS";

/** The worker that a mark is of, or undefined for one of another board's. */
export function parseMark(paths: Paths, mark: string): Required<Omit<Vassal, "file">> | undefined {
  const [, app, release, kind, ordinal] =
    /^([^/]+)\/run-(\d+)\/([^/]+)\.(\d+)$/.exec(
      mark.startsWith(`${paths.releases}/`) ? mark.slice(paths.releases.length + 1) : "",
    ) ?? [];
  if (app === undefined || kind === undefined) return undefined;
  return { app, kind, ordinal: Number(ordinal), release: Number(release) };
}

/**
 * The path that must answer before a worker is healthy, unless PIKU_HEALTHCHECK is `false`. Any
 * answer will do where it is not set: for a `web` worker with a site, since gunicorn and its like
 * listen before they load the app, and for an app that only a request loads.
 */
export function askedPath(worker: Worker): string | undefined {
  const { kind, settings, healthcheck } = worker;
  if (healthcheck !== undefined) return healthcheck.startsWith("/") ? healthcheck : undefined;
  const isLate = loadsLate(kind) && setting(settings, "UWSGI_IDLE") > 0;
  return isLate || portOfSite(worker) ? "/" : undefined;
}

/** Where a worker that is not inside uWSGI must listen, since nginx will ask it there. */
export const portOfSite = ({ site, listen }: Worker) =>
  site !== undefined && listen && "port" in listen ? listen : undefined;

/** Milliseconds that a process has for its last requests, once it is told to end. */
export const graceOf = (settings: Settings) => 1000 * setting(settings, "PIKU_GRACE");

/** A vassal's file name to look for when an unchanged worker of the live release is to go on. */
export const predecessorRelease = (
  live: Release | undefined,
  worker: Pick<Worker, "kind" | "ordinal">,
): number | undefined =>
  live?.vassals
    .map((file) =>
      parseVassal(file, `project = ${file.slice(0, file.lastIndexOf(`_${worker.kind}.`))}\n`),
    )
    .find((vassal) => vassal?.kind === worker.kind && vassal.ordinal === worker.ordinal)?.release;
