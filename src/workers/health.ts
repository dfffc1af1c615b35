import type { App } from "../app/app.ts";
import { isCron, isUwsgiKind } from "../app/procfile.ts";
import type { Host } from "../host/host.ts";
import { childKnownAs, isAlive, isReached, pidIn } from "../host/processes.ts";
import { isDiskFull } from "../host/space.ts";
import { waitUntil } from "../host/wait.ts";
import { PikuError } from "../text/errors.ts";
import { answerHint, ask, failureOf, isGood, isTimeToAsk, speaksOtherwise } from "./answer.ts";
import { endedByLimit } from "./causes-limits.ts";
import { straysOf } from "./detached.ts";
import { emperorLog, emperors, wakingEmperor } from "./emperor.ts";
import { hasSocket, idleOf, isAsleep, wakeWorker, wasReady } from "./idle.ts";
import { isLimited, killedWithoutLimit, useOf } from "./limits.ts";
import { describePlace, hasSettled, lookAround, placeHint } from "./listening.ts";
import { isGameOver, newestLog, saidByApp } from "./logs.ts";
import type { Started } from "./start.ts";
import { askedPath, filesOf, loadsLate, portOfSite, vassalName, type Worker } from "./worker.ts";

const minUptime = 1000;

type Health = "healthy" | "starting" | Failure;

/** Why a worker will not become healthy, and what to do where that is known. */
interface Failure {
  failed: string;
  hint?: string;
}

/** The state of a started worker: healthy, starting, or why it failed. `left`: milliseconds. */
function health(host: Host, app: App, started: Started, left: number): Health {
  const { worker } = started;
  const files = filesOf(app, worker);
  const master = pidIn(host, files.master);
  const cursed = `curse the uwsgi instance ${vassalName(app.name, worker)} `;
  if (idleOf(worker) > 0 && (master === undefined || !isAlive(host, master))) {
    const isDone = !askedPath(worker) || started.ready !== undefined;
    if (isDone && isAsleep(host, app, worker)) return "healthy";
    if (hasSocket(host, app, worker) && (master === undefined || wasReady(host, app, worker))) {
      wakeWorker(host, app, worker);
      return "starting";
    }
  }
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
    const { listen } = worker;
    // An isolated worker's socket is seen a moment later.
    if (listen && "socket" in listen && !host.stat(listen.socket)) return "starting";
    if (host.stat(files.ready)) return checkHealth(host, app, started, left, files.http);
    return !isAlive(host, master) || hasSaid("GAME OVER")
      ? { failed: "the app could not be loaded" }
      : "starting";
  }
  if (isCron(worker.kind))
    return isAlive(host, master) ? "healthy" : { failed: "uWSGI could not start it" };
  const own = pidIn(host, files.daemon);
  if (own === undefined) return "starting";
  const daemon = childKnownAs(host, master, own);
  if (startsOf(host, files) > 1 || daemon === undefined || !isAlive(host, daemon))
    return { failed: "it exited right after it started", hint: endingHint(host, app, worker) };
  started.seen ??= host.ticks();
  const since = portOfSite(worker) ? readySince(host, app, started, daemon, left) : started.seen;
  if (typeof since !== "number") return since;
  return host.ticks() - since >= minUptime ? "healthy" : "starting";
}

// What programs say that end by a mistake.
const complaint =
  /error|exception|traceback|not found|no such|denied|cannot|could not|fail|fatal|panic|usage:/i;

/**
 * What to do about a program that ended without a complaint: it went on in the background, or had
 * done its work.
 */
function endingHint(host: Host, app: App, worker: Worker): string | undefined {
  const { kind } = worker;
  const own = straysOf(host, app.paths).find(({ mark }) => mark === filesOf(app, worker).mark);
  if (own)
    return `'${own.program}' went on in the background, where nobody would start it again: leave out --daemon, nohup and &, and take pm2-runtime for pm2`;
  if (kind === "web" || complaint.test(saidByApp(newestLog(host, app, worker)).join("\n")))
    return undefined;
  return `a worker goes on until it is stopped. For a program that ends: call the line \`release\` (at each deploy) or \`cron\` (by the clock), or keep it for \`run ${app.name}\`: ps:scale ${app.name} ${kind}=0, and push again`;
}

/** Since when a worker with a site listens and answers (`host.ticks`), or else its state. */
function readySince(
  host: Host,
  app: App,
  started: Started,
  daemon: number,
  left: number,
): number | "starting" | Failure {
  const { worker } = started;
  const { address, port } = portOfSite(worker)!;
  if (!isReached(host, address, port)) {
    started.ready = undefined;
    return lookElsewhere(host, app, started, daemon);
  }
  started.wrongPlace = undefined;
  const state = checkHealth(host, app, started, left);
  if (state !== "healthy") return state;
  // It may have been its last answer: that is why another second is waited for.
  started.ready ??= host.ticks();
  return started.ready;
}

/** Whether a worker has settled in another place than the one that nginx asks. */
function lookElsewhere(
  host: Host,
  app: App,
  started: Started,
  daemon: number,
): "starting" | Failure {
  const { worker, seen } = started;
  if (seen === undefined || host.ticks() - seen < minUptime) return "starting";
  const place = lookAround(host, daemon, started.wrongPlace);
  started.wrongPlace = place;
  if (!place) return "starting";
  const failed = describePlace(place, portOfSite(worker)!);
  if (hasSettled(place, worker)) return { failed, hint: placeHint(app, worker, place) };
  if (!place.told && place.at - place.first >= minUptime) {
    place.told = true;
    host.say(`-----> So far '${worker.kind}.${worker.ordinal}': ${failed}`);
  }
  return "starting";
}

/** How often a worker's process has been started in this release. */
export const startsOf = (host: Host, { starts }: Pick<ReturnType<typeof filesOf>, "starts">) =>
  host.stat(starts)?.size ?? 0;

/**
 * Whether the path of PIKU_HEALTHCHECK answers with 2xx or 3xx, or any other that must answer with
 * whatever; healthy if there is none. `left`: the milliseconds that it still has. `socket`: where a
 * wsgi app speaks http.
 */
function checkHealth(
  host: Host,
  app: App,
  started: Started,
  left: number,
  socket?: string,
): Health {
  const { worker, asked } = started;
  if (started.ready !== undefined || !askedPath(worker) || !worker.listen) return "healthy";
  if (left <= 0 || !isTimeToAsk(host.ticks(), asked)) return "starting";
  const answer = ask(host, worker, asked, left / 1000, socket);
  if (!answer) return "healthy";
  started.asked = answer;
  if (isGood(worker, answer.status)) {
    started.ready = answer.at;
    return "healthy";
  }
  return speaksOtherwise(answer)
    ? { failed: failureOf(worker, answer), hint: answerHint(app.name, answer) }
    : "starting";
}

/** Why a worker is not healthy after its time has passed. */
function whyUnhealthy(host: Host, app: App, { worker, asked, wrongPlace }: Started): Failure {
  if (emperors(host, app.paths).length === 0)
    return {
      failed: "uWSGI's emperor, which would start it, is not running, so it has not started",
    };
  const asks = portOfSite(worker);
  if (wrongPlace && asks)
    return { failed: describePlace(wrongPlace, asks), hint: placeHint(app, worker, wrongPlace) };
  if (asked)
    return {
      failed: failureOf(worker, asked),
      hint: worker.healthcheck ? undefined : answerHint(app.name, asked),
    };
  return {
    failed: asks
      ? `nothing listens on ${asks.address}:${asks.port} ($BIND_ADDRESS:$PORT)`
      : "it has not started (see the emperor's log)",
  };
}

/**
 * The sentence and the remedy for what a worker's log tells; undefined when no row knows it.
 * `advice`: what to do by how the process looks.
 */
export type Explain = (worker: Worker, log: string, advice?: string) => PikuError | undefined;

/**
 * Waits until all workers are healthy: a `web` worker with a site answers a request, a wsgi app is
 * loaded, and all but those inside uWSGI stay up for a second after that. Throws as soon as one has
 * failed, or after `timeout` milliseconds, with the end of its log.
 */
export function waitUntilHealthy(
  host: Host,
  app: App,
  started: readonly Started[],
  timeout: number,
  show: () => void,
  explain: Explain,
): void {
  let waiting: Started[] = [];
  const until = host.ticks() + timeout;
  const areHealthy = () => {
    // All of them each time: one that is healthy may end while another is waited for.
    waiting = started.filter((one) => {
      const state = health(host, app, one, until - host.ticks());
      if (typeof state === "object") throw unhealthy(host, app, one, state, explain);
      return state === "starting";
    });
    return waiting.length === 0;
  };
  const seconds = Math.round(timeout / 1000);
  const names = () => waiting.map(({ worker }) => `'${worker.kind}.${worker.ordinal}'`).join(", ");
  const wake = wakingEmperor(host, app.paths);
  const inTime = waitUntil(host, areHealthy, {
    every: 50,
    // What answers in time still has to live for its second.
    atMost: timeout + minUptime,
    tell: () => host.say(`-----> Waiting up to ${seconds} s for ${names()}`),
    meanwhile(passed) {
      wake(passed);
      show();
    },
  });
  if (inTime) return;
  const [late] = waiting as [Started];
  const { failed, hint } = whyUnhealthy(host, app, late);
  throw unhealthy(host, app, late, { failed: `${failed} after ${seconds} seconds`, hint }, explain);
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
  { failed: why, hint }: Failure,
  explain: Explain,
): PikuError {
  const log = settledLog(host, app, worker);
  // The message says it in better words.
  const lines = saidByApp(log).filter((line) => !isGameOver(line));
  for (const line of lines.slice(-20))
    host.say(`       ${worker.kind}.${worker.ordinal} | ${line}`);
  const message = `'${worker.kind}.${worker.ordinal}' is not healthy: ${why}`;
  if (isDiskFull(host, app.paths.root))
    return new PikuError(`${message}; the server's disk is full`, "free some space and try again");
  const byLimit = isLimited(worker) && (useOf(host, app, worker)?.ended ?? 0) > 0;
  const isKilled = !byLimit && killedWithoutLimit(host, app.paths) > killedBefore;
  const seen = byLimit ? endedByLimit : `piku: ${why}`;
  const known = isKilled ? undefined : explain(worker, `${log}\n${seen}\n`, hint);
  if (known) return known;
  return new PikuError(
    `${message}${isKilled ? "; the server ran out of memory" : ""}`,
    // `run` would not help: it runs in the live release, which is not this one.
    hint ??
      (lines.length > 0
        ? "its last output is above"
        : `it printed nothing; see what \`${worker.command}\` does on your own machine`),
  );
}
