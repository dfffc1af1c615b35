import type { App } from "../app/app.ts";
import type { Paths } from "../app/paths.ts";
import { releasedSite } from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { serviceCommand } from "../host/services.ts";
import { PikuError } from "../text/errors.ts";
import { blamedSite } from "./complaint.ts";
import { webFiles, writeMain } from "./main-file.ts";
import { readSite, readSites } from "./nginx.ts";
import { bringSiteBack, setAside, setStrangeAside } from "./refused.ts";
import { type RunningNginx, reload, runningNginx } from "./reload.ts";

/** A change of nginx's files that can be undone. */
export interface SiteChange {
  /** The app that it is for; undefined if it concerns all apps. */
  app?: App;
  make(): void;
  undo(): void;
}

/**
 * Changes nginx's files and reloads it; the caller holds the machine's lock. A change that nginx
 * refuses is undone, and its message thrown. If the site of another app is refused as well, it is
 * restored from the copy in its release, or set aside: one app's site must not block the others'.
 * Returns the sites that were set aside, and why.
 */
export function changeNginx(
  host: Host,
  paths: Paths,
  command: string | undefined,
  change: SiteChange,
): Map<string, string> {
  const running = runningNginx(host, paths, command);
  const aside = setStrangeAside(host, paths);
  for (;;) {
    const undoMain = running.way === "own" ? changeMain(host, paths) : () => {};
    change.make();
    const undo = () => {
      change.undo();
      undoMain();
    };
    const complaint = attemptOrUndo(() => reload(host, paths, running), undo);
    if (complaint === undefined) return aside;
    undo();
    const { app } = change;
    if (app && aside.has(app.name)) {
      // The previous site is refused as well.
      setAside(host, paths, app.name, aside.get(app.name)!);
      throw refusalOf(host, app, complaint);
    }
    // Without the change it shows whether the change is the reason.
    const without = reload(host, paths, running);
    if (without === undefined) throw refusalOf(host, app, complaint);
    if (!clearAway(host, paths, running, without, aside))
      throw new PikuError(
        `nginx refuses its files as they are, so no site can be changed: ${without}`,
        "`doctor` says more",
      );
  }
}

/** Does something, and calls `undo` when it throws. */
function attemptOrUndo<T>(action: () => T, undo: () => void): T {
  try {
    return action();
  } catch (error) {
    undo();
    throw error;
  }
}

/** Updates nginx's main file from the board's settings. Returns how to undo that. */
function changeMain(host: Host, paths: Paths): () => void {
  const { main } = webFiles(paths);
  const before = host.read(main);
  return writeMain(host, paths) && before !== undefined
    ? () => host.write(main, before, 0o600)
    : () => {};
}

// How many files that no release wrote are tried one by one: each takes a reload.
const maxSuspects = 20;

/**
 * Finds the sites because of which nginx refuses its files, and restores them or sets them aside.
 * Returns whether nginx accepts the rest. If nginx names no site, those that no release wrote are
 * tried first, the newest before the older ones, and then all others.
 */
function clearAway(
  host: Host,
  paths: Paths,
  running: RunningNginx,
  complaint: string,
  aside: Map<string, string>,
): boolean {
  const sites = readSites(host, paths);
  const path = (name: string) => `${paths.nginx}/${name}.conf`;
  const isTaken = (name: string, why: string) => {
    putRight(host, paths, name, why, aside);
    return reload(host, paths, running) === undefined;
  };
  const blamed = blamedSite(complaint);
  if (blamed !== undefined && sites.has(blamed) && isTaken(blamed, complaint)) return true;
  const modified = (name: string) => host.stat(path(name))?.modified ?? 0;
  const others = [...sites.keys()].filter((name) => host.stat(path(name)));
  const isOdd = (name: string) => releasedSite(host, paths, name) !== sites.get(name);
  const odd = others.filter(isOdd).sort((a, b) => modified(b) - modified(a));
  if (odd.slice(0, maxSuspects).some((name) => isTaken(name, complaint))) return true;
  for (const name of odd.slice(maxSuspects)) putRight(host, paths, name, complaint, aside);
  if (odd.length > maxSuspects && reload(host, paths, running) === undefined) return true;
  return others.some((name) => {
    if (!host.stat(path(name)) || odd.includes(name)) return false;
    setAside(host, paths, name, complaint);
    if (reload(host, paths, running) !== undefined) {
      bringSiteBack(host, paths, name);
      return false;
    }
    aside.set(name, complaint);
    return true;
  });
}

/**
 * Restores the text that a site's release went live with, or sets the site aside if it has that
 * text already.
 */
function putRight(
  host: Host,
  paths: Paths,
  name: string,
  why: string,
  aside: Map<string, string>,
): void {
  const site = `${paths.nginx}/${name}.conf`;
  const released = releasedSite(host, paths, name);
  if (released !== undefined && released !== readSite(host, site)) host.write(site, released);
  else {
    setAside(host, paths, name, why);
    aside.set(name, why);
  }
}
const refusalOf = (host: Host, app: App | undefined, complaint: string) =>
  app
    ? new PikuError(
        `nginx refuses the site of app '${app.name}': ${complaint}`,
        complaint.startsWith("bind() ")
          ? `another program of the server has that port; where it is nginx itself, with another address: sudo ${serviceCommand(host, "restart", "piku-web")}`
          : "look at the NGINX_ settings and NGINX_INCLUDE_FILE",
      )
    : new PikuError(`nginx refuses its files: ${complaint}`, "`doctor` says more");
/**
 * Makes nginx reopen its logs after they have been renamed; the caller holds the machine's lock.
 */
export function reopenLogs(
  host: Host,
  paths: Paths,
  command: string | undefined,
  change: SiteChange,
): void {
  const running = runningNginx(host, paths, command);
  if (running.way !== "own") return void changeNginx(host, paths, command, change);
  change.make();
  host.signal(running.master, "USR1");
}
