/**
 * Beside the original: its client script (PIKU_CLIENT) and itself (PIKU_PEER, its command), fetched
 * copies of both.
 */
import { expect } from "bun:test";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { probeSource, webProbe } from "./probe.ts";
import { eventually, fails, list, ok, read } from "./sandbox.ts";
import { anyBoard, skipped, stories } from "./story.ts";

const { PIKU_CLIENT: client, PIKU_PEER: peer } = process.env;

stories((board, story) => {
  story(
    "an original's hook in a repository is replaced on first contact: one deploy, not two",
    () => {
      const app = board.repo(undefined, {
        ...webProbe("hook.test"),
        Procfile: 'release: echo x >> "$DATA_ROOT/count"\nweb: exec python3 app.py\n',
      });
      const repo = `${board.pikuRoot}/repos/hook`;
      ok(board.run(["git", "init", "--quiet", "--bare", repo]));
      const hook = `#!/usr/bin/env bash\nset -e; set -o pipefail;\ncat | PIKU_ROOT="${board.pikuRoot}" ${board.home}/piku git-hook hook`;
      fs.writeFileSync(`${repo}/hooks/post-receive`, hook, { mode: 0o755 });
      ok(board.push(app, "hook"));
      expect(read(`${board.pikuRoot}/data/hook/count`)).toBe("x\n");
      expect(list(`${repo}/hooks`)).not.toContain("post-receive");
      expect(board.get("/", { host: "hook.test" }).body).toBe("one");
    },
  );

  story("a hook of somebody else's stays", () => {
    const app = board.repo(undefined, webProbe("own.test"));
    ok(board.push(app, "own"));
    const hook = `${board.pikuRoot}/repos/own/hooks/post-receive`;
    fs.writeFileSync(hook, "#!/bin/sh\necho my own hook\n", { mode: 0o755 });
    app.commit("Second");
    expect(ok(board.push(app, "own")).output).toContain("my own hook");
    expect(fs.existsSync(hook)).toBe(true);
  });

  story("what the original's client sends", () => {
    expect(ok(board.sshRaw("apps")).stdout).toContain("*own");
    expect(ok(board.sshRaw("config own")).stdout).toBeDefined();
    ok(board.sshRaw("config:set own A=1 B=two"));
    expect(ok(board.sshRaw("config:get own B")).stdout).toBe("two\n");
    ok(board.run(["ssh", "board", "--", "config:set", "own", "C=3"]));
    expect(ok(board.sshRaw("config:get own C")).stdout).toBe("3\n");
    expect(ok(board.sshRaw("run own -- sh -c 'echo in the app'")).stdout).toBe("in the app\n");
    expect(
      ok(board.sshRaw("help"))
        .stdout.split("\n")
        .filter((line) => !line.includes("INTERNAL"))
        .join(),
    ).toContain("apps");
    // sshd gives a terminal away only as root.
    if (process.getuid?.() !== 0) return;
    const shell = board.run(["ssh", "-tt", "board", "run own bash"], {
      input: "echo $APP-$((6*7)); exit 3\n",
    });
    expect(shell.output).toContain("own-42");
    expect(shell.status).toBe(3);
  });

  if (!client) skipped("the original's client script works against it", "PIKU_CLIENT is not set");
  else
    story("the original's client script works against it", () => {
      const app = board.repo(undefined, webProbe("client.test"));
      ok(app.git("remote", "add", "piku", "board:client"));
      ok(app.git("push", "piku", "main"));
      const call = (...words: string[]) => board.run(["sh", client, ...words], { cwd: app.folder });
      expect(ok(call("apps")).stdout).toContain("*client");
      ok(call("config:set", "A=1"));
      expect(ok(call("config:get", "A")).stdout).toBe("1\n");
      expect(ok(call("config")).stdout).toContain("A=1");
      expect(ok(call("ps")).stdout).toMatch(/web\W+1/);
      expect(ok(call("run", "pwd")).stdout).toBe(`${board.inside(board.pikuRoot)}/apps/client\n`);
      ok(call("ps:scale", "web=1"));
      for (const words of [["doctor"], ["keys"], ["completion"], ["version"]])
        expect(call(...words).output).not.toMatch(/^(Error|Hint):/m);
      ok(call("config:set", "--global", "PLACE=here"));
      ok(call("restart"));
      ok(call("stop"));
      ok(call("deploy"));
      expect(board.get("/", { host: "client.test" }).body).toBe("one");
      const help = call("help").stdout;
      expect(help).toContain("config:set");
      expect(help).not.toContain("git-hook");
      fails(call("no-such-command"));
      expect(board.run(["sh", client, "-r", "piku", "apps"], { cwd: app.folder }).stdout).toContain(
        "*client",
      );
      ok(call("destroy"));
      expect(ok(call("apps")).stdout).not.toContain("client");
    });

  // A command: the script, with its Python in front unless that is the system's.
  const [script = "", python = "/usr/bin/python3"] = (peer ?? "").split(" ").reverse();
  if (!peer) skipped("an original's apps are taken over as they are", "PIKU_PEER is not set");
  else if (process.env.PIKU_BOARD === "installed")
    skipped(
      "an original's apps are taken over as they are",
      "an installed board has not what the original needs; test/machines/takeover.test.ts tells it",
    );
  else if (spawnSync(python, ["-c", "import click"]).status !== 0)
    skipped(
      "an original's apps are taken over as they are",
      `${python} has no click: python3-click`,
    );
  else
    story("an original's apps are taken over as they are", () => {
      const ours = fs.readFileSync(`${board.home}/piku`);
      const install = (content: string | Uint8Array) => {
        fs.rmSync(`${board.home}/piku`);
        fs.writeFileSync(`${board.home}/piku`, content, { mode: 0o755 });
      };
      install(read(script).replace(/^#!.*/, `#!${python}`));
      ok(board.piku("setup:ssh", `${board.folder}/ssh/other.pub`));
      const other = { host: "other" };
      const vassals = (app: string) =>
        list(`${board.pikuRoot}/uwsgi-enabled`).filter((name) => name.startsWith(`${app}_`));
      const port = (app: string) =>
        Number(/^PORT=(\d+)$/m.exec(read(`${board.pikuRoot}/envs/${app}/LIVE_ENV`))?.[1]);
      const page = (app: string) => board.get("/", { port: port(app) }).body;
      const apps = Object.fromEntries(
        ["old", "elder"].map((name) => {
          const Procfile = "web: exec python3 app.py\nrelease: true\nworker: sleep 1000\n";
          return [name, board.repo(undefined, { ...webProbe("x", name), ENV: "", Procfile })];
        }),
      );
      for (const [name, repo] of Object.entries(apps))
        ok(board.run(["git", "push", `other:${name}`, "main:master"], { cwd: repo.folder }));
      ok(board.sshRaw("config:set old KEPT=original", other));
      expect(vassals("old")).toEqual(["old_web.1.ini", "old_worker.1.ini"]);
      eventually(() => expect(page("elder")).toBe("elder"));

      install(ours);
      expect(ok(board.sshRaw("apps", other)).stdout.split("\n")).toEqual(
        expect.arrayContaining(["*old", "*elder"]),
      );
      expect(ok(board.ssh("ps", "old")).stdout).toMatch(/worker\W+1/);
      expect(ok(board.ssh("config:get", "old", "KEPT")).stdout).toBe("original\n");
      apps.old!.commit("Second", { "app.py": probeSource("new") });
      expect(
        ok(board.push(apps.old!, "old", "main:master")).output.match(/-----> Deploying app/g),
      ).toHaveLength(1);
      expect(page("old")).toBe("new");
      expect(board.get("/env/KEPT", { port: port("old") }).body).toBe("original");
      expect(vassals("old")).not.toContain("old_web.1.ini");
      expect(vassals("old")).not.toContain("old_worker.1.ini");
      expect(vassals("elder")).toEqual(["elder_web.1.ini", "elder_worker.1.ini"]);
      expect(page("elder")).toBe("elder");
      ok(board.ssh("ps:scale", "old", "worker=2"));
      ok(board.ssh("stop", "elder"));
      expect(vassals("elder")).toEqual([]);
      ok(board.ssh("restart", "elder"));
      expect(page("elder")).toBe("elder");
    });
}, anyBoard);
