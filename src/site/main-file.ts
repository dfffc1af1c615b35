import { type Ports, readBoardSettings } from "../app/board-settings.ts";
import type { Paths } from "../app/paths.ts";
import { setting } from "../app/settings.ts";
import type { Host } from "../host/host.ts";
import { text } from "../text/text.ts";
import { renderHome, renderHomeServer, renderReaders } from "./home.ts";
import { askNginx } from "./nginx.ts";
import { quotedPage, unknownPage } from "./page.ts";
import { selfSign } from "./self-signed.ts";

/** The files of piku's own nginx. */
export const webFiles = ({ web }: Paths) => ({
  main: `${web}/nginx.conf`,
  pid: `${web}/nginx.pid`,
  /**
   * nginx's own log, and that of requests to sites without a log of their own. piku reads it to see
   * whether a reload is complete.
   */
  errors: `${web}/error.log`,
  accesses: `${web}/access.log`,
  /** The certificate that older versions present when an unknown name is requested by https. */
  certificate: `${web}/unknown.crt`,
  key: `${web}/unknown.key`,
});

/** The facts for nginx's main file. */
export interface Main {
  paths: Paths;
  /** The user of nginx's workers if its master is root; undefined if it runs as piku's user. */
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
  /** The board's own name, for its page; undefined where nginx cannot tell readers apart. */
  hostname?: string;
  /** Whether the page also stands at the board's name, whatever app answers for unknown names. */
  isNamed: boolean;
}

// Where Debian, Alpine and Fedora keep the files that load nginx modules.
const moduleFolders = [
  "/etc/nginx/modules-enabled",
  "/etc/nginx/modules",
  "/usr/share/nginx/modules",
];

// Concurrent requests from one address: a class behind one router, each pupil with a browser. A
// request to an app takes two of a worker's connections.
const maxConnectionsPerAddress = 400;

/**
 * The main file of piku's own nginx, on boards and in tests. Unknown names get a 404 by http and no
 * answer by https, unless a site is marked as the default. The ciphers are Mozilla's "intermediate"
 * ones.
 */
export function renderMain(main: Main): string {
  const { paths, user, ports, ipv4, ipv6, limits, rejects, hostname, isNamed } = main;
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
      ${hostname !== undefined && renderReaders(hostname)}
      server {
        ${listen(ports.http)}
        ${hostname === undefined ? `default_type text/html;\nreturn 404 ${quotedPage(unknownPage)};` : renderHome(paths)}
      }
      server {
        ${listen(ports.https, " ssl")}
        ${rejects ? "ssl_reject_handshake on;" : `ssl_certificate ${files.certificate};\nssl_certificate_key ${files.key};\nreturn 444;`}
      }
      include ${paths.nginx}/*.conf;
      ${hostname && isNamed && renderHomeServer(paths, hostname, listen(ports.http))}
    }`;
}

/**
 * Limits the connections of one address. Local programs are exempt: a tunnel makes requests for
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
  limit_conn piku_addresses ${maxConnectionsPerAddress};
  limit_conn_status 429;`.trimEnd();

/**
 * Writes nginx's main file from the board's settings. Returns whether it has changed. Throws if
 * there is no nginx, or for invalid settings.
 */
export function writeMain(host: Host, paths: Paths): boolean {
  const { settings, ports, page, defaultApp } = readBoardSettings(host, paths.settings);
  const { limits, rejects } = askNginx(host);
  const files = webFiles(paths);
  const main = renderMain({
    paths,
    // Otherwise nginx would use `nobody`.
    user: host.uid === 0 ? "root" : undefined,
    ports,
    ipv4: setting(settings, "NGINX_IPV4_ADDRESS", paths.settings),
    ipv6:
      host.stat("/proc/net/if_inet6") && !setting(settings, "DISABLE_IPV6")
        ? setting(settings, "NGINX_IPV6_ADDRESS", paths.settings)
        : undefined,
    limits,
    rejects,
    hostname: limits ? boardName(host) : undefined,
    isNamed: page === "true" || defaultApp === undefined,
  });
  host.mkdir(paths.web, 0o700);
  linkNeighbours(host, paths);
  if (!rejects && !host.stat(files.key)) selfSign(host, files, "/CN=invalid", 36_500);
  if (host.read(files.main) === main) return false;
  host.write(files.main, main, 0o600);
  return true;
}

/** The board's name as it may stand in nginx's files; empty for one that may not. */
export const boardName = (host: Host) =>
  /^[a-z0-9-]+(?=\.|$)/i.exec(host.read("/proc/sys/kernel/hostname")?.trim() ?? "")?.[0] ?? "";

// Files beside the distribution's main file that are included by bare name: nginx looks for them
// beside its own main file.
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
 * Links the files that apps' include files expect beside the main file, such as `include
 * fastcgi_params;`.
 */
function linkNeighbours(host: Host, { web }: Paths): void {
  for (const name of neighbours) {
    const target = `/etc/nginx/${name}`;
    if (host.stat(target) && host.readLink(`${web}/${name}`) !== target)
      host.link(target, `${web}/${name}`);
  }
}
