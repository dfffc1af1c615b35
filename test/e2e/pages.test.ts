/** What visitors see of an app that does not answer, or that there is not. */
import { expect } from "bun:test";
import fs from "node:fs";
import { webProbe, wsgiProbe } from "./probe.ts";
import { eventually, type Files, list, ok } from "./sandbox.ts";
import { longOnAnyBoard, stories } from "./story.ts";
import { watching } from "./watch.ts";

/** A web server that answers with the status that its path says, and with `version`; never to 1. */
const statusSource = (version: string) => `import os, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        status = int(self.path[1:] or 200)
        if status == 1:
            time.sleep(600)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b"${version}")


ThreadingHTTPServer((os.environ["BIND_ADDRESS"], int(os.environ["PORT"])), Page).serve_forever()
`;

stories((board, story) => {
  const get = (host: string, url = "/", how = {}) => board.get(url, { host, ...how });
  const root = () => board.pikuRoot;

  /** Takes an app's processes away, as a crash does: nobody is at their addresses any more. */
  const crash = (app: string) => {
    const folder = `${root()}/uwsgi-enabled`;
    for (const name of list(folder).filter((name) => name.startsWith(`${app}_`)))
      ok(board.on(["rm", board.inside(`${folder}/${name}`)]));
  };

  /** An answer of curl's to any method: its status, its type and its body. */
  const ask = (host: string, url: string, ...words: string[]) => {
    const format = "\n%{http_code} %{content_type}";
    const how = ["-s", "--max-time", "20", "-w", format, "-H", `Host: ${host}`, ...words];
    return ok(board.run(["curl", ...how, board.url(board.address, url)])).stdout;
  };

  const crashed: [string, Files][] = [
    ["web", webProbe("web.test")],
    [
      "cached",
      {
        ...wsgiProbe("cached.test"),
        ENV: "NGINX_SERVER_NAME=cached.test\nNGINX_CACHE_PREFIXES=/\n",
      },
    ],
  ];

  story("an app that has crashed shows a page that says so, with nginx's own status", () => {
    for (const [name, files] of crashed) {
      const host = `${name}.test`;
      ok(board.push(board.repo(undefined, files), name));
      expect([name, get(host, "/x").body]).toEqual([name, "one"]);
      crash(name);
      eventually(() => expect([name, get(host, "/y").status]).toEqual([name, 502]));
      for (const how of [{}, { https: true }, { headers: { Accept: "application/json" } }]) {
        const { status, headers, body } = get(host, "/y", how);
        expect([name, status]).toEqual([name, 502]);
        expect(headers["content-type"]).toBe("text/html");
        expect(headers["cache-control"]).toBe("no-store");
        expect(body).toContain("<h1>This app does not answer.</h1>");
        expect(body).toContain(`logs ${name} says why`);
        expect(body).toContain('<html lang="en">');
      }
      expect(ask(host, "/y", "-d", "a=b")).toMatch(/does not answer[\s\S]*\n502 text\/html$/);
      expect(ask(host, "/y", "-I")).toMatch(/^HTTP\/1\.1 502 [^<]*\n502 text\/html$/);
      // The page has no address of its own.
      expect(get(host, "/.piku-down").status).toBe(404);
    }
  });

  story("ps:scale web=0 keeps the site, which says that the app is stopped; web=1 opens it", () => {
    expect(ok(board.ssh("ps:scale", "web", "web=0")).stdout).toContain("ps:scale web web=1");
    for (const how of [{}, { https: true }]) {
      const { status, headers, body } = get("web.test", "/any", how);
      expect([status, headers["retry-after"]]).toEqual([503, "300"]);
      expect(body).toContain("<h1>This app is stopped.</h1>");
      expect(body).toContain("ps:scale web web=1");
    }
    ok(board.ssh("ps:scale", "web", "web=1"));
    expect(get("web.test").body).toBe("one");
  });

  story("a 503.html of its own is what visitors see: stopped, closed, scaled to 0, crashed", () => {
    const files = {
      ...webProbe("said.test"),
      Procfile: "web: exec python3 app.py\nstatic: public\n",
      "503.html": "<p>At the top.</p>\n",
      "public/503.html": "<p>Zu.</p>\n",
      "public/a.txt": "a file",
    };
    ok(board.push(board.repo(undefined, files), "said"));
    expect(get("said.test").body).toBe("one");
    const seen = () => {
      const { status, headers, body } = get("said.test");
      return [status, headers["content-type"], body.split("\n")[0]];
    };
    ok(board.ssh("stop", "said"));
    expect(seen()).toEqual([503, "text/html", "<p>Zu.</p>"]);
    ok(board.ssh("maintenance:on", "said", "--message", "Back soon"));
    expect(get("said.test").body).toContain("<p>Back soon</p>");
    ok(board.ssh("maintenance:off", "said"));
    expect(seen()).toEqual([503, "text/html", "<p>Zu.</p>"]);
    ok(board.ssh("ps:scale", "said", "web=0"));
    expect([...seen(), get("said.test").headers["retry-after"]]).toEqual([
      503,
      "text/html",
      "<p>Zu.</p>",
      "300",
    ]);
    expect(get("said.test", "/a.txt").body).toBe("a file");
    ok(board.ssh("ps:scale", "said", "web=1"));
    ok(board.ssh("maintenance:on", "said"));
    expect(seen()).toEqual([503, "text/html", "<p>Zu.</p>"]);
    ok(board.ssh("maintenance:off", "said"));
    expect(get("said.test").body).toBe("one");
    crash("said");
    eventually(() => expect(seen()).toEqual([502, "text/html", "<p>Zu.</p>"]));
    expect(ask("said.test", "/", "-d", "a=b")).toBe("<p>Zu.</p>\n\n502 text/html");
    // The app puts a link in its place, to what is not its own.
    fs.writeFileSync(`${root()}/data/said/secret`, "do-not-show");
    const page = board.inside(`${root()}/apps/said/public/503.html`);
    ok(board.on(["ln", "-sf", board.inside(`${root()}/data/said/secret`), page]));
    expect([get("said.test").status, get("said.test").body]).toEqual([
      502,
      expect.stringContaining("This app does not answer."),
    ]);
  });

  story(
    "what an app answers itself is never replaced, nor anything while it is switched",
    async () => {
      const files = {
        ...webProbe("calm.test"),
        ENV: "NGINX_SERVER_NAME=calm.test\nNGINX_INCLUDE_FILE=hasty.conf\n",
        "hasty.conf": "proxy_read_timeout 1s;\n",
        "app.py": statusSource("one"),
      };
      const app = board.repo(undefined, files);
      ok(board.push(app, "calm"));
      for (const status of [500, 502, 503, 504, 404])
        expect([status, get("calm.test", `/${status}`)]).toMatchObject([
          status,
          { status, body: "one" },
        ]);
      // What takes too long is nginx's own to tell.
      expect(get("calm.test", "/1")).toMatchObject({
        status: 504,
        body: expect.stringContaining("This app does not answer."),
      });
      const watch = watching(board, "calm.test");
      app.commit("two", { "app.py": statusSource("two") });
      ok(await board.pushing(app, "calm"));
      const { asked, failed } = await watch();
      expect([asked > 50, failed]).toEqual([true, []]);
      expect(get("calm.test", "/503")).toMatchObject({ status: 503, body: "two" });
    },
  );

  story("an unknown name gets a page that names no app", () => {
    const { status, headers, body } = get("nobody.test");
    expect([status, headers["content-type"]]).toEqual([404, "text/html"]);
    expect(body).toContain("<h1>There is no site of this name on this board.</h1>");
    expect(body).not.toMatch(/calm|cached|said/);
  });
}, longOnAnyBoard);
