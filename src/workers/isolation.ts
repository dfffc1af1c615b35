import type { App } from "../app/app.ts";
import { boundApps } from "../app/caller.ts";
import { isShellName, type Settings } from "../app/env-file.ts";
import type { Paths } from "../app/paths.ts";
import { setting } from "../app/settings.ts";
import type { Host } from "../host/host.ts";
import { PikuError, reasonOf } from "../text/errors.ts";
import { singleQuoted } from "../text/text.ts";
import type { Pair } from "./ini.ts";
import { namespaceRemedy } from "./namespaces.ts";
import wallScript from "./wall.sh" with { type: "text" };

/** What an app's processes run behind (PIKU_ISOLATION): a namespace of their own. */
export interface Wall {
  /** Options of prlimit(1), which count in the app's namespace of users: `--nproc=50`. */
  limits: readonly string[];
}

/**
 * The wall of an app; undefined where it has none. `board`: what the board's own ENV gives to all
 * apps, which is the least that holds: an app's `settings` can only add a wall.
 */
export const wallOf = (board: Settings, settings: Settings): Wall | undefined =>
  [board, settings].some((some) => setting(some, "PIKU_ISOLATION")) ? { limits: [] } : undefined;

/** The script that builds walls, and where an app behind one has its home and its /tmp. */
export const wallFile = ({ uwsgi }: Paths) => `${uwsgi}/wall.sh`;
export const wallFolder = ({ releases }: App) => `${releases}/wall`;

/**
 * What runs behind it: a worker's uWSGI, a step of a build, piku's own work in the
 * trees, or anything else.
 */
type WallKind = "serve" | "build" | "run" | "tree";

/**
 * The command that runs another one behind an app's wall. `run`: of a worker, the folder of its
 * files and its name in it. `words`: what else wall.sh understands.
 */
export const wallArgv = (
  { paths, name }: App,
  kind: WallKind,
  command: readonly string[],
  { run = "-", words = [], limits = [] }: Partial<Wall> & { run?: string; words?: string[] } = {},
): string[] => [
  "/bin/sh",
  wallFile(paths),
  kind,
  paths.root,
  paths.home,
  name,
  run,
  ...words,
  ...limits.map((limit) => `limit=${limit}`),
  ...(command.length > 0 ? ["--", ...command] : []),
];

/** The command that runs a worker's uWSGI behind its wall. `sockets`: the paths of those it makes. */
export const workerArgv = (
  app: App,
  { limits }: Wall,
  { run, sockets }: { run: string; sockets: readonly string[] },
  uwsgi: readonly string[],
): string[] => {
  const words = sockets.map((socket) => `socket=${socket.split("/").at(-1)}`);
  return wallArgv(app, "serve", uwsgi, { run, words, limits });
};

/**
 * The vassal of a worker that is started by another command, in which its own uWSGI runs. uWSGI
 * becomes that command before it does anything else, and hands the line to a shell; no path of
 * piku's has anything in it that a shell would read.
 */
export const startedBy = ({ name }: App, argv: readonly string[]): Pair[] => [
  ["project", name],
  ["master", "true"],
  ["processes", 0],
  ["privileged-binary-patch-arg", `exec ${argv.join(" ")}`],
];

/** Installs the script, or its newer version. */
export function ensureWallScript(host: Host, paths: Paths): void {
  if (host.read(wallFile(paths)) !== wallScript) host.write(wallFile(paths), wallScript, 0o600);
}

// What wall.sh needs of the kernel.
const trial = [
  ..."unshare --user --map-current-user --keep-caps --mount --pid --fork --kill-child sh -c".split(
    " ",
  ),
  "mount -t tmpfs tmpfs /dev/shm && exec setpriv --bounding-set=-all --no-new-privs true",
];

/** Why no wall can be built on this board and what to do about it, by a trial; undefined where one can. */
export function whyNoWall(host: Host, paths: Paths): PikuError | undefined {
  if (!/^\/[\w./+@-]*$/.test(paths.home))
    return new PikuError(
      `PIKU_ISOLATION: the home '${paths.home}' has characters in its name that a wall cannot have`,
      "config:unset --global PIKU_ISOLATION",
    );
  const ran = host.capture(trial, { cwd: "/" });
  if (ran.status === 0) return undefined;
  const remedy = namespaceRemedy(host);
  return new PikuError(
    `PIKU_ISOLATION: this board's kernel lets piku build no wall around an app: ${reasonOf(ran)}`,
    remedy
      ? `on the server: ${remedy}`
      : "it needs user namespaces, which containers and old kernels do not give; without it: config:unset PIKU_ISOLATION",
  );
}

/**
 * A command with an app's settings: behind its wall where it has one. Only what piku itself sets is
 * then in the environment outside of it: an app's PATH or LD_PRELOAD would lead through. `outside`:
 * that environment; `inside`: what the command gets besides. `act` gets both ready; `mark` tells
 * commands apart that run at the same time.
 */
export function withSettings<T>(
  host: Host,
  app: App,
  { kind, wall, outside, inside, argv, mark }: Walled,
  act: (argv: string[], env: Settings) => T,
): T {
  if (!wall) return act([...argv], { ...outside, ...inside });
  const file = `${wallFolder(app)}/env-${mark}`;
  const text = Object.entries(inside)
    .filter(([key]) => isShellName(key))
    .map(([key, value]) => `export ${key}=${singleQuoted(value)}\n`);
  ensureWallScript(host, app.paths);
  host.mkdir(wallFolder(app), 0o700);
  host.write(file, text.join(""), 0o600);
  try {
    const how = { words: [`env=${file}`], limits: wall.limits };
    return act(wallArgv(app, kind, argv, how), { ...outside });
  } finally {
    host.remove(file);
  }
}

/** A command of an app, and what it gets. */
export interface Walled {
  kind: WallKind;
  wall: Wall | undefined;
  outside: Settings;
  inside: Settings;
  argv: readonly string[];
  mark: string | number;
}

/**
 * Refuses to take an app's own wall away for somebody whose key is bound to apps. `before` and
 * `after`: the app's settings.
 */
export function refuseLoosening(host: Host, before: Settings, after: Settings): void {
  if (boundApps(host) === undefined || !wallOf({}, before) || wallOf({}, after)) return;
  throw new PikuError(
    "PIKU_ISOLATION: this key may not take the wall around the app away",
    "ask whoever looks after the board",
  );
}

/** What is doubtful about an app's PIKU_ISOLATION: the board's own word holds. */
export const isolationWarnings = (board: Settings, settings: Settings): string[] =>
  wallOf(board, {}) && !wallOf({}, settings)
    ? ["PIKU_ISOLATION=false has no effect: the board isolates all apps"]
    : [];
