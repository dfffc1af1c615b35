import type { BoardSettings } from "../app/board-settings.ts";
import type { Paths } from "../app/paths.ts";
import type { Host } from "../host/host.ts";
import { commandLines, everyProcess, listenersOf, pidIn, titleOf } from "../host/processes.ts";
import { serviceCommand } from "../host/services.ts";
import { waitUntil } from "../host/wait.ts";
import { PikuError } from "../text/errors.ts";
import { readComplaint } from "./complaint.ts";
import { webFiles } from "./main-file.ts";

/**
 * The nginx that serves the sites now: piku's own; one shared with other sites, which reloads
 * through a socket that install.sh set up; one that reloads by the administrator's command
 * (PIKU_NGINX_RELOAD) or by the unit of piku 0.1 that watches the folder of sites; or none.
 */
export type RunningNginx =
  | { way: "own"; master: number }
  | { way: "shared" }
  | { way: "watched"; command?: string }
  | { way: "none" };

/**
 * The socket on which systemd accepts reload requests for root's nginx (install.sh:
 * piku-nginx.socket).
 */
const reloadSocket = "/run/piku/nginx.sock";

/**
 * Finds the nginx that serves the sites, by what runs and not by what is configured. `command`:
 * PIKU_NGINX_RELOAD.
 */
export function runningNginx(host: Host, paths: Paths, command?: string): RunningNginx {
  const master = ownMaster(host, paths);
  if (master !== undefined) return { way: "own", master };
  if (command) return { way: "watched", command };
  if (host.stat(reloadSocket)) return { way: "shared" };
  return masters(host).length > 0 ? { way: "watched" } : { way: "none" };
}

/**
 * Whether nginx runs as another user, who must be able to open an app's sockets; if no nginx runs,
 * whether the board is configured so.
 */
export function isShared(
  host: Host,
  paths: Paths,
  { nginx, reload }: Pick<BoardSettings, "nginx" | "reload">,
): boolean {
  const { way } = runningNginx(host, paths, reload);
  return way === "none" ? nginx === "shared" : way !== "own";
}

/**
 * The master process of piku's own nginx. Its command line names the main file; if /proc hides that
 * (ProtectProc), it is recognised by its reaction to a signal.
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
  // An app may have changed or removed the pid file.
  return masters(host).find(({ title }) => title.includes(main))?.pid;
}

const answerTimeout = 1_000;

/**
 * Whether this process is our nginx, which logs every signal. WINCH is ignored by an nginx that is
 * not a daemon (nginx(8)), and by whatever else may have this process id by now.
 */
function doesAnswer(host: Host, paths: Paths, pid: number): boolean {
  const { errors } = webFiles(paths);
  const from = host.stat(errors)?.size ?? 0;
  if (!host.signal(pid, "WINCH")) return false;
  const isNoted = () => host.readFrom(errors, from).text.includes(` ${pid}#${pid}: signal 28 `);
  return waitUntil(host, isNoted, { every: 10, atMost: answerTimeout });
}

const reloadTimeout = 10_000;

/**
 * Reloads the running nginx. Returns its error message if it refused the files and keeps the old
 * ones; throws if it does not react.
 */
export function reload(host: Host, paths: Paths, running: RunningNginx): string | undefined {
  switch (running.way) {
    case "own":
      return reloadOwn(host, paths, running.master);
    case "shared":
      return askForReload(host);
    case "watched":
      return waitForWatchedReload(host, paths, running.command);
    case "none":
      return undefined;
  }
}

/**
 * Sends HUP to our own nginx. nginx checks its files and keeps the old ones if it refuses them,
 * which its log says. The reload is complete when new workers have started and the former ones no
 * longer accept connections.
 */
function reloadOwn(host: Host, paths: Paths, master: number): string | undefined {
  const { errors } = webFiles(paths);
  beginLog(host, errors, master);
  const from = host.stat(errors)?.size ?? 0;
  const earlier = host.readFrom(errors, Math.max(0, from - 262_144)).text;
  // The kernel may omit a child while another one exits (proc(5): children).
  const before = [...new Set([1, 2, 3].flatMap(() => workersOf(host, master)))];
  host.signal(master, "HUP");
  let complaint: string | undefined;
  let looks = 0;
  const hasSettled = () => {
    const [, said = ""] = host.readFrom(errors, from).text.split(/: reconfiguring\n/, 2);
    if (said.split("\n").some(isRefusal)) {
      complaint = readComplaint(paths, said);
      return true;
    }
    const now = workersOf(host, master);
    // On a full disk there is no log.
    if (!said.includes(": start worker process ") && now.every((pid) => before.includes(pid)))
      return false;
    const leaving = (pid: number) =>
      `${earlier}${said}`.includes(` ${pid}#${pid}: gracefully shutting down`);
    const isGone = (pid: number) =>
      !now.includes(pid) ||
      // It says so a moment before it stops accepting, and on a busy machine that is long.
      ((leaving(pid) || titleOf(host, pid).includes("is shutting down")) &&
        listenersOf(host, [pid]).length === 0);
    looks = before.every(isGone) ? looks + 1 : 0;
    return looks === 3;
  };
  if (!waitUntil(host, hasSettled, { every: 10, atMost: reloadTimeout }))
    throw notRead(host, master);
  // If /proc hides the workers nothing shows that the former ones have stopped: nginx waits 0.1 s
  // before it tells them to.
  if (complaint === undefined && before.length === 0) host.sleep(200);
  return complaint;
}

/**
 * Whether a line of nginx's log says that it refuses its files. A port in use is retried for some
 * seconds.
 */
const isRefusal = (line: string) => line.includes("[emerg]") && !line.includes(" bind() to ");

/** The error for an nginx that does not reload. One that is stuck reading its files is killed. */
function notRead(host: Host, master: number): PikuError {
  if (host.stat(webUnit) && isStuck(host, master) && host.signal(master, "KILL"))
    return new PikuError(
      "nginx was stuck in its files for 10 seconds, and is being started anew without those that stop it",
      "try again in half a minute; `doctor` names what was set aside",
    );
  return new PikuError(
    "nginx did not read its new configuration within 10 seconds",
    `on the server: ${serviceCommand(host, "status", "piku-web")}`,
  );
}

// If it exists systemd restarts nginx, and runs `piku web` before.
const webUnit = "/etc/systemd/system/piku-web.service";

/**
 * Whether nginx's master does not handle signals: it is reading its files, and blocks for ever if
 * one of them is a pipe. A signal that is not handled stays pending (proc(5): ShdPnd). Not detected
 * where /proc hides that.
 */
export function isStuck(host: Host, master: number): boolean {
  const isPending = () => /^ShdPnd:\s*0*[1-9a-f]/m.test(host.read(`/proc/${master}/status`) ?? "");
  host.signal(master, "WINCH");
  return !waitUntil(host, () => !isPending(), { every: 10, atMost: answerTimeout });
}

/** Makes sure that nginx has a log: an app may have removed or replaced it. */
function beginLog(host: Host, log: string, master: number): void {
  if (host.stat(log)?.type === "file") return;
  host.remove(log);
  host.signal(master, "USR1");
  waitUntil(host, () => host.stat(log) !== undefined, { every: 10, atMost: answerTimeout });
}

/**
 * The child processes of a master; without CONFIG_PROC_CHILDREN every process has to be examined.
 */
function workersOf(host: Host, master: number): number[] {
  const children = host.read(`/proc/${master}/task/${master}/children`);
  if (children !== undefined) return children.split(" ").filter(Boolean).map(Number);
  return everyProcess(host)
    .filter(({ parent }) => parent === master)
    .map(({ pid }) => pid);
}

/**
 * Requests a reload of root's nginx. The answer comes once nginx has reloaded, or contains its
 * error message.
 */
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

/** The nginx master processes of this machine, by their titles. */
const masters = (host: Host) =>
  commandLines(host, (title) => title.startsWith("nginx: master process"));

const showAgainAfter = 2_500;

/**
 * The reload of piku 0.1, for boards that were updated without root: a unit watches the folder of
 * sites, or the administrator's command reloads nginx. Only the titles of the workers show that it
 * is complete. A unit that has missed a change is triggered again.
 */
function waitForWatchedReload(
  host: Host,
  paths: Paths,
  command: string | undefined,
): string | undefined {
  const workers = () => {
    const all = commandLines(host, (title) => title.startsWith("nginx: worker process"));
    return all.filter(({ title }) => !title.includes("is shutting down")).map(({ pid }) => pid);
  };
  const before = workers();
  const ran = command ? host.capture(["sh", "-c", command]) : undefined;
  if (ran && ran.status !== 0)
    return readComplaint(paths, ran.stderr) ?? ran.stderr.trim().split("\n").at(-1);
  const areNew = () => {
    const now = workers();
    return (
      now.length > 0 &&
      before.some((pid) => !now.includes(pid)) &&
      now.some((pid) => !before.includes(pid))
    );
  };
  let shown = 0;
  const showAgain = (passed: number) => {
    if (command || passed - shown < showAgainAfter) return;
    shown = passed;
    touchSites(host, paths);
  };
  if (waitUntil(host, areNew, { every: 20, atMost: reloadTimeout, meanwhile: showAgain }))
    return undefined;
  throw new PikuError(
    "nginx did not read its new configuration within 10 seconds",
    "on the server: sudo nginx -t tells why; doctor names the command that ends this way of asking",
  );
}

/** Triggers whatever watches the folder of sites. */
function touchSites(host: Host, { nginx }: Paths): void {
  host.write(`${nginx}/.change`, "");
  host.remove(`${nginx}/.change`);
}
