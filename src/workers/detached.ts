import type { App } from "../app/app.ts";
import { appOf } from "../app/app.ts";
import type { Paths } from "../app/paths.ts";
import { isCron } from "../app/procfile.ts";
import { isStopped } from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import {
  everyProcess,
  familyOf,
  isAlive,
  linkOf,
  type Running,
  startedWith,
  titleOf,
  wordsOf,
} from "../host/processes.ts";
import { waitUntil } from "../host/wait.ts";
import { voiceOf } from "../text/output.ts";
import { printable } from "../text/text.ts";
import { emperors } from "./emperor.ts";
import { filesOf, markName, parseMark } from "./worker.ts";

/** A process that an app has started and that is in no family of uWSGI's any more. */
export interface Stray {
  app: string;
  pid: number;
  /** What the program is called. */
  program: string;
  /** The worker it comes from, `web.1`; unknown where it has cleaned its environment. */
  process?: string;
  /** What its environment says of that worker. */
  mark?: string;
  /** Whether that worker is gone, so that nobody needs it. */
  isLeft: boolean;
}

/**
 * The processes that apps have started in sessions of their own. They are known by their mark; where
 * a program has cleaned its environment, by its directory, if nobody is its parent any more.
 * `every`: the processes of the machine.
 */
export function straysOf(host: Host, paths: Paths, every = everyProcess(host)): Stray[] {
  const own = emperors(host, paths);
  const parents = new Map(every.map(({ pid, parent }) => [pid, parent]));
  // Between them stand what waits for an isolated worker, and what wakes one that sleeps.
  const isOwn = (pid: number, most = 4): boolean =>
    own.includes(pid) || (most > 0 && isOwn(parents.get(pid) ?? 0, most - 1));
  const masters = every
    .filter(({ pid, parent }) => isOwn(parent) && isMaster(host, pid))
    .map(({ pid }) => pid);
  const attended = new Set([...own, ...familyOf(every, masters).map(({ pid }) => pid)]);
  return every
    .filter(({ pid }) => !attended.has(pid) && pid !== host.pid)
    .flatMap((one) => strayOf(host, paths, one) ?? []);
}

const isMaster = (host: Host, pid: number) => titleOf(host, pid).endsWith(":uWSGI master");

/** What a program is called, by its first word, or by the title that it has given itself. */
const programOf = (title: string) =>
  printable(
    title
      .replace(/^([^\s/:]+):? .*$/s, "$1")
      .split("/")
      .at(-1) || "a program",
  );

function strayOf(host: Host, paths: Paths, { pid, parent }: Running): Stray | undefined {
  const mark = startedWith(host, pid, markName);
  const worker = mark === undefined ? undefined : parseMark(paths, mark);
  const folder = !worker && parent === 1 ? linkOf(host, pid, "cwd") : undefined;
  const app = worker?.app ?? appOfFolder(paths, folder);
  // An app may call piku, which ends by itself.
  if (
    app === undefined ||
    linkOf(host, pid, "exe")?.startsWith(host.realPath(host.self) ?? host.self)
  )
    return undefined;
  const program = programOf(wordsOf(host, pid)[0]!);
  if (!worker) return { app, pid, program, isLeft: true };
  const { kind, ordinal } = worker;
  const owner = appOf(paths, app);
  // A job that a changed cron line has begun may end by itself.
  const goesOn = isCron(kind) && !isStopped(host, owner) && host.stat(owner.tree) !== undefined;
  const isLeft = !goesOn && host.stat(filesOf(owner, worker).vassal) === undefined;
  return { app, pid, program, process: `${kind}.${ordinal}`, mark, isLeft };
}

/** The app in whose directory this one is; a directory that was removed is still called by its name. */
const appOfFolder = (paths: Paths, folder: string | undefined) =>
  folder?.startsWith(`${paths.apps}/`)
    ? folder.slice(paths.apps.length + 1).split(/[/ ]/)[0]
    : undefined;

const patience = 2000;

/**
 * Ends what the workers of an app have left behind, by TERM and after two seconds by KILL: what has
 * their mark, `others` that descended from them, and all that descends from those. Says what may be
 * the app's and cannot be told from a person's.
 */
export function endStrays(host: Host, app: App, others: readonly Running[] = []): void {
  const look = () => {
    const every = everyProcess(host);
    const strays = straysOf(host, app.paths, every).filter((one) => one.app === app.name);
    const left = strays.filter(({ process, isLeft }) => isLeft && process !== undefined);
    const known = others.filter((one) => every.some((now) => isSame(one, now)));
    const roots = [...left, ...known].map(({ pid }) => pid);
    const family = new Set([...roots, ...familyOf(every, roots).map(({ pid }) => pid)]);
    family.delete(host.pid);
    return { pids: [...family], unknown: strays.filter(({ process }) => process === undefined) };
  };
  const first = look();
  for (const pid of first.pids) host.signal(pid, "TERM");
  const isGone = () => !first.pids.some((pid) => isAlive(host, pid));
  if (first.pids.length > 0) {
    waitUntil(host, isGone, { every: 50, atMost: patience });
    for (let { pids } = look(), tries = 0; pids.length > 0 && tries < 20; { pids } = look()) {
      for (const pid of pids) host.signal(pid, "KILL");
      host.sleep(10);
      tries++;
    }
  }
  for (const { pid, program } of first.unknown)
    voiceOf(host).warn(
      `${program} runs in the directory of app '${app.name}', and nobody looks after it; if it is the app's: kill ${pid}`,
    );
}

// When a process began is computed from the clock, to some hundredths of a second.
const isSame = (one: Running, now: Running) =>
  one.pid === now.pid && Math.abs(one.began - now.began) < 1000;
