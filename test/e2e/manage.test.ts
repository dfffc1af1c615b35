import { expect } from "bun:test";
import fs from "node:fs";
import { probeSource, webProbe, wsgiProbe } from "./probe.ts";
import { alive, type Board, eventually, fails, list, ok, read } from "./sandbox.ts";
import { longOnAnyBoard, stories } from "./story.ts";

/** The worker processes of the trio app that are alive: each touches a file twice a second. */
function working(board: Board): string[] {
  const data = `${board.pikuRoot}/data/trio`;
  const fresh = (name: string) => Date.now() - fs.statSync(`${data}/${name}`).mtimeMs < 1500;
  return list(data).filter((name) => name.startsWith("worker-") && fresh(name));
}

stories((board, story) => {
  const vassals = (app: string) =>
    list(`${board.pikuRoot}/uwsgi-enabled`).filter((name) => name.startsWith(`${app}_`));

  story("ps:scale starts and stops workers, and a push keeps the numbers", () => {
    const app = board.repo("web-worker-cron");
    ok(board.push(app, "trio"));
    eventually(() => expect(working(board)).toHaveLength(1));
    ok(board.ssh("ps:scale", "trio", "worker=3"));
    eventually(() => expect(working(board)).toHaveLength(3));
    expect(ok(board.ssh("ps", "trio")).stdout).toMatch(/worker\W+3/);
    app.commit("Second");
    ok(board.push(app, "trio"));
    eventually(() => expect(working(board)).toHaveLength(3));
    ok(board.ssh("ps:scale", "trio", "worker=0"));
    eventually(() => expect(working(board)).toHaveLength(0));
    expect(board.get("/", { host: "trio.test" }).status).toBe(200);
    ok(board.ssh("ps:scale", "trio", "worker=1", "cron=0"));
    eventually(() => expect(working(board)).toHaveLength(1));
  });

  story("ps:scale refuses what cannot be, and changes nothing", () => {
    const counts = () => ok(board.ssh("ps", "trio")).stdout.match(/^\w+:\d+$/gm);
    const before = counts();
    const bad: [string, RegExp, number][] = [
      ["worker=-1", /0/, 2],
      ["worker=65", /64/, 2],
      ["wroker=2", /wroker/, 1],
      ["worker", /worker/, 2],
      ["worker=two", /two/, 2],
      ["worker=1.5", /1\.5/, 2],
    ];
    for (const [word, message, status] of bad)
      expect(fails(board.ssh("ps:scale", "trio", word), status).stderr).toMatch(message);
    fails(board.ssh("ps:scale", "trio", "web=2", "wroker=2"), 1);
    expect(counts()).toEqual(before);
    expect(working(board)).toHaveLength(1);
  });

  for (const [kind, probe] of [
    ["wsgi", wsgiProbe],
    ["web", webProbe],
  ] as const)
    story(
      `with PIKU_AUTO_RESTART=false a push leaves a ${kind} worker as it is until restart`,
      () => {
        const host = `late-${kind}.test`;
        const name = `late-${kind}`;
        const get = (url: string) => board.get(url, { host }).body;
        const env = `NGINX_SERVER_NAME=${host}\nPIKU_AUTO_RESTART=false\n`;
        const packages = { "requirements.txt": "# one\n" };
        const app = board.repo(undefined, {
          ...probe(host),
          ...(kind === "wsgi" ? packages : {}),
          ENV: env,
        });
        ok(board.push(app, name));
        const pid = get("/pid");
        // More often than dependencies and run folders of former releases are kept.
        for (const version of ["two", "three", "four"]) {
          app.commit(version, {
            "app.py": probeSource(version),
            ...(kind === "wsgi" ? { "requirements.txt": `# ${version}\n` } : {}),
          });
          expect(ok(board.push(app, name)).output).toContain(`restart them with: restart ${name}`);
          expect([get("/"), get("/pid")]).toEqual(["one", pid]);
        }
        ok(board.ssh("config:set", name, "MORE=1"));
        expect([get("/"), get("/pid"), get("/env/MORE")]).toEqual(["one", pid, ""]);
        // A worker that does not run yet is started, and ended when it is no more.
        const { Procfile } = probe(host);
        app.commit("Worker", { Procfile: `${Procfile}other: sleep 1000\n` });
        ok(board.push(app, name));
        expect(vassals(name).length).toBe(2);
        app.commit("None", { Procfile: Procfile! });
        ok(board.push(app, name));
        eventually(() => expect(vassals(name).length).toBe(1));
        expect([get("/"), get("/pid")]).toEqual(["one", pid]);
        ok(board.ssh("restart", name));
        expect([get("/"), get("/env/MORE")]).toEqual(["four", "1"]);
        expect(get("/pid")).not.toBe(pid);
        ok(board.ssh("config:set", name, "PIKU_AUTO_RESTART=true", "MORE=2"));
        expect([get("/"), get("/env/MORE")]).toEqual(["four", "2"]);
      },
    );

  story("stop ends every worker, restart brings them back", () => {
    const app = board.repo(undefined, wsgiProbe("stops.test"));
    ok(board.push(app, "stops"));
    const pid = Number(board.get("/pid", { host: "stops.test" }).body);
    ok(board.ssh("stop", "stops"));
    eventually(() => expect(alive(pid)).toBe(false));
    expect(vassals("stops")).toEqual([]);
    expect(board.get("/", { host: "stops.test" }).status).toBeOneOf([404, 502, 503]);
    expect(ok(board.ssh("apps")).stdout.split("\n")).not.toContain("*stops");
    expect(ok(board.ssh("apps")).stdout).toMatch(/^\W*stops$/m);
    // The app that was not named runs on.
    expect(board.get("/", { host: "trio.test" }).status).toBe(200);
    ok(board.ssh("restart", "stops"));
    expect(board.get("/", { host: "stops.test" }).body).toBe("one");
    const again = board.get("/pid", { host: "stops.test" }).body;
    ok(board.ssh("restart", "stops"));
    expect(board.get("/", { host: "stops.test" }).body).toBe("one");
    expect(board.get("/pid", { host: "stops.test" }).body).not.toBe(again);
    expect(ok(board.ssh("apps")).stdout.split("\n")).toContain("*stops");
  });

  story("deploy deploys again what was pushed", () => {
    const pid = board.get("/pid", { host: "stops.test" }).body;
    const { output } = ok(board.ssh("deploy", "stops"));
    expect(output).toContain("-----> Deploying app 'stops'");
    expect(board.get("/", { host: "stops.test" }).body).toBe("one");
    expect(board.get("/pid", { host: "stops.test" }).body).not.toBe(pid);
  });

  story("destroy removes an app and keeps its data", () => {
    const app = board.repo(undefined, webProbe("gone.test"));
    ok(board.push(app, "gone"));
    fs.writeFileSync(`${board.pikuRoot}/data/gone/precious`, "kept\n");
    const pid = Number(board.get("/pid", { host: "gone.test" }).body);
    const { output } = ok(board.ssh("destroy", "gone"));
    expect(output).toContain("data/gone");
    eventually(() => expect(alive(pid)).toBe(false));
    expect(board.inventory().filter((name) => /\/gone\b/.test(name))).toEqual(["data/gone"]);
    expect(read(`${board.pikuRoot}/data/gone/precious`)).toBe("kept\n");
    expect(board.get("/", { host: "gone.test" }).status).toBe(404);
    expect(ok(board.ssh("apps")).stdout).not.toContain("gone");
    expect(fails(board.ssh("destroy", "gone"), 1).stderr).toMatch(/Error: app 'gone' not found/);
    // A fresh start under the same name and the same server name.
    ok(board.push(app, "gone"));
    expect(board.get("/", { host: "gone.test" }).body).toBe("one");
    expect(read(`${board.pikuRoot}/data/gone/precious`)).toBe("kept\n");
  });

  story("run: the app's settings and folder, the command's own output and exit status", () => {
    ok(board.ssh("config:set", "trio", "GREETING=run with this"));
    expect(ok(board.ssh("run", "trio", "printenv", "GREETING")).stdout).toBe("run with this\n");
    expect(ok(board.ssh("run", "trio", "pwd")).stdout).toBe(
      `${board.inside(board.pikuRoot)}/apps/trio\n`,
    );
    expect(ok(board.ssh("run", "trio", "ls")).stdout).toContain("worker.py");
    fails(board.ssh("run", "trio", "false"), 1);
    fails(board.sshRaw("run trio -- sh -c 'exit 42'"), 42);
    expect(ok(board.sshRaw(`run trio -- sh -c 'echo "$APP  in two"'`)).stdout).toBe(
      "trio  in two\n",
    );
    expect(ok(board.sshRaw("run trio -- cat", { input: "through\nstdin\n" })).stdout).toBe(
      "through\nstdin\n",
    );
    fails(board.ssh("run", "trio", "no-such-command"), 127);
  });

  story("logs shows what the app printed", async () => {
    const child = Bun.spawn(["ssh", "board", "logs", "trio"], {
      env: board.clientEnv(),
      stdout: "pipe",
      stderr: "pipe",
    });
    await Bun.sleep(1500);
    child.kill();
    expect(await new Response(child.stdout).text()).toMatch(/listening/);
    fails(board.ssh("logs", "no-such-app"), 1);
  });

  story("help, --help and --version", () => {
    const help = ok(board.ssh("help")).output;
    for (const command of [
      "apps",
      "config:set",
      "deploy",
      "destroy",
      "logs",
      "ps:scale",
      "restart",
      "run",
      "setup:ssh",
      "stop",
    ])
      expect(help).toContain(command);
    expect(ok(board.sshRaw("")).output).toContain("config:set");
    expect(help).not.toMatch(/git-hook|git-receive-pack/);
    // The original's client hides the lines that contain INTERNAL.
    expect(ok(board.ssh("help", "--all")).output).toMatch(/\n {2}git-hook +INTERNAL: /);
    expect(ok(board.ssh("ps:scale", "--help")).output).toMatch(/e\.g\.[^\n]*ps:scale/);
    expect(ok(board.ssh("--version")).output).toMatch(/\d+\.\d+\.\d+/);
    if (board.target.name.startsWith("linux-"))
      expect(ok(board.piku("--version")).output).toContain(board.target.name);
  });

  story("usage errors: exit status 2, and the nearest name", () => {
    expect(fails(board.ssh("confg:set", "trio", "A=1"), 2).stderr).toContain("config:set");
    expect(fails(board.ssh("restrat", "trio"), 2).stderr).toContain("restart");
    expect(fails(board.ssh("frobnicate"), 2).stderr).toContain("frobnicate");
    expect(fails(board.ssh("logs", "trio", "--lnes=5"), 2).stderr).toContain("--lines");
    for (const words of [
      ["restart"],
      ["config:get"],
      ["config:get", "trio"],
      ["config:set"],
      ["ps:scale"],
      ["run"],
      ["setup:ssh"],
    ])
      fails(board.ssh(...words), 2);
    for (const words of [
      ["restart", "nope"],
      ["config", "nope"],
      ["ps", "nope"],
      ["stop", "nope"],
    ])
      expect(fails(board.ssh(...words), 1).stderr).toMatch(/Error: app 'nope' not found/);
  });

  story("after the emperor was killed and started again everything runs as before", async () => {
    const app = board.repo(undefined, wsgiProbe("power.test"));
    ok(board.push(app, "power"));
    app.commit("Second", { "app.py": probeSource("two") });
    ok(board.push(app, "power"));
    await board.killEmperor();
    eventually(() => expect(board.get("/", { host: "power.test" }).status).toBe(502));
    board.startEmperor();
    eventually(() => expect(board.get("/", { host: "power.test" }).body).toBe("two"));
    eventually(() => expect(board.get("/", { host: "trio.test" }).status).toBe(200));
    eventually(() => expect(working(board)).toHaveLength(1));
  });

  story("setup again changes nothing and breaks nothing", () => {
    const before = board.inventory();
    ok(board.piku("setup"));
    expect(board.inventory()).toEqual(before);
    expect(board.get("/", { host: "trio.test" }).status).toBe(200);
  });
}, longOnAnyBoard);
