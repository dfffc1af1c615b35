/**
 * Harm that was once done, or nearly: each story is one that a review has proved. The slow ones are
 * in test/long.
 */
import { expect } from "bun:test";
import { spawn } from "node:child_process";
import fs from "node:fs";
import { probeSource, slowSource, webProbe, wsgiProbe } from "./probe.ts";
import { eventually, type Files, fails, kill, list, ok, type Repo, read } from "./sandbox.ts";
import { longOnAnyBoard, skipped, stories } from "./story.ts";
import { asking, commandOf, live, running, sshing, watching } from "./watch.ts";

const failing = "release: false\nweb: exec python3 app.py\n";

stories((board, story) => {
  const root = () => board.pikuRoot;
  const deployed = (name: string, files: Files): Repo => {
    const app = board.repo(undefined, files);
    ok(board.push(app, name));
    return app;
  };
  const page = (name: string, url = "/") => board.get(url, { host: `${name}.test` }).body;

  // ---- processes ----

  story("a wsgi app with a worker is pushed without a failed request", async () => {
    const app = deployed("both", {
      ...wsgiProbe("both.test"),
      Procfile: "wsgi: app:app\nworker: exec sleep 1000\n",
    });
    app.commit("Second", { "app.py": probeSource("two") });
    const watch = watching(board, "both.test");
    ok(await board.pushing(app, "both"));
    await Bun.sleep(1500);
    const { asked, failed } = await watch();
    expect(failed).toEqual([]);
    expect(asked).toBeGreaterThan(50);
    expect(page("both")).toBe("two");
  });

  story(
    "a failing worker does not take the wsgi app beside it down (the socket of an ordinal was removed with any worker)",
    async () => {
      const app = deployed("beside", {
        ...wsgiProbe("beside.test"),
        Procfile: "wsgi: app:app\nworker: exec sleep 1000\n",
      });
      app.commit("Broken", {
        Procfile: "wsgi: app:app\nworker: exit 1\n",
        "app.py": probeSource("two"),
      });
      const watch = watching(board, "beside.test");
      expect(fails(await board.pushing(app, "beside"), 1).output).toContain(
        "'worker.1' is not healthy",
      );
      await Bun.sleep(2000);
      expect((await watch()).failed).toEqual([]);
      ok(board.piku("recover"));
      expect(page("beside")).toBe("one");
    },
  );

  story("a command line of several commands leaves nothing behind when it is stopped", () => {
    deployed("shell", { ...webProbe("shell.test"), Procfile: "web: cd . && python3 app.py\n" });
    const pid = board.pidOf(Number(page("shell", "/pid")));
    ok(board.ssh("stop", "shell"));
    eventually(() => expect(fs.existsSync(`/proc/${pid}`)).toBe(false), 3);
    ok(board.ssh("restart", "shell"));
    expect(page("shell")).toBe("one");
  });

  story("a push to blog leaves the workers of myblog alone, both deployed by the original", () => {
    const sleeping = (seconds: number) =>
      running(board, "sleep").filter((pid) => commandOf(pid) === `sleep ${seconds}`);
    const adopted = (name: string, seconds: number) => {
      const app = board.repo(undefined, { Procfile: `worker: exec sleep 5000\n` });
      ok(board.run(["git", "clone", "-q", "--bare", app.folder, `${root()}/repos/${name}`]));
      ok(board.run(["git", "clone", "-q", `${root()}/repos/${name}`, `${root()}/apps/${name}`]));
      fs.mkdirSync(`${root()}/envs/${name}`);
      for (const [file, text] of Object.entries({
        SCALING: "worker:1\n",
        LIVE_ENV: "A=1\n",
        ENV: "",
      }))
        fs.writeFileSync(`${root()}/envs/${name}/${file}`, text);
      const lines = [
        "[uwsgi]",
        `chdir = ${root()}/apps/${name}`,
        "master = true",
        `project = ${name}`,
        "processes = 0",
        `procname-prefix = ${name}:worker:`,
        `attach-daemon = sleep ${seconds}`,
        "",
      ];
      fs.writeFileSync(`${root()}/uwsgi-enabled/${name}_worker.1.ini`, lines.join("\n"));
      return app;
    };
    const app = adopted("blog", 5001);
    adopted("myblog", 5002);
    const theirs = eventually(() => {
      expect(sleeping(5001)).toHaveLength(1);
      expect(sleeping(5002)).toHaveLength(1);
      return sleeping(5002);
    });
    app.commit("Second");
    ok(board.push(app, "blog"));
    eventually(() => expect(sleeping(5001)).toEqual([]));
    Bun.sleepSync(1000);
    expect(sleeping(5002)).toEqual(theirs);
    for (const name of ["blog", "myblog"]) ok(board.ssh("destroy", name));
    expect(sleeping(5002)).toEqual([]);
  });

  story("no process is left when the client of logs has gone", async () => {
    deployed("tail", { Procfile: "worker: echo hello; exec sleep 1000\n" });
    const before = new Set(board.processes());
    const client = spawn("ssh", ["board", "logs", "tail"], {
      env: board.clientEnv(),
      stdio: ["ignore", "pipe", "pipe"],
    });
    const said = new Promise((resolve) => client.stdout.once("data", resolve));
    await said;
    const helpers = () => board.processes().filter((pid) => !before.has(pid));
    expect(helpers().length).toBeGreaterThan(0);
    client.kill("SIGKILL");
    eventually(() => expect(helpers()).toEqual([]), 5);
  });

  story(
    "the terminal is closed in the middle of `ssh -t board restart`: the worker comes up all the same",
    async () => {
      deployed("tty", { Procfile: "worker: exec sleep 4321\n" });
      const before = running(board, "sleep 4321");
      expect(before).toHaveLength(1);
      const client = spawn("ssh", ["-tt", "board", "restart", "tty"], {
        env: board.clientEnv(),
        stdio: ["pipe", "pipe", "pipe"],
      });
      client.stdout.on(
        "data",
        (data) => String(data).includes("spawning") && client.kill("SIGKILL"),
      );
      await new Promise((resolve) => client.once("close", resolve));
      await Bun.sleep(1000);
      eventually(() => {
        expect(running(board, "sleep 4321")).toHaveLength(1);
        expect(running(board, "sleep 4321")).not.toEqual(before);
        expect(fs.existsSync(`${root()}/releases/tty/journal.json`)).toBe(false);
      });
      expect(live(board, "tty").number).toBe(2);
    },
  );

  // ---- files of the app's own ----

  story(
    "a commit that wants the place of a folder or a file that the app wrote is refused, and nothing is lost",
    () => {
      const app = deployed("taken", webProbe("taken.test"));
      const tree = `${root()}/apps/taken`;
      fs.mkdirSync(`${tree}/uploads`);
      fs.writeFileSync(`${tree}/uploads/photo.jpg`, "precious");
      fs.writeFileSync(`${tree}/notes`, "precious too");
      const before = app.head();
      app.commit("A file where the app has a folder", {
        uploads: "now a file\n",
        "app.py": probeSource("two"),
      });
      expect(fails(board.push(app, "taken"), 1).output).toMatch(
        /'uploads' is something that the app wrote/,
      );
      app.commit("A folder where the app has a file", { uploads: null, "notes/readme.txt": "x\n" });
      expect(fails(board.push(app, "taken"), 1).output).toMatch(
        /'notes' is something that the app wrote/,
      );
      expect(read(`${tree}/uploads/photo.jpg`)).toBe("precious");
      expect(read(`${tree}/notes`)).toBe("precious too");
      expect(read(`${tree}/app.py`)).toBe(probeSource("one"));
      expect(page("taken")).toBe("one");
      expect(board.tip("taken")).toBe(before);
      app.commit("Elsewhere", { notes: null });
      ok(board.push(app, "taken"));
      expect(page("taken")).toBe("two");
      expect(read(`${tree}/notes`)).toBe("precious too");
    },
  );

  story(
    "a committed SQLite file that the app writes into survives a failed push, and pushes that do not touch it",
    () => {
      const source = `import os, sqlite3
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
db = sqlite3.connect("db.sqlite3", check_same_thread=False)


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/add":
            db.execute("insert into t values(1)")
            db.commit()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(db.execute("select count(*) from t").fetchone()[0]).encode())


ThreadingHTTPServer((os.environ["BIND_ADDRESS"], int(os.environ["PORT"])), Page).serve_forever()
`;
      const app = board.repo(undefined, { ...webProbe("rows.test"), "app.py": source });
      const make =
        "import sqlite3; db = sqlite3.connect('db.sqlite3'); db.execute('create table t(x)'); db.commit()";
      ok(board.run(["python3", "-c", make], { cwd: app.folder }));
      app.commit("With its database");
      ok(board.push(app, "rows"));
      for (let i = 0; i < 3; i++) page("rows", "/add");
      app.commit("Broken", { Procfile: failing });
      fails(board.push(app, "rows"), 1);
      expect(page("rows", "/add")).toBe("4");
      const count =
        "import sqlite3; print(sqlite3.connect('db.sqlite3').execute('select count(*) from t').fetchone()[0])";
      expect(ok(board.run(["python3", "-c", count], { cwd: `${root()}/apps/rows` })).stdout).toBe(
        "4\n",
      );
      app.commit("Mended", { Procfile: "web: exec python3 app.py\n" });
      expect(ok(board.push(app, "rows")).output).toContain(
        "Left as the app has changed it: db.sqlite3",
      );
      expect(page("rows", "/add")).toBe("5");
      ok(board.ssh("config:set", "rows", "A=1"));
      expect(page("rows", "/add")).toBe("6");
    },
  );

  story("a committed log that grows all the time stops no push", () => {
    const app = deployed("grows", {
      Procfile:
        "worker: for i in $(seq 600); do head -c 300000 /dev/zero >> app.log; sleep 0.005; done; exec sleep 1000\n",
      "app.log": "first line\n",
    });
    app.commit("Second", { other: "x\n", Procfile: "worker: exec sleep 1000\n" });
    ok(board.push(app, "grows"));
    const size = fs.statSync(`${root()}/apps/grows/app.log`).size;
    expect(size).toBeGreaterThan(300_000);
    expect(live(board, "grows").commit).toBe(app.head());
    app.commit("Touches it", { "app.log": "another first line\n" });
    fails(board.push(app, "grows"), 1);
    ok(board.push(app, "grows", "-o", "take=app.log", "main"));
    expect(read(`${root()}/apps/grows/app.log`)).toBe("another first line\n");
    ok(board.ssh("destroy", "grows"));
  });

  story(
    "thousands of files come and go within seconds, their folders with them, and what the app wrote stays",
    () => {
      const folder = (version: string) =>
        Object.fromEntries(
          Array.from({ length: 3000 }, (_, i) => [`many/${i % 30}/${i}.txt`, version]),
        );
      const app = deployed("many", { Procfile: "worker: exec sleep 1000\n", "other/stays": "x\n" });
      const tree = `${root()}/apps/many`;
      app.commit("More", folder("one\n"));
      const more = ok(board.push(app, "many"));
      expect(list(`${tree}/many/7`)).toHaveLength(100);
      fs.writeFileSync(`${tree}/many/7/own`, "precious");
      app.commit("Others", folder("two\n"));
      ok(board.push(app, "many"));
      expect(read(`${tree}/many/7/7.txt`)).toBe("two\n");
      app.commit("None", { many: null });
      const none = ok(board.push(app, "many"));
      expect(list(`${tree}/many`)).toEqual(["7"]);
      expect(list(`${tree}/many/7`)).toEqual(["own"]);
      expect(list(`${tree}/other`)).toEqual(["stays"]);
      // One process for each file made it half a minute.
      for (const { ms } of [more, none]) expect(ms).toBeLessThan(15_000);
      ok(board.ssh("destroy", "many"));
    },
  );

  story("files with names in Latin-1, with a line break, or like an option", () => {
    const app = board.repo(undefined, {
      Procfile: "worker: exec sleep 1000\n",
      "line\nbreak": "x\n",
      "-rf": "x\n",
    });
    const latin = (folder: string) =>
      Buffer.concat([Buffer.from(`${folder}/caf`), Buffer.from([0xe9])]);
    fs.writeFileSync(latin(app.folder), "first\n");
    app.commit("With names");
    ok(board.push(app, "names"));
    const tree = `${root()}/apps/names`;
    expect(fs.readFileSync(latin(tree), "utf8")).toBe("first\n");
    fs.writeFileSync(latin(tree), "changed by the app\n");
    fs.writeFileSync(`${tree}/-rf`, "changed by the app\n");
    app.commit("Second", { other: "x\n" });
    ok(board.push(app, "names"));
    expect(fs.readFileSync(latin(tree), "utf8")).toBe("changed by the app\n");
    expect(read(`${tree}/-rf`)).toBe("changed by the app\n");
    fs.writeFileSync(latin(app.folder), "second\n");
    app.commit("Third", { "-rf": null, "line\nbreak": "y\n" });
    fails(board.push(app, "names"), 1);
    expect(fs.readFileSync(latin(tree), "utf8")).toBe("changed by the app\n");
    ok(board.push(app, "names", "-o", "take=.", "main"));
    expect(fs.readFileSync(latin(tree), "utf8")).toBe("second\n");
    expect(read(`${tree}/line\nbreak`)).toBe("y\n");
    expect(list(tree)).not.toContain("-rf");
    fs.rmSync(latin(app.folder));
    app.commit("Fourth");
    ok(board.push(app, "names"));
    expect(fs.existsSync(latin(tree))).toBe(false);
  });

  story("a push that fails leaves files with names in Latin-1 as they were", () => {
    const latin = (folder: string, name: string) =>
      Buffer.concat([Buffer.from(`${folder}/${name}`), Buffer.from([0xe9])]);
    const app = board.repo(undefined, webProbe("latin.test"));
    for (const name of ["changes", "goes", "stays"])
      fs.writeFileSync(latin(app.folder, name), "first\n");
    app.commit("With names");
    ok(board.push(app, "latin"));
    const tree = `${root()}/apps/latin`;
    fs.writeFileSync(latin(tree, "own"), "the app's own\n");
    fs.writeFileSync(latin(tree, "changes"), "changed by the app\n");
    fs.writeFileSync(latin(app.folder, "changes"), "second\n");
    fs.writeFileSync(latin(app.folder, "comes"), "second\n");
    fs.rmSync(latin(app.folder, "goes"));
    app.commit("Broken", { Procfile: failing });
    fails(board.push(app, "latin"), 1);
    const content = (name: string) =>
      fs.existsSync(latin(tree, name)) ? fs.readFileSync(latin(tree, name), "utf8") : undefined;
    const found = () =>
      Object.fromEntries(
        ["changes", "goes", "stays", "own", "comes"].map((name) => [name, content(name)]),
      );
    expect(found()).toEqual({
      changes: "changed by the app\n",
      goes: "first\n",
      stays: "first\n",
      own: "the app's own\n",
      comes: undefined,
    });
  });

  story("what a build made is brought up to date also after a restart", () => {
    const files = (version: string): Files => ({
      ...webProbe("built.test"),
      Procfile: "preflight: cp source.txt built.txt\nweb: exec python3 app.py\n",
      ".gitignore": "built.txt\n",
      "source.txt": version,
    });
    const app = deployed("built", files("one"));
    const built = () => read(`${root()}/apps/built/built.txt`);
    app.commit("Second", files("two"));
    ok(board.push(app, "built"));
    expect(built()).toBe("two");
    ok(board.ssh("restart", "built"));
    app.commit("Third", files("three"));
    ok(board.push(app, "built"));
    expect(built()).toBe("three");
    fs.writeFileSync(`${root()}/apps/built/built.txt`, "changed by the app");
    app.commit("Fourth", files("four"));
    ok(board.push(app, "built"));
    expect(built()).toBe("changed by the app");
  });

  story("code of a rejected push is not run from __pycache__ by the next restart", () => {
    const source = probeSource("x").replace(
      'VERSION = "x"',
      "import version\nVERSION = version.VERSION",
    );
    const version = (number: number) => `VERSION = "${number}"\n`;
    const app = deployed("cached", {
      ...webProbe("cached.test"),
      "app.py": source,
      "version.py": version(1),
    });
    for (let number = 2; number <= 3; number++) {
      const procfile = "web: exec python3 app.py\nworker: exit 1\n";
      app.commit(`Rejected ${number}`, { "version.py": version(number), Procfile: procfile });
      fails(board.push(app, "cached"), 1);
      ok(board.ssh("restart", "cached"));
      expect(page("cached")).toBe("1");
    }
  });

  story("a first push that fails leaves the files that were in the folder before it", () => {
    fs.mkdirSync(`${root()}/apps/before`, { recursive: true });
    fs.writeFileSync(`${root()}/apps/before/mine.db`, "precious");
    const app = board.repo(undefined, { ...webProbe("before.test"), Procfile: failing });
    fails(board.push(app, "before"), 1);
    expect(list(`${root()}/apps/before`)).toEqual(["mine.db"]);
    app.commit("Mended", { Procfile: "web: exec python3 app.py\n" });
    ok(board.push(app, "before"));
    expect(page("before")).toBe("one");
    expect(read(`${root()}/apps/before/mine.db`)).toBe("precious");
  });

  // ---- settings ----

  story("a line typed into ENV by hand survives a push that fails", () => {
    const app = deployed("typed", webProbe("typed.test"));
    ok(board.ssh("config:set", "typed", "A=1"));
    fs.appendFileSync(`${root()}/envs/typed/ENV`, "SECRET=typed by hand\n");
    app.commit("Broken", { Procfile: failing });
    fails(board.push(app, "typed"), 1);
    expect(read(`${root()}/envs/typed/ENV`)).toContain("SECRET=typed by hand\n");
    app.commit("Mended", { Procfile: "web: exec python3 app.py\n" });
    ok(board.push(app, "typed"));
    expect(page("typed", "/env/SECRET")).toBe("typed by hand");
  });

  story("a line typed into ENV by hand while a push is under way is not lost", async () => {
    const app = deployed("typing", webProbe("typing.test"));
    app.commit("Second", { Procfile: "preflight: sleep 2\nweb: exec python3 app.py\n" });
    const push = board.pushing(app, "typing");
    await Bun.sleep(1500);
    fs.appendFileSync(`${root()}/envs/typing/ENV`, "SECRET=typed by hand\n");
    ok(await push);
    expect(read(`${root()}/envs/typing/ENV`)).toContain("SECRET=typed by hand\n");
  });

  story("a setting that is given while the first push is under way is not lost", async () => {
    const app = board.repo(undefined, {
      Procfile: "preflight: sleep 2\nworker: exec sleep 1000\n",
    });
    const push = board.pushing(app, "early");
    eventually(() => expect(list(`${root()}/releases/early`)).toContain("job"));
    const set = sshing(board, "config:set", "early", "A=1");
    ok(await push);
    ok(await set);
    expect(ok(board.ssh("config:get", "early", "A")).stdout).toBe("1\n");
    expect(read(`${root()}/envs/early/LIVE_ENV`)).toMatch(/^A=1$/m);
    app.commit("Broken", { Procfile: "release: false\nworker: exec sleep 1000\n" });
    fails(board.push(app, "early"), 1);
    expect(ok(board.ssh("config:get", "early", "A")).stdout).toBe("1\n");
  });

  story(
    "a setting that is given before a first push, which fails, is kept for the next one",
    () => {
      ok(board.ssh("config:set", "later", "A=1"));
      const app = board.repo(undefined, { ...webProbe("later.test"), Procfile: failing });
      fails(board.push(app, "later"), 1);
      expect(ok(board.ssh("config:get", "later", "A")).stdout).toBe("1\n");
      app.commit("Mended", { Procfile: "web: exec python3 app.py\n" });
      ok(board.push(app, "later"));
      expect(page("later", "/env/A")).toBe("1");
    },
  );

  story(
    "the port of another program is refused at once, and the app goes on answering",
    async () => {
      deployed("port", webProbe("port.test"));
      const watch = watching(board, "port.test");
      const refused = fails(await sshing(board, "config:set", "port", `PORT=${board.sshPort}`), 1);
      await Bun.sleep(300);
      expect((await watch()).failed).toEqual([]);
      expect(refused.output).toContain(`PORT ${board.sshPort} is taken by another program`);
      expect(refused.ms).toBeLessThan(3000);
      fails(board.ssh("config:get", "port", "PORT"), 1);
    },
  );

  story(
    "values that can be no address, port, name, path or number are refused without an outage",
    async () => {
      deployed("values", webProbe("values.test"));
      const watch = watching(board, "values.test");
      for (const setting of [
        "BIND_ADDRESS=not an address",
        "PORT=0",
        "PORT=80a",
        "NGINX_SERVER_NAME=values.test;evil",
        "NGINX_STATIC_PATHS=/x:../..",
        "NGINX_INCLUDE_FILE=../../x",
        "PIKU_GRACE=x",
      ]) {
        const { output } = fails(await sshing(board, "config:set", "values", setting), 1);
        expect(output).toContain("Error: ");
        fails(board.ssh("config:get", "values", setting.split("=")[0]!), 1);
      }
      expect((await watch()).failed).toEqual([]);
    },
  );

  story("a restart makes an environment that has vanished", () => {
    deployed("vanished", { ...webProbe("vanished.test"), "requirements.txt": "# none\n" });
    const folder = () =>
      board.outside(/^VIRTUAL_ENV=(.*)$/m.exec(read(`${root()}/envs/vanished/LIVE_ENV`))![1]!);
    fs.rmSync(folder(), { recursive: true });
    ok(board.ssh("restart", "vanished"));
    expect(list(board.outside(`${folder()}/bin`))).toContain("python3");
    expect(page("vanished")).toBe("one");
  });

  story("a restart after the server's Python was updated makes the environment for it", () => {
    const app = { ...webProbe("updated.test"), "requirements.txt": "# none\n" };
    deployed("updated", app);
    const folder = () => /^VIRTUAL_ENV=(.*)$/m.exec(read(`${root()}/envs/updated/LIVE_ENV`))![1]!;
    const before = folder();
    const python = `${board.home}/bin/python3`;
    fs.mkdirSync(`${board.home}/bin`, { recursive: true });
    const script =
      '#!/bin/sh\n[ "$1" = -V ] && { echo Python 3.99.1; exit; }\nexec /usr/bin/python3 "$@"\n';
    fs.writeFileSync(python, script, { mode: 0o755 });
    try {
      ok(board.ssh("restart", "updated"));
      expect(folder()).not.toBe(before);
      expect(list(board.outside(`${folder()}/bin`))).toContain("python3");
      expect(page("updated")).toBe("one");
    } finally {
      fs.rmSync(python);
    }
  });

  story("an app of the original with its virtual environment can be restarted", () => {
    const source = `import six\n${probeSource("one")}`;
    const app = board.repo(undefined, {
      ...wsgiProbe("former.test"),
      "requirements.txt": "# none\n",
      "app.py": source,
    });
    const [envs, tree] = [`${root()}/envs/former`, `${root()}/apps/former`];
    ok(board.run(["git", "clone", "-q", "--bare", app.folder, `${root()}/repos/former`]));
    ok(board.run(["git", "clone", "-q", `${root()}/repos/former`, tree]));
    fs.writeFileSync(`${tree}/six.py`, "");
    ok(board.on(["python3", "-m", "venv", "--without-pip", envs]));
    fs.writeFileSync(`${envs}/SCALING`, "wsgi:1\n");
    fs.writeFileSync(`${envs}/LIVE_ENV`, "A=1\n");
    ok(board.ssh("restart", "former"));
    expect(page("former")).toBe("one");
    ok(board.ssh("ps:scale", "former", "wsgi=2"));
    expect(page("former")).toBe("one");
  });

  const poor = "a server without python3 says so, and what to install";
  const unlessInstalled = board.isInstalled
    ? (name: string) => skipped(name, "a board of install.sh's has it")
    : story;
  unlessInstalled(poor, () => {
    const bin = `${board.folder}/bin`;
    fs.mkdirSync(bin);
    for (const name of new Set(["/usr/local/bin", "/usr/bin", "/bin"].flatMap(list)))
      if (!/^(python|pydoc|virtualenv)/.test(name))
        fs.symlinkSync(
          ["/usr/local/bin", "/usr/bin", "/bin"]
            .map((dir) => `${dir}/${name}`)
            .find(fs.existsSync) ?? "/",
          `${bin}/${name}`,
        );
    const way = `${board.folder}/poor`;
    const line = `shift $(($# - 1)); eval "set -- $1"; exec env -i HOME=${board.home} USER=piku PATH=${bin} ${board.home}/piku "$@"`;
    fs.writeFileSync(way, `#!/bin/sh\n${line}\n`, { mode: 0o755 });
    const app = board.repo(undefined, { ...webProbe("poor.test"), "requirements.txt": "# none\n" });
    const push = board.run(["git", "push", "board:poor", "main"], {
      cwd: app.folder,
      env: { ...board.clientEnv(), GIT_SSH_COMMAND: way, GIT_SSH_VARIANT: "simple" },
    });
    expect(fails(push, 1).output).toMatch(/no python3[\s\S]*apt install python3/);
    expect(push.output).toContain("this looks like a Python app");
    ok(board.push(app, "poor"));
    expect(page("poor")).toBe("one");
  });

  // ---- sites ----

  story(
    "a certificate and a key that do not belong together are made anew, and do not stop other apps",
    () => {
      for (const name of ["pair", "other"]) deployed(name, webProbe(`${name}.test`));
      // As a power cut between the two leaves it.
      const key = `${root()}/nginx/pair.key`;
      ok(
        board.run(["openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", key]),
      );
      ok(board.ssh("config:set", "pair", "NGINX_HTTPS_ONLY=true"));
      expect(board.get("/", { host: "pair.test", https: true }).body).toBe("one");
      ok(board.ssh("config:set", "other", "NGINX_HTTPS_ONLY=true"));
      expect(board.get("/", { host: "other.test", https: true }).body).toBe("one");
    },
  );

  story("a static folder with a blank in its name", () => {
    const env = "NGINX_SERVER_NAME=blank.test\n";
    deployed("blank", { Procfile: "static: my site\n", ENV: env, "my site/index.html": "hello\n" });
    expect(page("blank")).toBe("hello\n");
  });

  // ---- pushes ----

  story(
    "kill -9 just behind the point of no return: the release stays, and the branch can be pushed again",
    async () => {
      const app = deployed("killed", webProbe("killed.test", "0"));
      let number = 1;
      for (const how of [["recover"], ["restart", "killed"], ["config:set", "killed", "A=1"]]) {
        number++;
        app.commit(how[0]!, { "app.py": probeSource(how[0]!) });
        const push = board.pushing(app, "killed");
        await Bun.sleep(200);
        const hook = () =>
          running(board, "git-hook killed").filter((pid) => !commandOf(pid).startsWith("/bin/sh"));
        const pid = eventually(() => {
          expect(hook()).toHaveLength(1);
          return hook()[0]!;
        });
        // As in a power cut: the one that waits for git would undo the release.
        const waits = running(board, board.executable).filter((one) => !hook().includes(one));
        for (const one of waits) kill(one, "SIGKILL");
        const end = performance.now() + 15_000;
        while (read(`${root()}/releases/killed/live`) !== `${number}\n` && performance.now() < end);
        process.kill(pid, "SIGKILL");
        fails(await push);
        expect(page("killed")).toBe(how[0]!);
        ok(how[0] === "recover" ? board.piku("recover") : board.ssh(...how));
        number = live(board, "killed").number;
        expect(page("killed")).toBe(how[0]!);
        expect(live(board, "killed").commit).toBe(app.head());
        expect(
          ok(board.on(["git", "-C", `${root()}/apps/killed`, "status", "--porcelain"])).stdout,
        ).toBe("");
        // The push that git never accepted is pushed again, and then the next one.
        ok(board.push(app, "killed"));
        number = live(board, "killed").number;
        expect(board.tip("killed")).toBe(app.head());
      }
      app.commit("Broken", { Procfile: failing });
      fails(board.push(app, "killed"), 1);
      expect(page("killed")).toBe("config:set");
    },
  );

  story("a request that is still being answered survives a push that fails", async () => {
    const app = deployed("drains", { ...webProbe("drains.test"), "app.py": slowSource });
    const answer = asking(board, "drains.test", "/7", "POST");
    await Bun.sleep(300);
    app.commit("Second");
    ok(await board.pushing(app, "drains"));
    app.commit("Broken", { Procfile: failing });
    fails(await board.pushing(app, "drains"), 1);
    expect(await answer).toBe("200 done");
  });

  story("branch main/x beside main is refused before anything of it is live", () => {
    const app = deployed("branch", webProbe("branch.test"));
    app.commit("Second", { "app.py": probeSource("two") });
    const { output } = fails(board.push(app, "branch", "HEAD:refs/heads/main/x"), 1);
    expect(output).toContain("branch 'main/x' cannot be beside branch 'main'");
    expect(page("branch")).toBe("one");
    expect(live(board, "branch").number).toBe(1);
    ok(board.push(app, "branch"));
    expect(page("branch")).toBe("two");
  });

  // ---- recover and destroy ----

  story(
    "recover goes on past an app whose files are damaged, puts the others right, and exits with 1",
    () => {
      for (const name of ["aa", "bb", "cc"])
        deployed(name, { Procfile: "worker: exec sleep 1000\n" });
      fs.writeFileSync(`${root()}/releases/aa/1.json`, "");
      fs.writeFileSync(`${root()}/releases/bb/journal.json`, "");
      fs.writeFileSync(
        `${root()}/releases/cc/journal.json`,
        JSON.stringify({ release: 2, cause: "push", tree: false, made: false }),
      );
      const { output } = fails(board.piku("recover"), 1);
      expect(output).toContain("Error: app 'aa'");
      expect(output).not.toMatch(/'(bb|cc)'/);
      for (const name of ["bb", "cc"]) {
        expect(fs.existsSync(`${root()}/releases/${name}/journal.json`)).toBe(false);
      }
      ok(board.ssh("restart", "bb"));
      ok(board.ssh("destroy", "aa"));
      ok(board.piku("recover"));
    },
  );

  story(
    "an app that is only half there can be destroyed: after a first push that failed, or a destroy that was cut off",
    () => {
      const left = (name: string) =>
        ["apps", "repos", "envs", "releases", "logs"].filter((folder) =>
          fs.existsSync(`${root()}/${folder}/${name}`),
        );
      const never = board.repo(undefined, { ...webProbe("half.test"), Procfile: failing });
      fails(board.push(never, "half"), 1);
      ok(board.ssh("destroy", "half"));
      expect(left("half")).toEqual([]);
      for (const gone of ["apps", "repos", "envs", "releases"]) {
        const name = `half-${gone}`;
        deployed(name, webProbe(`${name}.test`));
        ok(board.ssh("config:set", name, "SECRET=x"));
        fs.rmSync(`${root()}/${gone}/${name}`, { recursive: true });
        ok(board.ssh("destroy", name));
        expect(left(name)).toEqual([]);
        expect(
          list(`${root()}/uwsgi-enabled`).filter((file) => file.startsWith(`${name}_`)),
        ).toEqual([]);
        expect(board.get("/", { host: `${name}.test` }).status).toBe(404);
      }
    },
  );
}, longOnAnyBoard);
