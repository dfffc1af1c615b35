import { type Ports, readMachine } from "../app/board-settings.ts";
import type { Paths } from "../app/paths.ts";
import { setting } from "../app/settings.ts";
import type { Host } from "../host/host.ts";
import { isListening } from "../host/processes.ts";
import { PikuError } from "../text/errors.ts";
import { text } from "../text/text.ts";
import { listensIn, readDirectives } from "./directives.ts";
import { askNginx, isPlainFile, readSites, siteNames } from "./nginx.ts";
import { bringBack, leaveAside, setAside, setStrangeAside } from "./refused.ts";

/** The files of the nginx that is piku's own. */
export const webFiles = ({ web }: Paths) => ({
  main: `${web}/nginx.conf`,
  pid: `${web}/nginx.pid`,
  /**
   * What nginx says of itself, and of requests to sites without a log of their own. Read by us to
   * see whether a reload took.
   */
  errors: `${web}/error.log`,
  accesses: `${web}/access.log`,
  /** The pair that older versions show to whoever asks for an unknown name by https. */
  certificate: `${web}/unknown.crt`,
  key: `${web}/unknown.key`,
});

/** What nginx's main file is made from. */
export interface Main {
  paths: Paths;
  /**
   * The user of nginx's workers, where its master is root; undefined where it runs as piku's user.
   */
  user?: string;
  ports: Ports;
  ipv4: string;
  /** Undefined where there is no IPv6. */
  ipv6?: string;
  /** Whether this nginx can count connections (ngx_http_limit_conn_module and its like). */
  limits: boolean;
  /**
   * Whether this nginx can refuse a TLS handshake by itself (`ssl_reject_handshake`, since 1.19.4).
   */
  rejects: boolean;
}

// Where Debian, Alpine and Fedora keep the files that load nginx's modules.
const moduleFolders = [
  "/etc/nginx/modules-enabled",
  "/etc/nginx/modules",
  "/usr/share/nginx/modules",
];

// Of one address at a time: a class behind one router, each pupil with a browser. A request to an
// app takes two of a worker's connections.
const mostOfOneAddress = 400;

/**
 * The main file of piku's own nginx, for a board and for the tests alike. Names that no site has
 * get a 404 by http and nothing by https, unless a site is marked as the default. The ciphers are
 * those that Mozilla calls intermediate.
 */
export function renderMain({ paths, user, ports, ipv4, ipv6, limits, rejects }: Main): string {
  const files = webFiles(paths);
  const listen = (port: number, options = "") =>
    [ipv4, ...(ipv6 ? [ipv6] : [])]
      .map((address) => `listen ${address}:${port}${options};`)
      .join("\n");
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (kind) => `${kind}_temp_path ${paths.web}/temp-${kind};`,
  );
  return text`
    # Written by piku; changes are lost. What is to stand beside the sites goes into a file of ${paths.nginx} that ends in .conf.
    ${user && `user ${user};`}
    worker_processes auto;
    worker_rlimit_nofile 4096;
    worker_shutdown_timeout 15m;
    pid ${files.pid};
    error_log ${files.errors} notice;
    ${moduleFolders.map((folder) => `include ${folder}/*.conf;`).join("\n")}
    events {
      worker_connections 1024;
    }
    http {
      include /etc/nginx/mime.types;
      default_type application/octet-stream;
      access_log ${files.accesses} combined buffer=32k flush=1m;
      ${temporary.join("\n")}
      sendfile on;
      tcp_nopush on;
      server_tokens off;
      client_header_timeout 15s;
      reset_timedout_connection on;
      types_hash_max_size 2048;
      server_names_hash_bucket_size 512;
      variables_hash_bucket_size 256;
      map_hash_bucket_size 256;
      ssl_protocols TLSv1.2 TLSv1.3;
      ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305;
      ssl_prefer_server_ciphers off;
      ssl_session_cache shared:piku:1m;
      ssl_session_timeout 1d;
      ssl_session_tickets off;
      ${limits && renderLimits}
      server {
        ${listen(ports.http)}
        default_type text/plain;
        return 404 "There is no site of this name on this board.\n";
      }
      server {
        ${listen(ports.https, " ssl")}
        ${rejects ? "ssl_reject_handshake on;" : `ssl_certificate ${files.certificate};\nssl_certificate_key ${files.key};\nreturn 444;`}
      }
      include ${paths.nginx}/*.conf;
    }`;
}

/**
 * Bounds what one address may hold. A program of the board itself, such as a tunnel, asks for
 * everybody.
 */
const renderLimits = text`
  geo $piku_is_counted {
    default 1;
    127.0.0.0/8 0;
    ::1 0;
  }
  map $piku_is_counted $piku_address {
    default "";
    1 $binary_remote_addr;
  }
  limit_conn_zone $piku_address zone=piku_addresses:1m;
  limit_conn piku_addresses ${mostOfOneAddress};
  limit_conn_status 429;`.trimEnd();

/**
 * Writes nginx's main file as this board's settings want it; whether it has changed. Throws where
 * there is no nginx, or for settings that are none.
 */
export function writeMain(host: Host, paths: Paths): boolean {
  const { settings, ports } = readMachine(host, paths.settings);
  const { limits, rejects } = askNginx(host);
  const files = webFiles(paths);
  const main = renderMain({
    paths,
    // nginx would take `nobody` otherwise.
    user: host.uid === 0 ? "root" : undefined,
    ports,
    ipv4: setting(settings, "NGINX_IPV4_ADDRESS", paths.settings),
    ipv6:
      host.stat("/proc/net/if_inet6") && !setting(settings, "DISABLE_IPV6")
        ? setting(settings, "NGINX_IPV6_ADDRESS", paths.settings)
        : undefined,
    limits,
    rejects,
  });
  host.mkdir(paths.web, 0o700);
  linkNeighbours(host, paths);
  if (!rejects && !host.stat(files.key)) makeUnknown(host, paths);
  if (host.read(files.main) === main) return false;
  host.write(files.main, main, 0o600);
  return true;
}

// What lies beside the distribution's main file, and is named without its folder: nginx looks
// beside the main file that it was given.
const neighbours = [
  "fastcgi.conf",
  "fastcgi_params",
  "mime.types",
  "proxy_params",
  "scgi_params",
  "snippets",
  "uwsgi_params",
];

/**
 * Gives include files of apps what they find beside the distribution's main file, such as `include
 * fastcgi_params;`.
 */
function linkNeighbours(host: Host, { web }: Paths): void {
  for (const name of neighbours) {
    const target = `/etc/nginx/${name}`;
    if (host.stat(target) && host.readLink(`${web}/${name}`) !== target)
      host.link(target, `${web}/${name}`);
  }
}

function makeUnknown(host: Host, paths: Paths): void {
  const { certificate, key } = webFiles(paths);
  const words = [
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
    "-days",
    "36500",
  ];
  const ran = host.capture([
    "openssl",
    "req",
    ...words,
    "-subj",
    "/CN=invalid",
    "-keyout",
    key,
    "-out",
    certificate,
  ]);
  if (ran.status !== 0)
    throw new PikuError(`no certificate could be made: ${ran.stderr.trim().split("\n").at(-1)}`);
  host.chmod(key, 0o600);
}

/**
 * nginx's complaint about its files as they are, or undefined. For those who may bind the board's
 * ports: `nginx -t` does.
 */
function complaintOf(host: Host, paths: Paths): string | undefined {
  // A pipe among what a site names would be waited for for ever.
  const patience = ["timeout", "-s", "KILL", "20"];
  const ran = host.capture([
    ...patience,
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
 * nginx before 1.19.5 has no such option, and complains of a log in /var/log that it may not open,
 * but goes on.
 */
const logOption = (host: Host) => (askNginx(host).hasLogOption ? ["-e", "stderr"] : []);

/**
 * What nginx holds against its files, of what it has printed or logged: its first `[emerg]`, with
 * files of sites by their bare names.
 */
export function readComplaint({ nginx }: Paths, said: string): string | undefined {
  const lines = said.split("\n").filter((line) => line.includes("[emerg]"));
  const first = lines.find((line) => !line.includes("still could not bind")) ?? lines[0];
  return first?.replace(/^.*\[emerg\]\s*(\d+#\d+:\s*)?/, "").replaceAll(`${nginx}/`, "");
}

/** The site that a complaint names: the app of `blog.conf:12`, `blog.crt`. */
export const blamedSite = (complaint: string): string | undefined =>
  /(?:^|[\s"'])([A-Za-z0-9][\w.-]*)\.(?:conf|crt|key)(?=[:"'\s]|$)/.exec(complaint)?.[1];

/**
 * Makes nginx's files such that it starts: all sites that it takes together, without those that it
 * refuses, or of which another program has a port (`nginx -t` does not tell that). Gives the sites
 * that were set aside, and why. For the moment before nginx starts. Throws when nginx refuses its
 * files also without any site.
 */
export function prepareWeb(host: Host, paths: Paths): Map<string, string> {
  for (const path of Object.values(webFiles(paths)))
    if (host.stat(path) && !isPlainFile(host, path)) host.remove(path);
  writeMain(host, paths);
  // What a power cut left names a process that is somebody else's by now.
  host.remove(webFiles(paths).pid);
  for (const name of siteNames(host, paths, ".refused")) bringBack(host, paths, name);
  const aside = setStrangeAside(host, paths);
  const refuse = (name: string, why: string) => {
    setAside(host, paths, name, why);
    aside.set(name, why);
  };
  const { ports } = readMachine(host, paths.settings);
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
  // nginx names none, so each is tried with those before.
  const names = siteNames(host, paths);
  for (const name of names) setAside(host, paths, name, "it was being tried");
  let bare = complaintOf(host, paths);
  if (bare !== undefined) {
    // An app may have put something else in the place of a log, or of a folder of nginx's.
    host.remove(`${paths.web}.former`);
    host.rename(paths.web, `${paths.web}.former`);
    writeMain(host, paths);
    bare = complaintOf(host, paths);
  }
  for (const name of names) {
    bringBack(host, paths, name);
    const complaint = bare === undefined ? complaintOf(host, paths) : undefined;
    if (complaint !== undefined) refuse(name, complaint);
  }
  if (bare !== undefined)
    throw new PikuError(`nginx refuses its main file: ${bare}`, `look at ${paths.settings}`);
  return aside;
}

/** Whether some directive of a site names a pipe. Devices are no pipes: logs go to /dev/null. */
const namesPipe = (host: Host, site: string): boolean =>
  readDirectives(site)
    .flat()
    .some((word) => {
      const real =
        word.startsWith("/") && !word.startsWith("/dev/") ? host.realPath(word) : undefined;
      return real !== undefined && host.stat(real)?.type === "other";
    });

/**
 * A port of its own that a site listens on, and that another program has; while nginx does not run.
 */
function takenPort(host: Host, ports: Ports, site: string): string | undefined {
  const isTaken = (listen: string) => {
    const [, address = "", port = ""] = /^(.*):(\d+)$/.exec(listen) ?? [];
    if (Object.values(ports).includes(Number(port))) return false;
    return address.startsWith("[")
      ? isListening(host, Number(port))
      : !host.canBind(address === "*" ? "0.0.0.0" : address, Number(port));
  };
  return listensIn(site).find(isTaken);
}

/**
 * Makes ready for an nginx of piku's own what a shared one has left, and tries all sites as they
 * are. Gives what was left aside, since it is another user's and would be refused, and what nginx
 * has against the sites. For install.sh, with the right to bind the board's ports.
 */
export function tryWeb(host: Host, paths: Paths): { aside: string[]; complaint?: string } {
  writeMain(host, paths);
  markDefault(host, paths);
  return { aside: leaveAside(host, paths), complaint: complaintOf(host, paths) };
}

/**
 * Marks the site of PIKU_DEFAULT_APP as the default, and the copy that its release keeps: it
 * answered for unknown names before.
 */
function markDefault(host: Host, paths: Paths): void {
  const { defaultApp, ports } = readMachine(host, paths.settings);
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

/** A site with its first server on each of these ports marked as the one for unknown names. */
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
