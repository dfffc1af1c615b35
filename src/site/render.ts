import { text } from "../text/text.ts";
import { renderCacheZone } from "./cache.ts";
import { includes, renderBodyLimit } from "./errors.ts";
import { isBelow } from "./folders.ts";
import { renderMaintenance } from "./maintenance.ts";
import { nginxLogs } from "./nginx.ts";
import { cacheOf, renderBackend, renderUpstreams } from "./render-backend.ts";
import type { Site } from "./site.ts";
import type { Mapping } from "./static.ts";

/** The text of a site's file. */
export const renderSite = (site: Site) => `# Written by piku; changes are lost.
${site.backend ? renderUpstreams(site, site.backend) : ""}${site.backend && site.cache ? renderCacheZone(site.app, cacheOf(site.backend), site.cache) : ""}${site.redirected.length > 0 ? renderRedirected(site) : ""}${site.httpsOnly ? renderHttpsOnly(site) : ""}${text`
  server {
    ${!site.httpsOnly && listen(site, site.ownPort ?? site.ports.http)}
    ${site.ownPort === undefined && `${listenSecurely(site)}\nserver_name ${site.names.join(" ")};\n${renderCertificate(site)}`}
    ${site.logs && nginxLogs.map((name) => `${name}_log ${site.logs}/nginx.${name}.log;`).join("\n")}
    gzip on;
    gzip_proxied any;
    gzip_types text/plain text/xml text/css text/javascript text/js application/x-javascript application/javascript application/json application/xml+rss application/atom+xml image/svg+xml;
    gzip_comp_level 7;
    gzip_min_length 2048;
    gzip_vary on;
    add_header X-Deployed-By Piku;
    ${site.password && `auth_basic "${site.app}";\nauth_basic_user_file ${site.password.file};`}
    ${site.cloudflare && renderAccess(site.cloudflare)}
    ${renderChallenges(site)}
    ${renderMaintenance(site.maintenance)}
    ${!site.allowGit && "location ~ /\\.git { return 404; }"}
    ${site.hidesFiles && "location ~ /\\.(?!well-known/)|^/(ENV|Procfile)$ { return 404; }"}
    ${site.include?.trimEnd()}
    ${renderBodyLimit(site)}
    ${renderStatics(site)}
    ${renderBackend(site)}
  }`}`;

/**
 * A listen line for each address family; the options of a port must be the same in all server
 * blocks.
 */
const listen = (
  { ipv4, ipv6, isDefault }: Site,
  port: number,
  options = "",
  answersUnknown = isDefault,
) =>
  [ipv4, ...(ipv6 ? [ipv6] : [])]
    .map(
      (address) => `listen ${address}:${port}${answersUnknown ? " default_server" : ""}${options};`,
    )
    .join("\n");

const listenSecurely = (site: Site, answersUnknown = site.isDefault) =>
  listen(site, site.ports.https, site.http2 === "listen" ? " ssl http2" : " ssl", answersUnknown) +
  (site.http2 === "directive" ? "\nhttp2 on;" : "");

const renderCertificate = ({ certificate, key }: Site) =>
  `ssl_certificate ${certificate};\nssl_certificate_key ${key};`;

/**
 * Admits only Cloudflare, the machine itself and the person who deploys; the client's address comes
 * from Cloudflare's header. Cloudflare's list is refreshed without changing the site.
 */
const renderAccess = ({ ranges, deployer }: NonNullable<Site["cloudflare"]>) =>
  text`
  include ${ranges};
  ${deployer && `allow ${deployer};`}
  allow 127.0.0.1;
  deny all;
  set $piku_client $remote_addr;
  if ($http_cf_connecting_ip) { set $piku_client $http_cf_connecting_ip; }`.trimEnd();

const renderChallenges = ({ challenges, password }: Site) =>
  text`
  location ^~ /.well-known/acme-challenge {
    allow all;
    ${password && "auth_basic off;"}
    root ${challenges};
  }`.trimEnd();

/** The server that redirects an app's other names to its first. */
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

/** The plain http server of a site that is https only. */
const renderHttpsOnly = (site: Site) => text`
  server {
    ${listen(site, site.ports.http)}
    server_name ${site.names.join(" ")};
    ${renderChallenges(site)}
    location / {
      return 301 https://$host${site.ports.https === 443 ? "" : `:${site.ports.https}`}$request_uri;
    }
  }`;

const renderStatics = (site: Site) =>
  site.statics.map((mapping) => renderMapping(site, mapping)).join("\n") || undefined;

/**
 * Which links nginx follows to a folder's files. All apps' files have one owner, and an isolated
 * app could put a link in the place of the folder itself.
 */
function renderLinks({ own }: Site, folder: string): string {
  if (!own) return `if_not_owner "from=${folder}"`;
  const above = own.find((one) => isBelow(folder, one)) ?? folder;
  // A folder of dependencies cannot be replaced by the app either.
  const [, key = ""] = /^(\/\.[0-9a-f]{16})(\/|$)/.exec(folder.slice(above.length)) ?? [];
  return `on "from=${above}${key}"`;
}

/**
 * One static mapping. The location and the folder both end in `/`: otherwise `/static../ENV` would
 * lead out of the folder. Names that begin with a dot are not served, nor are an app's ENV and
 * Procfile. The front page is mapped to its file directly: each name that is tried costs several
 * system calls, since links are checked (disable_symlinks). A 404.html in the folder is shown with
 * its status, as GitHub Pages does. nginx serves no source of PHP.
 */
function renderMapping(site: Site, { url, folder }: Mapping): string {
  const { catchAll, backend, idle, allowGit, hidesFiles } = site;
  const fallback = url === "" && (backend || idle) ? "@app" : "=404";
  const tries = [
    "$uri",
    "$uri.html",
    ...(fallback === "@app" ? [] : ["$uri/"]),
    ...(catchAll ? [`${url}${catchAll}`] : []),
    fallback,
  ];
  const ownPage = fallback === "=404" && !catchAll && !includes(site, "error_page", "404");
  return text`
    ${url !== "" && `location = ${url} { return 301 ${url}/; }`}
    location ${url === "" ? "/" : `^~ ${url}/`} {
      ${url === "" ? `root "${folder}";` : `alias "${folder}/";`}
      index index.html;
      sendfile on;
      tcp_nopush on;
      disable_symlinks ${renderLinks(site, folder)};
      try_files ${tries.join(" ")};
      ${ownPage && `error_page 404 ${url}/404.html;`}
      ${url === "" && fallback === "=404" && "location = / { rewrite ^ /index.html last; }"}
      location ~ /\.(?!well-known/${allowGit && "|git"}) { return 404; }
      location ~ ^${url.replaceAll(".", "\\.")}/(ENV|Procfile)$ { return 404; }
      ${hidesFiles && `location ~* \\.(php|phtml|inc)(/|$) { ${fallback === "@app" ? "try_files /.piku-none @app;" : "return 404;"} }`}
    }`.trimEnd();
}
