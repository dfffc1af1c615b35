import { expect, test } from "bun:test";
import { pathsOf } from "../../../src/app/paths.ts";
import { settleSharedPage, sharedPage } from "../../../src/site/shared-page.ts";
import { memoryHost } from "../../host/memory.ts";

type Files = Record<string, string>;

/** A board whose nginx is shared; `answer`: what that says of its files. */
function boardWith(files: Files, answer = "\n200") {
  const host = memoryHost({
    env: { HOME: "/home/piku", PIKU_ROOT: "/p" },
    files: { "/run/piku/nginx.sock": "", "/proc/sys/kernel/hostname": "board\n", ...files },
    answer: () => ({ stdout: answer }),
  });
  host.mkdir("/p/nginx");
  return { host, paths: pathsOf(host), site: sharedPage(pathsOf(host)).site };
}

const byName = 'server_name board "~^board\\.";';
const byAddress = 'server_name board "~^board\\." localhost "~^[0-9.]+$" "~^\\[";';

test.each<[string, Files, string | undefined]>([
  ["nothing else is served", {}, byAddress],
  ["piku's own apps", { "/p/nginx/blog.conf": "server {\n  listen 80;\n}\n" }, byAddress],
  [
    "install.sh's own file",
    {
      "/etc/nginx/conf.d/piku.conf":
        "server { ssl_reject_handshake on; }\ninclude /p/nginx/*.conf;\n",
    },
    byAddress,
  ],
  ["another site", { "/etc/nginx/conf.d/x.conf": "server {\n  listen 80;\n}\n" }, byName],
  ["a server in the main file", { "/etc/nginx/nginx.conf": "http { server { } }" }, byName],
  [
    "an app by default",
    { "/p/nginx/blog.conf": "server {\n  listen 80 default_server;\n}\n" },
    byName,
  ],
  [
    "a board without a name",
    { "/proc/sys/kernel/hostname": 'b"o', "/etc/nginx/conf.d/x.conf": "server {" },
    undefined,
  ],
])("the page beside %s", (_, files, names) => {
  const { host, paths, site } = boardWith(files);
  settleSharedPage(host, paths, true);
  if (names === undefined) expect(host.read(site)).toBeUndefined();
  else {
    expect(host.read(site)).toContain(names);
    expect(host.read(site)).not.toContain("default_server");
  }
  settleSharedPage(host, paths, false);
  expect(host.read(site)).toBeUndefined();
  expect(host.said).toEqual([]);
});

test("what nginx refuses is undone, and warned about", () => {
  const { host, paths, site } = boardWith({}, "nginx: [emerg] no\n500");
  settleSharedPage(host, paths, true);
  expect(host.read(site)).toBeUndefined();
  expect(host.said.join("\n")).toMatch(/^Warning: the board's page is not served: /);
});
