import { expect, test } from "bun:test";
import { pathsOf } from "../../../src/app/paths.ts";
import { blamedSite, readComplaint } from "../../../src/site/complaint.ts";
import { renderMain, writeMain } from "../../../src/site/main-file.ts";
import { quotedPage, unknownPage } from "../../../src/site/page.ts";
import { asDefault, prepareWeb, tryWeb } from "../../../src/site/prepare.ts";
import { refusedSites } from "../../../src/site/refused.ts";
import { memoryHost } from "../../host/memory.ts";

const env = { HOME: "/home/piku", PIKU_ROOT: "/p" };
const version = "nginx version: nginx/1.22.1\nconfigure arguments: --with-http_v2_module";
const paths = pathsOf(memoryHost({ env }));

test("the main file of a board", () => {
  const main = {
    paths,
    ports: { http: 80, https: 443 },
    ipv4: "0.0.0.0",
    ipv6: "[::]",
    limits: true,
    rejects: true,
    isNamed: true,
  };
  expect(
    renderMain(main),
  ).toBe(`# Written by piku; changes are lost. What is to stand beside the sites goes into a file of /p/nginx that ends in .conf.
worker_processes auto;
worker_rlimit_nofile 4096;
worker_shutdown_timeout 15m;
pid /p/web/nginx.pid;
error_log /p/web/error.log notice;
include /etc/nginx/modules-enabled/*.conf;
include /etc/nginx/modules/*.conf;
include /usr/share/nginx/modules/*.conf;
events {
  worker_connections 1024;
}
http {
  include /etc/nginx/mime.types;
  default_type application/octet-stream;
  access_log /p/web/access.log combined buffer=32k flush=1m;
  client_body_temp_path /p/web/temp-client_body;
  proxy_temp_path /p/web/temp-proxy;
  fastcgi_temp_path /p/web/temp-fastcgi;
  uwsgi_temp_path /p/web/temp-uwsgi;
  scgi_temp_path /p/web/temp-scgi;
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
  limit_conn piku_addresses 400;
  limit_conn_status 429;
  server {
    listen 0.0.0.0:80;
    listen [::]:80;
    default_type text/html;
    return 404 ${quotedPage(unknownPage)};
  }
  server {
    listen 0.0.0.0:443 ssl;
    listen [::]:443 ssl;
    ssl_reject_handshake on;
  }
  include /p/nginx/*.conf;
}
`);
});

test.each([
  [{}, "listen 0.0.0.0:80;\n    set $piku_seen"],
  [{ "/proc/net/if_inet6": "x" }, "listen 0.0.0.0:80;\n    listen [::]:80;\n"],
  [
    { "/proc/net/if_inet6": "x", "/p/ENV": "DISABLE_IPV6=true\n" },
    "listen 0.0.0.0:80;\n    set $piku_seen",
  ],
  [{ "/p/ENV": "NGINX_IPV4_ADDRESS=192.0.2.1\nPIKU_HTTP_PORT=8080\n" }, "listen 192.0.2.1:8080;\n"],
])("writeMain goes by the board's settings: %j", (files, expected) => {
  const host = memoryHost({
    env,
    files: { "/p/x": "", ...files },
    answer: () => ({ stderr: version }),
  });
  expect(writeMain(host, paths)).toBe(true);
  expect(host.read("/p/web/nginx.conf")).toContain(expected);
  expect(host.stat("/p/web/nginx.conf")!.mode).toBe(0o600);
  expect(host.stat("/p/web")!.mode).toBe(0o700);
  expect(writeMain(host, paths)).toBe(false);
});

test.each([
  ["board\n", "", "server_name board "],
  ["board.lan\n", "PIKU_PAGE=false\n", "server_name board "],
  ["board\n", "PIKU_DEFAULT_APP=blog\n", undefined],
  ["board\n", "PIKU_DEFAULT_APP=blog\nPIKU_PAGE=true\n", "server_name board "],
  ['b"o\n', "", undefined],
])("on the machine %j with the ENV %j the board's page has a server: %p", (name, ENV, expected) => {
  const files = { "/p/ENV": ENV, "/proc/sys/kernel/hostname": name };
  const host = memoryHost({ env, files, answer: () => ({ stderr: version }) });
  writeMain(host, paths);
  const main = host.read("/p/web/nginx.conf")!;
  expect(main).toContain("map $http_accept_language $piku_language");
  if (expected) expect(main).toContain(expected);
  else expect(main).not.toContain("server_name ");
});

test("an app's include file named a file beside the distribution's main file", () => {
  const host = memoryHost({
    env,
    files: { "/etc/nginx/fastcgi_params": "x" },
    answer: () => ({ stderr: version }),
  });
  host.mkdir("/p");
  writeMain(host, paths);
  expect(host.read("/p/web/fastcgi_params")).toBe("x");
  expect(host.list("/p/web")).toEqual(["fastcgi_params", "nginx.conf"]);
});

test("an address of the board's that is none is named with its file", () => {
  const files = { "/p/ENV": "NGINX_IPV4_ADDRESS=1;2\n" };
  const host = memoryHost({ env, files, answer: () => ({ stderr: version }) });
  expect(() => writeMain(host, paths)).toThrow("/p/ENV: NGINX_IPV4_ADDRESS: invalid address '1;2'");
});

const line = (text: string) => `2026/11/26 03:33:44 [emerg] 12#12: ${text}\n`;

test.each([
  [
    line('unknown directive "x" in /p/nginx/blog.conf:7'),
    'unknown directive "x" in blog.conf:7',
    "blog",
  ],
  [
    `nginx: [emerg] invalid parameter "foo" in /p/nginx/a.b-c.conf:1\n`,
    'invalid parameter "foo" in a.b-c.conf:1',
    "a.b-c",
  ],
  [
    line(
      'cannot load certificate "/p/nginx/blog.crt": BIO_new_file() failed (SSL: error:80000002)',
    ),
    'cannot load certificate "blog.crt": BIO_new_file() failed (SSL: error:80000002)',
    "blog",
  ],
  [
    line("bind() to 0.0.0.0:8080 failed (98: Address already in use)") +
      line("still could not bind()"),
    "bind() to 0.0.0.0:8080 failed (98: Address already in use)",
    undefined,
  ],
  [
    line('open() "/p/logs/blog/nginx.access.log" failed (13: Permission denied)'),
    'open() "/p/logs/blog/nginx.access.log" failed (13: Permission denied)',
    undefined,
  ],
  [line("still could not bind()"), "still could not bind()", undefined],
  ["2026/11/26 03:33:44 [notice] 12#12: reconfiguring\n", undefined, undefined],
])("what nginx says, and whom it blames: %j", (said, complaint, blamed) => {
  expect(readComplaint(paths, said)).toBe(complaint);
  if (complaint !== undefined) expect(blamedSite(complaint)).toBe(blamed);
});

/** A board whose nginx refuses the sites that hold `bad`, by name or without one. */
function board(sites: Record<string, string>, blame = true, taken: number[] = []) {
  const files = Object.fromEntries(
    Object.entries(sites).map(([name, text]) => [`/p/nginx/${name}`, text]),
  );
  const host = memoryHost({
    env,
    files: { ...files, "/p/web/nginx.pid": "99\n" },
    answer(argv) {
      if (argv[1] === "-V") return { stderr: version };
      if (!argv.includes("-t")) return undefined;
      const guilty = host
        .list("/p/nginx")
        .find(
          (name) => /^[^.].*\.conf$/.test(name) && host.read(`/p/nginx/${name}`)!.includes("bad"),
        );
      if (guilty === undefined) return { status: 0 };
      const why = blame
        ? `unknown directive "bad" in /p/nginx/${guilty}:1`
        : "host not found in upstream";
      return { status: 1, stderr: `nginx: [emerg] ${why}\n` };
    },
  });
  for (const port of taken) host.taken.add(port);
  return host;
}

for (const blame of [true, false])
  test(`one app's site stopped all others at boot: it is set aside and named (${blame ? "nginx says whose" : "nginx does not say whose"})`, () => {
    const host = board(
      { "a.conf": "good a", "b.conf": "bad b", "c.conf": "good c", "b.crt": "B", ".x.conf": "bad" },
      blame,
    );
    const why = blame ? 'unknown directive "bad" in b.conf:1' : "host not found in upstream";
    expect([...prepareWeb(host, paths)]).toEqual([["b", why]]);
    expect(host.list("/p/nginx")).toEqual([
      ".x.conf",
      "a.conf",
      "b.crt",
      "b.refusal",
      "b.refused",
      "c.conf",
    ]);
    expect(host.read("/p/nginx/a.conf")).toBe("good a");
    expect([...refusedSites(host, paths)]).toEqual([["b", why]]);
    expect(host.stat("/p/web/nginx.pid")).toBeUndefined();
    // What mended itself is back with the next start.
    host.write("/p/nginx/b.refused", host.read("/p/nginx/b.refused")!.replace("bad b", "good b"));
    expect([...prepareWeb(host, paths)]).toEqual([]);
    expect(host.read("/p/nginx/b.conf")).toBe("good b");
    expect(host.list("/p/nginx")).toEqual([".x.conf", "a.conf", "b.conf", "b.crt", "c.conf"]);
  });

test("a site with a port that another program has is set aside, which nginx -t does not see", () => {
  const host = board(
    { "a.conf": "listen 0.0.0.0:80;\nlisten 8080;\n", "b.conf": "listen 0.0.0.0:80;\n" },
    true,
    [80, 8080],
  );
  expect([...prepareWeb(host, paths)]).toEqual([["a", "another program of the board has *:8080"]]);
  expect(host.list("/p/nginx")).toEqual(["a.refusal", "a.refused", "b.conf"]);
});

test("a newer site is not replaced by one that was set aside before", () => {
  const host = board({ "a.conf": "new", "a.refused": "old", "a.refusal": "x\n" });
  prepareWeb(host, paths);
  expect(host.read("/p/nginx/a.conf")).toBe("new");
  expect(host.list("/p/nginx")).toEqual(["a.conf"]);
});

test("a main file that nginx refuses is told, and sites are where they were", () => {
  const host = memoryHost({
    env,
    files: { "/p/nginx/a.conf": "A" },
    answer: (argv) =>
      argv.includes("-t")
        ? { status: 1, stderr: "nginx: [emerg] no such module in /etc/nginx/modules/x.conf:1\n" }
        : { stderr: version },
  });
  expect(() => prepareWeb(host, paths)).toThrow("nginx refuses its main file: no such module");
  expect(host.list("/p/nginx")).toEqual(["a.conf"]);
});

const usual = [80, 443];

test.each([
  [
    "listen 0.0.0.0:80;\nlisten [::]:80;\n",
    "listen 0.0.0.0:80 default_server;\nlisten [::]:80 default_server;\n",
  ],
  [
    "listen 0.0.0.0:80;\nlisten 0.0.0.0:443 ssl http2;\n}\nserver {\nlisten 0.0.0.0:80;",
    "listen 0.0.0.0:80 default_server;\nlisten 0.0.0.0:443 default_server ssl http2;\n}\nserver {\nlisten 0.0.0.0:80;",
  ],
  ["listen 80 default_server;\nlisten 443;", "listen 80 default_server;\nlisten 443;"],
  ["listen 8080;", "listen 8080;"],
])("asDefault(%j)", (site, expected) => {
  expect(asDefault(site, usual)).toBe(expected);
});

test("going over: the app that answered for unknown names goes on doing so, and what another user made is left aside", () => {
  const host = memoryHost({
    env,
    files: {
      "/p/ENV": "PIKU_DEFAULT_APP=blog\n",
      "/p/nginx/blog.conf": "listen 80;",
      "/p/releases/blog/2.conf": "listen 80;",
      "/p/releases/blog/1.conf": "other",
      "/p/logs/blog/nginx.access.log": "x",
      "/p/cache/blog/nginx/f": "x",
      // It was tried before, and stayed shared.
      "/p/cache/blog/nginx.former/f": "x",
    },
    answer: ([program, word]) =>
      program === "find"
        ? {
            stdout:
              word === "/p/cache"
                ? "/p/cache/blog/nginx\n/p/cache/blog/nginx.former\n"
                : "/p/logs/blog/nginx.access.log\n",
          }
        : { stderr: version },
  });
  expect(tryWeb(host, paths)).toEqual({
    aside: ["/p/cache/blog/nginx", "/p/logs/blog/nginx.access.log"],
    complaint: undefined,
  });
  expect(host.read("/p/nginx/blog.conf")).toBe("listen 80 default_server;");
  expect(host.read("/p/releases/blog/2.conf")).toBe("listen 80 default_server;");
  expect(host.read("/p/releases/blog/1.conf")).toBe("other");
  expect(host.list("/p/logs/blog")).toEqual(["nginx.access.log.old"]);
  expect(host.list("/p/cache/blog")).toEqual(["nginx.former", "nginx.former.2"]);
});
