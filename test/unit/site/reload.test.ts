import { expect, test } from "bun:test";
import { appOf } from "../../../src/app/app.ts";
import { readBoardSettings } from "../../../src/app/board-settings.ts";
import { pathsOf } from "../../../src/app/paths.ts";
import { changeNginx, reopenLogs } from "../../../src/site/change.ts";
import { isShared, runningNginx } from "../../../src/site/reload.ts";
import { type MemoryHost, memoryHost } from "../../host/memory.ts";

const env = { HOME: "/home/piku", PIKU_ROOT: "/p" };
const paths = pathsOf(memoryHost({ env }));
const version = "nginx version: nginx/1.22.1\nconfigure arguments: --with-http_v2_module";
const errors = "/p/web/error.log";
const master = 70;

/**
 * A board with our nginx, which writes into its log what the real one does, and refuses files that
 * hold `bad`.
 */
function board(sites: Record<string, string>, { isHidden = false } = {}): MemoryHost {
  const files = Object.fromEntries(
    Object.entries(sites).map(([name, text]) => [`/p/${name}`, text]),
  );
  let workers = [71, 72];
  const host = memoryHost({
    env,
    files: {
      [errors]: "",
      "/p/nginx/none": "",
      "/p/web/nginx.pid": `${master}\n`,
      ...(isHidden
        ? {}
        : { [`/proc/${master}/cmdline`]: "nginx: master process nginx -c /p/web/nginx.conf\0" }),
      ...(isHidden ? {} : { [`/proc/${master}/task/${master}/children`]: "71 72 " }),
      ...files,
    },
    answer: ([, word]) => (word === "-V" ? { stderr: version } : undefined),
  });
  const log = (level: string, text: string, pid = master) =>
    host.append(errors, `2026/11/26 [${level}] ${pid}#${pid}: ${text}\n`);
  const signal = host.signal;
  host.signal = (pid, name) => {
    if (pid !== master) return false;
    signal(pid, name);
    log("notice", `signal ${{ HUP: 1, USR1: 10, WINCH: 28 }[name]} (SIG${name}) received from 5`);
    if (name !== "HUP") return true;
    log("notice", "reconfiguring");
    const guilty = host
      .list("/p/nginx")
      .find((file) => file.endsWith(".conf") && host.read(`/p/nginx/${file}`)!.includes("bad"));
    if (guilty) {
      const where = host.read(`/p/nginx/${guilty}`)!.includes("nameless")
        ? ""
        : ` in /p/nginx/${guilty}:1`;
      log("emerg", `unknown directive "bad"${where}`);
      return true;
    }
    const former = workers;
    workers = workers.map((worker) => worker + 2);
    for (const worker of workers) log("notice", `start worker process ${worker}`);
    for (const worker of former) log("notice", "gracefully shutting down", worker);
    if (!isHidden)
      host.write(
        `/proc/${master}/task/${master}/children`,
        `${[...former, ...workers].join(" ")} `,
      );
    return true;
  };
  return host;
}

/** Writes a site, as the deploy of an app does. */
const change = (host: MemoryHost, name: string, text: string) => {
  const site = `/p/nginx/${name}.conf`;
  const before = host.read(site);
  return {
    app: appOf(paths, name),
    make: () => host.write(site, text),
    undo: () => (before === undefined ? host.remove(site) : host.write(site, before)),
  };
};

const hups = (host: MemoryHost) => host.signalled.filter((one) => one === `HUP ${master}`).length;

for (const isHidden of [false, true])
  test(`a change that nginx takes${isHidden ? ", where /proc hides it" : ""}`, () => {
    const host = board({}, { isHidden });
    expect(runningNginx(host, paths)).toEqual({ way: "own", master });
    expect([...changeNginx(host, paths, undefined, change(host, "blog", "good"))]).toEqual([]);
    expect(host.read("/p/nginx/blog.conf")).toBe("good");
    expect(host.read("/p/web/nginx.conf")).toContain("include /p/nginx/*.conf;");
    expect(hups(host)).toBe(1);
  });

test("a change that nginx refuses is taken back, and said in nginx's own words", () => {
  const host = board({ "nginx/blog.conf": "good" });
  const attempt = () => changeNginx(host, paths, undefined, change(host, "blog", "bad"));
  expect(attempt).toThrow(
    `nginx refuses the site of app 'blog': unknown directive "bad" in blog.conf:1`,
  );
  expect(host.read("/p/nginx/blog.conf")).toBe("good");
  // It has read what is in place again.
  expect(hups(host)).toBe(2);
});

test("nginx waited for ever for a pipe among its files: its unit starts it anew", () => {
  const host = board({ "nginx/blog.conf": "good" });
  host.mkdir("/etc/systemd/system");
  host.write("/etc/systemd/system/piku-web.service", "");
  host.write(`/proc/${master}/status`, "SigPnd:\t0000000000000000\nShdPnd:\t0000000008000000\n");
  const signalled: string[] = [];
  host.signal = (_, name) => signalled.push(name) > 0;
  expect(() => changeNginx(host, paths, undefined, change(host, "blog", "new"))).toThrow(
    "nginx was stuck in its files",
  );
  expect(signalled).toEqual(["HUP", "WINCH", "KILL"]);
  expect(host.read("/p/nginx/blog.conf")).toBe("good");
});

test("one app's site stopped every change of the others': it gets the text of its release again", () => {
  const host = board({
    "nginx/junk.conf": "bad",
    "releases/junk/live": "3\n",
    "releases/junk/3.conf": "as it was",
  });
  expect([...changeNginx(host, paths, undefined, change(host, "blog", "good"))]).toEqual([]);
  expect(host.read("/p/nginx/junk.conf")).toBe("as it was");
  expect(host.read("/p/nginx/blog.conf")).toBe("good");
});

test("one app's site stopped every change of the others': what has no release is set aside, and named", () => {
  const host = board({ "nginx/junk.conf": "bad" });
  const why = 'unknown directive "bad" in junk.conf:1';
  expect([...changeNginx(host, paths, undefined, change(host, "blog", "good"))]).toEqual([
    ["junk", why],
  ]);
  expect(host.list("/p/nginx")).toEqual(["blog.conf", "junk.refusal", "junk.refused", "none"]);
  expect(host.read("/p/nginx/junk.refusal")).toBe(`${why}\n`);
});

test("nginx does not always say whose site it refuses: it is looked for, and only that one is set aside", () => {
  const released = {
    "releases/good/live": "1\n",
    "releases/good/1.conf": "good",
    "nginx/good.conf": "good",
  };
  const junk = { "nginx/hand.conf": "good, by hand", "nginx/junk.conf": "bad and nameless" };
  const host = board({ ...released, ...junk });
  const why = 'unknown directive "bad"';
  host.clock += 1000;
  host.write("/p/nginx/junk.conf", "bad and nameless");
  expect([...changeNginx(host, paths, undefined, change(host, "blog", "new"))]).toEqual([
    ["junk", why],
  ]);
  expect(host.list("/p/nginx")).toEqual([
    "blog.conf",
    "good.conf",
    "hand.conf",
    "junk.refusal",
    "junk.refused",
    "none",
  ]);
  // Also one that its release made so.
  const own = {
    "releases/odd/live": "1\n",
    "releases/odd/1.conf": "bad and nameless",
    "nginx/odd.conf": "bad and nameless",
  };
  const other = board({ ...released, ...own });
  expect([...changeNginx(other, paths, undefined, change(other, "blog", "new"))]).toEqual([
    ["odd", why],
  ]);
  expect(other.list("/p/nginx")).toEqual([
    "blog.conf",
    "good.conf",
    "none",
    "odd.refusal",
    "odd.refused",
  ]);
});

test("an app whose site was refused before, and is refused again: it is set aside, and the others are free", () => {
  const host = board({ "nginx/blog.conf": "bad before", "nginx/other.conf": "good" });
  const attempt = () => changeNginx(host, paths, undefined, change(host, "blog", "bad again"));
  expect(attempt).toThrow("nginx refuses the site of app 'blog': unknown directive");
  expect(host.list("/p/nginx")).toEqual(["blog.refusal", "blog.refused", "none", "other.conf"]);
});

test("a number of a process that is somebody else's by now is told nothing that could end it", () => {
  const host = memoryHost({
    env,
    files: { "/p/web/nginx.pid": "80\n", "/proc/80/cmdline": "python3\0app.py\0" },
  });
  expect(runningNginx(host, paths)).toEqual({ way: "none" });
  expect(host.signalled).toEqual([]);
  const hidden = memoryHost({ env, files: { "/p/web/nginx.pid": "80\n" } });
  expect(runningNginx(hidden, paths)).toEqual({ way: "none" });
  expect(hidden.signalled.every((one) => one === "WINCH 80")).toBe(true);
});

test("an nginx that says nothing: the change is taken back after ten seconds", () => {
  const host = board({});
  host.signal = () => true;
  expect(() => changeNginx(host, paths, undefined, change(host, "blog", "good"))).toThrow(
    "within 10 seconds",
  );
  expect(host.stat("/p/nginx/blog.conf")).toBeUndefined();
});

const socket = { "/run/piku/nginx.sock": "" };
const distribution = {
  "/proc/9/cmdline": "nginx: master process /usr/sbin/nginx\0",
  "/proc/9/stat": "9 (nginx) S 1 9 9 ",
};

test.each<[string, Record<string, string>, string | undefined, string, boolean]>([
  ["nothing runs", {}, undefined, "none", false],
  [
    "nothing runs, and a shared one is wanted",
    { "/p/ENV": "PIKU_NGINX=shared\n" },
    undefined,
    "none",
    true,
  ],
  ["a socket takes reloads", socket, undefined, "shared", true],
  ["the unit of version 1", distribution, undefined, "watched", true],
  ["a command", { "/p/ENV": "PIKU_NGINX_RELOAD=x\n" }, "x", "watched", true],
])("which nginx it is: %s", (_, files, command, way, shared) => {
  const host = memoryHost({ env, files });
  expect(runningNginx(host, paths, command).way).toBe(way as never);
  expect(isShared(host, paths, readBoardSettings(host, paths.settings))).toBe(shared);
});

test.each([
  ["\n200", undefined],
  ['nginx: [emerg] unknown directive "bad" in /p/nginx/blog.conf:1\n500', "refuses"],
  ["\n502", "could not be asked"],
])("a shared nginx is asked by its socket: %j", (stdout, message) => {
  let asked = 0;
  const host = memoryHost({
    env,
    files: { ...socket, "/p/nginx/x": "" },
    answer: () => ({ stdout: asked++ === 0 ? stdout : "\n200" }),
  });
  const attempt = () => changeNginx(host, paths, undefined, change(host, "blog", "text"));
  if (message === undefined) expect([...attempt()]).toEqual([]);
  else expect(attempt).toThrow(message);
  expect(host.stat("/p/nginx/blog.conf") !== undefined).toBe(message === undefined);
  expect(host.ran[0]!.join(" ")).toContain("curl -sS --unix-socket /run/piku/nginx.sock");
});

test("a command that fails is told, and its change taken back", () => {
  const host = memoryHost({
    env,
    files: { "/p/nginx/x": "" },
    answer: () => ({ status: 1, stderr: "no such luck\n" }),
  });
  expect(() => changeNginx(host, paths, "false", change(host, "blog", "text"))).toThrow(
    "no such luck",
  );
  expect(host.stat("/p/nginx/blog.conf")).toBeUndefined();
});

test("logs are begun anew by USR1, which reads no files again", () => {
  const host = board({ "logs/blog/nginx.access.log": "x" });
  const log = "/p/logs/blog/nginx.access.log";
  reopenLogs(host, paths, undefined, {
    make: () => host.rename(log, `${log}.old`),
    undo: () => {},
  });
  expect(host.signalled).toEqual([`USR1 ${master}`]);
  expect(host.list("/p/logs/blog")).toEqual(["nginx.access.log.old"]);
});
