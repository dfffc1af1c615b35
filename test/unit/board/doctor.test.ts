import { expect, test } from "bun:test";
import { version } from "../../../package.json" with { type: "json" };
import { folders, ownFolders, pathsOf } from "../../../src/app/paths.ts";
import { checks, examineBoard } from "../../../src/board/doctor/index.ts";
import { mountOf } from "../../../src/board/doctor/writable.ts";
import type { Ran } from "../../../src/host/host.ts";
import { addressIn } from "../../../src/site/visit.ts";
import { memoryHost } from "../../host/memory.ts";

const home = "/home/piku";
const root = `${home}/.piku`;
const day = 86_400_000;
const now = Date.UTC(2026, 10, 25);
const site = "server {\n  listen 0.0.0.0:80;\n  server_name blog.test;\n}\n";
const until = (time: number) => {
  const [, month, date, year] = /^\w+, (\d+) (\w+) (\d+)/.exec(new Date(time).toUTCString())!;
  return `${date} ${month} ${new Date(time).toISOString().slice(11, 19)} ${year} GMT`;
};
const certificate = (time: number) =>
  `KEY\nsubject=O = Piku, CN = blog\nnotBefore=Jan  1 00:00:00 2026 GMT\nnotAfter=${until(time)}\n`;
const listening = (...ports: number[]) =>
  ports
    .map((port, i) => {
      const local = `00000000:${port.toString(16).toUpperCase().padStart(4, "0")}`;
      return `   ${i}: ${local} 00000000:0000 0A 00000000:00000000 00:00000000 00000000 1000 0 7${i}\n`;
    })
    .join("");

/** A line of /proc/PID/stat: a process that began a second after the machine. */
const stat = (beginning: string) => `${beginning} ${"0 ".repeat(15)}100\n`;

/** What is on a board with one app, `blog`, that is well. */
const wellFiles: Record<string, string> = {
  [`${root}/ENV`]: "PIKU_HTTP_PORT=80\nPIKU_HTTPS_PORT=443\n",
  [`${root}/apps/blog/app.js`]: "",
  [`${root}/repos/blog/HEAD`]: "",
  [`${root}/envs/blog/ENV`]: "A=1\n",
  [`${root}/envs/blog/SCALING`]: "web:1\n",
  [`${root}/releases/blog/live`]: "3\n",
  [`${root}/releases/blog/3.json`]: JSON.stringify({ vassals: ["blog_web.1-3.ini"] }),
  [`${root}/releases/blog/3.conf`]: site,
  [`${root}/releases/blog/run-3/web.1.pid`]: "90\n",
  [`${root}/releases/blog/run-3/web.1.daemon`]: "91\n",
  [`${root}/releases/blog/run-3/web.1.sh`]: "export PORT='5000'\n",
  [`${root}/uwsgi-enabled/blog_web.1-3.ini`]: "project = blog\n",
  [`${root}/nginx/blog.conf`]: site,
  [`${root}/nginx/blog.crt`]: "",
  [`${root}/nginx/blog.key`]: "",
  [`${root}/web/nginx.pid`]: "77\n",
  [`${root}/web/error.log`]: "",
  [`${root}/uwsgi/emperor.pid`]: "80\n",
  [`${home}/.ssh/authorized_keys`]: "",
  "/etc/systemd/system/piku-web.service": "",
  "/proc/77/cmdline": `nginx: master process nginx -c ${root}/web/nginx.conf`,
  "/proc/80/cmdline": `uwsgi\0--ini\0${root}/uwsgi/uwsgi.ini`,
  "/proc/90/cmdline": "blog:web:uWSGI master",
  "/proc/90/stat": stat("90 (uwsgi) S 80 90 90"),
  "/proc/91/cmdline": "node\0app.js",
  "/proc/91/stat": stat("91 (node) S 90 91 91"),
  "/proc/net/tcp": `  sl  local_address\n${listening(80, 443, 5000)}`,
  "/proc/uptime": "1000.00 900.00\n",
  "/proc/meminfo": "MemAvailable:     307200 kB\n",
  "/proc/mounts": "/dev/root / ext4 rw,noatime 0 0\nproc /proc proc rw 0 0\n",
};

/** What the programs of such a board say, by the first word that is here. */
const wellAnswers: Record<string, Partial<Ran>> = {
  git: { stdout: "git version 2.39.5\n" },
  nginx: { stderr: "nginx version: nginx/1.22.1\n" },
  uwsgi: { stdout: "2.0.21-debian\n" },
  openssl: { stdout: "OpenSSL 3.0.15\n" },
  "openssl x509": { stdout: certificate(now + 60 * day) },
  "openssl pkey": { stdout: "KEY\n" },
  curl: { stdout: "200\n" },
  "curl --version": { stdout: "curl 7.88.1\n" },
  "systemctl is-active": { stdout: "active\n" },
  timedatectl: { stdout: "yes\n" },
  vcgencmd: { stdout: "throttled=0x0\n" },
};

interface Changes {
  /** Undefined: not there. */
  files?: Record<string, string | undefined>;
  answers?: Record<string, Partial<Ran>>;
  /** What else there is to change. */
  turn?: (host: ReturnType<typeof memoryHost>) => void;
}

/** What doctor finds on that board after these changes. */
function examine({ files = {}, answers = {}, turn }: Changes = {}) {
  const said = { ...wellAnswers, ...answers };
  const host = memoryHost({
    env: { HOME: home },
    answer: (argv) => said[argv.slice(0, 2).join(" ")] ?? said[argv[0]!],
  });
  host.clock = now;
  for (const name of [...folders, ...ownFolders]) host.mkdir(`${root}/${name}`, 0o700);
  for (const [path, text] of Object.entries({ ...wellFiles, ...files })) {
    if (text === undefined) continue;
    host.mkdir(path.slice(0, path.lastIndexOf("/")));
    host.write(path, text, 0o600);
  }
  turn?.(host);
  return examineBoard(host, pathsOf(host));
}

const wrongIn = (changes: Changes) => examine(changes).filter(({ ok }) => !ok);

test("a board that is well: one fact a check", () => {
  const found = examine();
  expect(found.map(({ check, says }) => [check, says])).toEqual([
    ["release", `piku ${version}`],
    [
      "tools",
      "git 2.39.5, uwsgi 2.0.21, nginx 1.22.1, openssl 3.0.15, curl 7.88.1, ssh-keygen, tar, flock",
    ],
    ["settings", "settings of all apps can be read"],
    ["emperor", "uWSGI's emperor runs"],
    ["nginx", "nginx runs, and is piku's own"],
    ["sites", "1 site, all accepted by nginx"],
    ["processes", "1 of 1 are up"],
    ["certificates", "left: blog 60 days"],
    ["disk", "9536 MB free, 1000000 more files"],
    ["memory", "300 MB left"],
    ["isolation", "walls can be built"],
    ["limits", "none are asked for"],
    ["clock", "synchronised"],
    ["power", "enough, and cool"],
    ["writable", "/ is writable"],
    ["keys", "no plain key stands before its restricted copy"],
    ["rights", "as they should be"],
    ["history", "the history of every app is whole"],
    ["leftovers", "none"],
  ]);
  expect(found.every(({ ok, remedy }) => ok && remedy === undefined)).toBe(true);
  expect(found.map(({ check }) => check)).toEqual(Object.keys(checks));
});

test("what nothing tells is no fault", () => {
  const found = examine({
    files: { "/proc/meminfo": undefined, "/proc/mounts": undefined },
    answers: { timedatectl: { status: 127 }, vcgencmd: { status: 127 } },
  });
  expect(found.filter(({ ok }) => !ok)).toEqual([]);
  expect(
    found
      .filter(({ check }) => ["memory", "clock", "power", "writable"].includes(check))
      .map(({ says }) => says),
  ).toEqual([
    "unknown",
    "unknown whether it is synchronised",
    "this board does not report it",
    "/ is writable",
  ]);
});

const own = { "/proc/77/cmdline": undefined, [`${root}/web/nginx.pid`]: undefined };
const ofRoot = { ...own, "/proc/88/cmdline": "nginx: master process /usr/sbin/nginx" };
const rootStat = { "/proc/88/stat": stat("88 (nginx) S 1 88 88") };
const versionOne = { ...ofRoot, ...rootStat, "/etc/systemd/system/piku-nginx.path": "" };
const shared = { ...own, "/run/piku/nginx.sock": "" };
const because = { "/usr/local/lib/piku/shared-because": "unknown directive\n" };

test.each<[string, Changes, string[]]>([
  ["tools", { answers: { git: { status: 127 } } }, ["git is not installed"]],
  [
    "settings",
    { files: { [`${root}/ENV`]: "PIKU_HTTP_PORT=many\n" } },
    [`${root}/ENV: PIKU_HTTP_PORT: invalid port 'many'`],
  ],
  [
    "settings",
    { files: { [`${root}/ENV`]: "NGINX_SERVERNAME=x.test\n" } },
    [`${root}/ENV: unknown setting NGINX_SERVERNAME; did you mean NGINX_SERVER_NAME?`],
  ],
  [
    "emperor",
    { files: { [`${root}/uwsgi/emperor.pid`]: undefined, "/proc/80/cmdline": undefined } },
    ["uWSGI's emperor is not running on the server"],
  ],
  ["nginx", { files: own }, ["nginx is not running"]],
  [
    "nginx",
    { answers: { "systemctl is-active": { stdout: "activating\n" } } },
    ["nginx runs, but not by its unit, which is activating"],
  ],
  [
    "nginx",
    { files: versionOne, answers: { "systemctl is-active": { stdout: "failed\n" } } },
    [
      "the unit that makes nginx read changed sites has failed, so no site can change",
      "nginx's master is root and reads what an app may write, as an older piku installed it",
    ],
  ],
  ["nginx", { files: { ...versionOne, [`${root}/ENV`]: "PIKU_NGINX_RELOAD=true\n" } }, []],
  ["nginx", { files: shared }, []],
  [
    "nginx",
    { files: { ...shared, ...because } },
    ["nginx could not become piku's own: unknown directive"],
  ],
  ["nginx", { files: { ...shared, ...because, [`${root}/ENV`]: "PIKU_NGINX=shared\n" } }, []],
  [
    "nginx",
    { files: { "/proc/77/status": "ShdPnd:\t0000000008000000\n" } },
    ["nginx's master is stuck waiting for one of its files, so no site can change"],
  ],
  ["nginx", { files: { "/proc/net/tcp": listening(443, 5000) } }, ["nothing listens on port 80"]],
  [
    "sites",
    {
      files: {
        [`${root}/web/error.log`]: `2026/11/25 1#1: reconfiguring\n2026/11/25 [emerg] 1#1: x in ${root}/nginx/blog.conf:1\n`,
      },
    },
    ["nginx refused its files when it read them last: x in blog.conf:1"],
  ],
  [
    "sites",
    { files: { [`${root}/nginx/a.refused`]: "", [`${root}/nginx/a.refusal`]: "x\n" } },
    ["the site of 'a' is set aside, since nginx refuses it: x"],
  ],
  [
    "sites",
    { files: { [`${root}/nginx/blog.conf`]: undefined } },
    ["app 'blog' has no site, but its release had one"],
  ],
  [
    "sites",
    { files: { [`${root}/releases/blog/3.conf`]: `${site}# more\n` } },
    ["the site of app 'blog' is not the one that its release made"],
  ],
  [
    "sites",
    { answers: { curl: { stdout: "502\n" } } },
    ["visitors of app 'blog' get 502 from nginx"],
  ],
  ["sites", { answers: { curl: { status: 7 } } }, ["visitors of app 'blog' get no answer"]],
  [
    "processes",
    { files: { "/proc/net/tcp": listening(80, 443) } },
    ["web.1 of app 'blog' does not answer"],
  ],
  [
    "processes",
    {
      files: {
        "/proc/net/tcp": listening(80, 443, 5000).replace("00000000:1388", "070200C0:1388"),
      },
    },
    [
      "web.1 of app 'blog' listens on port 5000 of another address than 127.0.0.1, where nginx asks",
    ],
  ],
  [
    "processes",
    {
      files: {
        "/proc/95/stat": stat("95 (sleep) S 1 95 95"),
        "/proc/95/cmdline": "sleep\0x\0",
        "/proc/95/environ": `PIKU_PROCESS=${root}/releases/blog/run-2/web.1\0`,
      },
    },
    ["sleep still runs, which web.1 of app 'blog' has left behind"],
  ],
  [
    "processes",
    { files: { [`${root}/envs/blog/SCALING`]: "web:1\nbot:1\n" } },
    ["bot.1 of app 'blog' is down"],
  ],
  [
    "certificates",
    { answers: { "openssl x509": { stdout: certificate(now - day) } } },
    ["the certificate of app 'blog' has expired"],
  ],
  [
    "certificates",
    { answers: { "openssl x509": { stdout: certificate(now + 6.5 * day) } } },
    ["the certificate of app 'blog' expires in 6 days"],
  ],
  [
    "certificates",
    { answers: { "openssl pkey": { stdout: "ANOTHER\n" } } },
    ["the certificate of app 'blog' is missing, or does not match its key"],
  ],
  [
    "disk",
    { turn: (host) => Object.assign(host, { space: { bytes: 1e6, inodes: 10 } }) },
    ["only 0 MB free", "room for only 10 more files"],
  ],
  ["memory", { files: { "/proc/meminfo": "MemAvailable: 65000 kB\n" } }, ["only 63 MB left"]],
  [
    "clock",
    { answers: { timedatectl: { stdout: "no\n" } } },
    ["the clock is not synchronised; it shows 2026-11-25T00:00:00.000Z"],
  ],
  [
    "power",
    { answers: { vcgencmd: { stdout: "throttled=0x50005\n" } } },
    [
      "the voltage is too low right now",
      "the voltage has been too low since the board was started",
      "the processor is slowed down right now",
    ],
  ],
  [
    "power",
    { answers: { vcgencmd: { stdout: "throttled=0x80008\n" } } },
    ["the board is too hot right now", "the board has been too hot since it was started"],
  ],
  [
    "power",
    {
      answers: { vcgencmd: { status: 127 } },
      files: {
        "/sys/class/hwmon/hwmon1/name": "rpi_volt\n",
        "/sys/class/hwmon/hwmon1/in0_lcrit_alarm": "1\n",
      },
    },
    ["the voltage is too low right now"],
  ],
  ["writable", { files: { "/proc/mounts": "/dev/root / ext4 ro 0 0\n" } }, ["/ is read-only"]],
  [
    "rights",
    { turn: (host) => host.chmod(`${root}/envs/blog/ENV`, 0o640) },
    [`${root}/envs/blog/ENV is open to others`],
  ],
  [
    "rights",
    {
      turn: (host) => {
        for (const name of ["envs", "releases", "locks"]) host.chmod(`${root}/${name}`, 0o755);
      },
    },
    [`${root}/envs and 2 more are open to others`],
  ],
  ["rights", { answers: { find: { stdout: "/x\n" } } }, ["/x belongs to another user"]],
  ["rights", { turn: (host) => host.remove(`${root}/plugins`) }, [`${root}/plugins is missing`]],
  [
    "history",
    { answers: { "git -c": { status: 128, stderr: "Failed to traverse parents" } } },
    ["the repository of app 'blog' lacks earlier commits, after a push from a shallow clone"],
  ],
  [
    "leftovers",
    {
      files: {
        [`${root}/releases/blog/journal.json`]: "{}",
        [`${root}/repos/ghost/HEAD`]: "",
      },
    },
    [
      "a deploy of app 'blog' was cut off",
      "'ghost' has settings or a repository, but is not an app",
    ],
  ],
  [
    "release",
    { files: { [`${root}/uwsgi/refused-release`]: "99.1.0\n" } },
    ["piku 99.1.0 was taken back by PIKU_UPDATE=auto, since something was wrong with it"],
  ],
  [
    "release",
    {
      files: {
        "/proc/77/stat": stat("77 (nginx) S 1 77 77"),
        "/proc/80/stat": stat("80 (uwsgi) S 1 80 80"),
      },
      answers: { "stat -L": { stdout: `${now / 1000 - 500}\n` } },
    },
    [
      "/usr/sbin/nginx was upgraded, and piku-web still runs the former one",
      "/usr/bin/uwsgi was upgraded, and uwsgi-piku still runs the former one",
    ],
  ],
])("what is wrong: %s %#", (check, changes, says) => {
  const wrong = wrongIn(changes);
  expect(wrong.map((finding) => [finding.check, finding.says])).toEqual(
    says.map((one) => [check, one]),
  );
  expect(wrong.every(({ remedy }) => remedy !== "")).toBe(true);
});

test("boards: nothing was upgraded where the clock is in the past", () => {
  const changes = {
    files: {
      "/proc/77/stat": stat("77 (nginx) S 1 77 77"),
      "/proc/80/stat": stat("80 (uwsgi) S 1 80 80"),
    },
    answers: { "stat -L": { stdout: `${now / 1000 + 500}\n` } },
  };
  expect(wrongIn(changes)).toEqual([]);
});

test("a newer release, and services of an older install.sh, are told and are no fault", () => {
  const files = {
    [`${root}/ENV`]: "PIKU_RELEASES=https://example.org/piku\n",
    [`${root}/uwsgi/newest-release`]: "99.1.0\n",
    "/usr/local/lib/piku/version": "0.0.9\n",
  };
  const found = examine({ files }).filter(({ check }) => check === "release");
  expect(found.map(({ ok, says }) => [ok, says])).toEqual([
    [true, `this is piku ${version}, and 99.1.0 is out: update`],
    [
      true,
      "the services are those of piku 0.0.9; to renew them, run piku's install.sh again: curl -fsSL https://example.org/piku/install.sh | sudo sh",
    ],
  ]);
});

test.each(["0.0.1", "junk\u001b[2J", ""])(
  "a note of releases that says nothing newer: %j",
  (noted) => {
    const files = { [`${root}/uwsgi/newest-release`]: noted };
    expect(examine({ files }).find(({ check }) => check === "release")?.says).toBe(
      `piku ${version}`,
    );
  },
);

test("a clock that begins in the past is wrong, whatever tells", () => {
  const turn: Changes["turn"] = (host) => Object.assign(host, { clock: 0 });
  const answers = { timedatectl: { status: 127 } };
  expect(wrongIn({ turn, answers }).map(({ says }) => says)).toContain(
    "the clock is not synchronised; it shows 1970-01-01T00:00:00.000Z",
  );
});

test("what the original stopped is not looked for", () => {
  const files = Object.fromEntries(
    Object.keys(wellFiles)
      .filter((path) => /\/releases\/|\/uwsgi-enabled\//.test(path))
      .map((path) => [path, undefined]),
  );
  expect(examine({ files }).find(({ check }) => check === "processes")?.says).toBe("0 of 0 are up");
});

test.each([
  ["/", "/home/piku/.piku", "/"],
  ["/home", "/home/piku/.piku", "/home"],
  ["/home/pi", "/home/piku/.piku", "/"],
  ["/home/piku/.piku", "/home/piku/.piku", "/home/piku/.piku"],
])("mountOf: beside %s, %s is on %s", (mounted, path, expected) => {
  expect(mountOf(`a / x rw 0 0\nb ${mounted} x ro,sync 0 0\n`, path)?.folder).toBe(expected);
});

test.each<[string, string | undefined]>([
  ['command="x" ssh-ed25519 AAAAa me', undefined],
  ['ssh-ed25519 AAAAa me\nrestrict,command="x" ssh-ed25519 AAAAa me', "line 1"],
  ['restrict,command="x" ssh-ed25519 AAAAa me\nssh-ed25519 AAAAa me', undefined],
  ['# ssh-ed25519 AAAAa\nssh-ed25519 AAAAb\ncommand="x" ssh-ed25519 AAAAa', undefined],
  [
    'no-pty ssh-rsa AAAAb\nssh-ed25519 AAAAa\nssh-ed25519 AAAAa\ncommand="x" ssh-ed25519 AAAAa',
    "lines 2, 3",
  ],
])("plain keys before their restricted copies: %j", (keys, expected) => {
  const wrong = wrongIn({ files: { [`${home}/.ssh/authorized_keys`]: keys } });
  expect(wrong.map(({ says }) => says.split(" of ")[0])).toEqual(expected ? [expected] : []);
});

test("a remedy for each plain key removed other lines, when they were followed in order: one for all", () => {
  const restricted = ["AAAAa", "AAAAb"].map((blob) => `command="x" ssh-rsa ${blob}`).join("\n");
  const keys = `ssh-rsa AAAAa\n# mine\nssh-rsa AAAAb\n${restricted}\n`;
  expect(wrongIn({ files: { [`${home}/.ssh/authorized_keys`]: keys } })).toEqual([
    {
      check: "keys",
      ok: false,
      says: "lines 1, 3 of /home/piku/.ssh/authorized_keys have a key without a command, before the line that leads to piku",
      remedy: "remove those lines: sed -i '1d;3d' /home/piku/.ssh/authorized_keys",
    },
  ]);
});

test("settings that wait for a first push were leftovers", () => {
  const files = { [`${root}/envs/later/ENV`]: "A=1\n", [`${root}/envs/later/SCALING`]: "a:0\n" };
  const found = examine({ files });
  expect(found.filter(({ check }) => check === "leftovers")).toEqual([
    { check: "leftovers", ok: true, says: "none; settings wait for a first push of later" },
  ]);
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

test("a board that can build no wall is told only where one is asked for", () => {
  const answers = { unshare: { status: 1, stderr: "unshare failed: Operation not permitted\n" } };
  expect(wrongIn({ answers })).toEqual([]);
  const ENV = { [`${root}/ENV`]: "PIKU_ISOLATION=true\n" };
  expect(wrongIn({ answers, files: ENV }).map(({ check }) => check)).toEqual(["isolation"]);
  const app = { [`${root}/envs/blog/LIVE_ENV`]: "PIKU_ISOLATION=true\n" };
  expect(wrongIn({ answers, files: app }).map(({ check }) => check)).toEqual(["isolation"]);
});
