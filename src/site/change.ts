import type { App } from "../app/app.ts";
import type { Paths } from "../app/paths.ts";
import { releasedSite } from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { PikuError } from "../text/errors.ts";
import { blamedSite, webFiles, writeMain } from "./main-file.ts";
import { readSite, readSites } from "./nginx.ts";
import { bringBack, setAside, setStrangeAside } from "./refused.ts";
import { type Running, reload, runningNginx } from "./reload.ts";

/** A change of nginx's files that can be taken back. */
export interface Change {
  /** The app that it is for; undefined for what concerns all. */
  app?: App;
  make(): void;
  undo(): void;
}

/**
 * Changes nginx's files and has it take them; for those who hold the turn of the machine. What it
 * refuses is taken back, and thrown with its own words. The site of another app that it refuses as
 * well is put right by the copy that its release keeps, or set aside: one app's site does not stop
 * the others'. Gives the sites that were set aside, and why.
 */
export function changeNginx(
  host: Host,
  paths: Paths,
  command: string | undefined,
  change: Change,
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
    const complaint = attempt(() => reload(host, paths, running), undo);
    if (complaint === undefined) return aside;
    undo();
    const { app } = change;
    if (app && aside.has(app.name)) {
      // What was there before is refused as well.
      setAside(host, paths, app.name, aside.get(app.name)!);
      throw refusalOf(app, complaint);
    }
    // Whether it is this change that nginx refuses shows without it.
    const without = reload(host, paths, running);
    if (without === undefined) throw refusalOf(app, complaint);
    if (!clearAway(host, paths, running, without, aside))
      throw new PikuError(
        `nginx refuses its files as they are, so no site can be changed: ${without}`,
        "`doctor` says more",
      );
  }
}

/** Does something, and takes back what it was for when it throws. */
function attempt<T>(action: () => T, undo: () => void): T {
  try {
    return action();
  } catch (error) {
    undo();
    throw error;
  }
}

/** Writes nginx's main file as the board's settings want it by now. Gives how to take that back. */
function changeMain(host: Host, paths: Paths): () => void {
  const { main } = webFiles(paths);
  const before = host.read(main);
  return writeMain(host, paths) && before !== undefined
    ? () => host.write(main, before, 0o600)
    : () => {};
}

// Of files that no release made so many are tried one by one; each takes nginx a moment.
const fewSites = 20;

/**
 * Finds the sites for which nginx refuses its files, and puts them right or aside; whether it takes
 * them by then. It may name one. Else it is looked for among the files that no release made, the
 * newest first, and then among all others.
 */
function clearAway(
  host: Host,
  paths: Paths,
  running: Running,
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
  if (odd.slice(0, fewSites).some((name) => isTaken(name, complaint))) return true;
  for (const name of odd.slice(fewSites)) putRight(host, paths, name, complaint, aside);
  if (odd.length > fewSites && reload(host, paths, running) === undefined) return true;
  return others.some((name) => {
    if (!host.stat(path(name)) || odd.includes(name)) return false;
    setAside(host, paths, name, complaint);
    if (reload(host, paths, running) !== undefined) {
      bringBack(host, paths, name);
      return false;
    }
    aside.set(name, complaint);
    return true;
  });
}

/**
 * Gives a site that nginx refuses the text that its release went live with, or sets it aside where
 * it has that already.
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
const refusalOf = (app: App | undefined, complaint: string) =>
  app
    ? new PikuError(
        `nginx refuses the site of app '${app.name}': ${complaint}`,
        complaint.startsWith("bind() ")
          ? "another program of the server has that port; where it is nginx itself, with another address: sudo systemctl restart piku-web"
          : "look at the NGINX_ settings and NGINX_INCLUDE_FILE",
      )
    : new PikuError(`nginx refuses its files: ${complaint}`, "`doctor` says more");
/**
 * Has nginx write into logs of the usual names again, after those that it writes have got others;
 * for those who hold the turn of the machine.
 */
export function reopenLogs(
  host: Host,
  paths: Paths,
  command: string | undefined,
  change: Change,
): void {
  const running = runningNginx(host, paths, command);
  if (running.way !== "own") return void changeNginx(host, paths, command, change);
  change.make();
  host.signal(running.master, "USR1");
}
