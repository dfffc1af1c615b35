import { expect, test } from "bun:test";
import { appOf } from "../../../src/app/app.ts";
import type { Settings } from "../../../src/app/env-file.ts";
import { pathsOf } from "../../../src/app/paths.ts";
import {
  askAuthority,
  clientPairs,
  findClient,
  publicNames,
  retryAfter,
} from "../../../src/site/acme.ts";
import { isDue, isFor, parseDate } from "../../../src/site/certificate.ts";
import { memoryHost } from "../../host/memory.ts";

const env = { HOME: "/home/piku", PIKU_ROOT: "/p", PATH: "/usr/bin" };
const dehydrated = { "/usr/bin/dehydrated": "" };
const acmeSh = { "/home/piku/.acme.sh/acme.sh": "" };

function hostWith(files: Record<string, string>, answer?: Parameters<typeof memoryHost>[0]) {
  const host = memoryHost({ env, files, ...answer });
  if ("/usr/bin/dehydrated" in files) host.chmod("/usr/bin/dehydrated", 0o755);
  return host;
}
const appOn = (host: ReturnType<typeof memoryHost>) => appOf(pathsOf(host), "blog");
const names = ["a.example.com", "b.example.com"];

test.each<[string, Record<string, string>, Settings, string[][] | undefined]>([
  ["nothing", {}, {}, undefined],
  [
    "acme.sh",
    { ...acmeSh, ...dehydrated },
    {},
    [
      [
        ...["/home/piku/.acme.sh/acme.sh", "--home", "/home/piku/.acme.sh", "--issue"],
        ...[
          "-d",
          "a.example.com",
          "-d",
          "b.example.com",
          "-w",
          "/p/acme",
          "--server",
          "letsencrypt.org",
          "--force",
        ],
      ],
    ],
  ],
  [
    "acme.sh elsewhere",
    { "/opt/acme/acme.sh": "" },
    { ACME_ROOT: "/opt/acme", ACME_ROOT_CA: "zerossl" },
    [
      [
        ...["/opt/acme/acme.sh", "--home", "/opt/acme", "--issue"],
        ...[
          "-d",
          "a.example.com",
          "-d",
          "b.example.com",
          "-w",
          "/p/acme",
          "--server",
          "zerossl",
          "--force",
        ],
      ],
    ],
  ],
  [
    "dehydrated",
    dehydrated,
    {},
    [
      ["--register", "--accept-terms"],
      [
        ...["--cron", "--force", "--lock-suffix", "blog", "--alias", "blog"],
        ...["--domain", "a.example.com", "--domain", "b.example.com"],
      ],
    ].map((words) => [
      ...["/usr/bin/dehydrated", "--config", "/p/acme/.dehydrated/config", "--ca", "letsencrypt"],
      ...words,
    ]),
  ],
])("a server with %s is asked so", (_, files, settings, calls) => {
  const host = hostWith(files);
  expect(findClient(host, appOn(host), settings)?.calls(names)).toEqual(calls);
});

test("the configuration of dehydrated", () => {
  const host = hostWith(dehydrated);
  expect(findClient(host, appOn(host), {})?.files).toEqual([
    [
      "/p/acme/.dehydrated/config",
      `# Written by piku; changes are lost.
BASEDIR=/p/acme/.dehydrated
WELLKNOWN=/p/acme/.well-known/acme-challenge
CHALLENGETYPE=http-01
KEY_ALGO=prime256v1
`,
    ],
  ]);
});

test.each(["https://a b", "$(id)", "-x", "a/b", "file:///etc/passwd"])(
  "ACME_ROOT_CA=%s is refused",
  (value) => {
    const host = hostWith(acmeSh);
    expect(() => findClient(host, appOn(host), { ACME_ROOT_CA: value })).toThrow(
      `ACME_ROOT_CA: invalid authority '${value}'`,
    );
  },
);

const all = [
  "a.example.com",
  "*.example.com",
  ".example.com",
  "_",
  "192.0.2.1",
  "2001:db8::1",
  "pi",
  "pi.local",
];

test.each<[string | undefined, string[], string[]]>([
  [undefined, all, ["a.example.com"]],
  [
    "letsencrypt.org",
    [...all, "x.lan", "x.test", "x.home.arpa", "local.org"],
    ["a.example.com", "local.org"],
  ],
  ["https://ca.school.lan/dir", all, ["a.example.com", "pi.local"]],
])("names that %s is asked for", (authority, given, expected) => {
  expect(publicNames(given, authority)).toEqual(expected);
});

test("a failure is remembered for an hour, whatever the clock is set to", () => {
  const host = hostWith(acmeSh, {
    answer: () => ({ status: 1, stdout: "doing\nError: no such name\n", stderr: "detail\n" }),
  });
  const app = appOn(host);
  host.mkdir(app.releases);
  const client = findClient(host, app, {})!;
  expect(retryAfter(host, app)).toBeUndefined();
  const failed = host.clock;
  expect(() => askAuthority(host, app, client, names)).toThrow("acme.sh: Error: no such name");
  for (const [passed, paused] of [
    [0, true],
    [3_599_000, true],
    [3_600_000, false],
    [-60_000, false],
  ] as const) {
    host.clock = failed + passed;
    expect(retryAfter(host, app) !== undefined).toBe(paused);
  }
});

test("the newest pair counts", () => {
  const root = "/home/piku/.acme.sh";
  const host = hostWith({
    ...acmeSh,
    [`${root}/a.example.com/fullchain.cer`]: "rsa",
    [`${root}/a.example.com/a.example.com.key`]: "",
  });
  const client = findClient(host, appOn(host), {})!;
  const certificate = () => clientPairs(host, client, names)[0]?.certificate;
  expect(certificate()).toBe(`${root}/a.example.com/fullchain.cer`);
  host.clock += 5000;
  host.mkdir(`${root}/a.example.com_ecc`);
  host.write(`${root}/a.example.com_ecc/fullchain.cer`, "ecc");
  // Without its key it is no pair.
  expect(certificate()).toBe(`${root}/a.example.com/fullchain.cer`);
  host.write(`${root}/a.example.com_ecc/a.example.com.key`, "");
  expect(certificate()).toBe(`${root}/a.example.com_ecc/fullchain.cer`);
});

test.each([
  ["Nov 25 06:52:56 2026 GMT", Date.UTC(2026, 10, 25, 6, 52, 56)],
  ["Feb  3 16:00:00 2027 GMT", Date.UTC(2027, 1, 3, 16)],
  ["never", 0],
  [undefined, 0],
])("parseDate(%s)", (written, expected) => {
  expect(parseDate(written)).toBe(expected);
});

test.each([
  [0, 90, 59, false],
  [0, 90, 61, true],
  [0, 6, 3, false],
  [0, 6, 5, true],
  [0, 90, 100, true],
])("a certificate from day %d to %d is due at %d: %p", (from, until, now, due) => {
  expect(isDue({ from, until }, now)).toBe(due);
});

test("a certificate is for names in any case", () => {
  expect(isFor({ names: ["a.example", "b.example"] }, ["A.example"])).toBe(true);
  expect(isFor({ names: ["a.example"] }, ["a.example", "b.example"])).toBe(false);
});
