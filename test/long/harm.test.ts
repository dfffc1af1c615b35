/**
 * The slow half of test/e2e/harm.test.ts: clients that fall asleep, workers that will not end, kill
 * -9 at any moment.
 */
import { expect } from "bun:test";
import { spawn } from "node:child_process";
import fs from "node:fs";
import { probeSource, slowSource, webProbe } from "../e2e/probe.ts";
import { eventually, type Files, fails, list, ok, type Repo } from "../e2e/sandbox.ts";
import { randomBelow, seedOf } from "../e2e/seed.ts";
import { stories } from "../e2e/story.ts";
import { asking, commandOf, live, running, sshing, watching } from "../e2e/watch.ts";
import { expectWhole, witness, witnessed, witnessProcfile } from "../e2e/whole.ts";

stories((board, story) => {
  const root = () => board.pikuRoot;
  const deployed = (name: string, files: Files): Repo => {
    const app = board.repo(undefined, files);
    ok(board.push(app, name));
    return app;
  };
  const page = (name: string, url = "/") => board.get(url, { host: `${name}.test` }).body;

  story(
    "a push whose client has fallen asleep loses its turn after a minute, and the next one goes through",
    async () => {
      const app = deployed("idle", webProbe("idle.test"));
      const client = spawn("ssh", ["board", "git-receive-pack 'idle'"], {
        env: board.clientEnv(),
        stdio: "pipe",
      });
      try {
        await Bun.sleep(1500);
        app.commit("Second", { "app.py": probeSource("two") });
        const push = ok(await board.pushing(app, "idle"));
        expect(push.output).toMatch(/Waiting for push by /);
        expect(push.ms).toBeGreaterThan(50_000);
        expect(push.ms).toBeLessThan(90_000);
        expect(page("idle")).toBe("two");
      } finally {
        client.kill("SIGKILL");
      }
    },
  );

  story("a push that builds for longer than a minute does not lose its turn", async () => {
    const app = deployed("slow", webProbe("slow.test", "one"));
    const other = app.copy();
    app.commit("Slow", {
      Procfile: "preflight: sleep 75\nweb: exec python3 app.py\n",
      "app.py": probeSource("slow"),
    });
    const push = board.pushing(app, "slow");
    await Bun.sleep(1500);
    other.commit("Other", { "app.py": probeSource("other") });
    const later = board.pushing(other, "slow");
    ok(await push);
    fails(await later);
    expect(page("slow")).toBe("slow");
    expect(board.tip("slow")).toBe(app.head());
  });

  story(
    "a worker that ignores TERM is never there twice, and is gone after a push, a stop and a destroy",
    async () => {
      const source =
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True:\n    time.sleep(1)\n";
      const env = "PIKU_GRACE=3\n";
      const app = deployed("deaf", {
        Procfile: "worker: exec python3 deaf.py\n",
        ENV: env,
        "deaf.py": source,
      });
      const workers = () => running(board, "python3 deaf.py");
      const first = workers();
      expect(first).toHaveLength(1);
      app.commit("Second");
      let most = 0;
      const push = board.pushing(app, "deaf");
      for (let ended = false; !ended; await Bun.sleep(50)) {
        most = Math.max(most, workers().length);
        ended = await Promise.race([push.then(() => true), Bun.sleep(0).then(() => false)]);
      }
      ok(await push);
      expect(most).toBe(1);
      expect(workers()).toHaveLength(1);
      expect(workers()).not.toEqual(first);
      ok(await sshing(board, "stop", "deaf"));
      expect(workers()).toEqual([]);
      ok(await sshing(board, "restart", "deaf"));
      expect(workers()).toHaveLength(1);
      ok(await sshing(board, "destroy", "deaf"));
      expect(workers()).toEqual([]);
    },
  );

  story("what retires an old release never removes the environment of a later deploy", async () => {
    const files = {
      ...webProbe("retire.test"),
      "app.py": slowSource,
      "requirements.txt": "# one\n",
    };
    const app = deployed("retire", files);
    const answer = asking(board, "retire.test", "/8");
    await Bun.sleep(300);
    app.commit("Second");
    ok(await board.pushing(app, "retire"));
    app.commit("Third", {
      "requirements.txt": "# two\n",
      Procfile: "release: sleep 9\nweb: exec python3 app.py\n",
    });
    ok(await board.pushing(app, "retire"));
    expect(await answer).toBe("200 done");
    await Bun.sleep(3000);
    const { environment } = live(board, "retire");
    expect(list(`${root()}/envs/retire/.${environment}`)).toContain("bin");
    expect(page("retire")).toBe("done");
    ok(board.ssh("restart", "retire"));
    expect(page("retire")).toBe("done");
  });

  story("a request of 20 seconds is answered, whatever is pushed meanwhile", async () => {
    const app = deployed("drain", { ...webProbe("drain.test"), "app.py": slowSource });
    const answer = asking(board, "drain.test", "/20", "POST");
    await Bun.sleep(300);
    app.commit("Second");
    ok(await board.pushing(app, "drain"));
    app.commit("Broken", { Procfile: "release: false\nweb: exec python3 app.py\n" });
    fails(await board.pushing(app, "drain"), 1);
    app.commit("Dies", {
      Procfile: "web: exec python3 app.py\n",
      "app.py": "raise SystemExit('no')\n",
    });
    fails(await board.pushing(app, "drain"), 1);
    app.commit("Mended", { "app.py": slowSource });
    ok(await board.pushing(app, "drain"));
    expect(await answer).toBe("200 done");
  });

  story("24 changes of a setting: the last 20 are kept, and the live commit is held", () => {
    const app = deployed("many", { Procfile: "worker: exec sleep 1000\n" });
    for (let i = 1; i <= 24; i++) ok(board.ssh("config:set", "many", `A=${i}`));
    const refs = () =>
      ok(
        board.run([
          "git",
          "-C",
          `${root()}/repos/many`,
          "for-each-ref",
          "--format=%(refname)",
          "refs/piku",
        ]),
      )
        .stdout.trim()
        .split("\n");
    expect(live(board, "many").number).toBe(25);
    eventually(() => expect(refs().length).toBeLessThanOrEqual(21));
    expect(refs()).toContain("refs/piku/25");
    expect(live(board, "many").commit).toBe(app.head());
    expect(list(`${root()}/releases/many`).filter((name) => name.endsWith(".json"))).not.toContain(
      "1.json",
    );
    expect(ok(board.ssh("config:get", "many", "A")).stdout).toBe("24\n");
    ok(board.ssh("restart", "many"));
    expect(running(board, "sleep 1000")).toHaveLength(1);
  });

  story(
    "a client that stops reading does not hold up the deploy, nor what comes after it",
    async () => {
      const lines = "head -c 12000000 /dev/zero | tr '\\0' 'x' | fold -w 100";
      deployed("stalled", { Procfile: `preflight: sleep 3; ${lines}\nworker: exec sleep 1000\n` });
      const client = spawn("ssh", ["board", "deploy", "stalled"], {
        env: board.clientEnv(),
        stdio: ["ignore", "pipe", "ignore"],
      });
      try {
        await Bun.sleep(2000);
        client.kill("SIGSTOP");
        eventually(() => expect(live(board, "stalled").number).toBe(2), 60);
        ok(await sshing(board, "config:set", "stalled", "A=1"));
        expect(ok(board.ssh("config:get", "stalled", "A")).stdout).toBe("1\n");
      } finally {
        client.kill("SIGKILL");
      }
      expect(fs.existsSync(`${root()}/releases/stalled/journal.json`)).toBe(false);
    },
  );

  story(
    "changes go through while processes come and go all the time (a process that vanishes while it is looked at)",
    () => {
      deployed("forks", webProbe("forks.test"));
      const load = spawn("sh", ["-c", "while :; do /bin/true & /bin/true; done"], {
        stdio: "ignore",
      });
      try {
        for (let i = 0; i < 14; i++)
          ok(board.ssh("config:set", "forks", `NGINX_SERVER_NAME=forks.test,f${i}.test`));
      } finally {
        load.kill("SIGKILL");
      }
      expect(page("forks")).toBe("one");
    },
  );

  story(
    "what waits while an app is destroyed finds an app or none, never half of one",
    async () => {
      const app = deployed("waits", { Procfile: "release: sleep 3\nworker: exec sleep 1000\n" });
      app.commit("Second");
      const push = board.pushing(app, "waits");
      await Bun.sleep(1200);
      const destroy = sshing(board, "destroy", "waits");
      await Bun.sleep(300);
      const set = sshing(board, "config:set", "waits", "A=1");
      await Bun.sleep(200);
      const copy = app.copy();
      const later = board.pushing(copy, "waits");
      ok(await push);
      ok(await destroy);
      await set;
      const pushed = await later;
      await Bun.sleep(1000);
      const vassals = list(`${root()}/uwsgi-enabled`).filter((name) => name.startsWith("waits_"));
      if (ok(board.ssh("apps")).stdout.includes("waits")) {
        expect(live(board, "waits").commit).toBe(copy.head());
        expect(vassals).toEqual(live(board, "waits").vassals);
        if (pushed.status === 0) expect(board.tip("waits")).toBe(copy.head());
      } else {
        expect(vassals).toEqual([]);
        expect(list(`${root()}/repos`)).not.toContain("waits");
      }
      copy.commit("Third");
      ok(board.push(copy, "waits"));
      expect(live(board, "waits").commit).toBe(copy.head());
      expect(board.tip("waits")).toBe(copy.head());
    },
  );

  for (const kind of ["web", "wsgi"] as const)
    story(
      `kill -9 at any moment of the push of a ${kind} app: what is served is one whole release, and nothing is lost`,
      async () => {
        const name = `kills-${kind}`;
        const slowed = witnessProcfile(kind, "sleep 0.1").replace(
          "release: ",
          "release: sleep 0.1; ",
        );
        const { repo: app } = witness(board, kind, name, { Procfile: slowed });
        const watch = watching(board, `${name}.test`);
        const below = randomBelow(seedOf(name));
        const versions = ["0"];
        // With both kinds and both executables, 48.
        for (let round = 1; round <= 12; round++) {
          const version = String(round);
          versions.push(version);
          app.commit(version, witnessed(version));
          const push = board.pushing(app, name);
          await Bun.sleep(200 + below(2_600));
          for (const pid of running(board, `git-hook ${name}`))
            if (!/^\/bin\/sh|^sh /.test(commandOf(pid))) process.kill(pid, "SIGKILL");
          const { status } = await push;
          await Bun.sleep(200);
          if (round % 3 === 0) ok(board.piku("recover"));
          else
            ok(
              await sshing(
                board,
                ...(round % 3 === 1 ? ["restart", name] : ["config:set", name, `R=${round}`]),
              ),
            );
          const shown = await expectWhole(board, name, versions);
          if (status === 0) expect(shown).toBe(version);
          app.commit(`${version} again`);
          if (round % 4 === 0) {
            ok(await board.pushing(app, name));
            expect(board.tip(name)).toBe(app.head());
          }
        }
        expect((await watch()).failed).toEqual([]);
        ok(board.push(app, name));
        expect(page(name)).toBe("12");
      },
    );
});
