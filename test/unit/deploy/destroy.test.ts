import { expect, test } from "bun:test";
import { appOf } from "../../../src/app/app.ts";
import { isHeld, withLock } from "../../../src/app/locks.ts";
import { pathsOf } from "../../../src/app/paths.ts";
import { destroy } from "../../../src/deploy/destroy.ts";
import { type MemoryHost, memoryHost } from "../../host/memory.ts";

const env = { HOME: "/home/piku", PIKU_ROOT: "/p" };

/** Everything that piku keeps of an app of this name, but its data. */
const partsOf = (name: string) => [
  `apps/${name}/app.py`,
  `repos/${name}/HEAD`,
  `envs/${name}/ENV`,
  `envs/${name}/.0123456789abcdef/bin/python`,
  `releases/${name}/1.log`,
  `releases/${name}/ports.json`,
  `logs/${name}/web.1.log`,
  `logs/${name}/nginx.access.log`,
  `cache/${name}/nginx/a/b0/key`,
  `acme/${name}/token`,
  ...["conf", "crt", "key", "sock"].map((ending) => `nginx/${name}.${ending}`),
  ...["b", "html", "1.sock", "1-7.sock", "1-7.http"].map((ending) => `sockets/${name}.${ending}`),
  `uwsgi-available/${name}_web.1.ini`,
  `uwsgi-enabled/${name}_web.1-7.ini`,
  ...["push", "push.by", "deploy", "deploy.by"].map((ending) => `locks/${name}.${ending}`),
];

const filesOf = (names: string[]) =>
  Object.fromEntries(
    names.flatMap(partsOf).map((path) => {
      const content = path.endsWith("ports.json")
        ? '{"a":[],"b":[]}'
        : path.endsWith(".conf")
          ? "server { }"
          : "";
      return [`/p/${path}`, content];
    }),
  );

const everything = (host: MemoryHost, folder: string): string[] =>
  host.list(folder).flatMap((name) => {
    const path = `${folder}/${name}`;
    return host.stat(path)?.type === "directory" ? everything(host, path) : [path];
  });

test("nothing is left of an app but its data, and nothing goes of those whose names begin alike", () => {
  const others = [
    "blog2",
    "blog.b",
    "blog-b",
    "blog_web",
    "blog.1",
    "blog.conf",
    "b",
    "blog.html",
    "blog.push",
  ];
  const board = { "/p/locks/machine": "", "/p/data/blog/db": "data", "/p/uwsgi/uwsgi.ini": "" };
  const host = memoryHost({ env, files: { ...filesOf(["blog", ...others]), ...board } });
  destroy(host, appOf(pathsOf(host), "blog"), false);
  expect(everything(host, "/p").sort()).toEqual(
    Object.keys({ ...filesOf(others), ...board }).sort(),
  );
  expect(host.said.at(-1)).toContain("==> Preserving folder '/p/data/blog'");
});

test("what nginx keeps elsewhere goes, where there is nothing else in it", () => {
  const answer = ([program, folder]: readonly string[]) =>
    program === "find" && folder === "/srv/photos" ? { stdout: "/srv/photos/a\n" } : undefined;
  const site = ["/srv/pages", "/srv/photos", "/p/data/bank"]
    .map((folder) => `proxy_cache_path "${folder}" x;`)
    .join("");
  const files = {
    ...filesOf(["blog"]),
    "/p/nginx/blog.conf": site,
    "/srv/pages/a/b0/key": "",
    "/srv/photos/a": "",
    "/p/data/bank/db": "",
  };
  const host = memoryHost({ env, files, answer });
  destroy(host, appOf(pathsOf(host), "blog"), false);
  expect([...everything(host, "/srv"), ...everything(host, "/p/data")]).toEqual([
    "/srv/photos/a",
    "/p/data/bank/db",
  ]);
  expect(host.said.join("\n")).toContain("==> Preserving folder '/srv/photos'");
});

test("what nginx has closed stays, and whoever may remove it is told how", () => {
  const host = memoryHost({ env, files: filesOf(["blog"]) });
  const remove = (path: string) => {
    if (path === "/p/cache/blog") throw new Error(`EACCES: unlink '${path}/nginx'`);
    host.remove(path);
  };
  destroy({ ...host, remove }, appOf(pathsOf(host), "blog"), false);
  expect(everything(host, "/p")).toEqual(["/p/cache/blog/nginx/a/b0/key", "/p/locks/machine"]);
  expect([...host.said, ...host.complained].join("\n")).toContain("sudo rm -r /p/cache/blog");
});

test("whoever had the turn of an app last takes its lock files along, and to look at a lock makes none", () => {
  const host = memoryHost({ env });
  const paths = pathsOf(host);
  const app = appOf(paths, "blog");
  expect(isHeld(host, paths, "deploy", app)).toBe(false);
  host.mkdir("/p/apps");
  withLock(host, paths, "push", app, "push", () => {
    withLock(host, paths, "deploy", app, "push", () => host.mkdir(app.tree));
    expect(isHeld(host, paths, "push", app)).toBe(true);
  });
  expect(host.list(paths.locks)).toEqual([
    "blog.deploy",
    "blog.deploy.by",
    "blog.push",
    "blog.push.by",
  ]);
  withLock(host, paths, "deploy", app, "destroy", () => host.remove(app.tree));
  withLock(host, paths, "push", app, "push", () => {});
  expect(host.list(paths.locks)).toEqual([]);
});
