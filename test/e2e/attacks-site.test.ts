/**
 * What somebody who may push, or set settings, or who shares the machine, could do by a site; each
 * does no harm.
 */
import { expect } from "bun:test";
import { spawn } from "node:child_process";
import fs from "node:fs";
import { probeSource, slowSource, webProbe, wsgiProbe } from "./probe.ts";
import {
  type Board,
  eventually,
  type Files,
  fails,
  freePorts,
  kill,
  list,
  ok,
  read,
} from "./sandbox.ts";
import { longOnAnyBoard, onlyLong, stories } from "./story.ts";
import { asking, running, sshing, watching } from "./watch.ts";

/** Somebody else's server on a port of an app's: it answers with what it was sent. */
function listenOn(board: Board, port: number) {
  const source = `import sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(("eve " + str(self.headers["Cookie"])).encode())


for patience in range(300):
    # What an app's last deploy has replaced may still be leaving it.
    try:
        HTTPServer(("127.0.0.1", int(sys.argv[1])), Page).serve_forever()
    except OSError:
        time.sleep(0.1)
`;
  const end = board.begin(["python3", "-c", source, String(port)]);
  eventually(() => expect(board.get("/", { port, local: true }).body).toStartWith("eve"), 40);
  return end;
}

/** The two ports of a web app, the live one first. */
function portsOf(board: Board, app: string): [live: number, other: number] {
  const { a, b } = JSON.parse(read(`${board.pikuRoot}/releases/${app}/ports.json`)) as Record<
    "a" | "b",
    number[]
  >;
  const isSecond = fs.existsSync(`${board.pikuRoot}/sockets/${app}.b`);
  return isSecond ? [b[0]!, a[0]!] : [a[0]!, b[0]!];
}

stories((board, story) => {
  const long = onlyLong(story);
  const root = () => board.pikuRoot;
  const get = (app: string, url = "/", how = {}) => board.get(url, { host: `${app}.test`, ...how });
  const set = (app: string, ...settings: string[]) => board.ssh("config:set", app, ...settings);
  const outside = () => `${board.folder}/outside`;
  /** The same as the board calls it, for settings and what piku says. */
  const inside = (folder: string) => board.inside(folder);

  /** What the message says root has to do for a folder of PIKU_FOLDERS. */
  const allow = (folder: string) => {
    const place = "/etc/systemd/system/piku-web.service.d";
    const line = `mkdir -p ${place} && printf '[Service]\\nReadWritePaths=%s\\n' "$0" >${place}/folders.conf`;
    ok(
      board.asRoot([
        "sh",
        "-c",
        `${line} && systemctl daemon-reload && systemctl restart piku-web`,
        folder,
      ]),
    );
  };

  story("A1: a cache folder is the app's own, or one that the board allows", async () => {
    ok(board.push(board.repo(undefined, webProbe("ben.test")), "ben"));
    ok(board.push(board.repo(undefined, webProbe("bank.test")), "bank"));
    fs.writeFileSync(`${root()}/data/bank/db.sqlite3`, "money");
    fs.mkdirSync(`${outside()}/photos`, { recursive: true });
    fs.writeFileSync(`${outside()}/photos/a.jpg`, "a photo");
    const cached = (folder: string) =>
      set("ben", "NGINX_CACHE_PREFIXES=/long", `NGINX_CACHE_PATH=${folder}`);
    for (const folder of [
      "/etc/victim",
      root(),
      `${root()}/cache`,
      `${root()}/cache/bank`,
      `${root()}/data/bank`,
      `${root()}/data/ben`,
      `${outside()}/photos`,
    ].map(inside)) {
      const { output } = fails(cached(folder), 1);
      expect(output).toContain("is outside of the app's own cache folder");
      expect(output).toContain(`config:set --global PIKU_FOLDERS=${folder}`);
      expect(output).toContain(`ReadWritePaths=${folder}`);
    }
    // A link that the app has put where its cache is to be.
    fs.mkdirSync(`${root()}/cache/ben`, { recursive: true });
    fs.symlinkSync("../../data/bank", `${root()}/cache/ben/nginx`);
    expect(fails(set("ben", "NGINX_CACHE_PREFIXES=/long"), 1).output).toContain(
      `leads to '${inside(root())}/data/bank'`,
    );
    fs.rmSync(`${root()}/cache/ben/nginx`);
    fs.mkdirSync(`${root()}/cache/ben/nginx/a`, { recursive: true });
    fs.symlinkSync("../../../../data/bank", `${root()}/cache/ben/nginx/a/b0`);
    expect(fails(set("ben", "NGINX_CACHE_PREFIXES=/long"), 1).output).toMatch(
      /holds something else.*a\/b0/,
    );
    fs.rmSync(`${root()}/cache/ben/nginx`, { recursive: true });
    // What the board allows is looked at all the same.
    ok(board.ssh("config:set", "--global", `PIKU_FOLDERS=${inside(outside())}`));
    expect(fails(cached(inside(`${outside()}/photos`)), 1).output).toMatch(
      /holds something else.*a\.jpg/,
    );
    if (board.isInstalled) allow(inside(outside()));
    ok(cached(inside(`${outside()}/pages`)));
    const states = [1, 2].map(() => get("ben", "/long").headers["x-cache"]);
    expect(states).toEqual(["MISS", "HIT"]);
    // A folder with nginx's own files is taken again, and another app's is not.
    ok(set("ben", "NGINX_CACHE_TIME=60"));
    expect(
      fails(
        set("bank", "NGINX_CACHE_PREFIXES=/x", `NGINX_CACHE_PATH=${inside(outside())}/pages/x`),
        1,
      ).output,
    ).toContain("belongs to app 'ben'");
    expect([read(`${root()}/data/bank/db.sqlite3`), read(`${outside()}/photos/a.jpg`)]).toEqual([
      "money",
      "a photo",
    ]);
    ok(board.ssh("config:unset", "ben", "NGINX_CACHE_PREFIXES"));
  });

  story("A11: settings alone show nobody another app's data, or the machine's", () => {
    ok(board.ssh("config:unset", "--global", "PIKU_FOLDERS"));
    const data = `${root()}/data/bank`;
    for (const folder of ["/etc", data, `${root()}/apps/bank`, `${outside()}/photos`].map(inside)) {
      const { output } = fails(set("ben", `NGINX_STATIC_PATHS=/d:${folder}`), 1);
      expect(output).toContain(`'${folder}' is outside of app 'ben'`);
      expect(output).toContain(`config:set --global PIKU_FOLDERS=${folder}`);
    }
    fs.symlinkSync("../bank", `${root()}/data/ben/x`);
    expect(
      fails(set("ben", `NGINX_STATIC_PATHS=/d:${inside(root())}/data/ben/x`), 1).output,
    ).toContain("out of the app");
    fs.rmSync(`${root()}/data/ben/x`);
    fs.writeFileSync(`${root()}/data/ben/own.txt`, "own");
    ok(set("ben", `NGINX_STATIC_PATHS=/d:${inside(root())}/data/ben`));
    expect(get("ben", "/d/own.txt").body).toBe("own");
    ok(board.ssh("config:set", "--global", `PIKU_FOLDERS=/mnt:${inside(outside())}/photos`));
    ok(set("ben", `NGINX_STATIC_PATHS=/p:${inside(outside())}/photos`));
    expect(get("ben", "/p/a.jpg").body).toBe("a photo");
  });

  story("A11: an include file takes no name, and not the part of the default site", () => {
    const app = (extra: string) => ({
      ...webProbe("aaa.test"),
      ENV: "NGINX_SERVER_NAME=aaa.test\nNGINX_INCLUDE_FILE=n.conf\n",
      "n.conf": extra,
    });
    ok(set("bank", "NGINX_DEFAULT=true", "NGINX_SERVER_NAME=bank.test,Two.Bank.test"));
    fs.writeFileSync(`${outside()}/more.conf`, "server_name bank.test;\n");
    const repo = board.repo(undefined, app(""));
    ok(board.push(repo, "aaa"));
    const server = `listen ${board.isInstalled ? "" : "127.0.0.1:"}${board.httpPort}`;
    const hidden = [
      "server_name bank.test;",
      "server_name x.test BANK.TEST;",
      `gzip_types a/b; server_name "bank.test";`,
      "server_name\n  x.test # mine\n  'two.bank.test';",
      "server_name .bank.test;",
      `}\nserver { ${server}; server_name bank.test; return 200 mine;`,
      `}\nserver { ${server}; "server_name" bank.test; return 200 mine;`,
      `include ${inside(outside())}/*.conf;`,
    ];
    for (const [i, extra] of hidden.entries()) {
      repo.commit(`Take a name ${i}`, app(extra));
      expect(fails(board.push(repo, "aaa"), 1).output).toMatch(
        /the server name '(two\.)?bank\.test' belongs to app 'bank'/,
      );
    }
    repo.commit(
      "Take what is unknown",
      app(`}\nserver { ${server} default_server; return 200 mine;`),
    );
    expect(fails(board.push(repo, "aaa"), 1).output).toContain(
      "app 'bank' answers for unknown names already",
    );
    expect([
      get("bank").body,
      get("aaa").body,
      board.get("/", { host: "unknown.test" }).body,
    ]).toEqual(["one", "one", "one"]);
    // One that is nobody's is fine, and is the app's then.
    repo.commit("A name of its own", app("server_name more.test;"));
    ok(board.push(repo, "aaa"));
    expect(board.get("/", { host: "more.test" }).body).toBe("one");
    expect(fails(set("bank", "NGINX_SERVER_NAME=bank.test,more.test"), 1).output).toContain(
      "belongs to app 'aaa'",
    );
  });

  story("A11: an address of its own takes nothing from apps that listen everywhere", () => {
    // Not on the sandbox's own ports: its server listens on 127.0.0.1 there, and nginx cannot have
    // both in one reload.
    const [port = 0] = freePorts(1);
    const app = (name: string, listen: string) => ({
      ...webProbe(`${name}.test`),
      ENV: `NGINX_SERVER_NAME=${name}.test\nNGINX_INCLUDE_FILE=n.conf\n`,
      "n.conf": `listen ${listen};\n`,
    });
    ok(board.push(board.repo(undefined, app("everywhere", `0.0.0.0:${port}`)), "everywhere"));
    const { output } = fails(
      board.push(board.repo(undefined, app("taking", `127.0.0.1:${port}`)), "taking"),
      1,
    );
    expect(output).toContain(`the address 127.0.0.1:${port} would be taken from app 'everywhere'`);
    expect(board.get("/", { host: "everywhere.test", port }).body).toBe("one");
  });

  story(
    "A10: whoever takes the other port, or that of a stopped app, is asked for nothing",
    async () => {
      // So long a deploy waits for a port to become free.
      ok(set("bank", "PIKU_GRACE=2"));
      const [live, other] = portsOf(board, "bank");
      expect(read(`${root()}/nginx/bank.conf`)).not.toContain("backup");
      let end = listenOn(board, other);
      try {
        expect(fails(set("bank", "A=1"), 1).output).toContain(`port ${other}`);
        // The app crashes for good: nobody but nginx answers for it.
        fs.renameSync(`${root()}/apps/bank/app.py`, `${root()}/apps/bank/gone.py`);
        kill(board.pidOf(Number(get("bank", "/pid").body)), "SIGKILL");
        for (let i = 0; i < 6; i++) {
          const { status, body } = get("bank", "/", { headers: { Cookie: "secret=1" } });
          expect([status, body.includes("eve")]).toEqual([502, false]);
        }
        fs.renameSync(`${root()}/apps/bank/gone.py`, `${root()}/apps/bank/app.py`);
      } finally {
        end();
      }
      ok(board.ssh("restart", "bank"));
      const [now, then] = portsOf(board, "bank");
      expect([now, then]).toEqual([other, live]);
      ok(board.ssh("stop", "bank"));
      for (const port of [now, then]) {
        end = listenOn(board, port);
        try {
          for (const how of [{}, { https: true }]) {
            const { status, body, headers } = get("bank", "/", how);
            expect([status, headers["content-type"]]).toEqual([503, "text/html"]);
            expect(body).toContain("This app is stopped.");
          }
        } finally {
          end();
        }
      }
      expect(ok(board.ssh("maintenance:off", "bank")).stdout).toContain(
        "start it with: restart bank",
      );
      expect(get("bank").status).toBe(503);
      // A machine that comes up again lets it be.
      ok(board.piku("recover"));
      expect(get("bank").body).toContain("This app is stopped.");
      ok(board.ssh("restart", "bank"));
      expect(get("bank").body).toBe("one");
    },
  );

  story("A10: a stopped site of files shows that it is stopped, too", () => {
    const files = {
      Procfile: "static: /\n",
      ENV: "NGINX_SERVER_NAME=files.test\n",
      "index.html": "front\n",
    };
    ok(board.push(board.repo(undefined, files), "files"));
    ok(board.ssh("stop", "files"));
    expect([get("files").status, get("files").body.includes("This app is stopped.")]).toEqual([
      503,
      true,
    ]);
    expect(fails(board.ssh("stop", "files"), 1).stderr).toContain("does not run");
    ok(board.ssh("restart", "files"));
    expect(get("files").body).toBe("front\n");
  });

  story("A10: no request fails while it is switched, and no upload that began before", async () => {
    // Read before the answer begins: nginx lets go of the rest of what was sent then.
    const counting = slowSource
      .replace(
        "time.sleep",
        'taken = len(self.rfile.read(int(self.headers.get("Content-Length") or 0)))\n        time.sleep',
      )
      .replace('b"done"', 'b"done " + str(taken).encode()');
    const app = board.repo(undefined, {
      ...webProbe("busy.test"),
      "app.py": counting,
      ENV: "NGINX_SERVER_NAME=busy.test\nNGINX_INCLUDE_FILE=n.conf\n",
      "n.conf": "client_max_body_size 20m;\n",
    });
    ok(board.push(app, "busy"));
    const watch = watching(board, "busy.test", "/0");
    const size = 4_000_000;
    fs.writeFileSync(`${board.folder}/body`, Buffer.alloc(size));
    const upload = () =>
      new Promise<string>((resolve) => {
        const words = [
          "-s",
          "--limit-rate",
          "1000k",
          "--data-binary",
          `@${board.folder}/body`,
          "-H",
          "Host: busy.test",
        ];
        const child = spawn("curl", [...words, board.url(board.address, "/0")]);
        let text = "";
        child.stdout.on("data", (data) => (text += data));
        child.on("close", () => resolve(text));
      });
    for (let i = 0; i < 3; i++) {
      const uploads = [upload(), upload()];
      await Bun.sleep(300);
      const [before] = portsOf(board, "busy");
      ok(await sshing(board, "restart", "busy"));
      // What was replaced has left before the uploads are through.
      eventually(() =>
        expect(
          list(`${root()}/uwsgi-enabled`).filter((name) => name.startsWith("busy_")),
        ).toHaveLength(1),
      );
      expect(portsOf(board, "busy")[0]).not.toBe(before);
      expect(await Promise.all(uploads)).toEqual([`done ${size}`, `done ${size}`]);
    }
    const { asked, failed } = await watch();
    expect(failed).toEqual([]);
    expect(asked).toBeGreaterThan(100);
  });

  story("A10: no request fails either when an app gets its two ports only now", async () => {
    const [port = 0] = freePorts(1);
    const files = { ...webProbe("late.test"), ENV: `NGINX_SERVER_NAME=late.test\nPORT=${port}\n` };
    const app = board.repo(undefined, files);
    ok(board.push(app, "late"));
    const watch = watching(board, "late.test");
    app.commit("Any port", { ENV: "NGINX_SERVER_NAME=late.test\n", "app.py": probeSource("two") });
    ok(await board.pushing(app, "late"));
    expect(get("late").body).toBe("two");
    app.commit("Inside", { ...wsgiProbe("late.test", "three") });
    ok(await board.pushing(app, "late"));
    app.commit("Outside", { ...webProbe("late.test", "four") });
    ok(await board.pushing(app, "late"));
    ok(await sshing(board, "restart", "late"));
    expect(get("late").body).toBe("four");
    const { asked, failed } = await watch();
    expect([failed, asked > 100]).toEqual([[], true]);
  });

  story("A17: a visitor's `Proxy:` is not the app's HTTP_PROXY", () => {
    const headers = { Proxy: "http://evil.test" };
    ok(board.push(board.repo(undefined, wsgiProbe("inside.test")), "inside"));
    for (const app of ["inside", "ben"]) {
      const { body } = get(app, "/headers", { headers });
      expect(body).toContain("HTTP_HOST=");
      expect(body).not.toContain("evil");
    }
  });

  long("destroy leaves nothing of an app but its data, and what --undo needs", async () => {
    /** Everything below piku's folder that is neither an app's data nor kept for a day. */
    const everything = () =>
      ok(board.run(["find", root()], { cwd: "/" }))
        .stdout.split("\n")
        .filter((path) => path !== "" && !path.startsWith(`${root()}/data/gone`))
        .filter((path) => !path.startsWith(`${root()}/destroyed`))
        .sort();
    const kinds: [string, Files][] = [
      ["web", webProbe("gone.test")],
      ["wsgi", wsgiProbe("gone.test")],
      [
        "static",
        { Procfile: "static: /\n", ENV: "NGINX_SERVER_NAME=gone.test\n", "index.html": "front\n" },
      ],
      ["cron", { Procfile: "cron: 0 0 1 1 * true\nworker: sleep 1000\n", ENV: "" }],
      [
        "cached",
        {
          ...webProbe("gone.test"),
          ENV: "NGINX_SERVER_NAME=gone.test\nNGINX_CACHE_PREFIXES=/long\n",
        },
      ],
      [
        "logged",
        { ...webProbe("gone.test"), ENV: "NGINX_SERVER_NAME=gone.test\nNGINX_LOG=true\n" },
      ],
    ];
    // Apps whose names begin alike keep all that is theirs.
    for (const name of ["gone2", "gone.b", "gone_web"])
      ok(board.push(board.repo(undefined, webProbe(`${name.replace("_", "-")}.test`)), name));
    await settled();
    const before = everything();
    for (const [kind, files] of kinds) {
      const app = board.repo(undefined, files);
      ok(board.push(app, "gone"));
      app.commit("Again");
      ok(board.push(app, "gone"));
      if (kind !== "cron")
        expect([kind, get("gone", "/long").status]).toEqual([kind, kind === "static" ? 404 : 200]);
      if (kind === "cached") expect(list(`${root()}/cache/gone/nginx`)).not.toEqual([]);
      if (kind !== "cron") ok(board.ssh("maintenance:on", "gone"));
      ok(board.ssh("destroy", "gone"));
      await settled();
      expect([kind, ...everything()]).toEqual([kind, ...before]);
      expect(list(`${root()}/destroyed`)).toEqual(["gone"]);
    }
    ok(board.ssh("destroy", "--purge", "gone"));
    expect(list(`${root()}/destroyed`)).toEqual([]);
    const failing = board.repo(undefined, {
      ...webProbe("gone.test"),
      "app.py": "raise SystemExit(1)\n",
    });
    fails(board.push(failing, "gone"), 1);
    ok(board.ssh("destroy", "gone"));
    expect(everything()).toEqual(before);
    for (const name of ["gone2", "gone.b", "gone-web"])
      expect(board.get("/", { host: `${name}.test` }).body).toBe("one");

    /** Waits for what deploys have left behind. */
    async function settled() {
      const busy = () => running(board, "retire").length > 0;
      for (let i = 0; i < 100 && busy(); i++) await Bun.sleep(100);
    }
  });

  story(
    "an app that is destroyed while others wait for its turn is there again, or is not, but never half",
    async () => {
      const app = board.repo(undefined, webProbe("race.test"));
      for (let i = 0; i < 3; i++) {
        ok(board.push(app, "race"));
        app.commit(`Again ${i}`, { "app.py": probeSource(`v${i}`) });
        const all = await Promise.all([
          sshing(board, "destroy", "race", "--force"),
          board.pushing(app, "race"),
          sshing(board, "restart", "race"),
        ]);
        ok(all[0]!);
        // Whoever came last decides; bank answers for names that are nobody's.
        const isThere = fs.existsSync(`${root()}/repos/race`);
        expect([isThere, await asking(board, "race.test", "/")]).toEqual([
          isThere,
          isThere ? `200 v${i}` : "200 one",
        ]);
        if (isThere) ok(board.ssh("destroy", "race", "--force"));
        for (const folder of ["releases", "envs", "apps", "repos"])
          expect(list(`${root()}/${folder}`)).not.toContain("race");
        // What was to let the former processes leave may still look for them.
        eventually(() =>
          expect(list(`${root()}/locks`).filter((name) => name.startsWith("race."))).toEqual([]),
        );
      }
    },
  );
}, longOnAnyBoard);
