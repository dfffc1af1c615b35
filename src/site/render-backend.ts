import { text } from "../text/text.ts";
import { renderCacheLocation } from "./cache.ts";
import { readDirectives } from "./directives.ts";
import { downPage, idlePage } from "./page.ts";
import { errorPage, renderShown, showsDown } from "./render-page.ts";
import type { Backend, Site } from "./site.ts";

// A name that no app can have, so that an app called `x.b` is not mistaken for the second set of
// ports of `x`.
const slotName = (app: string, slot: "a" | "b") => `${app}~${slot}`;

/**
 * The upstream named like the app, and the two between which the site switches. If there are two,
 * only an include file uses the first, which then contains the ports of both: nginx is not reloaded
 * for a switch.
 */
export function renderUpstreams({ app, include }: Site, { first, second }: Backend): string {
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

/** Whether an include file may use an upstream itself. */
const passesItself = (include: string) =>
  readDirectives(include).some(
    ([directive]) => directive === "include" || directive!.endsWith("_pass"),
  );

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

/** The prefix of nginx's caching directives. */
export const cacheOf = ({ protocol }: Backend) => (protocol === "uwsgi" ? "uwsgi" : "proxy");

/** The directives that pass a request to the app. */
function passLines({ app, cloudflare, ownPort }: Site, { protocol, flag }: Backend): string[] {
  const upstream = flag ? "$piku_slot" : app;
  const client = (value: string) =>
    cloudflare && value === "$remote_addr" ? "$piku_client" : value;
  if (protocol === "uwsgi")
    return [
      `uwsgi_pass ${upstream};`,
      ...uwsgiParams.map(([name, value]) => `uwsgi_param ${name} ${client(value)};`),
      ...forwarded.map(
        ([name, value]) =>
          `uwsgi_param HTTP_${name.toUpperCase().replaceAll("-", "_")} ${client(value)};`,
      ),
      // httpoxy: a visitor's `Proxy:` header would become the app's HTTP_PROXY.
      'uwsgi_param HTTP_PROXY "";',
    ];
  return [
    `proxy_pass http://${upstream};`,
    "proxy_http_version 1.1;",
    "proxy_set_header Upgrade $http_upgrade;",
    "proxy_set_header Connection $piku_connection;",
    `proxy_set_header Host $host${ownPort === undefined ? "" : `:${ownPort}`};`,
    ...forwarded.map(([name, value]) => `proxy_set_header ${name} ${client(value)};`),
    'proxy_set_header Proxy "";',
  ];
}

/**
 * The locations that pass requests to the app. With a static mapping of `/` the app answers what is
 * not a file.
 */
export function renderBackend(site: Site): string | false {
  const { app, backend, cache } = site;
  if (!backend) return site.idle !== undefined && renderIdle(site, site.idle);
  const { protocol, flag } = backend;
  const pass = passLines(site, backend);
  // What renderSwitched comes to in the end is an error within an error page.
  const first = flag && showsDown(site) ? ["recursive_error_pages on;", ...pass] : pass;
  return [
    // The connection is upgraded only if the client asks for it; otherwise the connection to the
    // app is closed.
    ...(protocol === "http"
      ? ["set $piku_connection close;", "if ($http_upgrade) { set $piku_connection upgrade; }"]
      : []),
    ...(flag ? [chooseSlot(app, flag)] : []),
    ...(cache ? [renderCacheLocation(app, cacheOf(backend), cache, first)] : []),
    `location ${appLocation(site)} {`,
    ...first.map((line) => `  ${line}`),
    "}",
    ...(flag ? [renderSwitched(site, flag, pass)] : []),
    ...(showsDown(site)
      ? [flag ? errorPage(504) : errorPage(502, 504), renderShown(site, downPage(app))]
      : []),
  ].join("\n");
}

/** With a static mapping of `/` the app answers what is not a file. */
const appLocation = ({ statics }: Site) => (statics.some(({ url }) => url === "") ? "@app" : "/");

/** Shows that an app is stopped which is scaled to none of these processes. */
const renderIdle = (site: Site, kind: string) =>
  text`
  location ${appLocation(site)} {
    ${errorPage(503)}
    return 503;
  }
  ${renderShown(site, idlePage(site.app, kind), "add_header Retry-After 300 always;")}`.trimEnd();

/** One stat(2) a request: the switch is a file that is created or removed. */
const chooseSlot = (app: string, flag: string) =>
  `set $piku_slot ${slotName(app, "a")};\nif (-f ${flag}) { set $piku_slot ${slotName(app, "b")}; }`;

/**
 * For a request that was being received during a switch: nginx chooses its upstream before it has
 * read the whole request, which takes minutes for a large one, and then finds nobody there. The
 * request goes to the live generation instead, unless part of it has been sent already and it must
 * not be repeated (as with proxy_next_upstream). An include file's own page for 502 takes
 * precedence.
 */
const renderSwitched = (site: Site, flag: string, pass: readonly string[]) =>
  text`
  error_page 502 = @piku_switched;
  location @piku_switched {
    ${showsDown(site) && errorPage(502, 504)}
    set $piku_tried $piku_slot;
    ${chooseSlot(site.app, flag)}
    if ($piku_slot = $piku_tried) { return 502; }
    ${site.countsSent && 'set $piku_sent "$request_method $upstream_bytes_sent";'}
    ${site.countsSent ? 'if ($piku_sent ~ "^(POST|LOCK|PATCH) .*[1-9]") { return 502; }' : 'if ($request_method ~ "^(POST|LOCK|PATCH)$") { return 502; }'}
    ${pass.join("\n")}
  }`.trimEnd();
