import { afterAll, beforeAll, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { appOf } from "../../../src/app/app.ts";
import { readBoardSettings } from "../../../src/app/board-settings.ts";
import type { Settings } from "../../../src/app/env-file.ts";
import { pathsOf } from "../../../src/app/paths.ts";
import type { Workers } from "../../../src/app/procfile.ts";
import { setting } from "../../../src/app/settings.ts";
import { refuseTakenAddress } from "../../../src/deploy/plan-site.ts";
import type { Cache } from "../../../src/site/cache.ts";
import { parseRanges, refreshRanges, renderRanges } from "../../../src/site/cloudflare.ts";
import { readComplaint } from "../../../src/site/complaint.ts";
import { renderMain } from "../../../src/site/main-file.ts";
import {
  askNginx,
  readSites,
  refuseSecondDefault,
  refuseTakenNames,
} from "../../../src/site/nginx.ts";
import { downPage, idlePage, quotedPage } from "../../../src/site/page.ts";
import { renderSite } from "../../../src/site/render.ts";
import {
  type Backend,
  planSite,
  protocolOf,
  rangesFile,
  type Site,
} from "../../../src/site/site.ts";
import { type Mapping, parseMappings } from "../../../src/site/static.ts";
import { memoryHost } from "../../host/memory.ts";

const parseServerNames = (value: string) =>
  setting({ NGINX_SERVER_NAME: value }, "NGINX_SERVER_NAME");

test.each<[string, string[]]>([
  ["", []],
  [" , ", []],
  ["example.com", ["example.com"]],
  ["a.example, b.example\tc.example", ["a.example", "b.example", "c.example"]],
  ["A.Example,a.example", ["a.example"]],
  ["localhost", ["localhost"]],
  ["_", ["_"]],
  ["*.example.com www.example.*", ["*.example.com", "www.example.*"]],
  [".example.com", [".example.com"]],
  ["my_app.local my-app.local", ["my_app.local", "my-app.local"]],
  ["xn--bcher-kva.example", ["xn--bcher-kva.example"]],
  ["example.com.", ["example.com."]],
  ["192.0.2.1 [2001:DB8::1]", ["192.0.2.1", "[2001:db8::1]"]],
])("server names %j", (value, names) => {
  expect(parseServerNames(value)).toEqual(names);
});

test.each([
  ["a;b", "a;b"],
  ["a.example;}", "a.example;}"],
  ['a"b', 'a"b'],
  ["a'b", "a'b"],
  ["$host", "$host"],
  ["~^.*$", "~^.*$"],
  ["a{b", "a{b"],
  ["a#b", "a#b"],
  ["a\\b", "a\\b"],
  ["a/b", "a/b"],
  ["a:80", "a:80"],
  ["http://a.example", "http://a.example"],
  ["-a.example", "-a.example"],
  ["a..b", "a..b"],
  ["*", "*"],
  ["a.*.b", "a.*.b"],
  ["bücher.example", "bücher.example"],
  ["good.example a\x00b", "a?b"],
  [`${"a.".repeat(127)}a`, "a.".repeat(40)],
])("server name %j is refused", (value, shown) => {
  expect(() => parseServerNames(value)).toThrow(
    `NGINX_SERVER_NAME: invalid server name '${shown}'`,
  );
});

test("a server name that is made to be slow is looked at within a second", () => {
  const began = performance.now();
  expect(() =>
    parseServerNames(Array.from({ length: 300 }, () => `${"a".repeat(250)}!`).join(",")),
  ).toThrow();
  expect(
    parseServerNames(Array.from({ length: 300 }, (_, i) => `${"a-".repeat(120)}${i}`).join(","))
      .length,
  ).toBe(300);
  expect(performance.now() - began).toBeLessThan(1000);
});

const app = appOf(pathsOf(memoryHost({ env: { HOME: "/home/piku", PIKU_ROOT: "/p" } })), "blog");
const tree = "/p/apps/blog";

test.each<[string, Mapping]>([
  ["/", { url: "", folder: tree }],
  [".", { url: "", folder: tree }],
  ["public", { url: "", folder: `${tree}/public` }],
  ["public/", { url: "", folder: `${tree}/public` }],
  ["/public", { url: "", folder: `${tree}/public` }],
  ["./public/.", { url: "", folder: `${tree}/public` }],
  ["a//b", { url: "", folder: `${tree}/a/b` }],
  ["/d:/p/data/blog/up", { url: "/d", folder: "/p/data/blog/up" }],
  [
    "/m:/p/envs/blog/.0123456789abcdef/x",
    { url: "/m", folder: "/p/envs/blog/.0123456789abcdef/x" },
  ],
  ["/m:/p/envs/blog/node_modules/x", { url: "/m", folder: "/p/envs/blog/node_modules/x" }],
  ["/u:/mnt/usb disk/a", { url: "/u", folder: "/mnt/usb disk/a" }],
  ["/static:public", { url: "/static", folder: `${tree}/public` }],
  ["/:public", { url: "", folder: `${tree}/public` }],
  ["/a/b/:c/d/", { url: "/a/b", folder: `${tree}/c/d` }],
  ["/static:/srv/files", { url: "/static", folder: "/srv/files" }],
  ["my files", { url: "", folder: `${tree}/my files` }],
  ["public; rm -rf '{}'", { url: "", folder: `${tree}/public; rm -rf '{}'` }],
])("static: %s", (command, expected) => {
  expect(parseMappings(app, { static: command }, {}, machine.folders)).toEqual([expected]);
});

test.each<[string, Mapping[]]>([
  ["", []],
  [" , ", []],
  ["/static:public", [{ url: "/static", folder: `${tree}/public` }]],
  [
    "/a:b, /c.d:/srv/f ,/:.",
    [
      { url: "/a", folder: `${tree}/b` },
      { url: "/c.d", folder: "/srv/f" },
      { url: "", folder: tree },
    ],
  ],
])("NGINX_STATIC_PATHS=%s", (value, expected) => {
  expect(parseMappings(app, {}, { NGINX_STATIC_PATHS: value }, machine.folders)).toEqual(expected);
});

test("the static worker comes before NGINX_STATIC_PATHS", () => {
  expect(parseMappings(app, { static: "public" }, { NGINX_STATIC_PATHS: "/:other,/x:y" })).toEqual([
    { url: "", folder: `${tree}/public` },
    { url: "/x", folder: `${tree}/y` },
  ]);
});

test.each([
  ["../secret", "invalid directory"],
  ["a/../../b", "invalid directory"],
  ["..", "invalid directory"],
  ["/static:..", "invalid directory"],
  ["/static:/srv/../etc", "invalid directory"],
  ['a"b', "invalid directory"],
  ["$document_root", "invalid directory"],
  ["a\\", "invalid directory"],
  ["a\tb", "invalid directory"],
  ["/static:", "invalid directory"],
  ["/st atic:x", "invalid mapping"],
  ["/a;b:x", "invalid mapping"],
  ["/..:x", "invalid mapping"],
  ["/{:x", "invalid mapping"],
  ["/(a|b):x", "invalid mapping"],
  ["/e:/etc", "'/etc' is outside of app 'blog'"],
  ["/e:/srvx", "is outside of app 'blog'"],
  ["/e:/var/www/x", "is outside of app 'blog'"],
  ["/d:/p/data/bank", "'/p/data/bank' is outside of app 'blog'"],
  ["/d:/p/data/blog2", "is outside of app 'blog'"],
  ["/d:/p/apps/blog.b", "is outside of app 'blog'"],
  ["/d:/p/data/", "holds settings and keys"],
  ["/d:/p/envs/blog", "holds settings and keys"],
  ["/d:/p/envs/blog/ENV", "holds settings and keys"],
  ["/d:/p/envs/blog/.original", "holds settings and keys"],
  ["/d:/p/envs/blog2/node_modules", "holds settings and keys"],
  ["/d:/p/releases/blog", "holds settings and keys"],
  ["/d:/p//./envs", "holds settings and keys"],
  ["/d:/", "holds settings and keys"],
])("static: %s is refused", (command, message) => {
  expect(() => parseMappings(app, { static: command }, {}, ["/srv", "/"])).toThrow(message);
});

test.each(["static:public", "public", "/a", "/a:b\n/c:d", "/é:x", "/a:$b"])(
  "NGINX_STATIC_PATHS=%j is refused",
  (value) => {
    expect(() => parseMappings(app, {}, { NGINX_STATIC_PATHS: value })).toThrow(
      /^NGINX_STATIC_PATHS: invalid (mapping|directory) '/,
    );
  },
);

const machine = {
  http2: "listen",
  countsSent: true,
  ipv6: true,
  ports: { http: 80, https: 443 },
  folders: ["/srv", "/mnt/usb disk"],
  deployer: "192.0.2.7",
} as const;
const cache: Cache = {
  prefixes: ["a", "b"],
  folder: "/p/cache/blog/nginx",
  gigabytes: 1,
  content: 3600,
  redirects: 3600,
  others: 3600,
  browsers: 3600,
  unused: 86400,
};
const backend: Backend = { protocol: "http", first: ["127.0.0.1:20001"] };

test.each<[string, Workers, Settings, Backend | undefined, Partial<Site> | undefined]>([
  ["no name", { web: "a" }, {}, backend, undefined],
  ["nothing to serve", { worker: "a" }, { NGINX_SERVER_NAME: "a.example" }, undefined, undefined],
  [
    "web",
    { web: "a" },
    { NGINX_SERVER_NAME: "a.example" },
    backend,
    { names: ["a.example"], backend },
  ],
  [
    "static",
    { static: "/" },
    { NGINX_SERVER_NAME: "a.example" },
    undefined,
    { names: ["a.example"], statics: [{ url: "", folder: tree }] },
  ],
  [
    "everything",
    { web: "a" },
    {
      NGINX_SERVER_NAME: "a.example",
      NGINX_IPV4_ADDRESS: "192.0.2.1",
      NGINX_IPV6_ADDRESS: "[2001:db8::1]",
      NGINX_HTTPS_ONLY: "true",
      NGINX_CATCH_ALL: "index.html",
      NGINX_ALLOW_GIT_FOLDERS: "1",
    },
    backend,
    {
      names: ["a.example"],
      backend,
      ipv4: "192.0.2.1",
      ipv6: "[2001:db8::1]",
      httpsOnly: true,
      catchAll: "/index.html",
      allowGit: true,
    },
  ],
  [
    "switches that are off",
    { web: "a" },
    {
      NGINX_SERVER_NAME: "a.example",
      NGINX_HTTPS_ONLY: "0",
      NGINX_ALLOW_GIT_FOLDERS: "false",
      DISABLE_IPV6: "no",
    },
    backend,
    { names: ["a.example"], backend },
  ],
  [
    "the default, without a name",
    { web: "a" },
    { NGINX_DEFAULT: "true" },
    backend,
    { names: ["_"], isDefault: true, backend },
  ],
  [
    "other names",
    { web: "a" },
    { NGINX_SERVER_NAME: "a.example", NGINX_REDIRECT_FROM: "b.example a.example,*.c.example" },
    backend,
    { names: ["a.example"], redirected: ["b.example", "*.c.example"], backend },
  ],
  [
    "nobody but Cloudflare",
    { web: "a" },
    { NGINX_SERVER_NAME: "a.example", NGINX_CLOUDFLARE_ACL: "true" },
    backend,
    {
      names: ["a.example"],
      backend,
      cloudflare: { ranges: "/p/nginx/cloudflare.acl", deployer: "192.0.2.7" },
    },
  ],
  [
    "a cache, as usual",
    { web: "a" },
    { NGINX_SERVER_NAME: "a.example", NGINX_CACHE_PREFIXES: "/a, b,/a" },
    backend,
    { names: ["a.example"], backend, cache },
  ],
  [
    "a cache of its own",
    { web: "a" },
    {
      NGINX_SERVER_NAME: "a.example",
      NGINX_CACHE_PREFIXES: "/a,b",
      NGINX_CACHE_SIZE: "2",
      NGINX_CACHE_TIME: "1",
      NGINX_CACHE_REDIRECTS: "2",
      NGINX_CACHE_ANY: "3",
      NGINX_CACHE_CONTROL: "4",
      NGINX_CACHE_EXPIRY: "5",
      NGINX_CACHE_PATH: "/srv/cache/blog/",
    },
    backend,
    {
      names: ["a.example"],
      backend,
      cache: {
        prefixes: ["a", "b"],
        folder: "/srv/cache/blog",
        gigabytes: 2,
        content: 1,
        redirects: 2,
        others: 3,
        browsers: 4,
        unused: 5,
      },
    },
  ],
  [
    "a cache for nothing but files",
    { static: "/" },
    { NGINX_SERVER_NAME: "a.example", NGINX_CACHE_PREFIXES: "/a" },
    undefined,
    { names: ["a.example"], statics: [{ url: "", folder: tree }] },
  ],
  [
    "no IPv6",
    { web: "a" },
    { NGINX_SERVER_NAME: "a.example", DISABLE_IPV6: "true" },
    backend,
    { names: ["a.example"], backend, ipv6: undefined },
  ],
])("planSite: %s", (_, workers, settings, to, expected) => {
  const usual: Omit<Site, "names"> = {
    app: "blog",
    redirected: [],
    isDefault: false,
    ports: { http: 80, https: 443 },
    ipv4: "0.0.0.0",
    ipv6: "[::]",
    http2: "listen",
    countsSent: true,
    certificate: "/p/nginx/blog.crt",
    key: "/p/nginx/blog.key",
    httpsOnly: false,
    challenges: "/p/acme",
    maintenance: "/p/sockets/blog.html",
    statics: [],
    allowGit: false,
    hidesFiles: false,
    maxBody: "20m",
  };
  expect(planSite(app, workers, settings, machine, to)).toEqual(
    expected ? ({ ...usual, ...expected } as Site) : undefined,
  );
});

test.each([
  ["NGINX_IPV4_ADDRESS", "0.0.0.0; x"],
  ["NGINX_IPV4_ADDRESS", "localhost"],
  ["NGINX_IPV6_ADDRESS", "::"],
  ["NGINX_IPV6_ADDRESS", "[::]:80"],
  ["NGINX_CATCH_ALL", "/a;b"],
  ["NGINX_CATCH_ALL", "/../x"],
  ["NGINX_CATCH_ALL", "/a b"],
  ["NGINX_CATCH_ALL", "=200"],
])("%s=%s is refused", (key, value) => {
  const settings = { NGINX_SERVER_NAME: "a.example", [key]: value };
  expect(() => planSite(app, {}, settings, machine, backend)).toThrow(
    new RegExp(`^${key}: invalid (address|path) '`),
  );
});

test.each<[Settings, string]>([
  [{ NGINX_REDIRECT_FROM: "a b;c" }, "NGINX_REDIRECT_FROM: invalid server name 'b;c'"],
  [
    { NGINX_REDIRECT_FROM: "a", NGINX_SERVER_NAME: "*.b" },
    "NGINX_REDIRECT_FROM: visitors cannot be redirected to '*.b'",
  ],
  [
    { NGINX_REDIRECT_FROM: "a", NGINX_SERVER_NAME: "", NGINX_DEFAULT: "1" },
    "visitors cannot be redirected to '_'",
  ],
  [{ NGINX_CACHE_PREFIXES: "/a b" }, "NGINX_CACHE_PREFIXES: invalid path prefix '/a b'"],
  [
    { NGINX_CACHE_PREFIXES: "/a){return 200;}" },
    "NGINX_CACHE_PREFIXES: invalid path prefix '/a){return 200;}'",
  ],
  [{ NGINX_CACHE_PREFIXES: "/a$host" }, "NGINX_CACHE_PREFIXES: invalid path prefix '/a$host'"],
  [
    { NGINX_CACHE_PREFIXES: "a", NGINX_CACHE_TIME: "1h" },
    "NGINX_CACHE_TIME: invalid number of seconds '1h'",
  ],
  [
    { NGINX_CACHE_PREFIXES: "a", NGINX_CACHE_SIZE: "1g" },
    "NGINX_CACHE_SIZE: invalid number of gigabytes '1g'",
  ],
  [
    { NGINX_CACHE_PREFIXES: "a", NGINX_CACHE_PATH: "cache" },
    "NGINX_CACHE_PATH: invalid directory 'cache'",
  ],
  [
    { NGINX_CACHE_PREFIXES: "a", NGINX_CACHE_PATH: "/a/../b" },
    "NGINX_CACHE_PATH: invalid directory '/a/../b'",
  ],
  ...[
    "/etc/victim",
    "/p",
    "/p/data/bank",
    "/p/cache",
    "/p/cache/blog2",
    "/p/data/blog",
    "/",
    "/srvx",
    "/p/apps/blog/x",
  ].map((folder): [Settings, string] => [
    { NGINX_CACHE_PREFIXES: "a", NGINX_CACHE_PATH: folder },
    folder === "/"
      ? "invalid directory '/'"
      : `NGINX_CACHE_PATH: '${folder}' is outside of the app's own cache folder`,
  ]),
  [
    { NGINX_CACHE_PREFIXES: "a", NGINX_CACHE_PATH: "/p/cache/blog/./x" },
    "NGINX_CACHE_PATH: invalid directory '/p/cache/blog/./x'",
  ],
  [
    { NGINX_CACHE_PREFIXES: "a", NGINX_CACHE_PATH: '/a"b' },
    "NGINX_CACHE_PATH: invalid directory '/a\"b'",
  ],
])("%j is refused", (settings, message) => {
  expect(() =>
    planSite(app, {}, { NGINX_SERVER_NAME: "a.example", ...settings }, machine, backend),
  ).toThrow(message);
});

test.each<[Workers, string]>([
  [{ wsgi: "a" }, "uwsgi"],
  [{ web: "a" }, "http"],
])("protocolOf(%j)", (workers, protocol) => {
  expect(protocolOf(workers)).toBe(protocol as Backend["protocol"]);
});

const siteOf = (site: Partial<Site>): Site => ({
  ...planSite(app, {}, { NGINX_SERVER_NAME: "blog.example,www.blog.example" }, machine, backend)!,
  backend: undefined,
  // A shared nginx's own limit.
  maxBody: undefined,
  ...site,
});

const slots: Backend = {
  protocol: "http",
  first: ["127.0.0.1:20001", "127.0.0.1:20002"],
  second: ["127.0.0.1:20003", "127.0.0.1:20004"],
  flag: "/p/sockets/blog.b",
};
const socket: Backend = { protocol: "uwsgi", first: ["unix:/p/sockets/blog.1.sock"] };

// What the texts below have in common, as it stands in each of them.
const written = "# Written by piku; changes are lost.\n";
const names = "server_name blog.example www.blog.example;";
const challenges = `location ^~ /.well-known/acme-challenge {
    allow all;
    root /p/acme;
  }`;
const common = `${names}
  ssl_certificate /p/nginx/blog.crt;
  ssl_certificate_key /p/nginx/blog.key;
  gzip on;
  gzip_proxied any;
  gzip_types text/plain text/xml text/css text/javascript text/js application/x-javascript application/javascript application/json application/xml+rss application/atom+xml image/svg+xml;
  gzip_comp_level 7;
  gzip_min_length 2048;
  gzip_vary on;
  add_header X-Deployed-By Piku;
  ${challenges}
  set $piku_closed $uri;
  if (!-f /p/sockets/blog.html) { set $piku_closed ""; }
  if ($piku_closed ~ ^/(?!\\.well-known/acme-challenge/|\\.piku-maintenance\\z)) { rewrite ^ /.piku-closed last; }
  location = /.piku-closed {
    internal;
    recursive_error_pages on;
    error_page 503 /.piku-maintenance;
    return 503;
  }
  location = /.piku-maintenance {
    internal;
    root /p/sockets;
    try_files /blog.html =503;
    recursive_error_pages on;
    error_page 404 = @piku_opened;
    add_header Retry-After 300 always;
    add_header Cache-Control no-store always;
  }
  location @piku_opened {
    if ($request_uri = /.piku-maintenance) { return 404; }
    return 503;
  }`;
const listen = `listen 0.0.0.0:80;
  listen [::]:80;
  listen 0.0.0.0:443 ssl http2;
  listen [::]:443 ssl http2;`;
const noGit = "location ~ /\\.git { return 404; }";
const proxy = `proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $piku_connection;
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Remote-Address $remote_addr;
    proxy_set_header X-Forwarded-Port $server_port;
    proxy_set_header X-Request-Start $msec;
    proxy_set_header Proxy "";`;
const connection = `set $piku_connection close;
  if ($http_upgrade) { set $piku_connection upgrade; }`;
const shown = (page: string, header = "") => `location = /.piku-down {
    internal;
    default_type text/html;
    add_header Cache-Control no-store always;${header}
    return 503 ${page};
  }`;
const down = `error_page 502 504 /.piku-down;
  ${shown(quotedPage(downPage("blog")))}`;
const plain = `${connection}
  location / {
    proxy_pass http://blog;
    ${proxy}
  }
  ${down}`;
const two = `upstream blog~a {
  server 127.0.0.1:20001 max_fails=0;
  server 127.0.0.1:20002 max_fails=0;
}
upstream blog~b {
  server 127.0.0.1:20003 max_fails=0;
  server 127.0.0.1:20004 max_fails=0;
}
`;
const slotted = `set $piku_slot blog~a;
  if (-f /p/sockets/blog.b) { set $piku_slot blog~b; }
  location / {
    recursive_error_pages on;
    proxy_pass http://$piku_slot;
    ${proxy}
  }
  error_page 502 = @piku_switched;
  location @piku_switched {
    error_page 502 504 /.piku-down;
    set $piku_tried $piku_slot;
    set $piku_slot blog~a;
    if (-f /p/sockets/blog.b) { set $piku_slot blog~b; }
    if ($piku_slot = $piku_tried) { return 502; }
    set $piku_sent "$request_method $upstream_bytes_sent";
    if ($piku_sent ~ "^(POST|LOCK|PATCH) .*[1-9]") { return 502; }
    proxy_pass http://$piku_slot;
    ${proxy}
  }
  ${down.replace("502 504", "504")}`;
const one = `upstream blog {
  server 127.0.0.1:20001 max_fails=0;
}
`;

const uwsgi = `uwsgi_param QUERY_STRING $query_string;
    uwsgi_param REQUEST_METHOD $request_method;
    uwsgi_param CONTENT_TYPE $content_type;
    uwsgi_param CONTENT_LENGTH $content_length;
    uwsgi_param REQUEST_URI $request_uri;
    uwsgi_param PATH_INFO $document_uri;
    uwsgi_param DOCUMENT_ROOT $document_root;
    uwsgi_param SERVER_PROTOCOL $server_protocol;
    uwsgi_param REQUEST_SCHEME $scheme;
    uwsgi_param HTTPS $https if_not_empty;
    uwsgi_param X_FORWARDED_FOR $proxy_add_x_forwarded_for;
    uwsgi_param REMOTE_ADDR $remote_addr;
    uwsgi_param REMOTE_PORT $remote_port;
    uwsgi_param SERVER_ADDR $server_addr;
    uwsgi_param SERVER_PORT $server_port;
    uwsgi_param SERVER_NAME $server_name;
    uwsgi_param HTTP_X_FORWARDED_PROTO $scheme;
    uwsgi_param HTTP_X_FORWARDED_FOR $proxy_add_x_forwarded_for;
    uwsgi_param HTTP_X_REMOTE_ADDRESS $remote_addr;
    uwsgi_param HTTP_X_FORWARDED_PORT $server_port;
    uwsgi_param HTTP_X_REQUEST_START $msec;
    uwsgi_param HTTP_PROXY "";`;
const small = {
  ...cache,
  prefixes: ["a", "b.xml"],
  gigabytes: 2,
  redirects: 1,
  others: 2,
  browsers: 60,
  unused: 7,
};
const zone = (
  protocol: string,
) => `${protocol}_cache_path "/p/cache/blog/nginx" levels=1:2 keys_zone=blog:2m inactive=7s max_size=2g use_temp_path=off;
map $upstream_http_cache_control $piku_cache_blog {
  default "public, max-age=60";
  ~*(private|no-store|no-cache) $upstream_http_cache_control;
}
`;
const cached = (protocol: "proxy" | "uwsgi", pass: string) => `location ~* ^/(a|b\\.xml) {
    ${protocol}_cache blog;
    ${protocol}_cache_key $scheme$host$request_uri;
    ${protocol}_cache_valid 200 304 3600s;
    ${protocol}_cache_valid 301 307 1s;
    ${protocol}_cache_valid 500 502 503 504 0s;
    ${protocol}_cache_valid any 2s;
    ${protocol}_hide_header Cache-Control;
    add_header X-Deployed-By Piku;
    add_header Cache-Control $piku_cache_blog;
    add_header X-Cache $upstream_cache_status;
    ${pass}
  }`;
const redirected = (lines: string, to: string) => `server {
  ${lines}
  server_name old.example older.example;
  ssl_certificate /p/nginx/blog.crt;
  ssl_certificate_key /p/nginx/blog.key;
  ${challenges}
  location / {
    return 301 ${to}$request_uri;
  }
}
`;
const access = `include /p/nginx/cloudflare.acl;
  allow 192.0.2.7;
  allow 127.0.0.1;
  deny all;
  set $piku_client $remote_addr;
  if ($http_cf_connecting_ip) { set $piku_client $http_cf_connecting_ip; }`;

const sites: Record<string, [Site, string]> = {
  "a cache in front of web": [
    siteOf({ backend, cache: small }),
    `${written}${one}${zone("proxy")}server {
  ${listen}
  ${common}
  ${noGit}
  ${connection}
  ${cached("proxy", `proxy_pass http://blog;\n    ${proxy}`)}
  location / {
    proxy_pass http://blog;
    ${proxy}
  }
  ${down}
}
`,
  ],
  "a cache in front of wsgi": [
    siteOf({ backend: socket, cache: small }),
    `${written}upstream blog {
  server unix:/p/sockets/blog.1.sock max_fails=0;
}
${zone("uwsgi")}server {
  ${listen}
  ${common}
  ${noGit}
  ${cached("uwsgi", `uwsgi_pass blog;\n    ${uwsgi}`)}
  location / {
    uwsgi_pass blog;
    ${uwsgi}
  }
  ${down}
}
`,
  ],
  "nobody but Cloudflare": [
    siteOf({ backend, cloudflare: { ranges: "/p/nginx/cloudflare.acl", deployer: "192.0.2.7" } }),
    `${written}${one}server {
  ${listen}
  ${common.replace(challenges, `${access}\n  ${challenges}`)}
  ${noGit}
  ${plain.replace("X-Remote-Address $remote_addr", "X-Remote-Address $piku_client")}
}
`,
  ],
  "nobody but Cloudflare, wsgi": [
    siteOf({ backend: socket, cloudflare: { ranges: "/p/nginx/cloudflare.acl" } }),
    `${written}upstream blog {
  server unix:/p/sockets/blog.1.sock max_fails=0;
}
server {
  ${listen}
  ${common.replace(challenges, `${access.replace("  allow 192.0.2.7;\n", "")}\n  ${challenges}`)}
  ${noGit}
  location / {
    uwsgi_pass blog;
    ${uwsgi.replaceAll(" $remote_addr", " $piku_client")}
  }
  ${down}
}
`,
  ],
  "the default": [
    siteOf({ backend, isDefault: true }),
    `${written}${one}server {
  listen 0.0.0.0:80 default_server;
  listen [::]:80 default_server;
  listen 0.0.0.0:443 default_server ssl http2;
  listen [::]:443 default_server ssl http2;
  ${common}
  ${noGit}
  ${plain}
}
`,
  ],
  "the default, https only, with other names": [
    siteOf({
      backend,
      isDefault: true,
      httpsOnly: true,
      redirected: ["old.example", "older.example"],
    }),
    `${written}${one}${redirected(listen, "https://blog.example")}server {
  listen 0.0.0.0:80 default_server;
  listen [::]:80 default_server;
  ${names}
  ${challenges}
  location / {
    return 301 https://$host$request_uri;
  }
}
server {
  listen 0.0.0.0:443 default_server ssl http2;
  listen [::]:443 default_server ssl http2;
  ${common}
  ${noGit}
  ${plain}
}
`,
  ],
  "other names": [
    siteOf({ backend, redirected: ["old.example", "older.example"] }),
    `${written}${one}${redirected(listen, "$scheme://blog.example")}server {
  ${listen}
  ${common}
  ${noGit}
  ${plain}
}
`,
  ],
  "other names, on ports of a sandbox": [
    siteOf({
      backend,
      redirected: ["old.example", "older.example"],
      ipv6: undefined,
      ports: { http: 8080, https: 8443 },
    }),
    `${written}${one}${redirected("listen 0.0.0.0:8080;\n  listen 0.0.0.0:8443 ssl http2;", "$scheme://blog.example:$server_port")}server {
  listen 0.0.0.0:8080;
  listen 0.0.0.0:8443 ssl http2;
  ${common}
  ${noGit}
  ${plain}
}
`,
  ],
  "web with two slots": [
    siteOf({ backend: slots }),
    `${written}${two}server {
  ${listen}
  ${common}
  ${noGit}
  ${connection}
  ${slotted}
}
`,
  ],
  "web with two slots, for an nginx before 1.15.8": [
    siteOf({ backend: slots, countsSent: false }),
    `${written}${two}server {
  ${listen}
  ${common}
  ${noGit}
  ${connection}
  ${slotted.replace(/set \$piku_sent.*\n.*\n/, 'if ($request_method ~ "^(POST|LOCK|PATCH)$") { return 502; }\n')}
}
`,
  ],
  "web with two slots, and an include file that passes requests on by itself": [
    siteOf({ backend: slots, include: "location /x {\n  proxy_pass http://blog;\n}\n" }),
    `${written}upstream blog {
  server 127.0.0.1:20001 max_fails=0;
  server 127.0.0.1:20002 max_fails=0;
  server 127.0.0.1:20003 max_fails=0 backup;
  server 127.0.0.1:20004 max_fails=0 backup;
}
${two}server {
  ${listen}
  ${common}
  ${noGit}
  location /x {
    proxy_pass http://blog;
  }
  ${connection}
  ${slotted}
}
`,
  ],
  wsgi: [
    siteOf({ backend: socket }),
    `${written}upstream blog {
  server unix:/p/sockets/blog.1.sock max_fails=0;
}
server {
  ${listen}
  ${common}
  ${noGit}
  location / {
    uwsgi_pass blog;
    uwsgi_param QUERY_STRING $query_string;
    uwsgi_param REQUEST_METHOD $request_method;
    uwsgi_param CONTENT_TYPE $content_type;
    uwsgi_param CONTENT_LENGTH $content_length;
    uwsgi_param REQUEST_URI $request_uri;
    uwsgi_param PATH_INFO $document_uri;
    uwsgi_param DOCUMENT_ROOT $document_root;
    uwsgi_param SERVER_PROTOCOL $server_protocol;
    uwsgi_param REQUEST_SCHEME $scheme;
    uwsgi_param HTTPS $https if_not_empty;
    uwsgi_param X_FORWARDED_FOR $proxy_add_x_forwarded_for;
    uwsgi_param REMOTE_ADDR $remote_addr;
    uwsgi_param REMOTE_PORT $remote_port;
    uwsgi_param SERVER_ADDR $server_addr;
    uwsgi_param SERVER_PORT $server_port;
    uwsgi_param SERVER_NAME $server_name;
    uwsgi_param HTTP_X_FORWARDED_PROTO $scheme;
    uwsgi_param HTTP_X_FORWARDED_FOR $proxy_add_x_forwarded_for;
    uwsgi_param HTTP_X_REMOTE_ADDRESS $remote_addr;
    uwsgi_param HTTP_X_FORWARDED_PORT $server_port;
    uwsgi_param HTTP_X_REQUEST_START $msec;
    uwsgi_param HTTP_PROXY "";
  }
  ${down}
}
`,
  ],
  "static folders only": [
    siteOf({
      statics: [
        { url: "", folder: "/p/apps/blog/my files" },
        { url: "/a.b", folder: "/srv/c" },
      ],
      catchAll: "/404.html",
    }),
    `${written}server {
  ${listen}
  ${common}
  ${noGit}
  location / {
    root "/p/apps/blog/my files";
    index index.html;
    sendfile on;
    tcp_nopush on;
    disable_symlinks if_not_owner "from=/p/apps/blog/my files";
    try_files $uri $uri.html $uri/ /404.html =404;
    location = / { rewrite ^ /index.html last; }
    location ~ /\\.(?!well-known/) { return 404; }
    location ~ ^/(ENV|Procfile)$ { return 404; }
  }
  location = /a.b { return 301 /a.b/; }
  location ^~ /a.b/ {
    alias "/srv/c/";
    index index.html;
    sendfile on;
    tcp_nopush on;
    disable_symlinks if_not_owner "from=/srv/c";
    try_files $uri $uri.html $uri/ /a.b/404.html =404;
    location ~ /\\.(?!well-known/) { return 404; }
    location ~ ^/a\\.b/(ENV|Procfile)$ { return 404; }
  }
}
`,
  ],
  "static / in front of web": [
    siteOf({ backend, statics: [{ url: "", folder: "/p/apps/blog/public" }] }),
    `${written}${one}server {
  ${listen}
  ${common}
  ${noGit}
  location / {
    root "/p/apps/blog/public";
    index index.html;
    sendfile on;
    tcp_nopush on;
    disable_symlinks if_not_owner "from=/p/apps/blog/public";
    try_files $uri $uri.html @app;
    location ~ /\\.(?!well-known/) { return 404; }
    location ~ ^/(ENV|Procfile)$ { return 404; }
  }
  ${plain.replace("location /", "location @app")}
}
`,
  ],
  "https only, on ports of a sandbox, without IPv6": [
    siteOf({ backend, httpsOnly: true, ipv6: undefined, ports: { http: 8080, https: 8443 } }),
    `${written}${one}server {
  listen 0.0.0.0:8080;
  ${names}
  ${challenges}
  location / {
    return 301 https://$host:8443$request_uri;
  }
}
server {
  listen 0.0.0.0:8443 ssl http2;
  ${common}
  ${noGit}
  ${plain}
}
`,
  ],
  "https only": [
    siteOf({ backend, httpsOnly: true }),
    `${written}${one}server {
  listen 0.0.0.0:80;
  listen [::]:80;
  ${names}
  ${challenges}
  location / {
    return 301 https://$host$request_uri;
  }
}
server {
  listen 0.0.0.0:443 ssl http2;
  listen [::]:443 ssl http2;
  ${common}
  ${noGit}
  ${plain}
}
`,
  ],
  "HTTP/2 by a directive": [
    siteOf({ backend, http2: "directive" }),
    `${written}${one}server {
  ${listen.replaceAll(" http2", "")}
  http2 on;
  ${common}
  ${noGit}
  ${plain}
}
`,
  ],
  "no HTTP/2, git folders, an include file": [
    siteOf({
      backend,
      http2: "none",
      allowGit: true,
      include: "location /x {\n  # a note\n\n  return 204;\n}\n\n",
    }),
    `${written}${one}server {
  ${listen.replaceAll(" http2", "")}
  ${common}
  location /x {
    # a note
    return 204;
  }
  ${plain}
}
`,
  ],
};

const idleHeader = "\n    add_header Retry-After 300 always;";
const idle = shown(quotedPage(idlePage("blog", "web")), idleHeader);
const served = {
  own: `location = /.piku-down {
    internal;
    root "/p/apps/blog/my files";
    disable_symlinks on "from=/p/apps/blog/my files";
    add_header Cache-Control no-store always;
    try_files /503.html @piku_down;
  }
  location @piku_down {
    default_type text/html;
    add_header Cache-Control no-store always;
    return 503 ${quotedPage(downPage("blog"))};
  }`,
};
const pass = `location / {
    proxy_pass http://blog;
    ${proxy}
  }`;
Object.assign(sites, {
  "web with a page of its own": [
    siteOf({ backend, page: "/p/apps/blog/my files" }),
    `${written}${one}server {
  ${listen}
  ${common}
  ${noGit}
  ${connection}
  ${pass}
  error_page 502 504 /.piku-down;
  ${served.own}
}
`,
  ],
  "web with 0 processes": [
    siteOf({ idle: "web" }),
    `${written}server {
  ${listen}
  ${common}
  ${noGit}
  location / {
    error_page 503 /.piku-down;
    return 503;
  }
  ${idle}
}
`,
  ],
  "static / in front of web with 0 processes": [
    siteOf({ idle: "web", statics: [{ url: "", folder: "/p/apps/blog/public" }] }),
    `${written}server {
  ${listen}
  ${common}
  ${noGit}
  location / {
    root "/p/apps/blog/public";
    index index.html;
    sendfile on;
    tcp_nopush on;
    disable_symlinks if_not_owner "from=/p/apps/blog/public";
    try_files $uri $uri.html @app;
    location ~ /\\.(?!well-known/) { return 404; }
    location ~ ^/(ENV|Procfile)$ { return 404; }
  }
  location @app {
    error_page 503 /.piku-down;
    return 503;
  }
  ${idle}
}
`,
  ],
  ...Object.fromEntries(
    [
      "error_page 502 /sorry.html;",
      "proxy_intercept_errors on;",
      "location /x { error_page 404 /none; }",
      "recursive_error_pages on;",
      "include /etc/nginx/mime.types;",
    ].map((include) => [
      `an include file that may have error pages of its own: ${include}`,
      [
        siteOf({ backend, include }),
        `${written}${one}server {
  ${listen}
  ${common}
  ${noGit}
  ${include}
  ${connection}
  ${pass}
}
`,
      ],
    ]),
  ),
} satisfies typeof sites);

test.each(Object.keys(sites))("the site of %s", (name) => {
  const [site, expected] = sites[name]!;
  expect(renderSite(site)).toBe(expected);
});

const folder = fs.mkdtempSync(join(tmpdir(), "piku-nginx-"));
afterAll(() => fs.rmSync(folder, { recursive: true }));

const tools = `${process.env.PATH}:/usr/sbin`;
const lacking = ["nginx", "openssl"].filter((tool) => !Bun.which(tool, { PATH: tools }));
const withNginx = test.skipIf(lacking.length > 0);

/** The real nginx, asked in a folder of its own what it makes of sites. */
function realNginx() {
  const host = memoryHost({
    env: { HOME: "/home/piku", PIKU_ROOT: folder },
    answer(argv) {
      const ran = Bun.spawnSync([...argv], { env: { PATH: tools }, stderr: "pipe" });
      return { status: ran.exitCode, stderr: ran.stderr.toString() };
    },
  });
  const paths = pathsOf(host);
  const { http2, limits, rejects } = askNginx(host);
  const main = {
    paths: { ...paths, web: folder, nginx: `${folder}/sites` },
    ports: high,
    ipv4: "127.0.0.1",
    limits,
  };
  // Whoever tests may not bind port 80, which `nginx -t` does.
  const onHighPorts = (site: string) =>
    site.replace(/^(\s*listen \S*:)(\d{2,3})(?=[\s;])/gm, "$140$2");
  return {
    http2,
    /** What nginx has against these sites, beside the main file of a board. */
    ask(sites: [string, string][]): string | undefined {
      fs.rmSync(`${folder}/sites`, { recursive: true, force: true });
      fs.mkdirSync(`${folder}/sites`);
      for (const [name, site] of sites)
        fs.writeFileSync(`${folder}/sites/${name}.conf`, onHighPorts(site));
      fs.copyFileSync(`${folder}/crt`, `${folder}/unknown.crt`);
      fs.copyFileSync(`${folder}/key`, `${folder}/unknown.key`);
      const user = process.getuid?.() === 0 ? "root" : undefined;
      fs.writeFileSync(
        `${folder}/nginx.conf`,
        renderMain({ ...main, user, rejects, hostname: "board", isNamed: true }),
      );
      const ran = Bun.spawnSync(["nginx", "-t", "-q", "-c", `${folder}/nginx.conf`], {
        env: { PATH: tools },
        stderr: "pipe",
      });
      return ran.exitCode === 0 ? undefined : readComplaint(main.paths, ran.stderr.toString());
    },
  };
}

const high = { http: 4080, https: 40443 };

beforeAll(() => {
  if (lacking.length > 0) return;
  const words =
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /O=Piku";
  const files = ["-keyout", join(folder, "key"), "-out", join(folder, "crt")];
  Bun.spawnSync(["openssl", ...words.split(" "), ...files], { stderr: "ignore" });
});

beforeAll(() => {
  for (const name of ["nginx", "cache/blog"]) fs.mkdirSync(join(folder, name), { recursive: true });
  fs.writeFileSync(
    join(folder, "nginx/cloudflare.acl"),
    renderRanges(["192.0.2.0/24", "2001:db8::/32"]),
  );
});

/** Refers to files that are there. */
const real = (site: string) =>
  site.replaceAll("/p/nginx/blog.", `${folder}/`).replaceAll("/p/", `${folder}/`);

withNginx.each(Object.keys(sites))(
  "nginx -t takes the site of %s (skipped without nginx and openssl)",
  (name) => {
    const { http2, ask } = realNginx();
    const [site] = sites[name]!;
    const known = site.http2 === "directive" ? { ...site, http2 } : site;
    expect(ask([["blog", real(renderSite(known))]])).toBeUndefined();
  },
);

withNginx(
  "nginx -t takes the sites of apps with names alike, together (skipped without nginx and openssl)",
  () => {
    const names = ["blog", "blog.b", "blog-b", "Blog2", "2048", "unix", "a_b"];
    const siteFor = (name: string) =>
      siteOf({ app: name, names: [`${name.toLowerCase()}.example`], backend: slots });
    expect(
      realNginx().ask(names.map((name) => [name, real(renderSite(siteFor(name)))])),
    ).toBeUndefined();
  },
);

withNginx("nginx -t says what it dislikes, and where (skipped without nginx and openssl)", () => {
  const [good, bad] = ["good", "bad"].map((name): [string, string] => {
    const include = name === "bad" ? "nonsense on;" : undefined;
    return [
      name,
      real(renderSite(siteOf({ app: name, names: [`${name}.example`], backend, include }))),
    ];
  });
  expect(realNginx().ask([good!, bad!])).toMatch(/^unknown directive "nonsense" in bad\.conf:\d+$/);
});

test.each<[string, ReturnType<typeof askNginx>]>([
  [
    "nginx version: nginx/1.22.1\nconfigure arguments: --with-http_v2_module",
    { http2: "listen", countsSent: true, limits: true, rejects: true, hasLogOption: true },
  ],
  [
    "nginx version: nginx/1.25.1 (Ubuntu)\n--with-http_v2_module",
    { http2: "directive", countsSent: true, limits: true, rejects: true, hasLogOption: true },
  ],
  [
    "nginx version: nginx/1.25.0\n--with-http_v2_module",
    { http2: "listen", countsSent: true, limits: true, rejects: true, hasLogOption: true },
  ],
  [
    "nginx version: nginx/2.0.0\n--with-http_v2_module",
    { http2: "directive", countsSent: true, limits: true, rejects: true, hasLogOption: true },
  ],
  [
    "nginx version: nginx/1.18.0\n--with-http_v2_module --without-http_limit_conn_module",
    { http2: "listen", countsSent: true, limits: false, rejects: false, hasLogOption: false },
  ],
  [
    "nginx version: nginx/1.19.4\n",
    { http2: "none", countsSent: true, limits: true, rejects: true, hasLogOption: false },
  ],
])("askNginx: %j", (stderr, expected) => {
  expect(askNginx(memoryHost({ answer: () => ({ stderr }) }))).toEqual(expected);
});

test("a machine without nginx", () => {
  expect(() => askNginx(memoryHost({ answer: () => ({ status: 127 }) }))).toThrow(
    "nginx is not installed on the server",
  );
});

test("readSites", () => {
  const files = {
    "/p/nginx/a.conf": "A",
    "/p/nginx/b.c.conf": "B",
    "/p/nginx/.x.conf": "X",
    "/p/nginx/a.crt": "C",
  };
  const host = memoryHost({ env: { HOME: "/home/piku", PIKU_ROOT: "/p" }, files });
  expect([...readSites(host, pathsOf(host))]).toEqual([
    ["a", "A"],
    ["b.c", "B"],
  ]);
});

const others = new Map([
  ["blog", "server_name own.example;"],
  [
    "shop",
    "server {\n  server_name Shop.example   www.shop.example;\n}\nserver { \n\tserver_name _;\n}\n",
  ],
  [
    "line",
    "server{server_name inside.example;server_name x 'quoted.example' second.example .dotted.example;}",
  ],
  ["old", "  # server_name note.example;\n  server_name\n    lines.example\n    more.example;\n"],
]);

test.each([
  [["own.example"], undefined],
  [["new.example"], undefined],
  [["note.example"], undefined],
  [["hop.example"], undefined],
  [["new.example", "shop.example"], "the server name 'shop.example' belongs to app 'shop'"],
  [["www.shop.example"], "the server name 'www.shop.example' belongs to app 'shop'"],
  [["_"], "the server name '_' belongs to app 'shop'"],
  [["more.example"], "the server name 'more.example' belongs to app 'old'"],
  [["inside.example"], "the server name 'inside.example' belongs to app 'line'"],
  [["second.example"], "the server name 'second.example' belongs to app 'line'"],
  [["quoted.example"], "the server name 'quoted.example' belongs to app 'line'"],
  [["dotted.example"], "the server name 'dotted.example' belongs to app 'line'"],
])("refuseTakenNames(%j)", (wanted, message) => {
  const refuse = () => refuseTakenNames(wanted, "blog", others);
  if (message === undefined) expect(refuse).not.toThrow();
  else expect(refuse).toThrow(message);
});

test.each<[string[], [string, string][], string | undefined]>([
  [["*:80", "[::]:80"], [["shop", "listen 80; listen [::]:80;"]], undefined],
  [["10.0.0.1:80"], [], undefined],
  [
    ["10.0.0.1:80"],
    [["shop", "listen 0.0.0.0:80;"]],
    "the address 10.0.0.1:80 would be taken from app 'shop'",
  ],
  [["127.0.0.1:80"], [["shop", "listen *:80;"]], "would be taken from app 'shop'"],
  [["localhost:80"], [["shop", "listen 80;"]], "would be taken from app 'shop'"],
  [
    ["[2001:db8::1]:443"],
    [["shop", "listen 443; listen [::]:443 ssl;"]],
    "would be taken from app 'shop'",
  ],
  [["[2001:db8::1]:443"], [["shop", "listen 443;"]], undefined],
  [["10.0.0.1:8080"], [["shop", "listen 80;"]], undefined],
  [["10.0.0.1:80"], [["shop", "listen 10.0.0.1:80;"]], undefined],
  [["10.0.0.1:80"], [["blog", "listen 80;"]], undefined],
  [
    ["10.0.0.1:80"],
    [
      ["blog", "listen 10.0.0.1:80;"],
      ["shop", "listen 80;"],
    ],
    undefined,
  ],
])("refuseTakenAddress(%j) beside %j", (listens, sites, message) => {
  const refuse = () => refuseTakenAddress(listens, "blog", new Map(sites));
  if (message === undefined) refuse();
  else expect(refuse).toThrow(message);
});

const ports = { http: 80, https: 443 };

test.each<[string, Record<string, string>, [string, string][], string | undefined]>([
  ["nobody else", {}, [["blog", "listen 0.0.0.0:80 default_server;"]], undefined],
  [
    "another app",
    {},
    [["shop", "  listen 0.0.0.0:80 default_server;"]],
    "app 'shop' answers for unknown names already",
  ],
  ["another port", {}, [["shop", "listen 0.0.0.0:8080 default_server;"]], undefined],
  [
    "one line",
    {},
    [["shop", "server{listen 443 ssl default_server;}"]],
    "app 'shop' answers for unknown names already",
  ],
  [
    "the old word",
    {},
    [["shop", "listen\n80\ndefault;"]],
    "app 'shop' answers for unknown names already",
  ],
  ["a comment", { "/etc/nginx/conf.d/a.conf": "# listen 80 default_server;" }, [], undefined],
  [
    "Debian's own site",
    {
      "/etc/nginx/sites-enabled/default":
        "server {\n\tlisten 80 default_server;\n\tlisten [::]:80 default_server;\n}",
    },
    [],
    "the server's own nginx answers for unknown names already, by /etc/nginx/sites-enabled/default",
  ],
])("refuseSecondDefault: %s", (_, files, sites, message) => {
  const refuse = () =>
    refuseSecondDefault(memoryHost({ files }), "blog", new Map(sites), ports, true);
  if (message === undefined) expect(refuse).not.toThrow();
  else expect(refuse).toThrow(message);
});

const answer = (ipv4: unknown[], ipv6: unknown[], success = true) =>
  JSON.stringify({ success, result: { ipv4_cidrs: ipv4, ipv6_cidrs: ipv6 } });

test.each<[string, string[] | undefined]>([
  [answer(["192.0.2.0/24"], ["2001:db8::/32"]), ["192.0.2.0/24", "2001:db8::/32"]],
  [answer(["192.0.2.0/24"], [], false), undefined],
  [answer([], []), undefined],
  [answer(["192.0.2.0/24; deny all"], ["2001:db8::/32"]), undefined],
  [answer([7], ["2001:db8::/32"]), undefined],
  ["<html>", undefined],
  ["null", undefined],
])("parseRanges(%s)", (text, ranges) => {
  expect(parseRanges(text)).toEqual(ranges);
});

test.each<[string, string | undefined, number, string | undefined, string | undefined]>([
  ["no site wants it", undefined, 0, undefined, undefined],
  ["it has changed", "old", 0, renderRanges(["192.0.2.0/24", "2001:db8::/32"]), undefined],
  ["the network is away", "old", 6, "old", "could not download Cloudflare's IP ranges"],
])("refreshRanges: %s", (_, before, status, after, message) => {
  const host = memoryHost({
    env: { HOME: "/home/piku", PIKU_ROOT: "/p" },
    files: before === undefined ? {} : { "/p/nginx/cloudflare.acl": before },
    answer: ([program]) =>
      program === "curl"
        ? { status, stdout: answer(["192.0.2.0/24"], ["2001:db8::/32"]) }
        : undefined,
  });
  const paths = pathsOf(host);
  const refresh = () => refreshRanges(host, paths, readBoardSettings(host, paths.settings));
  if (message === undefined) refresh();
  else expect(refresh).toThrow(message);
  expect(host.read(rangesFile(paths))).toBe(after);
});

test.each(Object.keys(sites))("the names of the site of %s are found in it", (name) => {
  const text = renderSite(sites[name]![0]);
  expect(() => refuseTakenNames(["www.blog.example"], "other", new Map([["blog", text]]))).toThrow(
    "belongs to app 'blog'",
  );
});
