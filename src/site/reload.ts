import type { App } from "../app/app.ts";
import type { Machine } from "../app/board-settings.ts";
import type { Paths } from "../app/paths.ts";
import { releasedSite } from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { commandLines, everyProcess, pidIn, titleOf } from "../host/processes.ts";
import { PikuError } from "../text/errors.ts";
import { blamedSite, readComplaint, webFiles, writeMain } from "./main-file.ts";
import { readSite, readSites } from "./nginx.ts";
import { bringBack, setAside, setStrangeAside } from "./refused.ts";

/**
 * The nginx that serves the sites right now: piku's own; one that others use too, which takes a
 * reload by a socket of install.sh's; one that reloads by a command of the administrator's
 * (PIKU_NGINX_RELOAD), or by a unit of piku's version 1 that watches the folder of sites; or none
 * that runs.
 */
export type Running =
  | { way: "own"; master: number }
  | { way: "shared" }
  | { way: "watched"; command?: string }
  | { way: "none" };

/** Where systemd hands a request for a reload to root's nginx (install.sh: piku-nginx.socket). */
const reloadSocket = "/run/piku/nginx.sock";

/**
 * Finds the nginx that serves the sites, by what runs and not by what was meant to. `command`:
 * PIKU_NGINX_RELOAD.
 */
export function runningNginx(host: Host, paths: Paths, command?: string): Running {
  const master = ownMaster(host, paths);
  if (master !== undefined) return { way: "own", master };
  if (command) return { way: "watched", command };
  if (host.stat(reloadSocket)) return { way: "shared" };
  return masters(host).length > 0 ? { way: "watched" } : { way: "none" };
}

/**
 * Whether nginx comes as another user, who must be able to reach an app's sockets; where none runs,
 * as the board is meant to be.
 */
export function isShared(
  host: Host,
  paths: Paths,
  { nginx, reload }: Pick<Machine, "nginx" | "reload">,
): boolean {
  const { way } = runningNginx(host, paths, reload);
  return way === "none" ? nginx === "shared" : way !== "own";
}

/**
 * The master of piku's own nginx. Its command line names the main file; where /proc hides it
 * (ProtectProc), it answers a signal.
 */
function ownMaster(host: Host, paths: Paths): number | undefined {
  const { main, pid } = webFiles(paths);
  const noted = pidIn(host, pid);
  const title = noted === undefined ? "" : titleOf(host, noted);
  if (
    noted !== undefined &&
    (title.includes(main) || (title === "" && doesAnswer(host, paths, noted)))
  )
    return noted;
  // An app may have written another number, or removed the file.
  return masters(host).find(({ title }) => title.includes(main))?.pid;
}

const answerPatience = 1_000;

/**
 * Whether this process is our nginx: it notes each signal in its log. WINCH means nothing to one
 * that is no daemon (nginx(8)), nor to whatever else may have this number by now.
 */
function doesAnswer(host: Host, paths: Paths, pid: number): boolean {
  const { errors } = webFiles(paths);
  const from = host.stat(errors)?.size ?? 0;
  if (!host.signal(pid, "WINCH")) return false;
  for (const start = host.ticks(); host.ticks() - start < answerPatience; host.sleep(10))
    if (host.readFrom(errors, from).text.includes(` ${pid}#${pid}: signal 28 `)) return true;
  return false;
}

const patience = 10_000;

/**
 * Has the running nginx read its files again. Gives its complaint when it refused them and goes on
 * as before; throws when it says nothing.
 */
function reload(host: Host, paths: Paths, running: Running): string | undefined {
  switch (running.way) {
    case "own":
      return reloadOwn(host, paths, running.master);
    case "shared":
      return askForReload(host);
    case "watched":
      return awaitReload(host, paths, running.command);
    case "none":
      return undefined;
  }
}

/**
 * HUP to our own nginx. It tests its files by itself and goes on with the old ones when it refuses
 * them, which stands in its log. It took when new workers have started and those from before no
 * longer accept.
 */
function reloadOwn(host: Host, paths: Paths, master: number): string | undefined {
  const { errors } = webFiles(paths);
  beginLog(host, errors, master);
  const from = host.stat(errors)?.size ?? 0;
  const earlier = host.readFrom(errors, Math.max(0, from - 262_144)).text;
  const before = workersOf(host, master);
  host.signal(master, "HUP");
  let looks = 0;
  for (const start = host.ticks(); host.ticks() - start < patience; host.sleep(10)) {
    const [, said = ""] = host.readFrom(errors, from).text.split(/: reconfiguring\n/, 2);
    // nginx tries a port that is taken for some seconds.
    const refused = said
      .split("\n")
      .filter((line) => line.includes("[emerg]") && !line.includes(" bind() to "));
    if (refused.length > 0) return readComplaint(paths, said);
    const now = workersOf(host, master);
    // A full disk takes no log.
    if (!said.includes(": start worker process ") && now.every((pid) => before.includes(pid)))
      continue;
    const leaving = (pid: number) =>
      `${earlier}${said}`.includes(` ${pid}#${pid}: gracefully shutting down`);
    const isGone = (pid: number) =>
      !now.includes(pid) || leaving(pid) || titleOf(host, pid).includes("is shutting down");
    // They say so a moment before they stop accepting, and /proc may leave out a process while
    // another one ends.
    looks = before.every(isGone) ? looks + 1 : 0;
    if (looks < 3) continue;
    // Where /proc hides the workers nothing tells that the former ones have stopped: nginx waits
    // 0.1 s before it tells them.
    if (before.length === 0) host.sleep(200);
    return undefined;
  }
  if (host.stat(webUnit) && isStuck(host, master) && host.signal(master, "KILL"))
    throw new PikuError(
      "nginx was stuck in its files for 10 seconds, and is being started anew without those that stop it",
      "try again in half a minute; `doctor` names what was set aside",
    );
  throw new PikuError(
    "nginx did not read its new configuration within 10 seconds",
    "on the server: systemctl status piku-web",
  );
}

// Where it exists, systemd starts nginx anew, and `piku web` sees to its files before.
const webUnit = "/etc/systemd/system/piku-web.service";

/**
 * Whether nginx's master takes no signals: it reads its files meanwhile, and waits for ever where
 * one of them is a pipe. A signal that it does not take stays pending (proc(5): ShdPnd). Where
 * /proc hides that, it does not show.
 */
export function isStuck(host: Host, master: number): boolean {
  const isPending = () => /^ShdPnd:\s*0*[1-9a-f]/m.test(host.read(`/proc/${master}/status`) ?? "");
  host.signal(master, "WINCH");
  for (const start = host.ticks(); host.ticks() - start < answerPatience; host.sleep(10))
    if (!isPending()) return false;
  return true;
}

/**
 * Sees to it that what nginx says can be read: an app may have removed its log, or have put
 * something else in its place.
 */
function beginLog(host: Host, log: string, master: number): void {
  if (host.stat(log)?.type === "file") return;
  host.remove(log);
  host.signal(master, "USR1");
  for (const start = host.ticks(); host.ticks() - start < answerPatience && !host.stat(log); )
    host.sleep(10);
}

/**
 * The processes that a master has started; kernels without CONFIG_PROC_CHILDREN tell it process by
 * process only.
 */
function workersOf(host: Host, master: number): number[] {
  const children = host.read(`/proc/${master}/task/${master}/children`);
  if (children !== undefined) return children.split(" ").filter(Boolean).map(Number);
  return everyProcess(host)
    .filter(({ parent }) => parent === master)
    .map(({ pid }) => pid);
}

/** Asks root's side for a reload: it answers once nginx took it, or with nginx's complaint. */
function askForReload(host: Host): string | undefined {
  const words = [
    "-sS",
    "--unix-socket",
    reloadSocket,
    "--max-time",
    "60",
    "-w",
    "\n%{http_code}",
    "http://localhost/",
  ];
  const { status, stdout, stderr } = host.capture(["curl", ...words]);
  const at = stdout.lastIndexOf("\n");
  const code = stdout.slice(at + 1);
  if (status === 0 && code === "200") return undefined;
  if (status === 0 && code === "500") return stdout.slice(0, at).trim() || "it does not say why";
  throw new PikuError(
    `nginx could not be asked to read its new configuration: ${stderr.trim() || `the answer was ${code}`}`,
    "on the server: systemctl status piku-nginx.socket",
  );
}

/** nginx's masters of this machine, by their titles. */
const masters = (host: Host) =>
  commandLines(host, (title) => title.startsWith("nginx: master process"));

const showAgainAfter = 2_500;

/**
 * The way of piku's version 1, for boards that were updated without root: a unit watches the folder
 * of sites, or a command of the administrator's has nginx reload; that it took shows in its
 * workers' titles alone. A unit that has missed a change is shown another.
 */
function awaitReload(host: Host, paths: Paths, command: string | undefined): string | undefined {
  const workers = () => {
    const all = commandLines(host, (title) => title.startsWith("nginx: worker process"));
    return all.filter(({ title }) => !title.includes("is shutting down")).map(({ pid }) => pid);
  };
  const before = workers();
  const ran = command ? host.capture(["sh", "-c", command]) : undefined;
  if (ran && ran.status !== 0)
    return readComplaint(paths, ran.stderr) ?? ran.stderr.trim().split("\n").at(-1);
  const start = host.ticks();
  for (let shown = start; host.ticks() - start < patience; host.sleep(20)) {
    const now = workers();
    if (
      now.length > 0 &&
      before.some((pid) => !now.includes(pid)) &&
      now.some((pid) => !before.includes(pid))
    )
      return undefined;
    if (command || host.ticks() - shown < showAgainAfter) continue;
    shown = host.ticks();
    touchSites(host, paths);
  }
  throw new PikuError(
    "nginx did not read its new configuration within 10 seconds",
    "on the server: sudo nginx -t tells why; doctor names the command that ends this way of asking",
  );
}

/** Shows a change to what watches the folder of sites. */
function touchSites(host: Host, { nginx }: Paths): void {
  host.write(`${nginx}/.change`, "");
  host.remove(`${nginx}/.change`);
}

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
