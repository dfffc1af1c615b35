import type { App } from "../app/app.ts";
import { isCron, isUwsgiKind } from "../app/procfile.ts";
import type { Host } from "../host/host.ts";
import { isAlive, isListening, killedForMemory, listeningPorts, pidIn } from "../host/processes.ts";
import { isDiskFull } from "../host/space.ts";
import { waitUntil } from "../host/wait.ts";
import { PikuError } from "../text/errors.ts";
import { emperorLog, emperors, wakingEmperor } from "./emperor.ts";
import { newestLog, saidByApp } from "./logs.ts";
import type { Started } from "./start.ts";
import { isOfUwsgi } from "./uwsgi-words.ts";
import { askedPath, filesOf, loadsLate, vassalName, type Worker } from "./worker.ts";

const minUptime = 1000;

type Health = "healthy" | "starting" | { failed: string };

/** The state of a started worker: healthy, starting, or why it failed. */
function health(host: Host, app: App, started: Started): Health {
  const { worker } = started;
  const files = filesOf(app, worker);
  const master = pidIn(host, files.master);
  const cursed = `curse the uwsgi instance ${vassalName(app.name, worker)} `;
  if (host.search(emperorLog(app.paths), (lines) => lines.includes(cursed), started.emperorLogAt)) {
    return {
      failed: isUwsgiKind(worker.kind) ? "the app could not be loaded" : "uWSGI could not start it",
    };
  }
  if (master === undefined) return "starting";
  if (isUwsgiKind(worker.kind)) {
    const hasSaid = (words: string) => host.search(files.log, (lines) => lines.includes(words));
    // uWSGI restarts a process for ever that ended because Java found no class.
    if (loadsLate(worker.kind) && hasSaid("DAMN ! worker"))
      return { failed: "the app could not be loaded" };
    if (host.stat(files.ready)) return checkHealth(host, started, files.http);
    return !isAlive(host, master) || hasSaid("GAME OVER")
      ? { failed: "the app could not be loaded" }
      : "starting";
  }
  if (isCron(worker.kind))
    return isAlive(host, master) ? "healthy" : { failed: "uWSGI could not start it" };
  const daemon = pidIn(host, files.daemon);
  if (daemon === undefined) return "starting";
  if (startsOf(host, files) > 1 || !isAlive(host, daemon))
    return { failed: "it exited right after it started" };
  started.seen ??= host.ticks();
  // A `web` worker without a site may be a bot that does not listen at all.
  if (worker.site && worker.listen && "port" in worker.listen) {
    return isListening(host, worker.listen.port) ? checkHealth(host, started) : "starting";
  }
  return host.ticks() - started.seen >= minUptime ? "healthy" : "starting";
}

/** How often a worker's process has been started in this release. */
export const startsOf = (host: Host, { starts }: Pick<ReturnType<typeof filesOf>, "starts">) =>
  host.stat(starts)?.size ?? 0;

const checkInterval = 500;

/**
 * Whether the path of PIKU_HEALTHCHECK answers with 2xx or 3xx; healthy if none is set. `socket`:
 * where a wsgi app speaks http.
 */
function checkHealth(host: Host, started: Started, socket?: string): Health {
  const { healthcheck, listen, site } = started.worker;
  const path = askedPath(started.worker);
  if (!path || !listen) return "healthy";
  if (host.ticks() - (started.asked ?? Number.NEGATIVE_INFINITY) < checkInterval) return "starting";
  const [address, where] =
    "port" in listen
      ? [`${listen.address}:${listen.port}`, []]
      : ["localhost", ["--unix-socket", socket ?? ""]];
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

/** Why a worker is not healthy after its time has passed. */
function whyUnhealthy(host: Host, app: App, { worker, answer }: Started): string {
  if (emperors(host, app.paths).length === 0)
    return "uWSGI's emperor, which would start it, is not running, so it has not started";
  if (answer !== undefined)
    return `${askedPath(worker)} ${answer === "000" ? "does not answer" : `answers ${answer}`}`;
  if (!worker.site || !worker.listen || !("port" in worker.listen))
    return "it has not started (see the emperor's log)";
  const { address, port } = worker.listen;
  const daemon = pidIn(host, filesOf(app, worker).daemon);
  const others = daemon === undefined ? [] : listeningPorts(host, daemon);
  const wanted = `${address}:${port} ($BIND_ADDRESS:$PORT)`;
  return others.length > 0
    ? `it listens on port ${others.join(", ")} instead of ${wanted}`
    : `nothing listens on ${wanted}`;
}

/**
 * The sentence and the remedy for what a worker's log tells; undefined when no row knows it.
 * `advice`: what to do by how the process looks.
 */
export type Explain = (worker: Worker, log: string, advice?: string) => PikuError | undefined;

/**
 * Waits until all workers are healthy: a `web` worker listens on its port, a wsgi app is loaded,
 * everything else stays up for a second. Throws as soon as one has failed, or after `timeout`
 * milliseconds, with the end of its log.
 */
export function waitUntilHealthy(
  host: Host,
  app: App,
  started: readonly Started[],
  timeout: number,
  show: () => void,
  explain: Explain,
): void {
  let waiting = [...started];
  const areHealthy = () => {
    waiting = waiting.filter((one) => {
      const state = health(host, app, one);
      if (typeof state === "object") throw unhealthy(host, app, one, state.failed, explain);
      return state === "starting";
    });
    return waiting.length === 0;
  };
  const seconds = Math.round(timeout / 1000);
  const names = () => waiting.map(({ worker }) => `'${worker.kind}.${worker.ordinal}'`).join(", ");
  const wake = wakingEmperor(host, app.paths);
  const inTime = waitUntil(host, areHealthy, {
    every: 50,
    atMost: timeout,
    tell: () => host.say(`-----> Waiting up to ${seconds} s for ${names()}`),
    meanwhile(passed) {
      wake(passed);
      show();
    },
  });
  if (inTime) return;
  const [late] = waiting as [Started];
  throw unhealthy(
    host,
    app,
    late,
    `${whyUnhealthy(host, app, late)} after ${seconds} seconds`,
    explain,
  );
}

const logSettles = { quiet: 200, atMost: 2000 };

/** A worker's log, once uWSGI has written what the process printed before it ended. */
function settledLog(host: Host, app: App, worker: Worker): string {
  const until = host.ticks() + logSettles.atMost;
  for (let log = newestLog(host, app, worker); ; ) {
    host.sleep(logSettles.quiet);
    const later = newestLog(host, app, worker);
    if (later === log || host.ticks() > until) return later;
    log = later;
  }
}

function unhealthy(
  host: Host,
  app: App,
  { worker, killedBefore }: Started,
  why: string,
  explain: Explain,
): PikuError {
  const log = settledLog(host, app, worker);
  const lines = saidByApp(log).filter((line) => !isOfUwsgi(line));
  for (const line of lines.slice(-20))
    host.say(`       ${worker.kind}.${worker.ordinal} | ${line}`);
  const message = `'${worker.kind}.${worker.ordinal}' is not healthy: ${why}`;
  if (isDiskFull(host, app.paths.root))
    return new PikuError(`${message}; the server's disk is full`, "free some space and try again");
  const isKilled = killedForMemory(host) > killedBefore;
  const known = isKilled ? undefined : explain(worker, `${log}\npiku: ${why}\n`);
  if (known) return known;
  return new PikuError(
    `${message}${isKilled ? "; the server ran out of memory" : ""}`,
    // `run` would not help: it runs in the live release, which is not this one.
    lines.length > 0
      ? "its last output is above"
      : `it printed nothing; see what \`${worker.command}\` does on your own machine`,
  );
}
