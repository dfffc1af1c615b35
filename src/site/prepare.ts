import { type Ports, readBoardSettings } from "../app/board-settings.ts";
import type { Paths } from "../app/paths.ts";
import type { Host } from "../host/host.ts";
import { isListening } from "../host/processes.ts";
import { PikuError } from "../text/errors.ts";
import { splitAddress } from "../text/text.ts";
import { blamedSite, readComplaint } from "./complaint.ts";
import { listensIn, readDirectives } from "./directives.ts";
import { webFiles, writeMain } from "./main-file.ts";
import { appsWithSite, askNginx, isPlainFile, readSites } from "./nginx.ts";
import { bringSiteBack, leaveAside, setAside, setStrangeAside } from "./refused.ts";

/**
 * nginx's complaint about its files, or undefined. The caller must be allowed to bind the board's
 * ports, as `nginx -t` does.
 */
function complaintOf(host: Host, paths: Paths): string | undefined {
  // If a site names a pipe, nginx waits for ever.
  const timeout = ["timeout", "-s", "KILL", "20"];
  const ran = host.capture([
    ...timeout,
    "nginx",
    "-t",
    "-q",
    ...logOption(host),
    "-c",
    webFiles(paths).main,
  ]);
  if (ran.status === 0) return undefined;
  return (
    readComplaint(paths, ran.stderr) ?? "it does not get to the end of its files within 20 seconds"
  );
}

/**
 * nginx before 1.19.5 does not have this option; it complains that it cannot open its log in
 * /var/log, but continues.
 */
const logOption = (host: Host) => (askNginx(host).hasLogOption ? ["-e", "stderr"] : []);

/**
 * Makes sure that nginx can start: sets aside the sites that it refuses, and those whose port
 * another program uses (`nginx -t` does not detect that). Run just before nginx starts. Returns the
 * sites that were set aside, and why. Throws if nginx refuses its files even without any site.
 */
export function prepareWeb(host: Host, paths: Paths): Map<string, string> {
  for (const path of Object.values(webFiles(paths)))
    if (host.stat(path) && !isPlainFile(host, path)) host.remove(path);
  writeMain(host, paths);
  // A pid file left by a power cut may name another process by now.
  host.remove(webFiles(paths).pid);
  for (const name of appsWithSite(host, paths, ".refused")) bringSiteBack(host, paths, name);
  const aside = setStrangeAside(host, paths);
  const refuse = (name: string, why: string) => {
    setAside(host, paths, name, why);
    aside.set(name, why);
  };
  const { ports } = readBoardSettings(host, paths.settings);
  for (const [name, site] of readSites(host, paths)) {
    const taken = takenPort(host, ports, site);
    if (namesPipe(host, site)) refuse(name, "it names a pipe, for which nginx would wait for ever");
    else if (taken) refuse(name, `another program of the board has ${taken}`);
  }
  for (;;) {
    const complaint = complaintOf(host, paths);
    if (complaint === undefined) return aside;
    const blamed = blamedSite(complaint);
    if (blamed === undefined || !host.stat(`${paths.nginx}/${blamed}.conf`)) break;
    refuse(blamed, complaint);
  }
  // nginx names no site, so they are added one by one.
  const names = appsWithSite(host, paths);
  for (const name of names) setAside(host, paths, name, "it was being tried");
  let bare = complaintOf(host, paths);
  if (bare !== undefined) {
    // An app may have replaced one of nginx's logs or folders.
    host.remove(`${paths.web}.former`);
    host.rename(paths.web, `${paths.web}.former`);
    writeMain(host, paths);
    bare = complaintOf(host, paths);
  }
  for (const name of names) {
    bringSiteBack(host, paths, name);
    const complaint = bare === undefined ? complaintOf(host, paths) : undefined;
    if (complaint !== undefined) refuse(name, complaint);
  }
  if (bare !== undefined)
    throw new PikuError(`nginx refuses its main file: ${bare}`, `look at ${paths.settings}`);
  return aside;
}

/** Whether a directive of a site names a pipe. Devices are fine: logs may go to /dev/null. */
const namesPipe = (host: Host, site: string): boolean =>
  readDirectives(site)
    .flat()
    .some((word) => {
      const real =
        word.startsWith("/") && !word.startsWith("/dev/") ? host.realPath(word) : undefined;
      return real !== undefined && host.stat(real)?.type === "other";
    });

/** A port that only this site listens on and another program uses; nginx is not running. */
function takenPort(host: Host, ports: Ports, site: string): string | undefined {
  const isTaken = (listen: string) => {
    const { address, port } = splitAddress(listen);
    if (Object.values(ports).includes(port)) return false;
    return address.startsWith("[")
      ? isListening(host, port)
      : !host.canBind(address === "*" ? "0.0.0.0" : address, port);
  };
  return listensIn(site).find(isTaken);
}

/**
 * Prepares the change from a shared nginx to piku's own, and tests all sites. Returns what was
 * renamed because another user owns it, and nginx's complaint. For install.sh, which may bind the
 * board's ports.
 */
export function tryWeb(host: Host, paths: Paths): { aside: string[]; complaint?: string } {
  writeMain(host, paths);
  markDefault(host, paths);
  return { aside: leaveAside(host, paths), complaint: complaintOf(host, paths) };
}

/**
 * Marks the site of PIKU_DEFAULT_APP, and its copy in the release, as the default: it answered for
 * unknown names before.
 */
function markDefault(host: Host, paths: Paths): void {
  const { defaultApp, ports } = readBoardSettings(host, paths.settings);
  if (defaultApp === undefined) return;
  const path = `${paths.nginx}/${defaultApp}.conf`;
  const site = host.read(path);
  if (site === undefined) return;
  const marked = asDefault(site, Object.values(ports));
  if (marked === site) return;
  const folder = `${paths.releases}/${defaultApp}`;
  for (const copy of host.list(folder).filter((name) => /^\d+\.conf$/.test(name)))
    if (host.read(`${folder}/${copy}`) === site) host.write(`${folder}/${copy}`, marked, 0o600);
  host.write(path, marked);
}

/** Marks the first server of a site on each of these ports as the default server. */
export function asDefault(site: string, ports: readonly number[]): string {
  if (/^\s*listen\s[^;]*\bdefault_server\b/m.test(site)) return site;
  const seen = new Set<string>();
  return site.replace(
    /^([ \t]*listen[ \t]+)([^\s;]+)/gm,
    (line, before: string, address: string) => {
      if (seen.has(address) || !ports.includes(Number(/(\d+)$/.exec(address)?.[1]))) return line;
      seen.add(address);
      return `${before}${address} default_server`;
    },
  );
}
