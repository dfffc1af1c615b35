import { expect, test } from "bun:test";
import { checks } from "../../../src/board/doctor.ts";
import { addressIn, type Board, mountOf, plainCopies } from "../../../src/board/survey.ts";

const day = 86_400_000;
const now = Date.UTC(2026, 10, 25);

const nginx: Board["nginx"] = {
  way: "own",
  isStuck: false,
  isByHand: false,
  web: "active",
  installer: "run install.sh",
};
const old = { ...nginx, way: "watched", web: undefined, watch: "active" } as const;

const well: Board = {
  now,
  home: "/home/piku",
  root: "/home/piku/.piku",
  tools: { git: "git 2.39.5", tar: "tar" },
  nginx,
  sites: 1,
  refused: [],
  lost: [],
  altered: [],
  unanswered: [],
  deaf: [],
  workers: [{ app: "blog", process: "web.1", up: true, answers: true }],
  certificates: [{ app: "blog", until: now + 60 * day }],
  disk: { bytes: 5e9, inodes: Number.POSITIVE_INFINITY },
  memory: 300,
  killed: 0,
  synchronised: true,
  throttled: 0,
  mounts: "/dev/root / ext4 rw,noatime 0 0\nproc /proc proc rw 0 0\n",
  keys: "",
  modes: [{ path: "/home/piku/.piku/envs", mode: 0o700, most: 0o700 }],
  missing: [],
  foreign: [],
  leftovers: [],
  waiting: [],
  unfinished: [],
};

const lookAt = (changes: Partial<Board>) =>
  Object.entries(checks).flatMap(([check, look]) =>
    look({ ...well, ...changes }).map((finding) => ({ check, ...finding })),
  );

test("a board that is well: one fact a check", () => {
  const found = lookAt({});
  expect(found.map(({ check, says }) => [check, says])).toEqual([
    ["tools", "git 2.39.5, tar"],
    ["settings", "what is there for all apps can be read"],
    ["emperor", "uWSGI's emperor runs"],
    ["nginx", "nginx runs, and is piku's own"],
    ["sites", "1 site, which nginx takes"],
    ["processes", "1 of 1 are up"],
    ["certificates", "left: blog 60 days"],
    ["disk", "4768 MB free"],
    ["memory", "300 MB left"],
    ["clock", "synchronised"],
    ["power", "enough, and cool"],
    ["writable", "/ can be written"],
    ["keys", "no plain key stands before its restricted copy"],
    ["rights", "as they should be"],
    ["leftovers", "none"],
  ]);
  expect(found.every(({ remedy }) => remedy === undefined)).toBe(true);
});

test("what nothing tells is no fault", () => {
  const found = lookAt({
    memory: undefined,
    synchronised: undefined,
    throttled: undefined,
    mounts: "",
  });
  expect(found.filter(({ remedy }) => remedy !== undefined)).toEqual([]);
});

test.each<[string, Partial<Board>, string[]]>([
  ["tools", { tools: { git: undefined, tar: "tar" } }, ["git is not installed"]],
  ["nginx", { nginx: { ...nginx, way: "none" } }, ["nginx is not running"]],
  [
    "nginx",
    { nginx: { ...nginx, web: "activating" } },
    ["nginx runs, but not by its unit, which is activating"],
  ],
  [
    "nginx",
    { nginx: { ...old, watch: "failed" } },
    [
      "the unit that has nginx read changed sites has failed, so no site can change",
      "nginx's master is root and reads what an app may write: an older piku installed it so",
    ],
  ],
  ["nginx", { nginx: { ...old, isByHand: true } }, []],
  ["nginx", { nginx: { ...old, way: "shared" } }, []],
  [
    "nginx",
    { nginx: { ...old, way: "shared", because: "unknown directive" } },
    ["nginx could not become piku's own: unknown directive"],
  ],
  ["nginx", { nginx: { ...old, way: "shared", because: "old news", wanted: "shared" } }, []],
  [
    "sites",
    { complaint: "x in blog.conf:1" },
    ["nginx refused its files when it read them last: x in blog.conf:1"],
  ],
  ["sites", { refused: [["a", "x"]] }, ["the site of 'a' is set aside, since nginx refuses it: x"]],
  ["sites", { lost: ["a"] }, ["app 'a' has no site, but its release had one"]],
  ["sites", { altered: ["a"] }, ["the site of app 'a' is not the one that its release made"]],
  [
    "sites",
    {
      unanswered: [
        ["a", "502"],
        ["b", "nothing"],
      ],
    },
    ["visitors of app 'a' get 502 from nginx", "visitors of app 'b' get no answer"],
  ],
  [
    "nginx",
    { nginx: { ...nginx, isStuck: true } },
    ["nginx's master waits for ever for one of its files, so no site can change"],
  ],
  ["nginx", { deaf: [80] }, ["nobody listens on port 80"]],
  [
    "processes",
    { workers: [{ app: "a", process: "web.2", up: true, answers: false }] },
    ["web.2 of app 'a' does not answer"],
  ],
  [
    "certificates",
    { certificates: [{ app: "a", until: now - day }] },
    ["the certificate of app 'a' has ended"],
  ],
  [
    "certificates",
    { certificates: [{ app: "a", until: now + 6.5 * day }] },
    ["the certificate of app 'a' ends in 6 days"],
  ],
  ["disk", { disk: { bytes: 1e6, inodes: 10 } }, ["only 0 MB free", "room for only 10 more files"]],
  ["memory", { memory: 63 }, ["only 63 MB left"]],
  [
    "clock",
    { synchronised: false },
    ["the clock is not synchronised; it shows 2026-11-25T00:00:00.000Z"],
  ],
  [
    "clock",
    { synchronised: undefined, now: 0 },
    ["the clock is not synchronised; it shows 1970-01-01T00:00:00.000Z"],
  ],
  [
    "power",
    { throttled: 0x50005 },
    [
      "the voltage is too low right now",
      "the voltage has been too low since the board was started",
      "the processor is slowed down right now",
    ],
  ],
  [
    "power",
    { throttled: 0x80008 },
    ["the board is too hot right now", "the board has been too hot since it was started"],
  ],
  ["writable", { mounts: "/dev/root / ext4 ro,noatime 0 0\n" }, ["/ can only be read"]],
  ["rights", { modes: [{ path: "/a b", mode: 0o640, most: 0o600 }] }, ["/a b is open to others"]],
  [
    "rights",
    { modes: ["/a", "/b", "/c"].map((path) => ({ path, mode: 0o644, most: 0o600 })) },
    ["/a and 2 more are open to others"],
  ],
  ["rights", { foreign: ["/x"] }, ["/x belongs to another user"]],
])("what is wrong: %s %j", (check, changes, says) => {
  const wrong = lookAt(changes).filter(({ remedy }) => remedy !== undefined);
  expect(wrong.map((finding) => [finding.check, finding.says])).toEqual(
    says.map((one) => [check, one]),
  );
});

test.each([
  ["/", "/home/piku/.piku", "/"],
  ["/home", "/home/piku/.piku", "/home"],
  ["/home/pi", "/home/piku/.piku", "/"],
  ["/home/piku/.piku", "/home/piku/.piku", "/home/piku/.piku"],
])("mountOf: beside %s, %s is on %s", (mounted, path, expected) => {
  expect(mountOf(`a / x rw 0 0\nb ${mounted} x ro,sync 0 0\n`, path)?.folder).toBe(expected);
});

test.each([
  ['command="x" ssh-ed25519 AAAAa me', []],
  ['ssh-ed25519 AAAAa me\nrestrict,command="x" ssh-ed25519 AAAAa me', [1]],
  ['restrict,command="x" ssh-ed25519 AAAAa me\nssh-ed25519 AAAAa me', []],
  ['# ssh-ed25519 AAAAa\nssh-ed25519 AAAAb\ncommand="x" ssh-ed25519 AAAAa', []],
  [
    'no-pty ssh-rsa AAAAb\nssh-ed25519 AAAAa\nssh-ed25519 AAAAa\ncommand="x" ssh-ed25519 AAAAa',
    [2, 3],
  ],
])("plainCopies: %j", (keys, expected) => {
  expect(plainCopies(keys)).toEqual(expected);
});

test("a remedy for each plain key removed other lines, when they were followed in order: one for all", () => {
  const restricted = ["AAAAa", "AAAAb"].map((blob) => `command="x" ssh-rsa ${blob}`).join("\n");
  const wrong = lookAt({ keys: `ssh-rsa AAAAa\n# mine\nssh-rsa AAAAb\n${restricted}\n` }).filter(
    ({ remedy }) => remedy,
  );
  expect(wrong).toEqual([
    {
      check: "keys",
      says: "lines 1, 3 of /home/piku/.ssh/authorized_keys have a key without a command, before the line that leads to piku",
      remedy: "remove those lines: sed -i '1d;3d' /home/piku/.ssh/authorized_keys",
    },
  ]);
});

test("settings that wait for a first push were leftovers", () => {
  expect(lookAt({ waiting: ["blog"] }).find(({ check }) => check === "leftovers")).toEqual({
    check: "leftovers",
    says: "none; settings wait for a first push of blog",
  });
});

test.each([
  [
    "upstream x {\n}\nserver {\n  listen 0.0.0.0:80;\n  listen [::]:80;\n  listen 0.0.0.0:443 ssl;\n  server_name a.test b.test;\n}\n",
    { scheme: "http", host: "a.test", address: "127.0.0.1", port: 80 },
  ],
  [
    "server {\n  listen 192.0.2.1:8443 ssl http2;\n  server_name *.a.test;\n}\n",
    { scheme: "https", host: "piku.a.test", address: "192.0.2.1", port: 8443 },
  ],
  [
    "x;\nserver {\n  listen 80;\n  server_name a.test;\n}\nserver {\n  listen 81 ssl;\n  server_name _;\n}\n",
    { scheme: "https", host: "piku.invalid", address: "127.0.0.1", port: 81 },
  ],
  ["server {\n  listen 80;\n  server_name ~^x;\n}\n", undefined],
  ["server {\n  listen [::]:80;\n  server_name a.test;\n}\n", undefined],
])("addressIn: %j", (site, expected) => {
  expect(addressIn(site)).toEqual(expected);
});
