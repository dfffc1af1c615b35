import type { App } from "../app/app.ts";
import type { Host } from "../host/host.ts";
import { everyProcess, familyOf, type Listener, listenersOf, wordsOf } from "../host/processes.ts";
import { portExample } from "./take-port.ts";
import type { Worker } from "./worker.ts";

/** Where a worker listens instead of where nginx will ask it. */
export interface WrongPlace {
  /** When it was looked at, and since when it has listened there and been idle (`host.ticks`). */
  at: number;
  since: number;
  /** When it was first seen to listen there. */
  first: number;
  /** Milliseconds of CPU time that it had used at `since`. */
  cpu: number;
  listeners: Listener[];
  /** What the program that listens there is called. */
  title: string;
  told: boolean;
}

const lookInterval = 1000;

/**
 * Looks at where a worker listens, at most once a second; undefined where it does not listen at
 * all. `daemon`: its first process.
 */
export function lookAround(
  host: Host,
  daemon: number,
  before: WrongPlace | undefined,
): WrongPlace | undefined {
  const now = host.ticks();
  if (before && now - before.at < lookInterval) return before;
  const family = familyOf(everyProcess(host), [daemon]);
  const pids = family.map(({ pid }) => pid);
  const listeners = listenersOf(host, pids);
  if (listeners.length === 0) return undefined;
  const cpu = family.reduce((sum, one) => sum + one.cpu, 0);
  if (before && placesOf(before.listeners) === placesOf(listeners)) {
    const isBusy = cpu - before.cpu > busyShare * (now - before.since) + busyAllowance;
    return isBusy ? { ...before, at: now, since: now, cpu } : { ...before, at: now };
  }
  const owner = pids.find((pid) => listenersOf(host, [pid]).length > 0) ?? daemon;
  const title = wordsOf(host, owner).join(" ").trim();
  return { at: now, since: now, first: now, cpu, listeners, title, told: before?.told ?? false };
}

// A program that is still starting works; one that waits for requests does not.
const busyShare = 0.3;
const busyAllowance = 300;
const addressPatience = 2000;
const portPatience = 10_000;

/**
 * Whether a worker has settled in the wrong place. At its own port it will not change the address.
 * At other ports only some seconds of rest tell it from a slow one that has opened a port for
 * metrics or a debugger first; who gives it more time than usual by PIKU_HEALTHCHECK_TIMEOUT knows
 * that it is slow.
 */
export function hasSettled(
  { at, since, first, listeners }: WrongPlace,
  { listen, settings }: Worker,
) {
  if (listen && "port" in listen && listeners.some(({ port }) => port === listen.port))
    return at - first >= addressPatience;
  return at - since >= portPatience && settings.PIKU_HEALTHCHECK_TIMEOUT === undefined;
}

/** Where a worker listens, in words: only the port where its address would do. */
const placesOf = (listeners: readonly Listener[], own?: number) =>
  [
    ...new Set(
      listeners.map(({ address, port }) =>
        port === own || !isOpen(address)
          ? `${address.includes(":") ? `[${address}]` : address}:${port}`
          : `port ${port}`,
      ),
    ),
  ].join(", ");

/** Whether nginx reaches what listens at this address, as far as one can see. */
const isOpen = (address: string) => ["127.0.0.1", "0.0.0.0", "::"].includes(address);

/** Where a worker listens, and where it is to. */
export const describePlace = (
  { listeners }: WrongPlace,
  { address, port }: { address: string; port: number },
) =>
  `it listens on ${placesOf(listeners, port)} instead of ${address}:${port} ($BIND_ADDRESS:$PORT)`;

/** What to write so that a worker listens where it is to, and what to type instead. */
export function placeHint(
  { name }: App,
  { command, listen }: Worker,
  { listeners, title }: WrongPlace,
): string {
  const own = listen && "port" in listen ? listen.port : undefined;
  const known = portExample(command, title);
  const isAddress = listeners.some(({ port }) => port === own);
  const write = known
    ? `write ${known}`
    : "let the program take its address from BIND_ADDRESS and its port from PORT";
  const reachable = isAddress ? undefined : listeners.find(({ address }) => isOpen(address));
  if (isAddress) return `${write}, or where it reads HOST: config:set ${name} HOST=127.0.0.1`;
  return reachable
    ? `${write}; or leave the program as it is: config:set ${name} PORT=${reachable.port}`
    : write;
}
