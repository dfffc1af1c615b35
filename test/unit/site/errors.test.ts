import { expect, test } from "bun:test";
import { renderSite } from "../../../src/site/render.ts";
import { planSite } from "../../../src/site/site.ts";
import { appBelow } from "../workers/example.ts";

const machine = {
  http2: "none",
  countsSent: true,
  ipv6: false,
  ports: { http: 80, https: 443 },
  folders: [],
} as const;
const backend = { protocol: "http", first: ["127.0.0.1:20001"] } as const;

/** The lines of a site that say something of this. */
const lines = (
  about: RegExp,
  settings: Record<string, string>,
  more: { include?: string; isShared?: boolean; workers?: Record<string, string> } = {},
) => {
  const { workers = { web: "a" }, include, isShared } = more;
  const to = "static" in workers ? undefined : { ...backend, first: [...backend.first] };
  const named = { NGINX_SERVER_NAME: "a.example", ...settings };
  const site = planSite(appBelow("/p"), workers, named, { ...machine, folders: [], isShared }, to)!;
  return renderSite({ ...site, include })
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => about.test(line));
};

const limit = /client_max_body_size|413/;
const limited = (size: string) => [
  `client_max_body_size ${size};`,
  "error_page 413 @piku_too_large;",
  `return 413 "Too large: this app takes at most ${size} at once (NGINX_MAX_BODY_SIZE).\\n";`,
];

test.each<[string, string[], string[]]>([
  ["a photo is taken, as it is not by nginx itself", lines(limit, {}), limited("20m")],
  ["more on request", lines(limit, { NGINX_MAX_BODY_SIZE: "2G" }), limited("2G")],
  [
    "the app's own directives count",
    lines(limit, {}, { include: "client_max_body_size 50m;" }),
    ["client_max_body_size 50m;"],
  ],
  ["or what they include", lines(limit, {}, { include: "include /srv/more.conf;" }), []],
  ["a shared nginx has its own limit", lines(limit, {}, { isShared: true }), []],
  [
    "unless the app says otherwise",
    lines(limit, { NGINX_MAX_BODY_SIZE: "1m" }, { isShared: true }),
    limited("1m"),
  ],
  ["nothing is sent to files", lines(limit, {}, { workers: { static: "/" } }), []],
])("the largest body of a request: %s", (_, found, expected) => {
  expect(found).toEqual(expected);
});

test.each(["1 m", "10mb", "-1", "1t", "5;"])("NGINX_MAX_BODY_SIZE=%s is refused", (value) => {
  expect(() => lines(limit, { NGINX_MAX_BODY_SIZE: value })).toThrow(
    `NGINX_MAX_BODY_SIZE: invalid size '${value}'`,
  );
});

const page = /^error_page .*404 \//;
const statics = { workers: { static: "/" } };

test.each<[string, string[], string[]]>([
  ["the folder's own", lines(page, {}, statics), ["error_page 404 /404.html;"]],
  [
    "of each folder",
    lines(page, { NGINX_STATIC_PATHS: "/docs:site" }, statics),
    ["error_page 404 /404.html;", "error_page 404 /docs/404.html;"],
  ],
  ["none behind a catch-all", lines(page, { NGINX_CATCH_ALL: "/index.html" }, statics), []],
  [
    "none beside the app's own directives",
    lines(page, {}, { ...statics, include: "error_page 403 404 /nope.html;" }),
    ["error_page 403 404 /nope.html;"],
  ],
  ["the app answers for itself", lines(page, { NGINX_STATIC_PATHS: "/:public" }), []],
])("the page of a missing file: %s", (_, found, expected) => {
  expect(found).toEqual(expected);
});

test("nginx serves no source of PHP", () => {
  const php = { workers: { php: "public" } };
  expect(lines(/\\\.\(php/, { NGINX_STATIC_PATHS: "/:public,/assets:assets" }, php)).toEqual([
    "location ~* \\.(php|phtml|inc)(/|$) { try_files /.piku-none @app; }",
    "location ~* \\.(php|phtml|inc)(/|$) { return 404; }",
  ]);
  expect(
    lines(/index\.php/, { NGINX_CATCH_ALL: "/index.php", NGINX_STATIC_PATHS: "/a:a" }, php),
  ).toEqual([]);
});
