import { type App, readOfAny } from "../app/app.ts";
import type { Paths } from "../app/paths.ts";
import { isCron } from "../app/procfile.ts";
import { liveRelease, numbersOf } from "../app/releases.ts";
import { isDiskFull } from "../deploy/space.ts";
import type { Host } from "../host/host.ts";
import {
  commandLines,
  hasConnections,
  isAlive,
  isGroupAlive,
  isListening,
  isSocketConnected,
  killedForMemory,
  listeningPorts,
  pidIn,
  statOf,
  titleOf,
} from "../host/processes.ts";
import { PikuError } from "../text/errors.ts";
import { newestLog, saidByApp, setLogAside } from "./logs.ts";
import {
  askedPath,
  emperorLog,
  emperorPidfile,
  envdirFiles,
  filesOf,
  isInside,
  loadsLate,
  parseVassal,
  renderLauncher,
  renderVassal,
  runFolder,
  socketOf,
  type Vassal,
  vassalName,
  vassalPairs,
  type Worker,
} from "./vassal.ts";

/** The emperor's process, or those that may be it: the original's writes no pidfile. */
function emperors(host: Host, paths: Paths): number[] {
  const noted = pidIn(host, emperorPidfile(paths));
  if (noted && titleOf(host, noted).includes("uwsgi")) return [noted];
  const names = [`${paths.uwsgi}/uwsgi.ini`, paths.enabled, "/piku.ini"];
  const fits = (title: string) => title.includes("uwsgi") && names.some((name) => title.includes(name));
  return commandLines(host, fits).map(({ pid }) => pid);
}

/** Refuses to go on when nothing would start the workers. */
export function requireEmperor(host: Host, paths: Paths): void {
  if (emperors(host, paths).length > 0) return;
  if (host.capture(["uwsgi", "--version"]).status === 127) {
    throw new PikuError(
      "uWSGI is not installed on the server",
      "on the server: sudo apt install uwsgi-core uwsgi-plugin-python3",
    );
  }
  throw new PikuError(
    "uWSGI's emperor is not running on the server",
    `on the server: sudo systemctl start uwsgi-piku (or: uwsgi --ini ${paths.uwsgi}/uwsgi.ini)`,
  );
}

/** Has the emperor look at its folder now: SIGWINCH, which everything else ignores. */
export const wakeEmperor = (host: Host, paths: Paths) => {
  for (const pid of emperors(host, paths)) host.signal(pid, "WINCH");
};

// With one underscore a name says by itself whose it is, and a board may have hundreds of such files.
const isClear = (file: string) => file.indexOf("_") === file.lastIndexOf("_");

/** The vassals of one app among the emperor's, or of all apps. */
export const listVassals = (host: Host, paths: Paths, app?: string): Vassal[] =>
  host
    .list(paths.enabled)
    .filter((file) => file.endsWith(".ini") && (app === undefined || file.startsWith(`${app}_`)))
    .flatMap((file) => parseVassal(file, isClear(file) ? "" : readOfAny(host, `${paths.enabled}/${file}`)) ?? [])
    .filter((vassal) => app === undefined || vassal.app === app);

/** Writes what a worker is started from: its launcher or its envdir, and a copy of its vassal. */
export function writeWorker(host: Host, app: App, worker: Worker): void {
  const files = filesOf(app, worker);
  host.mkdir(runFolder(app, worker.release), 0o700);
  if (isInside(worker.kind)) {
    host.remove(files.envdir);
    host.mkdir(files.envdir, 0o700);
    for (const [key, value] of Object.entries(envdirFiles(worker.settings)))
      host.append(`${files.envdir}/${key}`, value, 0o600);
  } else {
    host.write(files.launcher, renderLauncher(app, worker), 0o600);
  }
  host.write(files.copy, renderWorker(host, app, worker), 0o600);
}

const renderWorker = (host: Host, app: App, worker: Worker) => renderVassal(vassalPairs(app, worker, host));

/** Whether a worker of an earlier release is this very one: a cron job must not be started twice for a deploy that did not change it. */
export function isUnchanged(host: Host, app: App, worker: Worker): boolean {
  const files = filesOf(app, worker);
  return (
    host.stat(files.vassal) !== undefined &&
    host.read(files.copy) === renderWorker(host, app, worker) &&
    host.read(files.launcher) === renderLauncher(app, worker)
  );
}

/** Whether a worker of an earlier release, as it was started, is there and listens where this one is looked for. */
export function isInPlace(host: Host, app: App, worker: Worker): boolean {
  const files = filesOf(app, worker);
  const { listen, ordinal, release } = worker;
  if (!host.stat(files.vassal)) return false;
  if (!listen) return true;
  if (!isInside(worker.kind))
    return "port" in listen && (host.read(files.launcher) ?? "").includes(`\nexport PORT='${listen.port}'\n`);
  const line =
    "port" in listen ? `http-socket = ${listen.address}:${listen.port}` : `socket = ${socketOf(app, ordinal, release)}`;
  return (host.read(files.copy) ?? "").includes(`\n${line}\n`);
}

/** A worker that has been shown to the emperor, and where the emperor's log stood then. */
interface Started {
  worker: Worker;
  /** How many processes had been ended for want of memory until then. */
  killedBefore: number;
  emperorLogAt: number;
  /** When its process was first seen, in `ticks`. */
  seen?: number;
  /** When its health check was last asked, and the status of the answer; `000` for none. */
  asked?: number;
  answer?: string;
}

/** Waits until nothing listens on these workers' ports any more: what does would be taken for them. */
function awaitPorts(host: Host, workers: readonly Worker[], patience: number): void {
  const start = host.ticks();
  let told = false;
  for (const { kind, listen } of workers) {
    while (listen && "port" in listen && isListening(host, listen.port)) {
      const passed = host.ticks() - start;
      if (passed > patience) {
        throw new PikuError(
          `port ${listen.port} of '${kind}' is taken by another program of the server`,
          "end that program, or choose another PORT",
        );
      }
      if (!told && passed > 2000) host.say(`-----> Waiting for port ${listen.port} to become free`);
      told ||= passed > 2000;
      host.sleep(50);
    }
  }
}

/** Shows workers to the emperor, after at most `grace` milliseconds for what is still leaving their ports. */
export function startWorkers(host: Host, app: App, workers: readonly Worker[], grace: number): Started[] {
  awaitPorts(host, workers, grace);
  host.mkdir(app.logs);
  host.mkdir(app.paths.sockets);
  const emperorLogAt = host.stat(emperorLog(app.paths))?.size ?? 0;
  const killedBefore = killedForMemory(host);
  const started = workers.map((worker) => ({ worker, emperorLogAt, killedBefore }));
  for (const worker of workers) setLogAside(host, app, worker);
  for (const worker of workers) {
    host.say(`-----> spawning '${app.name}:${worker.kind}.${worker.ordinal}'`);
    enableVassal(host, app, worker);
  }
  wakeEmperor(host, app.paths);
  return started;
}

/** Puts the copy of a vassal among the emperor's. */
function enableVassal(host: Host, app: App, worker: Pick<Worker, "kind" | "ordinal" | "release">): void {
  const files = filesOf(app, worker);
  host.write(files.vassal, host.read(files.copy) ?? "", 0o600);
}

const staysUp = 1000;

type Health = "healthy" | "starting" | { failed: string };

/** Where a started worker stands: healthy, on its way, or why it never will be. */
function health(host: Host, app: App, started: Started): Health {
  const { worker } = started;
  const files = filesOf(app, worker);
  const master = pidIn(host, files.master);
  const cursed = `curse the uwsgi instance ${vassalName(app.name, worker)} `;
  if (host.search(emperorLog(app.paths), (lines) => lines.includes(cursed), started.emperorLogAt)) {
    return { failed: isInside(worker.kind) ? "the app could not be loaded" : "uWSGI could not start it" };
  }
  if (master === undefined) return "starting";
  if (isInside(worker.kind)) {
    const hasSaid = (words: string) => host.search(files.log, (lines) => lines.includes(words));
    // uWSGI starts a process again for ever that ended because Java found no class.
    if (loadsLate(worker.kind) && hasSaid("DAMN ! worker")) return { failed: "the app could not be loaded" };
    if (host.stat(files.ready)) return answers(host, started, files.http);
    return !isAlive(host, master) || hasSaid("GAME OVER") ? { failed: "the app could not be loaded" } : "starting";
  }
  if (isCron(worker.kind)) return isAlive(host, master) ? "healthy" : { failed: "uWSGI could not start it" };
  const daemon = pidIn(host, files.daemon);
  if (daemon === undefined) return "starting";
  if (startsOf(host, files) > 1 || !isAlive(host, daemon)) return { failed: "it ended right after its start" };
  started.seen ??= host.ticks();
  // A `web` worker without a site may be a bot that listens to nobody.
  if (worker.site && worker.listen && "port" in worker.listen) {
    return isListening(host, worker.listen.port) ? answers(host, started) : "starting";
  }
  return host.ticks() - started.seen >= staysUp ? "healthy" : "starting";
}

/** How often a worker's process has been started since its release was. */
export const startsOf = (host: Host, { starts }: Pick<ReturnType<typeof filesOf>, "starts">) =>
  host.stat(starts)?.size ?? 0;

const askAgainAfter = 500;

/** Whether the path of PIKU_HEALTHCHECK answers with 2xx or 3xx; healthy where there is none. `socket`: where a wsgi app speaks http. */
function answers(host: Host, started: Started, socket?: string): Health {
  const { healthcheck, listen, site } = started.worker;
  const path = askedPath(started.worker);
  if (!path || !listen) return "healthy";
  if (host.ticks() - (started.asked ?? Number.NEGATIVE_INFINITY) < askAgainAfter) return "starting";
  const [address, where] =
    "port" in listen ? [`${listen.address}:${listen.port}`, []] : ["localhost", ["--unix-socket", socket ?? ""]];
  const url = `http://${address.replace(/^(0\.0\.0\.0|\[?::\]?):/, "127.0.0.1:")}${path}`;
  const name = site ? ["-H", `Host: ${site}`] : [];
  const curl = [
    "curl",
    "-s",
    "-o",
    "/dev/null",
    "-m",
    "5",
    "-w",
    "%{http_code}",
    "--noproxy",
    "*",
    ...where,
    ...name,
    "--",
    url,
  ];
  started.answer = host.capture(curl).stdout;
  started.asked = host.ticks();
  return (healthcheck ? /^[23]/ : /^[1-5]/).test(started.answer) ? "healthy" : "starting";
}

/** What a worker that is not healthy in time has not done, and what it may have done instead. */
function omission(host: Host, app: App, { worker, answer }: Started): string {
  if (emperors(host, app.paths).length === 0) return "uWSGI's emperor, which starts it, has ended; it did not start";
  if (answer !== undefined) return `${askedPath(worker)} answers ${answer === "000" ? "nothing" : answer}`;
  if (!worker.site || !worker.listen || !("port" in worker.listen))
    return "it did not start (the emperor's log says more)";
  const { address, port } = worker.listen;
  const daemon = pidIn(host, filesOf(app, worker).daemon);
  const others = daemon === undefined ? [] : listeningPorts(host, daemon);
  const instead = others.length > 0 ? `it listens on port ${others.join(", ")} instead` : "nothing does";
  return `it must listen on port ${port} of ${address} ($PORT of $BIND_ADDRESS), but ${instead},`;
}

/**
 * Waits until all workers are healthy: a `web` worker listens on its port, a wsgi app is loaded, everything else stays
 * up for a second. Throws as soon as one cannot be, or after `patience` milliseconds, with the end of its log.
 */
export function awaitHealthy(
  host: Host,
  app: App,
  started: readonly Started[],
  patience: number,
  show: () => void,
): void {
  const start = host.ticks();
  let waiting = [...started];
  let told = false;
  while (waiting.length > 0) {
    waiting = waiting.filter((one) => {
      const state = health(host, app, one);
      if (typeof state === "object") throw unhealthy(host, app, one, state.failed);
      return state === "starting";
    });
    const passed = host.ticks() - start;
    if (waiting.length === 0) return;
    if (passed > patience)
      throw unhealthy(
        host,
        app,
        waiting[0]!,
        `${omission(host, app, waiting[0]!)} within ${Math.round(patience / 1000)} seconds`,
      );
    if (!told && passed > 2000) {
      told = true;
      host.say(
        `-----> Waiting up to ${Math.round(patience / 1000)} s for ${waiting.map(({ worker }) => `'${worker.kind}.${worker.ordinal}'`).join(", ")}`,
      );
    }
    // A signal that comes between the emperor's look and its sleep is lost, so it is sent again now and then.
    if (Math.floor(passed / 200) !== Math.floor((passed - 50) / 200)) wakeEmperor(host, app.paths);
    show();
    host.sleep(50);
  }
}

function unhealthy(host: Host, app: App, { worker, killedBefore }: Started, why: string): PikuError {
  const lines = saidByApp(newestLog(host, app, worker));
  for (const line of lines.slice(-20)) host.say(`       ${worker.kind}.${worker.ordinal} | ${line}`);
  const message = `'${worker.kind}.${worker.ordinal}' is not healthy: ${why}`;
  if (isDiskFull(host, app)) return new PikuError(`${message}; the server's disk is full`, "make room and try again");
  return new PikuError(
    `${message}${killedForMemory(host) > killedBefore ? "; the server's memory had run out" : ""}`,
    // `run` would not do: it runs in what is live, which is not this release, or nothing at all.
    lines.length > 0
      ? "what it said stands above"
      : `it said nothing; see what \`${worker.command}\` does on your own machine`,
  );
}

/** Whether anybody is still connected to a worker of a generation that is to leave. */
function isBusy(host: Host, app: App, { kind, ordinal, release }: Vassal): boolean {
  if (release === undefined) return false;
  if (isInside(kind)) return isSocketConnected(host, socketOf(app, ordinal, release));
  const port = portOf(host, app, { kind, ordinal, release });
  return port !== undefined && hasConnections(host, port);
}

/** The port that a worker was given, from its launcher. */
export function portOf(host: Host, app: App, worker: Pick<Worker, "kind" | "ordinal" | "release">): number | undefined {
  const port = /^export PORT='(\d+)'$/m.exec(host.read(filesOf(app, worker).launcher) ?? "")?.[1];
  return port === undefined || worker.kind !== "web" ? undefined : Number(port);
}

const quiet = 150;

/** Waits until nobody is connected to these workers for a moment, at most `grace` milliseconds. */
export function drain(host: Host, app: App, vassals: readonly Vassal[], grace: number): void {
  const start = host.ticks();
  // nginx may have chosen an address before the switch and not connected yet.
  host.sleep(300);
  for (let idleSince: number | undefined; host.ticks() - start < grace; ) {
    const look = host.ticks();
    idleSince = vassals.some((vassal) => isBusy(host, app, vassal)) ? undefined : (idleSince ?? look);
    if (idleSince !== undefined && look - idleSince >= quiet) return;
    // Where there are tens of thousands of sockets a look takes the kernel 40 ms: a tenth of a processor is enough.
    host.sleep(Math.max(50, 10 * (host.ticks() - look)));
  }
}

/** The processes of a vassal: uWSGI's own, and the group of the program below it. */
export function processesOf(host: Host, app: App, vassal: Vassal): { masters: number[]; group?: number } {
  // What uWSGI calls its processes (procname-prefix): a number in a file may have been given to somebody else since.
  const title = `${app.name}:${vassal.kind}:uWSGI master`;
  if (vassal.release === undefined) {
    const ours = new Set(listVassals(host, app.paths, app.name).flatMap((other) => pidOf(host, app, other) ?? []));
    const isOf = (word: string) => word === vassal.file || word.endsWith(`/${vassal.file}`);
    const named = commandLines(host, (line) => line === title || line.split(" ").some(isOf));
    return { masters: named.map(({ pid }) => pid).filter((pid) => !ours.has(pid)) };
  }
  const master = pidOf(host, app, vassal);
  if (master === undefined || titleOf(host, master) !== title) return { masters: [] };
  const daemon = pidIn(host, filesOf(app, { ...vassal, release: vassal.release }).daemon);
  const stat = daemon === undefined ? undefined : statOf(host, daemon);
  return { masters: [master], group: stat?.parent === master && stat.group === daemon ? daemon : undefined };
}

/** The number that uWSGI's own process of a vassal wrote down. */
const pidOf = (host: Host, app: App, { release, ...vassal }: Vassal) =>
  release === undefined ? undefined : pidIn(host, filesOf(app, { ...vassal, release }).master);

const endPatience = 5_000;

/** Takes vassals from the emperor and waits until their processes have ended; after `grace` milliseconds they are made to. */
export function stopVassals(host: Host, app: App, vassals: readonly Vassal[], grace: number): void {
  if (vassals.length === 0) return;
  const processes = vassals.map((vassal) => processesOf(host, app, vassal));
  for (const { file } of vassals) host.remove(`${app.paths.enabled}/${file}`);
  const masters = processes.flatMap((found) => found.masters);
  const groups = processes.flatMap(({ group }) => group ?? []);
  const left = () => masters.some((pid) => isAlive(host, pid));
  wakeEmperor(host, app.paths);
  const start = host.ticks();
  for (let round = 1; left() && host.ticks() - start < grace + endPatience; round++) {
    if (round % 4 === 0) wakeEmperor(host, app.paths);
    host.sleep(50);
  }
  for (const pid of masters) if (isAlive(host, pid)) host.signal(pid, "KILL");
  // What a shell line left behind: its shell ends at once, what it started may not.
  for (const group of groups) endGroup(host, group, 1_000);
  for (const { kind, ordinal, release } of vassals) {
    if (!isInside(kind) || release === undefined) continue;
    host.remove(socketOf(app, ordinal, release));
    host.remove(filesOf(app, { kind, ordinal, release }).http);
  }
}

function endGroup(host: Host, group: number, patience: number): void {
  if (!isGroupAlive(host, group)) return;
  host.signal(-group, "TERM");
  const start = host.ticks();
  while (isGroupAlive(host, group) && host.ticks() - start < patience) host.sleep(50);
  host.signal(-group, "KILL");
}

/** Brings back vassals that were taken from the emperor, from their copies, and waits until they answer, for at most 3 seconds. */
export function restoreVassals(host: Host, app: App, files: readonly string[]): void {
  const missing = files.filter((file) => !host.stat(`${app.paths.enabled}/${file}`));
  const back: Vassal[] = [];
  for (const file of missing) {
    const content = copiesOf(host, app, file);
    if (content === undefined) continue;
    const vassal = parseVassal(file, content);
    if (vassal?.release !== undefined) host.remove(filesOf(app, { ...vassal, release: vassal.release }).ready);
    host.write(`${app.paths.enabled}/${file}`, content, 0o600);
    if (vassal) back.push(vassal);
  }
  // At boot the emperor comes later.
  if (back.length === 0 || emperors(host, app.paths).length === 0) return;
  const start = host.ticks();
  while (back.some((vassal) => !answersAgain(host, app, vassal)) && host.ticks() - start < backPatience) {
    wakeEmperor(host, app.paths);
    host.sleep(100);
  }
}

// Long enough for what was healthy before; a command must not wait for ever for what may never be again.
const backPatience = 3000;

/** Whether a worker that is brought back takes requests, as far as it takes any. */
function answersAgain(host: Host, app: App, { kind, ordinal, release }: Vassal): boolean {
  if (release === undefined) return true;
  if (isInside(kind)) return host.stat(filesOf(app, { kind, ordinal, release }).ready) !== undefined;
  const port = portOf(host, app, { kind, ordinal, release });
  return port === undefined || isListening(host, port);
}

const copiesOf = (host: Host, app: App, file: string) =>
  numbersOf(host, app)
    .map((number) => host.read(`${runFolder(app, number)}/${file}`))
    .find((content) => content !== undefined);

/** The vassals of an app that belong to no live release. */
export function staleVassals(host: Host, app: App): Vassal[] {
  const live = new Set(liveRelease(host, app)?.vassals);
  return listVassals(host, app.paths, app.name).filter(({ file }) => !live.has(file));
}
