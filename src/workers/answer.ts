import type { Host } from "../host/host.ts";
import { askStatus } from "../host/http.ts";
import { askedPath, type Worker } from "./worker.ts";

/** How a worker was asked for a page, and what came of it. */
export interface Asked {
  /** When the answer was there (`host.ticks`). */
  at: number;
  times: number;
  /** The status of the answer; `000` for none. */
  status: string;
  /** How curl ended (curl(1), "exit codes"). */
  exit: number;
  /** Since when it has ended like that without an answer. */
  since: number;
}

const firstPause = 500;
const longestPause = 2000;

/** Whether it is time to ask a worker again: asking starts a program, which small boards feel. */
export const isTimeToAsk = (now: number, asked: Asked | undefined) =>
  !asked || now - asked.at >= Math.min(longestPause, firstPause * asked.times);

const firstPatience = 5;

/**
 * Asks a worker for its page as nginx will: by the site's first name, with http/1.1, redirects not
 * followed. Each time it waits twice as long, at most `most` seconds: a first page may take long.
 * `socket`: where a wsgi app speaks http. Undefined where there is no curl.
 */
export function ask(
  host: Host,
  worker: Worker,
  before: Asked | undefined,
  most: number,
  socket?: string,
): Asked | undefined {
  const { listen, site } = worker;
  const times = (before?.times ?? 0) + 1;
  const patience = Math.max(1, Math.min(Math.ceil(most), firstPatience * 2 ** (times - 1)));
  const [address, where] =
    listen && "port" in listen
      ? [`${listen.address}:${listen.port}`, []]
      : ["localhost", ["--unix-socket", socket ?? ""]];
  const url = `http://${address.replace(/^(0\.0\.0\.0|\[?::\]?):/, "127.0.0.1:")}${askedPath(worker)}`;
  const name = site && hostOf(site);
  const began = host.ticks();
  const { status, exit } = askStatus(host, url, patience, [
    ...where,
    ...(name ? ["-H", `Host: ${name}`] : []),
    ...["-H", "X-Forwarded-Proto: https"],
  ]);
  if (exit === 127) return undefined;
  const isSame = before?.exit === exit && before.status === status;
  return { at: host.ticks(), times, status, exit, since: isSame ? before.since : began };
}

/** A name that a visitor could have asked for, where the site's is a pattern. */
const hostOf = (site: string) =>
  site === "_" ? undefined : site.replace(/^\./, "").replace("*", "piku");

/** What became of a request that brought no status line, by how curl ended. */
const silence: Record<number, string> = {
  1: "answers in something other than http/1.1",
  8: "answers in something other than http/1.1",
  52: "closes the connection without an answer",
  56: "breaks the connection off without an answer",
};

/** Whether a status is what is asked of a worker: any, or a good one from its PIKU_HEALTHCHECK. */
export const isGood = ({ healthcheck }: Worker, status: string) =>
  (healthcheck ? /^[23]/ : /^[1-5]/).test(status);

/** What a worker does instead of answering well. */
export function failureOf(worker: Worker, { status, exit }: Asked): string {
  const path = askedPath(worker);
  if (isGood(worker, status))
    return `it answers ${status} for ${path}, and within a second it no longer listens`;
  if (!/^0*$/.test(status)) return `${path} answers ${status}`;
  return `it listens, but ${silence[exit] ?? "does not answer"} when it is asked for ${path}`;
}

const certainAfter = 3000;

/** Whether a worker speaks something other than http/1.1, which no waiting will change. */
export const speaksOtherwise = ({ exit, at, since }: Asked) =>
  (exit === 1 || exit === 8) && at - since >= certainAfter;

/** What to do about a worker that does not answer. */
export const answerHint = (app: string, { exit }: Asked) =>
  `${exit === 1 || exit === 8 ? "nginx speaks plain http/1.1 to it, without TLS" : "see its last output above, and what it does with a request on your own machine"}; where it is enough that it listens: config:set ${app} PIKU_HEALTHCHECK=false`;
