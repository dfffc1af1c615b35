/**
 * Apps behind walls (PIKU_ISOLATION): what goes on as without one, and that the wall is there
 * throughout. What a hostile app tries is in ../machines/wall.test.ts. Any story of the others is
 * told of isolated apps with PIKU_WALLS=1.
 */
import { expect } from "bun:test";
import fs from "node:fs";
import { type Answer, eventually, fails, kill, list, ok, type Repo, read } from "./sandbox.ts";
import { onlyLong, stories, unlessLong } from "./story.ts";
import { standIn, withdraw } from "./tools.ts";
import { watching } from "./watch.ts";

/** What a program of an app sees: the apps, its own number, and how many processes there are. */
const look = `import json, os, pathlib
def seen():
    home = pathlib.Path(os.environ["HOME"], ".piku")
    pids = [name for name in os.listdir("/proc") if name.isdigit()]
    return json.dumps({
        "apps": sorted(os.listdir(home / "apps")),
        "piku": sorted(os.listdir(home)),
        "processes": len(pids),
        "version": VERSION,
        "setting": os.environ.get("SETTING"),
    }).encode()
`;

const wsgi = (version: string) => ({
  Procfile: "wsgi: app:app\nworker: exec python3 worker.py\ncron: * * * * * true\n",
  ENV: "NGINX_SERVER_NAME=inside.test\n",
  "app.py": `VERSION = "${version}"\n${look}
def app(environ, start_response):
    start_response("200 OK", [])
    return [seen()]
`,
  "worker.py": `VERSION = "${version}"\n${look}
import time
with open(os.environ["DATA_ROOT"] + "/worker", "wb") as file:
    file.write(seen())
while True:
    time.sleep(1)
`,
});

const web = {
  Procfile:
    "preflight: ls ~/.piku/releases >seen\nrelease: ls ~/.piku/apps >$DATA_ROOT/release\nweb: exec python3 web.py\n",
  ENV: "NGINX_SERVER_NAME=outside.test\n",
  "web.py": `VERSION = "1"\n${look}
from http.server import BaseHTTPRequestHandler, HTTPServer
class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(seen())
HTTPServer((os.environ["BIND_ADDRESS"], int(os.environ["PORT"])), Page).serve_forever()
`,
};

stories((board, story) => {
  const long = onlyLong(story);
  let app: Repo;
  const saysOf = ({ status, body }: Answer) => {
    expect([status, body]).toEqual([200, expect.stringContaining("{")]);
    return JSON.parse(body);
  };
  const says = (host = "inside.test") => saysOf(board.get("/", { host }));
  const files = () => `${board.pikuRoot}/releases/inside`;
  const behindWall = (version: string) => {
    const { apps, processes, ...more } = eventually(says);
    expect({ apps, version: more.version }).toEqual({ apps: ["inside"], version });
    expect(processes).toBeLessThan(10);
  };
  const masters = () =>
    list(files())
      .filter((name) => name.startsWith("run-"))
      .map((name) => Number(read(`${files()}/${name}/wsgi.1.pid`)))
      .filter((pid) => fs.existsSync(`/proc/${pid}`));

  story("processes and builds of an isolated app see only what is theirs", () => {
    ok(board.ssh("config:set", "--global", "PIKU_ISOLATION=true"));
    app = board.repo(undefined, wsgi("1"));
    ok(board.push(app, "inside"));
    ok(board.push(board.repo(undefined, web), "outside"));
    behindWall("1");
    expect(says("outside.test")).toMatchObject({ apps: ["outside"], version: "1" });
    expect(says().piku).not.toContain("ENV");
    eventually(() =>
      expect(JSON.parse(read(`${board.pikuRoot}/data/inside/worker`)).apps).toEqual(["inside"]),
    );
    expect(read(`${board.pikuRoot}/apps/outside/seen`)).toBe("outside\n");
    expect(read(`${board.pikuRoot}/data/outside/release`)).toBe("outside\n");
    expect(ok(board.ssh("run", "inside", "--", "ls", "../")).stdout).toBe("inside\n");
    const ps = ok(board.ssh("ps", "inside")).stdout;
    expect(ps).toMatch(/wsgi\.1 +up/);
    expect(ps).toMatch(/worker\.1 +up/);
    expect(ok(board.ssh("doctor")).output).toContain("2 apps are isolated");
  });

  story("`run` gives the exit status, and input and output as they are", () => {
    const sh = (line: string, input = "") =>
      board.sshRaw(`run inside -- sh -c '${line}'`, { input });
    expect(sh("exit 7").status).toBe(7);
    expect(sh("kill -TERM $$").status).toBe(143);
    expect(sh("cat; echo error >&2", "a\0b\n")).toMatchObject({
      status: 0,
      stdout: "a\0b\n",
      stderr: "error\n",
    });
  });

  story("a board whose kernel gives no walls refuses, and what is live stays", () => {
    standIn(
      board,
      "unshare",
      "echo 'unshare: unshare failed: Operation not permitted' >&2; exit 1\n",
    );
    const refused = fails(board.ssh("config:set", "inside", "PIKU_ISOLATION=true"), 1).output;
    expect(refused).toContain("lets piku build no wall");
    expect(refused).toContain("Operation not permitted");
    expect(fails(board.ssh("config:set", "--global", "PIKU_ISOLATION=true"), 1).output).toContain(
      "no wall",
    );
    behindWall("1");
    withdraw(board, "unshare");
  });

  long("a push, settings, a restart and a rollback without a failed request", async () => {
    const watch = watching(board, "inside.test");
    app.commit("Second", wsgi("2"));
    ok(await board.pushing(app, "inside"));
    behindWall("2");
    ok(board.ssh("config:set", "inside", "SETTING=it's set"));
    expect(says().setting).toBe("it's set");
    ok(board.ssh("restart", "inside"));
    ok(board.ssh("rollback", "inside", "1"));
    behindWall("1");
    expect((await watch()).failed).toEqual([]);
    // What was replaced is gone, with its sockets.
    eventually(() => {
      expect(masters()).toHaveLength(1);
      const sockets = list(`${board.pikuRoot}/sockets/inside~`);
      expect(sockets.filter((name) => name.endsWith(".sock"))).toHaveLength(1);
    }, 20);
  });

  story("killed processes come back behind the wall", () => {
    const [master] = masters();
    kill(master!, "SIGKILL");
    eventually(() => {
      expect(masters()).toHaveLength(1);
      expect(masters()).not.toEqual([master]);
      behindWall("1");
    }, 20);
    expect(ok(board.ssh("stop", "inside")).status).toBe(0);
    expect(masters()).toEqual([]);
    ok(board.ssh("restart", "inside"));
    behindWall("1");
  });

  long("a backup brings the app back behind its wall", () => {
    const archive = `${board.folder}/inside.tar.gz`;
    ok(board.run(["sh", "-c", `ssh board backup inside >${archive}`]));
    ok(board.ssh("destroy", "inside", "--purge"));
    expect(list(`${board.pikuRoot}/sockets`).filter((name) => name.startsWith("inside"))).toEqual(
      [],
    );
    ok(board.run(["sh", "-c", `ssh board restore --force <${archive}`]));
    behindWall("1");
  });

  long("the board's word is the least that holds", () => {
    const set = ok(board.ssh("config:set", "inside", "PIKU_ISOLATION=false"));
    expect(set.output).toContain("PIKU_ISOLATION=false has no effect");
    behindWall("1");
    const key = read(`${board.folder}/ssh/other.pub`);
    ok(board.sshRaw("keys:add other --apps inside", { input: key }));
    const bound = (line: string) => board.sshRaw(line, { host: "other" });
    expect(fails(bound("restore inside"), 1).output).toContain("cannot restore a backup");
    expect(fails(bound("backup inside"), 1).output).toContain("is isolated");
    ok(board.ssh("config:set", "inside", "PIKU_ISOLATION=true"));
    ok(board.ssh("config:unset", "--global", "PIKU_ISOLATION"));
    expect(fails(bound("config:set inside PIKU_ISOLATION=false"), 1).output).toContain(
      "may not take the wall",
    );
    expect(fails(bound("config:unset inside PIKU_ISOLATION"), 1).output).toContain(
      "may not take the wall",
    );
    behindWall("1");
  });

  long("without the setting an app is as it was before", () => {
    ok(board.ssh("config:unset", "inside", "PIKU_ISOLATION"));
    expect(eventually(says).apps).toEqual(["inside", "outside"]);
    expect(fs.existsSync(`${files()}/guard.json`)).toBe(false);
  });
}, unlessLong);
