import { expect } from "bun:test";
import fs from "node:fs";
import { probeSource, webProbe, wsgiProbe } from "./probe.ts";
import {
  alive,
  type Board,
  eventually,
  type Files,
  fails,
  freePorts,
  kill,
  list,
  ok,
  type Repo,
  read,
  readProc,
} from "./sandbox.ts";
import { longOnAnyBoard, skipped, stories } from "./story.ts";
import { asking } from "./watch.ts";

/**
 * Pushes what must fail; the old version keeps answering and stays the tip, and the next good push
 * goes through.
 */
function survives(
  board: Board,
  name: string,
  app: Repo,
  broken: Files,
  reason: RegExp,
  mended: Files,
) {
  const host = `${name}.test`;
  const before = app.head();
  const pid = board.get("/pid", { host }).body;
  app.commit("Broken", broken);
  const { output } = fails(board.push(app, name), 1);
  expect(output).toMatch(reason);
  expect(output).toContain("pre-receive hook declined");
  expect(board.get("/", { host })).toMatchObject({ status: 200, body: "one" });
  expect(board.get("/pid", { host }).body).toBe(pid);
  expect(board.tip(name)).toBe(before);
  // Pushing the same again tries again, and fails again.
  fails(board.push(app, name), 1);
  expect(board.get("/", { host }).body).toBe("one");
  app.commit("Mended", { ...mended, "app.py": probeSource("two") });
  ok(board.push(app, name));
  expect(board.get("/", { host }).body).toBe("two");
}

stories((board, story) => {
  const deployed = (files: Files, name: string) => {
    const app = board.repo(undefined, files);
    ok(board.push(app, name));
    return app;
  };

  story("a failing build rejects the push and the old version stays", () => {
    const files = { ...webProbe("build.test"), "requirements.txt": "# nothing\n" };
    const app = deployed(files, "build");
    const broken = { "requirements.txt": "./no-such-package\n", "app.py": probeSource("broken") };
    survives(board, "build", app, broken, /no-such-package/, {
      "requirements.txt": "# nothing again\n",
    });
  });

  story("a failing release rejects the push and the old version stays", () => {
    const app = deployed(webProbe("release.test"), "release");
    const broken = {
      Procfile: 'release: echo "the migration broke"; exit 7\nweb: exec python3 app.py\n',
      "app.py": probeSource("broken"),
    };
    const mended = { Procfile: "release: echo migrated\nweb: exec python3 app.py\n" };
    survives(board, "release", app, broken, /the migration broke(.*\n)*.*7/, mended);
  });

  story("a failing preflight rejects the push and the old version stays", () => {
    const app = deployed(webProbe("preflight.test"), "preflight");
    const broken = { Procfile: "preflight: echo not today; false\nweb: exec python3 app.py\n" };
    survives(board, "preflight", app, broken, /not today/, {
      Procfile: "web: exec python3 app.py\n",
    });
  });

  story(
    "a process of a wsgi app that is killed while it waits for a request keeps nobody waiting",
    async () => {
      deployed(wsgiProbe("killed.test"), "killed");
      const master = String(board.pidOf(Number(board.get("/pid", { host: "killed.test" }).body)));
      const workers = () =>
        readProc(master, `task/${master}/children`).trim().split(" ").map(Number);
      for (let round = 0; round < 6; round++) {
        const [pid] = eventually(() => {
          const pids = workers();
          expect(pids).toHaveLength(2);
          return [pids[round % 2]!];
        });
        kill(pid!, "SIGKILL");
        eventually(() => expect(alive(pid!)).toBe(false));
        const answers = await Promise.all(
          Array.from({ length: 8 }, () => asking(board, "killed.test", "/")),
        );
        expect(new Set(answers)).toEqual(new Set(["200 one"]));
      }
    },
  );

  story("a syntax error in a wsgi app rejects the push, with Python's own words", () => {
    const app = deployed(wsgiProbe("syntax.test"), "syntax");
    survives(board, "syntax", app, { "app.py": "def app(:\n" }, /SyntaxError/, {});
  });

  story("a wsgi app that is not there rejects the push", () => {
    const app = deployed(wsgiProbe("callable.test"), "callable");
    survives(board, "callable", app, { Procfile: "wsgi: app:nothing\n" }, /nothing|callable/, {
      Procfile: "wsgi: app:app\n",
    });
  });

  story("a web app that dies at once rejects the push, with its last lines", () => {
    const app = deployed(webProbe("dies.test"), "dies");
    survives(
      board,
      "dies",
      app,
      { "app.py": "raise SystemExit('no database here')\n" },
      /no database here/,
      {},
    );
  });

  story("a web app whose command is not there rejects the push", () => {
    const app = deployed(webProbe("command.test"), "command");
    const broken = { Procfile: "web: no-such-server --port $PORT\n" };
    survives(board, "command", app, broken, /no-such-server/, {
      Procfile: "web: exec python3 app.py\n",
    });
  });

  story("a first push that fails leaves nothing running and no branch", () => {
    const app = board.repo(undefined, {
      ...webProbe("never.test"),
      "app.py": "import nothing_like_it\n",
    });
    expect(fails(board.push(app, "never"), 1).output).toContain("nothing_like_it");
    expect(board.get("/", { host: "never.test" }).status).toBe(404);
    expect(board.run(["git", "ls-remote", "board:never"]).stdout).toBe("");
    expect(
      list(`${board.pikuRoot}/uwsgi-enabled`).filter((name) => name.startsWith("never_")),
    ).toEqual([]);
    app.commit("Mended", { "app.py": probeSource("one") });
    ok(board.push(app, "never"));
    expect(board.get("/", { host: "never.test" }).body).toBe("one");
  });

  story("a setting that breaks the app is refused by config:set, and the old ones stay", () => {
    const source = `import os\nif os.environ.get("MODE") == "bad":\n    raise SystemExit("bad mode")\n${probeSource("one")}`;
    deployed({ ...webProbe("mode.test"), "app.py": source }, "mode");
    expect(fails(board.ssh("config:set", "mode", "MODE=bad"), 1).output).toContain("bad mode");
    expect(board.get("/", { host: "mode.test" }).body).toBe("one");
    fails(board.ssh("config:get", "mode", "MODE"), 1);
    ok(board.ssh("config:set", "mode", "MODE=good"));
    expect(board.get("/env/MODE", { host: "mode.test" }).body).toBe("good");
  });

  const full = "a full disk refuses a change, and everything stays as it was";
  if (process.getuid?.() !== 0) skipped(full, "needs root, to mount a small disk");
  else
    story(full, () => {
      const folder = `${board.pikuRoot}/envs/full`;
      fs.mkdirSync(folder);
      ok(board.asRoot(["mount", "-t", "tmpfs", "-o", "size=128k,mode=777", "none", folder]));
      try {
        deployed(webProbe("full.test"), "full");
        ok(board.ssh("config:set", "full", `A=${"a".repeat(30_000)}`));
        const { output } = fails(board.ssh("config:set", "full", `B=${"b".repeat(90_000)}`), 1);
        expect(output).toMatch(/disk is full/);
        fails(board.ssh("config:get", "full", "B"), 1);
        expect(ok(board.ssh("config:get", "full", "A")).stdout).toBe(`${"a".repeat(30_000)}\n`);
        expect(board.get("/", { host: "full.test" }).body).toBe("one");
        expect(board.get("/env/B", { host: "full.test" }).status).toBe(404);
        expect(ok(board.on(["ls", "-A", folder])).stdout).not.toContain(".tmp");
        ok(board.ssh("config:set", "full", "C=small"));
        expect(board.get("/env/C", { host: "full.test" }).body).toBe("small");
      } finally {
        ok(board.asRoot(["umount", "-l", folder]));
      }
    });

  story("one app's broken site never touches another's", () => {
    deployed(webProbe("whole.test"), "whole");
    const app = board.repo(undefined, {
      ...webProbe("broken.test"),
      ENV: "NGINX_SERVER_NAME=broken.test\nNGINX_INCLUDE_FILE=extra.conf\n",
      "extra.conf": "no_such_directive on;\n",
    });
    expect(fails(board.push(app, "broken"), 1).output).toContain("no_such_directive");
    expect(board.get("/", { host: "whole.test" }).body).toBe("one");
    deployed(webProbe("after.test"), "after");
    expect(board.get("/", { host: "after.test" }).body).toBe("one");
  });

  story(
    "what a new process says as it fails is not buried in what the old one goes on saying",
    () => {
      const chatty = (version: string) =>
        `import threading, time\n\n\ndef chat():\n    while True:\n        print("busy as ever", flush=True)\n        time.sleep(0.002)\n\n\nthreading.Thread(target=chat, daemon=True).start()\n${probeSource(version)}`;
      const app = deployed({ ...webProbe("busy.test"), "app.py": chatty("one") }, "busy");
      const log = `${board.pikuRoot}/logs/busy/web.1.log`;
      eventually(() => expect(fs.statSync(log).size).toBeGreaterThan(2000));
      app.commit("Broken", { "app.py": "import time, nowhere_to_be_found\n" });
      const { output } = fails(board.push(app, "busy"), 1);
      expect(output).toContain("No module named 'nowhere_to_be_found'");
      expect(output).not.toContain("busy as ever");
      // One log as before, with what went wrong in it, into which the old process goes on writing.
      expect(list(`${board.pikuRoot}/logs/busy`)).toEqual(["web.1.log"]);
      expect(read(log)).toContain("nowhere_to_be_found");
      const size = fs.statSync(log).size;
      eventually(() => expect(fs.statSync(log).size).toBeGreaterThan(size));
      // The log from before the live release is kept, and no older one.
      for (const version of ["two", "three"]) {
        app.commit(version, { "app.py": probeSource(version) });
        ok(board.push(app, "busy"));
      }
      const names = ["web.1.log", "web.1.log.before-4"];
      eventually(() => expect(list(`${board.pikuRoot}/logs/busy`)).toEqual(names));
    },
  );

  for (const [title, ENV] of [
    ["a fixed port", `PORT=${freePorts(1)[0]}\n`],
    ["PIKU_OVERLAP=false", "PIKU_OVERLAP=false\n"],
  ])
    story(`with ${title} the old process is back as soon as the new one has failed`, () => {
      const name = `alone-${title!.length}`;
      const host = `${name}.test`;
      const files = { ...webProbe(host, "one"), ENV: `NGINX_SERVER_NAME=${host}\n${ENV}` };
      const app = deployed(files, name);
      app.commit("Broken", { "app.py": "import nowhere\n" });
      const push = fails(board.push(app, name), 1);
      expect(push.output).toContain("No module named 'nowhere'");
      expect(board.get("/", { host }).body).toBe("one");
      // The old one is told to end, the new one starts and ends, the old one starts: within these
      // seconds all of it.
      expect(push.ms).toBeLessThan(8000);
      app.commit("Mended", { "app.py": probeSource("two") });
      ok(board.push(app, name));
      expect(board.get("/", { host }).body).toBe("two");
    });

  story("a clock that was an hour ahead changes nothing: what is newer is not told by time", () => {
    const app = deployed(wsgiProbe("clock.test", "one"), "clock");
    app.commit("Second", { "app.py": probeSource("two") });
    ok(board.push(app, "clock"));
    // As if all of it had been written before the clock was set back.
    const ahead = ["find", board.pikuRoot, "(", "-type", "f", "-o", "-type", "d", ")", "-exec"];
    ok(board.run([...ahead, "touch", "-d", "+1 hour", "{}", "+"]));
    const body = () => board.get("/", { host: "clock.test" }).body;
    app.commit("Third", { "app.py": probeSource("three") });
    ok(board.push(app, "clock"));
    expect(body()).toBe("three");
    ok(board.ssh("config:set", "clock", "A=now"));
    expect(board.get("/env/A", { host: "clock.test" }).body).toBe("now");
    ok(board.ssh("rollback", "clock", "2"));
    expect(body()).toBe("two");
    ok(board.ssh("stop", "clock"));
    ok(board.ssh("restart", "clock"));
    expect(body()).toBe("two");
  });
}, longOnAnyBoard);
