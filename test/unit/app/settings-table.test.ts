import { expect, test } from "bun:test";
import { boardWarnings, readBoardSettings } from "../../../src/app/board-settings.ts";
import { setting, settingWarnings } from "../../../src/app/settings.ts";
import { type Row, type SettingName, sections, table } from "../../../src/app/settings-table.ts";
import { memoryHost } from "../../host/memory.ts";

const rows = Object.entries(table) as [SettingName, Row<unknown>][];

test("every setting is in one section of the page, with a sentence that ends", () => {
  const names = Object.values(sections).flatMap((section) => Object.keys(section));
  expect([...names].sort()).toEqual(Object.keys(table).sort());
  for (const [, { says }] of rows) expect(says).toMatch(/^[`A-Z0].*\.$/);
});

test("a default is a value that can be written", () => {
  for (const [name, { kind }] of rows) {
    const written = kind.initial === undefined ? "" : String(kind.initial);
    expect<unknown>([name, setting({ [name]: written }, name)]).toEqual([name, kind.initial]);
    expect<unknown>([name, setting({}, name)]).toEqual([name, kind.initial]);
  }
});

test.each<[string, boolean]>([
  ["true", true],
  ["TRUE", true],
  ["1", true],
  ["yes", true],
  ["Y", true],
  ["On", true],
  ["enabled", true],
  [" true ", true],
  ["false", false],
  ["False", false],
  ["0", false],
  ["no", false],
  ["n", false],
  ["OFF", false],
  ["disabled", false],
  ["", false],
  ["  ", false],
])("every boolean reads %j as %p, without a doubt", (value, expected) => {
  const booleans = rows.filter(([, { kind }]) => typeof kind.initial === "boolean");
  expect(booleans.length).toBeGreaterThan(10);
  for (const [name] of booleans) {
    expect([name, setting({ [name]: value }, name)]).toEqual([name, expected]);
    expect(settingWarnings({ [name]: value }, "app")).toEqual([]);
  }
});

// The original's get_boolean takes any other word for false; uWSGI, which read two of them by
// itself, for true.
test.each<[SettingName, boolean]>([
  ["NGINX_HTTPS_ONLY", false],
  ["PIKU_AUTO_RESTART", false],
  ["PIKU_OVERLAP", false],
  ["UWSGI_ENABLE_THREADS", true],
  ["UWSGI_LOG_X_FORWARDED_FOR", true],
])("%s=perhaps counts as %p, as it did for the original, and is told", (name, expected) => {
  expect(setting({ [name]: "perhaps" }, name)).toBe(expected);
  expect(settingWarnings({ [name]: "perhaps" }, "app")).toEqual([
    `${name} is 'perhaps', which counts as ${expected}; write true or false`,
  ]);
});

test.each<[SettingName, string, unknown]>([
  ["UWSGI_THREADS", "8", 8],
  ["UWSGI_THREADS", " 8\t", 8],
  ["UWSGI_THREADS", "008", 8],
  ["UWSGI_THREADS", "", 4],
  ["UWSGI_IDLE", "0", 0],
  ["PORT", "", undefined],
  ["PORT", "65535", 65_535],
  ["BIND_ADDRESS", "", "127.0.0.1"],
  ["NGINX_IPV6_ADDRESS", "[::1]", "[::1]"],
  ["NGINX_STATIC_PATHS", " /a:b , ,/c:d", ["/a:b", "/c:d"]],
  ["NGINX_CACHE_PREFIXES", "/a, b,//a", ["a", "b"]],
  ["NGINX_SERVER_NAME", "", []],
  ["NGINX_INCLUDE_FILE", "etc/n..conf", "etc/n..conf"],
  ["NODE_VERSION", "v20.11", "v20.11"],
  ["ACME_ROOT_CA", "", "letsencrypt.org"],
  ["PIKU_MAX_PUSH", "500M", "500M"],
  ["PIKU_NGINX", "shared", "shared"],
  ["PIKU_DOMAIN", "pi.example.com.", "pi.example.com."],
])("%s=%j is %j", (name, value, expected) => {
  expect<unknown>(setting({ [name]: value }, name)).toEqual(expected);
});

const portHint = "write a whole number from 1 to 65535, such as 8080";

test.each<[SettingName, string, string, string]>([
  ["UWSGI_THREADS", "four", "number 'four'", "write a whole number, such as 4"],
  ["UWSGI_GEVENT", "-1", "number '-1'", "write a whole number, such as 100"],
  ["UWSGI_LISTEN", "1234567890", "number '1234567890'", "write a whole number, such as 48"],
  ["PIKU_GRACE", "10s", "number of seconds '10s'", "write a whole number, such as 30"],
  ["PORT", "0", "port '0'", portHint],
  ["PIKU_HTTP_PORT", "65536", "port '65536'", portHint],
  ["BIND_ADDRESS", "a b", "address 'a b'", "write 127.0.0.1 or 0.0.0.0"],
  ["NGINX_IPV4_ADDRESS", "::1", "address '::1'", "write 192.0.2.1, or [2001:db8::1]"],
  [
    "NGINX_SERVER_NAME",
    "a.test, b:80",
    "server name 'b:80'",
    "write names such as app.example.com, with commas between them",
  ],
  [
    "PIKU_HEALTHCHECK",
    "health",
    "path 'health'",
    "write a path of the app that answers quickly, such as /health, or false",
  ],
  [
    "NGINX_INCLUDE_FILE",
    "a/../../b",
    "file of the app 'a/../../b'",
    "write its path in the repository, such as nginx.conf",
  ],
  [
    "UWSGI_INCLUDE_FILE",
    "/etc/passwd",
    "file of the app '/etc/passwd'",
    "write its path in the repository, such as nginx.conf",
  ],
  ["PIKU_NGINX", "mine", "choice 'mine'", "write own or shared"],
  ["PIKU_MAX_PUSH", "2 GB", "size '2 GB'", "write a size, such as 500m or 2g"],
  [
    "PIKU_MAX_FILES",
    "0",
    "number of files '0'",
    "write a whole number from 1 to 9999999, such as 200000",
  ],
  ["PIKU_DOMAIN", "not\x1b a", "domain 'not? a'", "write a domain, such as pi.example.com"],
])("%s=%j is invalid", (name, value, shown, hint) => {
  const message = `${name}: invalid ${shown}`;
  expect(() => setting({ [name]: value }, name)).toThrow(
    expect.objectContaining({ message, hint, exitCode: 1 }),
  );
  expect(() => setting({ [name]: value }, name, "/p/ENV")).toThrow(`/p/ENV: ${message}`);
});

test.each<[string, string]>([
  ["NGINX_SERVERNAME", "; did you mean NGINX_SERVER_NAME?"],
  ["NGINX_HTTP_ONLY", "; did you mean NGINX_HTTPS_ONLY?"],
  ["UWSGI_PROCESS", "; did you mean UWSGI_PROCESSES?"],
  ["PIKU_HEALTH_CHECK", "; did you mean PIKU_HEALTHCHECK?"],
  ["ACME_ROOTCA", "; did you mean ACME_ROOT_CA?"],
  ["UWSGI_GRACE", "; did you mean PIKU_GRACE?"],
  ["UWSGI_POST_BUFFERING", "; uWSGI's own options go into the file of UWSGI_INCLUDE_FILE"],
  ["UWSGI_", "; uWSGI's own options go into the file of UWSGI_INCLUDE_FILE"],
  ["PIKU_X", ", which piku does not use"],
  ["NGINX_", ", which piku does not use"],
])("%s is unknown%s", (name, remark) => {
  expect(settingWarnings({ [name]: "1" }, "app")).toEqual([`unknown setting ${name}${remark}`]);
});

// What the original reads, and what it and piku set by themselves.
test.each([
  "NGINX_SERVER_NAME",
  "NGINX_CACHE_ANY",
  "AUTO_RESTART",
  "AUTORESTART",
  "NGINX_ROOT",
  "NGINX_SOCKET",
  "NGINX_SSL",
  "NGINX_HTTP2",
  "NGINX_ACL",
  "ACME_WWW",
  "PIKU_ROOT",
  "PIKU_INTERNAL_NGINX_COMMON",
  "PIKU_DATA",
  "PIKU_SERVER",
  "DEBUG",
  "NGINXFOO",
  "MY_NGINX_NAME",
  "constructor",
])("%s is no mistake", (name) => {
  expect(settingWarnings({ [name]: "true" }, "app")).toEqual([]);
});

test("a name of the app's own that it uses somewhere is no mistake", () => {
  const settings = { NGINX_A: "1", NGINX_B: "1", NGINX_C: "1", X: "$NGINX_C" };
  // biome-ignore lint/suspicious/noTemplateCurlyInString: as a user writes it.
  const texts = () => ["proxy_pass $NGINX_A;", "run --with ${NGINX_B}x"];
  expect(settingWarnings(settings, "app", texts)).toEqual([]);
  const unread = () => {
    throw new Error("there is nothing to look for");
  };
  expect(settingWarnings({ A: "1" }, "app", unread)).toEqual([]);
});

test.each<["app" | "board", string, string]>([
  [
    "app",
    "PIKU_NGINX",
    "PIKU_NGINX counts only in the board's ENV: config:set --global PIKU_NGINX=...",
  ],
  [
    "board",
    "NGINX_SERVER_NAME",
    "NGINX_SERVER_NAME belongs in the ENV of one app: config:set APP NGINX_SERVER_NAME=...",
  ],
  [
    "board",
    "NGINX_SERVERNAME",
    "unknown setting NGINX_SERVERNAME; did you mean NGINX_SERVER_NAME?",
  ],
])("in the ENV of the %s: %s", (place, name, warning) => {
  expect(settingWarnings({ [name]: "1" }, place)).toEqual([warning]);
});

test("many unknown settings are counted, and looked at within a second", () => {
  const settings = Object.fromEntries(
    Array.from({ length: 5000 }, (_, i) => [
      `NGINX_SERVER_${i}_${"X".repeat(100)}`,
      "$A".repeat(50),
    ]),
  );
  const start = Date.now();
  const warnings = settingWarnings(settings, "app");
  expect(warnings.length).toBe(11);
  expect(warnings.at(-1)).toBe("4990 more settings are unknown to piku");
  expect(Date.now() - start).toBeLessThan(1000);
});

test("the board's ENV: its own settings go to no app, and what is doubtful is told", () => {
  const content = "PIKU_HTTP_PORT=8080\nTZ=UTC\nUWSGI_THREADS=2\nPIKU_HTTPPORT=1\n";
  const host = memoryHost({ files: { "/ENV": content } });
  const { settings, ports } = readBoardSettings(host, "/ENV");
  expect(settings).toEqual({ TZ: "UTC", UWSGI_THREADS: "2", PIKU_HTTPPORT: "1" });
  expect(ports).toEqual({ http: 8080, https: 443 });
  expect(boardWarnings(host, "/ENV")).toEqual([
    "unknown setting PIKU_HTTPPORT; did you mean PIKU_HTTP_PORT?",
  ]);
  expect(boardWarnings(memoryHost(), "/ENV")).toEqual([]);
});
