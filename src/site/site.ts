import { defu } from "defu";
import { type App, printable } from "../app/app.ts";
import type { Ports } from "../app/board-settings.ts";
import { type Scaling, siteKinds, type Workers } from "../app/procfile.ts";
import type { Slot } from "../app/releases.ts";
import type { Settings } from "../app/settings.ts";
import type { Host } from "../host/host.ts";
import type { Commit } from "../repository/git.ts";
import { includedFile } from "../repository/include.ts";
import { PikuError } from "../text/errors.ts";
import { isOn, text } from "../text/text.ts";
import type { Place } from "../workers/ports.ts";
import { isInside, slotFlag, socketLink } from "../workers/vassal.ts";
import { type Cache, planCache, renderCacheLocation, renderCacheZone } from "./cache.ts";
import { rangesFile } from "./cloudflare.ts";
import { readDirectives } from "./directives.ts";
import { holdsOurs, isBelow, mayServe, servedHint } from "./folders.ts";
import { maintenanceFile, renderMaintenance } from "./maintenance.ts";
import { type Http2, nginxLogs } from "./nginx.ts";

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
  backend?: Backend;
  statics: Mapping[];
  /** What a static mapping answers for a path that is no file. */
  catchAll?: string;
  allowGit: boolean;
  /** Whether the app's own folder is served by something else than nginx, so that its settings must be kept from it. */
  hidesFiles: boolean;
  cache?: Cache;
  /** Who may come in, where nobody may but Cloudflare: the file of its addresses, and whoever deploys. */
  cloudflare?: { ranges: string; deployer?: string };
  /** The folder for the lines that nginx writes about it, where they are not to go where all others go. */
  logs?: string;
  /** Directives of the app's own, for the server block. */
  include?: string;
}

/**
 * Where requests go. The live generation is at `first`; with a `flag`, a file that is there or not, it is at
 * `second` while the file is there, and nobody asks at the other addresses: whoever listens there may be anybody.
 */
export interface Backend {
  protocol: "uwsgi" | "http";
  first: string[];
  second?: string[];
  flag?: string;
}

/** A path of the site whose files nginx serves by itself, from a folder. */
export interface Mapping {
  url: string;
  folder: string;
}

const namePattern =
  /^(_|(\*\.|\.)?([A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?\.)*[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.\*)?\.?|\[[0-9a-fA-F:.]+\])$/;

/** The names in a setting, with commas or blanks between them. Throws for what nginx would read as something else. */
export function parseServerNames(value: string | undefined, key = "NGINX_SERVER_NAME"): string[] {
  const names = (value ?? "").split(/[\s,]+/).filter((name) => name !== "");
  const bad = names.find((name) => name.length > 253 || !namePattern.test(name));
  if (bad !== undefined) {
    throw new PikuError(
      `${key}: '${printable(bad)}' cannot be a server's name`,
      "write names such as app.example.com, with commas between them",
    );
  }
  return [...new Set(names.map((name) => name.toLowerCase()))];
}

/** The names of an app's site. The one that answers for unknown names needs none of its own. */
export function siteNames(settings: Settings): string[] {
  const names = parseServerNames(settings.NGINX_SERVER_NAME);
  return names.length === 0 && isOn(settings.NGINX_DEFAULT) ? ["_"] : names;
}

/** The names from which people are sent on to the first of `names`. Throws when there is no telling where to. */
function parseRedirected(settings: Settings, names: readonly string[]): string[] {
  const key = "NGINX_REDIRECT_FROM";
  const redirected = parseServerNames(settings[key], key).filter((name) => !names.includes(name));
  if (redirected.length > 0 && /^[_.]|\*|\.$/.test(names[0]!))
    throw new PikuError(
      `${key}: nobody can be sent to '${names[0]}'`,
      "put a name without '*' and '_' first in NGINX_SERVER_NAME",
    );
  return redirected;
}

/**
 * The static mappings of an app: its `static` worker (`/`, `dir` or `/url:dir`), then NGINX_STATIC_PATHS
 * (`/url:dir,/url2:/an/absolute/dir`). `allowed` are the folders of PIKU_FOLDERS. Throws for a mapping that is none, or that
 * leaves the app.
 */
export function parseMappings(
  app: App,
  workers: Workers,
  settings: Settings,
  allowed: readonly string[] = [],
): Mapping[] {
  const items = (settings.NGINX_STATIC_PATHS ?? "").split(",").map((item) => item.trim());
  const paths = items.filter((item) => item !== "").map((item) => mapping(app, item, "NGINX_STATIC_PATHS", allowed));
  const worker =
    workers.static === undefined ? [] : [mapping(app, staticWorker(workers.static), "the static worker", allowed)];
  const twice = paths.find(({ url }, i) => paths.findIndex((other) => other.url === url) !== i);
  if (twice) throw new PikuError(`NGINX_STATIC_PATHS maps '${twice.url || "/"}' twice`);
  return [...worker, ...paths.filter(({ url }) => worker.every((other) => other.url !== url))];
}

/** `dir` and `/` mean the site's root; `/url:dir` is a mapping like any other. */
const staticWorker = (command: string) =>
  /^\/[^:]*:/.test(command) ? command : `/:${command.replace(/^\/+/, "") || "."}`;

// PATH_MAX of Linux.
const longestPath = 4096;

function mapping(app: App, item: string, where: string, allowed: readonly string[]): Mapping {
  const [, url = "", folder = ""] = /^([^:]*):(.*)$/.exec(item) ?? [];
  const hint = "write /url:folder, the folder below the app or an absolute one, such as /static:public";
  if (item.length > longestPath || !/^\/[\w.~/-]*$/.test(url) || url.includes(".."))
    throw new PikuError(`${where}: '${printable(item)}' is no mapping`, hint);
  if (!/^[^\x00-\x1f"$\\]+$/.test(folder) || `/${folder}/`.includes("/../")) {
    throw new PikuError(`${where}: '${printable(folder)}' cannot be a folder of static files`, hint);
  }
  const absolute = `/${(folder.startsWith("/") ? folder : `${app.tree}/${folder}`).split("/").filter(isPart).join("/")}`;
  if (!mayServe(app, absolute, allowed)) {
    if (holdsOurs(app, absolute))
      throw new PikuError(`${where}: '${printable(folder)}' holds settings and keys of this server`, hint);
    throw new PikuError(
      `${where}: '${printable(folder)}' is outside of app '${app.name}'`,
      servedHint(app, absolute, allowed),
    );
  }
  return { url: url.replace(/\/+$/, ""), folder: absolute };
}

const isPart = (part: string) => part !== "" && part !== ".";

/** Where a site listens unless its settings, or the board's, say otherwise. */
export const everywhere = { NGINX_IPV4_ADDRESS: "0.0.0.0", NGINX_IPV6_ADDRESS: "[::]" };

/** What a site's certificate is for, where it lies, and where its authority asks nginx. */
export function certifiedOf(app: App, settings: Settings, ports: Ports) {
  const names = siteNames(settings);
  return {
    app: app.name,
    names,
    redirected: names.length > 0 ? parseRedirected(settings, names) : [],
    ports,
    ipv4: address(defu(settings, everywhere).NGINX_IPV4_ADDRESS, "NGINX_IPV4_ADDRESS", /^\d{1,3}(\.\d{1,3}){3}$/),
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
    /** PIKU_FOLDERS. */
    folders: readonly string[];
    defaultApp?: string;
    deployer?: string;
  },
  backend: Backend | undefined,
): Site | undefined {
  const certified = certifiedOf(app, settings, machine.ports);
  const statics = parseMappings(app, workers, settings, machine.folders);
  if (certified.names.length === 0 || (!backend && statics.length === 0)) return undefined;
  const { NGINX_IPV6_ADDRESS } = defu(settings, everywhere);
  return {
    ...certified,
    isDefault: isOn(settings.NGINX_DEFAULT ?? String(machine.defaultApp === app.name)),
    ipv6:
      machine.ipv6 && !isOn(settings.DISABLE_IPV6)
        ? address(NGINX_IPV6_ADDRESS, "NGINX_IPV6_ADDRESS", /^\[[0-9a-fA-F:.]+\]$/)
        : undefined,
    http2: machine.http2,
    countsSent: machine.countsSent,
    httpsOnly: isOn(settings.NGINX_HTTPS_ONLY),
    challenges: app.paths.acme,
    maintenance: maintenanceFile(app),
    backend,
    statics,
    catchAll: catchAll(settings.NGINX_CATCH_ALL),
    allowGit: isOn(settings.NGINX_ALLOW_GIT_FOLDERS),
    hidesFiles: "php" in workers,
    logs: isOn(settings.NGINX_LOG) ? app.logs : undefined,
    cache: backend && planCache(app, settings, machine.folders),
    cloudflare: isOn(settings.NGINX_CLOUDFLARE_ACL)
      ? { ranges: rangesFile(app.paths), deployer: machine.deployer }
      : undefined,
  };
}

function address(value: string, key: string, pattern: RegExp): string {
  if (!pattern.test(value))
    throw new PikuError(`${key}: '${printable(value)}' is no address`, "write 192.0.2.1, or [2001:db8::1]");
  return value;
}

function catchAll(value: string | undefined): string | undefined {
  if (!value) return undefined;
  if (!/^\/?[\w.~/-]+$/.test(value) || value.includes("..")) {
    throw new PikuError(
      `NGINX_CATCH_ALL: '${printable(value)}' is no path`,
      "write a file of the static folder, such as /index.html",
    );
  }
  return value.startsWith("/") ? value : `/${value}`;
}

/** The board's own address, as whoever gave this command by ssh knows it (ssh(1): SSH_CONNECTION). */
export const serverName = (host: Host) => host.env().SSH_CONNECTION?.split(" ")[2] ?? "SERVER";

/** The addresses of a site in a browser, the plain one first. `server` stands for a site without a name of its own. */
export function addressesOf({ names, ports, httpsOnly }: Pick<Site, "names" | "ports" | "httpsOnly">, server: string) {
  const url = (scheme: string, port: number, usual: number) =>
    `${scheme}://${names[0] === "_" ? server : names[0]}${port === usual ? "" : `:${port}`}/`;
  return [...(httpsOnly ? [] : [url("http", ports.http, 80)]), url("https", ports.https, 443)];
}

/** Which protocol nginx speaks with an app that has these workers. */
export const protocolOf = (workers: Workers): Backend["protocol"] =>
  Object.keys(workers).some(isInside) ? "uwsgi" : "http";

/** The text of a site's file. */
export const renderSite = (site: Site) => `# Written by piku; changes are lost.
${site.backend ? renderUpstreams(site, site.backend) : ""}${site.backend && site.cache ? renderCacheZone(site.app, cacheOf(site.backend), site.cache) : ""}${site.redirected.length > 0 ? renderRedirected(site) : ""}${site.httpsOnly ? renderHttpsOnly(site) : ""}${text`
  server {
    ${!site.httpsOnly && listen(site, site.ports.http)}
    ${listenSecurely(site)}
    server_name ${site.names.join(" ")};
    ${renderCertificate(site)}
    ${site.logs && nginxLogs.map((name) => `${name}_log ${site.logs}/nginx.${name}.log;`).join("\n")}
    gzip on;
    gzip_proxied any;
    gzip_types text/plain text/xml text/css text/javascript text/js application/x-javascript application/javascript application/json application/xml+rss application/atom+xml image/svg+xml;
    gzip_comp_level 7;
    gzip_min_length 2048;
    gzip_vary on;
    add_header X-Deployed-By Piku;
    ${site.cloudflare && renderAccess(site.cloudflare)}
    ${renderChallenges(site)}
    ${renderMaintenance(site.maintenance)}
    ${!site.allowGit && "location ~ /\\.git { return 404; }"}
    ${site.hidesFiles && "location ~ /\\.(?!well-known/)|^/(ENV|Procfile)$ { return 404; }"}
    ${site.include?.trimEnd()}
    ${renderStatics(site)}
    ${renderBackend(site)}
  }`}`;

/** A listen line for each address family; the options of one port are the same in all server blocks. */
const listen = ({ ipv4, ipv6, isDefault }: Site, port: number, options = "", answersUnknown = isDefault) =>
  [ipv4, ...(ipv6 ? [ipv6] : [])]
    .map((address) => `listen ${address}:${port}${answersUnknown ? " default_server" : ""}${options};`)
    .join("\n");

const listenSecurely = (site: Site, answersUnknown = site.isDefault) =>
  listen(site, site.ports.https, site.http2 === "listen" ? " ssl http2" : " ssl", answersUnknown) +
  (site.http2 === "directive" ? "\nhttp2 on;" : "");

const renderCertificate = ({ certificate, key }: Site) =>
  `ssl_certificate ${certificate};\nssl_certificate_key ${key};`;

/**
 * Keeps everybody out but Cloudflare, the machine itself and whoever deploys; Cloudflare says whom it asks for. Its file
 * is refreshed without the site being changed.
 */
const renderAccess = ({ ranges, deployer }: NonNullable<Site["cloudflare"]>) =>
  text`
  include ${ranges};
  ${deployer && `allow ${deployer};`}
  allow 127.0.0.1;
  deny all;
  set $piku_client $remote_addr;
  if ($http_cf_connecting_ip) { set $piku_client $http_cf_connecting_ip; }`.trimEnd();

const renderChallenges = ({ challenges }: Site) =>
  text`
  location ^~ /.well-known/acme-challenge {
    allow all;
    root ${challenges};
  }`.trimEnd();

/** The server that sends people from an app's other names to its first. */
const renderRedirected = (site: Site) => {
  const { http, https } = site.ports;
  const secure = `https://${site.names[0]}${https === 443 ? "" : `:${https}`}`;
  const same = `$scheme://${site.names[0]}${http === 80 && https === 443 ? "" : ":$server_port"}`;
  return text`
    server {
      ${listen(site, http, "", false)}
      ${listenSecurely(site, false)}
      server_name ${site.redirected.join(" ")};
      ${renderCertificate(site)}
      ${renderChallenges(site)}
      location / {
        return 301 ${site.httpsOnly ? secure : same}$request_uri;
      }
    }`;
};

/** The server for plain http of a site that wants https only. */
const renderHttpsOnly = (site: Site) => text`
  server {
    ${listen(site, site.ports.http)}
    server_name ${site.names.join(" ")};
    ${renderChallenges(site)}
    location / {
      return 301 https://$host${site.ports.https === 443 ? "" : `:${site.ports.https}`}$request_uri;
    }
  }`;

// A name that no app can have, so that an app called `x.b` is not taken for the other set of ports of `x`.
const slotName = (app: string, slot: "a" | "b") => `${app}~${slot}`;

/**
 * The upstream of the app's name, and the two that the switch uses. Where there are two only an include file names the first,
 * which then has the ports of both: nginx is not reloaded for a switch.
 */
function renderUpstreams({ app, include }: Site, { first, second }: Backend): string {
  const upstream = (name: string, live: string[], standby: string[] = []) => text`
    upstream ${name} {
      ${live.map((server) => `server ${server} max_fails=0;`).join("\n")}
      ${standby.map((server) => `server ${server} max_fails=0 backup;`).join("\n") || undefined}
    }`;
  if (!second) return upstream(app, first);
  return (
    (include && passesItself(include) ? upstream(app, first, second) : "") +
    upstream(slotName(app, "a"), first) +
    upstream(slotName(app, "b"), second)
  );
}

/** Whether an include file may send requests to an upstream by itself. */
const passesItself = (include: string) =>
  readDirectives(include).some(([directive]) => directive === "include" || directive!.endsWith("_pass"));

const uwsgiParams: [string, string][] = [
  ["QUERY_STRING", "$query_string"],
  ["REQUEST_METHOD", "$request_method"],
  ["CONTENT_TYPE", "$content_type"],
  ["CONTENT_LENGTH", "$content_length"],
  ["REQUEST_URI", "$request_uri"],
  ["PATH_INFO", "$document_uri"],
  ["DOCUMENT_ROOT", "$document_root"],
  ["SERVER_PROTOCOL", "$server_protocol"],
  ["REQUEST_SCHEME", "$scheme"],
  ["HTTPS", "$https if_not_empty"],
  ["X_FORWARDED_FOR", "$proxy_add_x_forwarded_for"],
  ["REMOTE_ADDR", "$remote_addr"],
  ["REMOTE_PORT", "$remote_port"],
  ["SERVER_ADDR", "$server_addr"],
  ["SERVER_PORT", "$server_port"],
  ["SERVER_NAME", "$server_name"],
];

const forwarded: [string, string][] = [
  ["X-Forwarded-Proto", "$scheme"],
  ["X-Forwarded-For", "$proxy_add_x_forwarded_for"],
  ["X-Remote-Address", "$remote_addr"],
  ["X-Forwarded-Port", "$server_port"],
  ["X-Request-Start", "$msec"],
];

/** What the caching directives of nginx begin with. */
const cacheOf = ({ protocol }: Backend) => (protocol === "uwsgi" ? "uwsgi" : "proxy");

/** The lines that hand a request to the app. */
function passLines({ app, cloudflare }: Site, { protocol, flag }: Backend): string[] {
  const upstream = flag ? "$piku_slot" : app;
  const client = (value: string) => (cloudflare && value === "$remote_addr" ? "$piku_client" : value);
  if (protocol === "uwsgi")
    return [
      `uwsgi_pass ${upstream};`,
      ...uwsgiParams.map(([name, value]) => `uwsgi_param ${name} ${client(value)};`),
      ...forwarded.map(
        ([name, value]) => `uwsgi_param HTTP_${name.toUpperCase().replaceAll("-", "_")} ${client(value)};`,
      ),
      // httpoxy: a visitor's `Proxy:` would be the app's HTTP_PROXY.
      'uwsgi_param HTTP_PROXY "";',
    ];
  return [
    `proxy_pass http://${upstream};`,
    "proxy_http_version 1.1;",
    "proxy_set_header Upgrade $http_upgrade;",
    "proxy_set_header Connection $piku_connection;",
    "proxy_set_header Host $host;",
    ...forwarded.map(([name, value]) => `proxy_set_header ${name} ${client(value)};`),
    'proxy_set_header Proxy "";',
  ];
}

/** The locations that hand requests to the app. Behind a static mapping of `/` it answers what is no file. */
function renderBackend(site: Site): string | false {
  const { app, backend, statics, cache } = site;
  if (!backend) return false;
  const { protocol, flag } = backend;
  const pass = passLines(site, backend);
  return [
    // An upgrade is asked for only where the client asks; otherwise the connection to the app is closed.
    ...(protocol === "http"
      ? ["set $piku_connection close;", "if ($http_upgrade) { set $piku_connection upgrade; }"]
      : []),
    ...(flag ? [chooseSlot(app, flag)] : []),
    ...(cache ? [renderCacheLocation(app, cacheOf(backend), cache, pass)] : []),
    `location ${statics.some(({ url }) => url === "") ? "@app" : "/"} {`,
    ...pass.map((line) => `  ${line}`),
    "}",
    ...(flag ? [renderSwitched(site, flag, pass)] : []),
  ].join("\n");
}

/** stat(2) for each request: the switch is one file that is made or removed. */
const chooseSlot = (app: string, flag: string) =>
  `set $piku_slot ${slotName(app, "a")};\nif (-f ${flag}) { set $piku_slot ${slotName(app, "b")}; }`;

/**
 * For a request that was on its way while it was switched: nginx chooses where it goes before it has read all of it, which takes
 * minutes for a large one, and finds nobody there. It goes to the live generation then, unless the other one has got
 * some of it and it is none to be sent twice (as by proxy_next_upstream). An include file's own page for 502 goes first.
 */
const renderSwitched = ({ app, countsSent }: Site, flag: string, pass: readonly string[]) =>
  text`
  error_page 502 = @piku_switched;
  location @piku_switched {
    set $piku_tried $piku_slot;
    ${chooseSlot(app, flag)}
    if ($piku_slot = $piku_tried) { return 502; }
    ${countsSent && 'set $piku_sent "$request_method $upstream_bytes_sent";'}
    ${countsSent ? 'if ($piku_sent ~ "^(POST|LOCK|PATCH) .*[1-9]") { return 502; }' : 'if ($request_method ~ "^(POST|LOCK|PATCH)$") { return 502; }'}
    ${pass.join("\n")}
  }`.trimEnd();

const renderStatics = (site: Site) =>
  site.statics.map((mapping) => renderMapping(site, mapping)).join("\n") || undefined;

/**
 * One static mapping. The location and the folder both end in `/`: without it `/static../ENV` would walk out of the
 * folder. A name with a dot in front is no page, nor are an app's own ENV and Procfile. The front page goes straight to its file: each
 * further name that is tried costs several calls to the kernel, since links are looked at (disable_symlinks).
 */
function renderMapping({ catchAll, backend, allowGit }: Site, { url, folder }: Mapping): string {
  const fallback = url === "" && backend ? "@app" : "=404";
  const tries = [
    "$uri",
    "$uri.html",
    ...(fallback === "@app" ? [] : ["$uri/"]),
    ...(catchAll ? [`${url}${catchAll}`] : []),
    fallback,
  ];
  return text`
    ${url !== "" && `location = ${url} { return 301 ${url}/; }`}
    location ${url === "" ? "/" : `^~ ${url}/`} {
      ${url === "" ? `root "${folder}";` : `alias "${folder}/";`}
      index index.html;
      sendfile on;
      tcp_nopush on;
      disable_symlinks if_not_owner "from=${folder}";
      try_files ${tries.join(" ")};
      ${url === "" && fallback === "=404" && "location = / { rewrite ^ /index.html last; }"}
      location ~ /\.(?!well-known/${allowGit && "|git"}) { return 404; }
      location ~ ^${url.replaceAll(".", "\\.")}/(ENV|Procfile)$ { return 404; }
    }`.trimEnd();
}

/** Where nginx finds the app. */
export function planBackend(
  app: App,
  workers: Workers,
  scaling: Scaling,
  { ports, switches, bind }: Place,
): Backend | undefined {
  const kind = siteKinds.find((one) => one in workers);
  const count = kind === undefined ? 0 : (scaling[kind] ?? 0);
  if (kind === undefined || count === 0) return undefined;
  if (isInside(kind))
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

/** Whether there is anything for a site to serve. */
export const hasSite = (workers: Workers, settings: Settings, backend: Backend | undefined) =>
  backend !== undefined || "static" in workers || Boolean(settings.NGINX_STATIC_PATHS);

const mostServed = 1000;

/**
 * Refuses links by which nginx would serve something from outside of the app: in a folder of static files, on the way to one, or
 * in whatever such a link leads to.
 */
export function refuseLinksOut(app: App, statics: readonly Mapping[], links: ReadonlyMap<string, string>): void {
  const served = statics.map(({ folder }) => folder);
  for (const folder of served) {
    for (const [name, target] of links) {
      const path = `${app.tree}/${name}`;
      if (!isBelow(path, folder) && !isBelow(folder, path)) continue;
      const aim = resolvePath(target.startsWith("/") ? target : `${path.slice(0, path.lastIndexOf("/"))}/${target}`);
      const shown = aim + folder.slice(path.length);
      if (!isBelow(shown, app.tree) && !shown.startsWith(`${app.data}/`))
        throw new PikuError(
          `'${printable(name)}' is a link out of the app, in a folder that is served to everybody`,
          `remove it, or link to something below the app or ${app.data}`,
        );
      if (served.some((other) => isBelow(shown, other))) continue;
      served.push(shown);
      if (served.length > mostServed)
        throw new PikuError(`'${printable(name)}' is one of links that lead in a circle`, "remove it");
    }
  }
}

/** A path without `.` and `..`. */
function resolvePath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "." && part !== "") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

const largestInclude = 1_000_000;

/** The directives of NGINX_INCLUDE_FILE, a file of the app, with its settings put in. */
export function readInclude(host: Host, commit: Commit, settings: Settings): string | undefined {
  const file = includedFile(host, commit, settings, "NGINX_INCLUDE_FILE");
  if (!file) return undefined;
  let size = 0;
  return file.content.replace(/\$(?:(\w+)|\{(\w+)\})/g, (all, bare?: string, braced?: string) => {
    const name = (bare ?? braced)!;
    if (!Object.hasOwn(settings, name)) return all;
    size += settings[name]!.length;
    if (size > largestInclude)
      throw new PikuError(`NGINX_INCLUDE_FILE: '${printable(file.name)}' becomes larger than 1 MB with its settings`);
    return settings[name]!;
  });
}
