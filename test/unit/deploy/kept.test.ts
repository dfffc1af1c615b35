import { expect, test } from "bun:test";
import { appOf } from "../../../src/app/app.ts";
import { pathsOf } from "../../../src/app/paths.ts";
import { destroy } from "../../../src/deploy/destroy.ts";
import {
  bringBack,
  expireKept,
  keepAside,
  purgeKept,
  readKept,
  settleKept,
} from "../../../src/deploy/kept.ts";
import { minFree } from "../../../src/deploy/space.ts";
import type { Host } from "../../../src/host/host.ts";
import { choosePorts } from "../../../src/workers/ports.ts";
import { type MemoryHost, memoryHost } from "../../host/memory.ts";

const day = 86_400_000;

const filesOf = (name: string): Record<string, string> => ({
  [`/p/apps/${name}/app.py`]: "app",
  [`/p/repos/${name}/HEAD`]: "ref",
  [`/p/envs/${name}/ENV`]: "A=1",
  [`/p/releases/${name}/1.log`]: "log",
  [`/p/releases/${name}/ports.json`]: '{"a":[20001],"b":[20002]}',
  [`/p/logs/${name}/web.1.log`]: "said",
  [`/p/nginx/${name}.crt`]: "certificate",
  [`/p/nginx/${name}.key`]: "key",
  [`/p/sockets/${name}.html`]: "<p>Back at noon</p>",
});

function boardOf(names: string[], env: Record<string, string> = {}) {
  const host = memoryHost({
    env: { HOME: "/home/piku", PIKU_ROOT: "/p", USER: "piku", ...env },
    files: Object.assign({ "/p/data/blog/db": "data" }, ...names.map(filesOf)),
  });
  const paths = pathsOf(host);
  return { host, paths, app: (name: string) => appOf(paths, name) };
}

/** Every file of an app, wherever it is, but locks. */
const filesBelow = (host: Host, folder: string): string[] =>
  host.list(folder).flatMap((name) => {
    const path = `${folder}/${name}`;
    if (path === "/p/locks") return [];
    return host.stat(path)?.type === "directory" ? filesBelow(host, path) : [path];
  });
const everything = (host: MemoryHost) => filesBelow(host, "/p").sort();

test("what was destroyed comes back whole, and only its owner's rights open it meanwhile", () => {
  const { host, app, paths } = boardOf(["blog", "blog2"]);
  host.chmod("/p/envs/blog/ENV", 0o600);
  const before = everything(host);
  expect(destroy(host, app("blog"), true)).toBe(true);
  expect(everything(host).filter((path) => !path.startsWith("/p/destroyed/blog/"))).toEqual(
    everything(boardOf(["blog2"]).host),
  );
  expect(host.stat(paths.destroyed)?.mode).toBe(0o700);
  expect(host.stat("/p/destroyed/blog/envs/ENV")?.mode).toBe(0o600);
  const { who, wasStopped } = bringBack(host, app("blog"));
  expect([who, wasStopped]).toEqual(["piku", false]);
  // `stop` marks it; whoever brings it back starts it.
  expect(everything(host)).toEqual([...before, "/p/releases/blog/stopped"].sort());
});

test("a destroy or an undo that is killed before any of its changes is settled: all is here or there", () => {
  const parts = Object.keys(filesOf("blog")).length;
  for (const action of ["keep", "undo"] as const)
    for (let at = 0; ; at++) {
      const { host, app } = boardOf(["blog"]);
      const all = everything(host);
      if (action === "undo") keepAside(host, app("blog"), false);
      let changes = 0;
      const dying =
        <A extends unknown[]>(change: (...args: A) => void) =>
        (...args: A) => {
          if (changes++ === at) throw new Error("killed");
          change(...args);
        };
      const killed = {
        ...host,
        write: dying(host.write),
        rename: dying(host.rename),
        remove: dying(host.remove),
        mkdir: dying(host.mkdir),
      };
      try {
        if (action === "keep") keepAside(killed, app("blog"), false);
        else bringBack(killed, app("blog"));
      } catch {}
      settleKept(host, app("blog"));
      const present = everything(host).filter((path) => !path.startsWith("/p/destroyed"));
      const kept = everything(host).filter((path) => path.startsWith("/p/destroyed/blog/"));
      const isBack = present.length === all.length;
      expect([action, at, present.length]).toEqual([action, at, isBack ? all.length : 1]);
      expect(readKept(host, app("blog"))?.isWhole).toBe(isBack ? undefined : true);
      expect(kept.length).toBe(isBack ? 0 : parts + 1);
      if (changes <= at) break;
    }
});

test("a key that is bound to apps brings back only what it has destroyed itself", () => {
  const bound = (FINGERPRINT: string) => ({ FINGERPRINT, NAME: "pupil", PIKU_KEY_APPS: "blog" });
  const { host, app } = boardOf(["blog"], bound("SHA256:one"));
  keepAside(host, app("blog"), false);
  host.setEnv({ ...host.env(), ...bound("SHA256:two") });
  expect(() => bringBack(host, app("blog"))).toThrow("was destroyed with another key");
  host.setEnv({ ...host.env(), ...bound("SHA256:one") });
  bringBack(host, app("blog"));
});

test("nothing comes back over an app of that name, or beside one that differs by case", () => {
  const { host, app } = boardOf(["blog"]);
  expect(() => bringBack(host, app("blog"))).toThrow("nothing of app 'blog' is kept");
  keepAside(host, app("blog"), false);
  host.mkdir("/p/apps/Blog");
  expect(() => bringBack(host, app("blog"))).toThrow("differs from app 'Blog'");
  host.remove("/p/apps/Blog");
  host.mkdir("/p/envs/blog");
  expect(() => bringBack(host, app("blog"))).toThrow("there is an app 'blog' again");
  // That one goes for good, and the former one is still there.
  destroy(host, app("blog"), false);
  bringBack(host, app("blog"));
  expect(host.read("/p/envs/blog/ENV")).toBe("A=1");
});

test("it goes after a day, and the oldest first when room is short", () => {
  const { host, app, paths } = boardOf(["blog", "shop", "wiki"]);
  const kept = () => host.list(paths.destroyed);
  for (const name of ["blog", "shop", "wiki"]) {
    keepAside(host, app(name), false);
    host.clock += 1000;
  }
  host.mkdir("/p/destroyed/junk");
  expireKept(host, paths, minFree.doctor);
  expect(kept()).toEqual(["blog", "shop", "wiki"]);
  // There is room again once one is gone.
  const free = (bytes: number) => ({ bytes, inodes: 1e6 });
  const tight = { ...host, free: () => free(kept().includes("blog") ? 1e6 : 1e9) };
  expireKept(tight, paths, minFree.doctor);
  expect(kept()).toEqual(["shop", "wiki"]);
  expect(host.complained.join()).toContain("what was kept of the destroyed app 'blog' is removed");
  host.clock += day - 2000;
  expireKept(host, paths, minFree.doctor);
  expect(kept()).toEqual(["wiki"]);
  purgeKept(host, app("wiki"));
  expect(kept()).toEqual([]);
});

test("where the disk has no room to keep it, destroy says that it is gone for good", () => {
  const { host, app } = boardOf(["blog"]);
  host.space = { bytes: 1e6, inodes: 1e6 };
  expect(destroy(host, app("blog"), true)).toBe(false);
  expect(host.list("/p/destroyed")).toEqual([]);
});

test("what cannot be renamed, being on another disk, is removed and not kept", () => {
  const { host, app } = boardOf(["blog"]);
  const rename = (from: string, to: string) => {
    if (from === "/p/apps/blog") throw new Error(`EXDEV: rename '${to}'`);
    host.rename(from, to);
  };
  expect(destroy({ ...host, rename }, app("blog"), true)).toBe(false);
  expect(everything(host)).toEqual(["/p/data/blog/db"]);
  expect(host.said.join()).toContain("nothing of it is kept to undo this");
});

test("an app that was destroyed meanwhile is not destroyed once more, over what is kept", () => {
  const { host, app } = boardOf(["blog"]);
  destroy(host, app("blog"), true);
  expect(() => destroy(host, app("blog"), true)).toThrow("app 'blog' not found");
  expect(host.read("/p/destroyed/blog/tree/app.py")).toBe("app");
});

test("the ports of a destroyed app are nobody else's while it can come back", () => {
  const { host, app } = boardOf(["blog"]);
  host.taken = new Set(Array.from({ length: 9_998 }, (_, i) => 20_003 + i));
  host.taken.add(20_000);
  keepAside(host, app("blog"), false);
  expect(() => choosePorts(host, app("shop"), 1)).toThrow("no TCP port");
  // One of the same name is never there at the same time.
  expect(choosePorts(host, app("blog"), 1)).toEqual({ a: [20_001], b: [20_002] });
  purgeKept(host, app("blog"));
  expect(choosePorts(host, app("shop"), 1)).toEqual({ a: [20_001], b: [20_002] });
});
