import { askProgram } from "../app/answers.ts";
import type { Ports } from "../app/board-settings.ts";
import type { Paths } from "../app/paths.ts";
import type { Host } from "../host/host.ts";
import { PikuError } from "../text/errors.ts";
import { defaultPortsIn, mayUse, serverNamesIn } from "./directives.ts";

/** The names of a site's own nginx logs (NGINX_LOG). */
export const nginxLogs = ["access", "error"] as const;

/** How HTTP/2 is enabled: by an option of `listen`, by a directive, or not at all. */
export type Http2 = "listen" | "directive" | "none";

/** What this machine's nginx can do. */
export interface Abilities {
  http2: Http2;
  /**
   * Whether it knows how much of a request has been sent (`$upstream_bytes_sent`, since 1.15.8).
   */
  countsSent: boolean;
  /**
   * Whether it can limit connections and show the board's page; Debian's nginx-light could not before
   * Debian 12.
   */
  limits: boolean;
  /** `ssl_reject_handshake`, since 1.19.4. */
  rejects: boolean;
  /** The option `-e`, since 1.19.5. */
  hasLogOption: boolean;
}

/** Asks nginx itself (`nginx -V`). Throws if it is not installed. */
export function askNginx(host: Host): Abilities {
  const { status, stderr } = askProgram(host, ["nginx", "-V"]);
  if (status !== 0)
    throw new PikuError(
      "nginx is not installed on the server",
      "on the server: sudo apt install nginx-light",
    );
  const version = (/nginx\/([\d.]+)/.exec(stderr)?.[1] ?? "0").split(".").map(Number);
  const hasHttp2 = stderr.includes("--with-http_v2_module");
  return {
    http2: !hasHttp2 ? "none" : atLeast(version, [1, 25, 1]) ? "directive" : "listen",
    countsSent: atLeast(version, [1, 15, 8]),
    limits: !/--without-http_(limit_conn|geo|map|ssi)_module/.test(stderr),
    rejects: atLeast(version, [1, 19, 4]),
    hasLogOption: atLeast(version, [1, 19, 5]),
  };
}

function atLeast(version: readonly number[], wanted: readonly number[]): boolean {
  const at = wanted.findIndex((part, i) => part !== (version[i] ?? 0));
  return at < 0 || (version[at] ?? 0) > wanted[at]!;
}

const maxSiteBytes = 2 * 1024 * 1024;

/** Whether a path is a regular file or a link to one: nginx would wait for ever for a pipe. */
export function isPlainFile(host: Host, path: string): boolean {
  const entry = host.stat(path);
  const real = entry?.type === "link" ? host.realPath(path) : path;
  return real !== undefined && host.stat(real)?.type === "file";
}

/**
 * The text of a site; empty if it cannot be read or is too large to be ours: an app may have put it
 * there.
 */
export function readSite(host: Host, path: string): string {
  try {
    return isPlainFile(host, path) ? (host.read(path, maxSiteBytes) ?? "") : "";
  } catch {
    return "";
  }
}

/**
 * The apps that have a file with this ending in piku's folder of sites; nginx reads those that end
 * in `.conf`.
 */
export const appsWithSite = (host: Host, { nginx }: Paths, ending = ".conf"): string[] =>
  host
    .list(nginx)
    .filter((name) => name.endsWith(ending) && !name.startsWith("."))
    .map((name) => name.slice(0, -ending.length));

/** The sites in piku's folder: app -> text. */
export const readSites = (host: Host, paths: Paths): Map<string, string> =>
  new Map(
    appsWithSite(host, paths).map((name) => [name, readSite(host, `${paths.nginx}/${name}.conf`)]),
  );

/** Refuses a server name that another app's site uses anywhere in its file. */
export function refuseTakenNames(
  names: readonly string[],
  app: string,
  sites: ReadonlyMap<string, string>,
  hostname?: string,
): void {
  for (const [other, site] of sites) {
    if (other === app || !mayUse(site, names)) continue;
    const theirs = serverNamesIn(site, hostname);
    const taken = names.find((name) => theirs.has(name));
    if (taken)
      throw new PikuError(
        `the server name '${taken}' belongs to app '${other}'`,
        "take another one (NGINX_SERVER_NAME, or the file of NGINX_INCLUDE_FILE), or take it away from that app first",
      );
  }
}

/**
 * Refuses a second default site: nginx allows one for each port, and otherwise refuses all sites.
 */
export function refuseSecondDefault(
  host: Host,
  app: string,
  sites: ReadonlyMap<string, string>,
  ports: Ports,
  isShared: boolean,
): void {
  const isTaken = (text: string) =>
    defaultPortsIn(text).some((port) => Object.values(ports).includes(port));
  const other = [...sites].find(([name, site]) => name !== app && isTaken(site))?.[0];
  if (other)
    throw new PikuError(
      `app '${other}' answers for unknown names already`,
      `take NGINX_DEFAULT away from it first: config:set ${other} NGINX_DEFAULT=false`,
    );
  // Our own nginx does not read these.
  const file = (isShared ? ["/etc/nginx/sites-enabled", "/etc/nginx/conf.d"] : [])
    .flatMap((folder) => host.list(folder).map((name) => `${folder}/${name}`))
    .find((path) => isTaken(host.read(path) ?? ""));
  if (file)
    throw new PikuError(
      `the server's own nginx answers for unknown names already, by ${file}`,
      `on the server: sudo rm ${file} && sudo systemctl reload nginx; or take \`default_server\` out of it`,
    );
}
