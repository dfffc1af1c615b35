import type { App } from "../app/app.ts";
import type { Ports } from "../app/board-settings.ts";
import type { Settings } from "../app/env-file.ts";
import type { Paths } from "../app/paths.ts";
import { isUwsgiKind, type Scaling, siteKinds, type Workers } from "../app/procfile.ts";
import type { Slot } from "../app/releases.ts";
import { setting } from "../app/settings.ts";
import type { Host } from "../host/host.ts";
import type { Commit } from "../repository/commit.ts";
import { includedFile } from "../repository/include.ts";
import { PikuError } from "../text/errors.ts";
import { printable } from "../text/text.ts";
import type { PortNeeds } from "../workers/ports.ts";
import { slotFlag, socketLink } from "../workers/worker.ts";
import { type Cache, planCache } from "./cache.ts";
import { maintenanceFile } from "./maintenance.ts";
import { parseRedirected, siteNames } from "./names.ts";
import type { Http2 } from "./nginx.ts";
import { type Mapping, parseMappings } from "./static.ts";

/** What an app's nginx site is made from. */
export interface Site {
  app: string;
  /** Its names, checked; the first is the one that is shown. */
  names: string[];
  /** Names from which people are sent to the first one. */
  redirected: string[];
  /** Whether it answers for names that no site has. */
  isDefault: boolean;
  ports: Ports;
  /** The only port, http, of a site that has no name. */
  ownPort?: number;
  ipv4: string;
  /** Undefined where there is no IPv6. */
  ipv6?: string;
  /** How this nginx is told to speak HTTP/2: since 1.25.1 by a directive of its own. */
  http2: Http2;
  /** Whether this nginx can tell how much of a request was sent to the app: since 1.15.8. */
  countsSent: boolean;
  certificate: string;
  key: string;
  httpsOnly: boolean;
  /** The folder from which ACME challenges are answered. */
  challenges: string;
  /** The page that is shown instead of everything else while this file is there. */
  maintenance: string;
  /** The file of who may come in, and its content (auth_basic_user_file). */
  password?: { file: string; users: string };
  backend?: Backend;
  /** In the place of a backend: the kind of worker that would answer, of which there are 0. */
  idle?: string;
  /** The folder of the app's own page for visitors while it does not answer: its `503.html`. */
  page?: string;
  statics: Mapping[];
  /** What a static mapping answers for a path that is no file; a script of PHP is uWSGI's to run. */
  catchAll?: string;
  allowGit: boolean;
  /**
   * Whether the app's own folder is served by something else than nginx, so that its settings must
   * be kept from it.
   */
  hidesFiles: boolean;
  /**
   * The largest body of a request that reaches the app, in nginx's grammar. Undefined where a shared
   * nginx's own limit counts.
   */
  maxBody?: string;
  cache?: Cache;
  /**
   * Who may come in, where nobody may but Cloudflare: the file of its addresses, and whoever
   * deploys.
   */
  cloudflare?: { ranges: string; deployer?: string };
  /**
   * The folder for the lines that nginx writes about it, where they are not to go where all others
   * go.
   */
  logs?: string;
  /** Of an isolated app: its own folders, in which nginx follows no link. */
  own?: readonly string[];
  /** Directives of the app's own, for the server block. */
  include?: string;
}

/**
 * Where requests go. The live generation is at `first`; with a `flag`, a file that is there or not,
 * it is at `second` while the file is there, and nobody asks at the other addresses: whoever
 * listens there may be anybody.
 */
export interface Backend {
  protocol: "uwsgi" | "http";
  first: string[];
  second?: string[];
  flag?: string;
}

/** What a site's certificate is for, where it lies, and where its authority asks nginx. */
export function certifiedOf(app: App, settings: Settings, ports: Ports) {
  const names = siteNames(settings);
  return {
    app: app.name,
    names,
    redirected: names.length > 0 ? parseRedirected(settings, names) : [],
    ports,
    ipv4: setting(settings, "NGINX_IPV4_ADDRESS"),
    certificate: `${app.paths.nginx}/${app.name}.crt`,
    key: `${app.paths.nginx}/${app.name}.key`,
  };
}

/** The facts of a site, from an app's settings; undefined for an app without a server name. */
export function planSite(
  app: App,
  workers: Workers,
  settings: Settings,
  machine: {
    http2: Http2;
    countsSent: boolean;
    ipv6: boolean;
    ports: Ports;
    isShared?: boolean;
    /** PIKU_FOLDERS. */
    folders: readonly string[];
    defaultApp?: string;
    deployer?: string;
    /** Its port, if it has no name. */
    ownPort?: number;
    /** Whether the app is isolated (PIKU_ISOLATION). */
    isIsolated?: boolean;
  },
  backend: Backend | undefined,
): Site | undefined {
  const certified = certifiedOf(app, settings, machine.ports);
  const statics = parseMappings(app, workers, settings, machine.folders);
  const catchAll = setting(settings, "NGINX_CATCH_ALL")?.replace(/^\/?/, "/");
  const { ownPort } = machine;
  const names = ownPort === undefined ? certified.names : ["_"];
  const idle = backend ? undefined : siteKinds.find((kind) => kind in workers);
  if (names.length === 0 || !(backend || idle || statics.length > 0)) return undefined;
  return {
    ...certified,
    names,
    ownPort,
    isDefault:
      settings.NGINX_DEFAULT === undefined
        ? machine.defaultApp === app.name
        : setting(settings, "NGINX_DEFAULT"),
    ipv6:
      machine.ipv6 && !setting(settings, "DISABLE_IPV6")
        ? setting(settings, "NGINX_IPV6_ADDRESS")
        : undefined,
    http2: machine.http2,
    countsSent: machine.countsSent,
    httpsOnly: ownPort === undefined && setting(settings, "NGINX_HTTPS_ONLY"),
    challenges: app.paths.acme,
    maintenance: maintenanceFile(app),
    password: passwordOf(app, settings),
    backend,
    idle,
    statics,
    catchAll: "php" in workers && catchAll?.endsWith(".php") ? undefined : catchAll,
    allowGit: setting(settings, "NGINX_ALLOW_GIT_FOLDERS"),
    hidesFiles: "php" in workers,
    maxBody:
      machine.isShared && settings.NGINX_MAX_BODY_SIZE === undefined
        ? undefined
        : setting(settings, "NGINX_MAX_BODY_SIZE"),
    logs: setting(settings, "NGINX_LOG")
      ? machine.isIsolated
        ? siteLogFolder(app)
        : app.logs
      : undefined,
    cache: backend && planCache(app, settings, machine.folders),
    cloudflare: setting(settings, "NGINX_CLOUDFLARE_ACL")
      ? { ranges: rangesFile(app.paths), deployer: machine.deployer }
      : undefined,
    ...(machine.isIsolated ? { own: [app.tree, app.data, app.envs] } : {}),
  };
}

/** Where nginx writes about an isolated app, which cannot write there. */
export const siteLogFolder = ({ logs }: App) => `${logs}~`;

/**
 * Who may come in with PIKU_PASSWORD. A file of another hash has another name, so that a site that
 * comes back, after a change that failed, has its own.
 */
function passwordOf(app: App, settings: Settings): Site["password"] {
  const hash = setting(settings, "PIKU_PASSWORD");
  if (hash === undefined) return undefined;
  const salt = hash.split("$")[2]!.replace(/\W/g, "_").slice(0, 16);
  return { file: `${app.releases}/password-${salt}`, users: usersFile(hash, app.name) };
}

/** The lines of a password file (ngx_http_auth_basic_module). */
export const usersFile = (hash: string, ...names: string[]) =>
  [...new Set([...names, "piku"])].map((name) => `${name}:${hash}\n`).join("");

/**
 * The addresses of a site in a browser, the plain one first. `server` stands for a site without a
 * name of its own.
 */
export function addressesOf(
  { names, ports, ownPort, httpsOnly }: Pick<Site, "names" | "ports" | "ownPort" | "httpsOnly">,
  server: string,
) {
  if (ownPort !== undefined) return [`http://${inUrl(server)}:${ownPort}/`];
  const url = (scheme: string, port: number, usual: number) =>
    `${scheme}://${names[0] === "_" ? server : names[0]}${port === usual ? "" : `:${port}`}/`;
  return [...(httpsOnly ? [] : [url("http", ports.http, 80)]), url("https", ports.https, 443)];
}

/** An address as it stands in a URL: an IPv6 one in brackets. */
const inUrl = (server: string) => (server.includes(":") ? `[${server}]` : server);

/** Which protocol nginx speaks with an app that has these workers. */
export const protocolOf = (workers: Workers): Backend["protocol"] =>
  Object.keys(workers).some(isUwsgiKind) ? "uwsgi" : "http";

/** Where nginx finds the app. */
export function planBackend(
  app: App,
  workers: Workers,
  scaling: Scaling,
  { ports, switches, bind }: PortNeeds,
  webSleeps = false,
): Backend | undefined {
  const kind = siteKinds.find((one) => one in workers);
  const count = kind === undefined ? 0 : (scaling[kind] ?? 0);
  if (kind === undefined || count === 0) return undefined;
  if (isUwsgiKind(kind) || webSleeps)
    return {
      protocol: protocolOf(workers),
      first: Array.from({ length: count }, (_, i) => `unix:${socketLink(app, i + 1)}`),
    };
  const address = bind === "0.0.0.0" || bind === "::" || bind === "[::]" ? "127.0.0.1" : bind;
  const servers = (slot: Slot) => ports[slot].slice(0, count).map((port) => `${address}:${port}`);
  return switches
    ? { protocol: "http", first: servers("a"), second: servers("b"), flag: slotFlag(app) }
    : { protocol: "http", first: servers("a") };
}

const maxIncludeBytes = 1_000_000;

/** The directives of NGINX_INCLUDE_FILE, a file of the app, with its settings put in. */
export function readInclude(host: Host, commit: Commit, settings: Settings): string | undefined {
  const file = includedFile(host, commit, settings, "NGINX_INCLUDE_FILE");
  if (!file) return undefined;
  let size = 0;
  return file.content.replace(/\$(?:(\w+)|\{(\w+)\})/g, (all, bare?: string, braced?: string) => {
    const name = (bare ?? braced)!;
    // What has several lines would be directives of its own.
    if (!Object.hasOwn(settings, name) || settings[name]!.includes("\n")) return all;
    size += settings[name]!.length;
    if (size > maxIncludeBytes)
      throw new PikuError(
        `NGINX_INCLUDE_FILE: '${printable(file.name)}' becomes larger than 1 MB with its settings`,
      );
    return settings[name]!;
  });
}

/**
 * The file that sites include which let in only Cloudflare. Its name does not end in `.conf`, so
 * nginx does not take it for a site.
 */
export const rangesFile = (paths: Paths) => `${paths.nginx}/cloudflare.acl`;
