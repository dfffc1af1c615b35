import { expect, test } from "bun:test";
import { appOf } from "../../../src/app/app.ts";
import { readBoardSettings } from "../../../src/app/board-settings.ts";
import { pathsOf } from "../../../src/app/paths.ts";
import {
  isBelow,
  mayCache,
  mayServe,
  refuseCacheFolder,
  refuseServedLinks,
  removeCache,
} from "../../../src/site/folders.ts";
import { type MemoryHost, memoryHost } from "../../host/memory.ts";

const env = { HOME: "/home/piku", PIKU_ROOT: "/p" };
const app = appOf(pathsOf(memoryHost({ env })), "ben");

test.each<[string, string, boolean]>([
  ["/a", "/a", true],
  ["/a/b", "/a", true],
  ["/ab", "/a", false],
  ["/a", "/a/b", false],
  ["/a", "/", true],
  ["/", "/", true],
  ["/", "/a", false],
])("isBelow(%j, %j)", (path, folder, is) => {
  expect(isBelow(path, folder)).toBe(is);
});

test.each<[string, string[], boolean]>([
  ["/p/apps/ben", [], true],
  ["/p/apps/ben/public", [], true],
  ["/p/data/ben", [], true],
  ["/p/envs/ben/.0123456789abcdef", [], true],
  ["/p/envs/ben/node_modules/x", [], true],
  ["/p/envs/ben", [], false],
  ["/p/envs/ben/.original", [], false],
  ["/p/envs/ben/LIVE_ENV", [], false],
  ["/p/cache/ben", [], false],
  ["/p/apps/ben2", [], false],
  ["/p/apps", [], false],
  ["/p/data/bank", [], false],
  ["/srv/photos", [], false],
  ["/srv/photos", ["/srv/photos"], true],
  ["/srv/photos/a", ["/mnt", "/srv/photos"], true],
  ["/srv/photos2", ["/srv/photos"], false],
  ["/srv", ["/srv/photos"], false],
  // What holds all of piku allows nothing of it, and nothing else either.
  ["/p/data/bank", ["/"], false],
  ["/p/data/bank", ["/p"], false],
  ["/p/data/bank", ["/p/data"], true],
  ["/p/apps/bank/public", ["/p/apps"], false],
  ["/p/apps/bank/public", ["/p/apps/bank/public"], true],
  ["/p/envs/bank", ["/p/envs"], false],
  ["/etc", ["/"], false],
  ["/", ["/"], false],
])("mayServe(%j) where %j is allowed", (folder, allowed, may) => {
  expect(mayServe(app, folder, allowed)).toBe(may);
});

test.each<[string, string[], boolean]>([
  ["/p/cache/ben", [], true],
  ["/p/cache/ben/pages", [], true],
  ["/p/cache/ben2", [], false],
  ["/p/cache", [], false],
  ["/p/data/ben", [], false],
  ["/p/data/ben", ["/p/data/ben"], false],
  ["/p", ["/"], false],
  ["/etc/victim", [], false],
  ["/srv/cache", ["/srv"], true],
  ["/", ["/"], false],
])("mayCache(%j) where %j is allowed", (folder, allowed, may) => {
  expect(mayCache(app, folder, allowed)).toBe(may);
});

/** A board with these links, of which nginx is asked to serve or to use a folder. */
const board = (links: Record<string, string>, answer?: Parameters<typeof memoryHost>[0]) => {
  const places = [
    "apps/ben/a",
    "apps/bank/a",
    "data/ben/a",
    "data/bank/a",
    "envs/ben/ENV",
    "cache/bank/a",
    "logs/bank/a",
  ];
  const files = Object.fromEntries(places.map((name) => [`/p/${name}`, ""]));
  const host = memoryHost({
    env,
    files: { ...files, "/srv/photos/a": "", "/etc/passwd": "", "/disk/cache/x/y": "" },
    ...answer,
  });
  for (const [path, target] of Object.entries(links)) {
    host.remove(path);
    host.mkdir(path.slice(0, path.lastIndexOf("/")));
    host.link(target, path);
  }
  return host;
};

test.each<[string, Record<string, string>, string, string[], string | undefined]>([
  ["the tree", {}, "/p/apps/ben/public", [], undefined],
  ["data", {}, "/p/data/ben", [], undefined],
  ["a link within the app", { "/p/data/ben/x": "/p/apps/ben" }, "/p/data/ben/x", [], undefined],
  [
    "a link to another app",
    { "/p/data/ben/x": "../bank" },
    "/p/data/ben/x",
    [],
    "'/p/data/bank', out of the app",
  ],
  [
    "a link on the way",
    { "/p/apps/ben/x": "/p" },
    "/p/apps/ben/x/envs/ben",
    [],
    "'/p/envs/ben', out of the app",
  ],
  [
    "a link to the system",
    { "/p/apps/ben/x": "/etc" },
    "/p/apps/ben/x",
    [],
    "'/etc', out of the app",
  ],
  [
    "a link that leads nowhere",
    { "/p/apps/ben/x": "/none" },
    "/p/apps/ben/x",
    [],
    "leads to nowhere",
  ],
  ["data on a disk", { "/p/data/ben": "/srv/photos" }, "/p/data/ben", [], undefined],
  [
    "data that is another app's",
    { "/p/data/ben": "bank" },
    "/p/data/ben",
    [],
    "'/p/data/bank', out of the app",
  ],
  [
    "data that is the whole machine",
    { "/p/data/ben": "/" },
    "/p/data/ben/etc",
    [],
    "'/etc', out of the app",
  ],
  ["all data on a disk", { "/p/data": "/disk" }, "/p/data/ben", [], undefined],
  ["a folder that is allowed", {}, "/srv/photos", ["/srv/photos"], undefined],
  ["one that is allowed and a link", { "/srv/p": "/disk" }, "/srv/p/x", ["/srv/p"], undefined],
  [
    "a link out of one that is allowed",
    { "/srv/photos/x": "/etc" },
    "/srv/photos/x",
    ["/srv/photos"],
    "'/etc'",
  ],
])("refuseServedLinks: %s", (_, links, folder, allowed, message) => {
  const refuse = () => refuseServedLinks(board(links), app, [folder], allowed);
  if (message === undefined) refuse();
  else expect(refuse).toThrow(message);
});

const finds = (stdout: string, status = 0) => ({
  answer: ([program]: readonly string[]) => (program === "find" ? { stdout, status } : undefined),
});
const siteWith = (folder: string) =>
  new Map([["bank", `proxy_cache_path "${folder}" levels=1:2;`]]);

test.each<[string, MemoryHost, string, Map<string, string>, string | undefined]>([
  ["one that is not there", board({}), "/p/cache/ben/nginx", new Map(), undefined],
  ["nginx's own", board({}, finds("")), "/p/cache/ben", new Map(), undefined],
  [
    "one with something else",
    board({}, finds("/srv/photos/a\n")),
    "/srv/photos",
    new Map(),
    "'/srv/photos/a'",
  ],
  [
    "one that cannot be read",
    board({}, finds("", 1)),
    "/srv/photos",
    new Map(),
    "cannot be looked into",
  ],
  [
    "the app's own, which nginx has closed",
    board({}, finds("", 1)),
    "/srv/photos",
    new Map([["ben", 'proxy_cache_path "/srv/photos" x;']]),
    undefined,
  ],
  [
    "a link to data",
    board({ "/p/cache/ben/x": "/p/data/bank" }),
    "/p/cache/ben/x",
    new Map(),
    "leads to '/p/data/bank'",
  ],
  [
    "a link for all of it",
    board({ "/p/cache/ben": "../data/bank" }),
    "/p/cache/ben/x",
    new Map(),
    "leads to '/p/data/bank/x'",
  ],
  [
    "a link on the way",
    board({ "/p/cache/ben/x": "/etc" }),
    "/p/cache/ben/x/nginx",
    new Map(),
    "leads to '/etc/nginx'",
  ],
  [
    "a link that leads nowhere",
    board({ "/p/cache/ben/x": "/none" }),
    "/p/cache/ben/x",
    new Map(),
    "leads to nowhere",
  ],
  [
    "all caches on a disk",
    board({ "/p/cache": "/disk/cache" }),
    "/p/cache/ben/nginx",
    new Map(),
    undefined,
  ],
  ["another app's", board({}), "/srv/photos", siteWith("/srv/photos"), "belongs to app 'bank'"],
  [
    "one in another app's",
    board({}),
    "/srv/photos/b",
    siteWith("/srv/photos"),
    "belongs to app 'bank'",
  ],
  [
    "one around another app's",
    board({}),
    "/srv/photos",
    siteWith("/srv/photos/b"),
    "belongs to app 'bank'",
  ],
  [
    "another app's data on a disk",
    board({ "/p/data/bank": "/srv/photos" }),
    "/srv/photos",
    new Map(),
    "belongs to app 'bank'",
  ],
])("refuseCacheFolder: %s", (_, host, folder, sites, message) => {
  const refuse = () => refuseCacheFolder(host, app, folder, ["/srv"], sites);
  if (message === undefined) refuse();
  else expect(refuse).toThrow(message);
});

test("what is to be done about a folder is said to the letter", () => {
  const hintOf = (work: () => void) => {
    try {
      work();
    } catch (error) {
      return (error as { hint?: string }).hint;
    }
    return undefined;
  };
  const host = board({ "/p/apps/ben/x": "/etc" });
  expect(hintOf(() => refuseServedLinks(host, app, ["/p/apps/ben/x"], ["/srv"]))).toBe(
    "take a folder of the app, or one below /p/data/ben; for another one the board's administrator allows it with: config:set --global PIKU_FOLDERS=/srv:/etc",
  );
  expect(hintOf(() => refuseCacheFolder(host, app, "/var/x", [], new Map()))).toBe(
    "leave it out, or take a folder below /p/cache/ben; for another one the board's administrator allows it with: config:set --global PIKU_FOLDERS=/var/x, and, where nginx runs as piku-web.service, root lets it write there: systemctl edit piku-web (two lines: [Service] and ReadWritePaths=/var/x), then systemctl restart piku-web",
  );
});

test("a cache elsewhere is removed, and nothing else with it", () => {
  const [cache, photos] = [board({}, finds("")), board({}, finds("/srv/photos/a\n"))];
  expect([removeCache(cache, "/srv/photos"), removeCache(photos, "/srv/photos")]).toEqual([
    true,
    false,
  ]);
  expect([cache.stat("/srv/photos"), photos.read("/srv/photos/a")]).toEqual([undefined, ""]);
});

test.each<[string, string[]]>([
  ["", []],
  ["/srv/photos", ["/srv/photos"]],
  ["/srv/photos/:/mnt//usb disk:", ["/srv/photos", "/mnt/usb disk"]],
])("PIKU_FOLDERS=%s", (value, folders) => {
  expect(readBoardSettings(memoryHost(), "/ENV", `PIKU_FOLDERS=${value}`).folders).toEqual(folders);
});

test.each([
  "/",
  "//",
  "photos",
  "/srv:photos",
  "/srv/../etc",
  "/srv/.",
  "/a$b",
  '/a\\"b',
  "~/photos",
])("PIKU_FOLDERS=%s is refused", (value) => {
  expect(() => readBoardSettings(memoryHost(), "/ENV", `PIKU_FOLDERS='${value}'`)).toThrow(
    /PIKU_FOLDERS: invalid directory '/,
  );
});
