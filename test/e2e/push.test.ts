import { expect } from "bun:test";
import fs from "node:fs";
import { probeSource, webProbe, wsgiProbe } from "./probe.ts";
import { eventually, fails, list, ok, read } from "./sandbox.ts";
import { anyBoard, stories } from "./story.ts";

stories((board, story) => {
  story("the first push of a wsgi app is served, and its last lines say where", () => {
    const app = board.repo("python-wsgi");
    const { stderr } = ok(board.push(app, "hello"));
    expect(stderr).toContain("remote: -----> Deploying app 'hello'");
    const last = stderr.split("\n").filter((line) => line.startsWith("remote: "));
    expect(last.slice(-3).join("\n")).toContain(board.url("hello.test"));
    expect(board.get("/", { host: "hello.test" })).toMatchObject({
      status: 200,
      body: "Hello from hello\n",
    });
    expect(board.tip("hello")).toBe(app.head());
  });

  story("the second push is served, and a third of nothing new is no deploy", () => {
    const app = board.repo(undefined, wsgiProbe("second.test"));
    ok(board.push(app, "second"));
    expect(board.get("/", { host: "second.test" }).body).toBe("one");
    app.commit("Second", { "app.py": probeSource("two") });
    ok(board.push(app, "second"));
    expect(board.get("/", { host: "second.test" }).body).toBe("two");
    expect(board.tip("second")).toBe(app.head());
    expect(ok(board.push(app, "second")).output).toContain("Everything up-to-date");
  });

  story("an app of web, worker and cron runs all three, after preflight and release", () => {
    const app = board.repo("web-worker-cron");
    const { output } = ok(board.push(app, "trio"));
    expect(output).toContain("checked web.py");
    expect(board.get("/", { host: "trio.test" })).toMatchObject({
      status: 200,
      body: "Hello from web\n",
    });
    const data = `${board.pikuRoot}/data/trio`;
    expect(read(`${data}/releases`)).toBe("released for trio.test\n");
    eventually(() =>
      expect(list(data).filter((name) => name.startsWith("worker-"))).toHaveLength(1),
    );
    const ps = ok(board.ssh("ps", "trio")).stdout;
    for (const kind of ["web", "worker", "cron"]) expect(ps).toMatch(new RegExp(`${kind}\\W+1`));
    eventually(() => expect(read(`${data}/minutes`)).toMatch(/\d/), 75);
  });

  story("release ends before the first worker starts, and sees the app's settings", () => {
    const app = board.repo(undefined, {
      ...webProbe("order.test"),
      Procfile: `release: sleep 1; echo "release $COLOUR" >> "$DATA_ROOT/order"\nweb: echo web >> "$DATA_ROOT/order"; exec python3 app.py\n`,
      ENV: "NGINX_SERVER_NAME=order.test\nCOLOUR=green\n",
    });
    ok(board.push(app, "order"));
    expect(read(`${board.pikuRoot}/data/order/order`)).toBe("release green\nweb\n");
  });

  story("a static app is served", () => {
    const app = board.repo("static");
    const { output } = ok(board.push(app, "pages"));
    expect(output).toContain(board.url("static.test"));
    expect(board.get("/", { host: "static.test" }).body).toContain("Hello from a file");
    expect(board.get("/about", { host: "static.test" }).body).toContain("About us");
    expect(board.get("/nothing", { host: "static.test" }).status).toBe(404);
    app.commit("Second", { "public/index.html": "changed\n" });
    ok(board.push(app, "pages"));
    expect(board.get("/", { host: "static.test" }).body).toBe("changed\n");
    app.commit("Broken", { Procfile: "static: ../..\n", "public/index.html": "broken\n" });
    expect(fails(board.push(app, "pages"), 1).output).toContain("invalid directory '../..'");
    expect(board.get("/", { host: "static.test" }).body).toBe("changed\n");
  });

  story(
    "an app without a server name is reachable on its port, and the push says how to name it",
    () => {
      // On a private network it would get a port of nginx's own (own-port.test.ts).
      const app = board.repo(undefined, { ...webProbe("x"), ENV: "NGINX_SERVER_NAME=\n" });
      const { output } = ok(board.push(app, "nameless"));
      const port = /127\.0\.0\.1:(\d+)/.exec(output)?.[1];
      expect(output).toMatch(/config:set nameless NGINX_SERVER_NAME=/);
      expect(board.get("/", { port: Number(port), local: true }).body).toBe("one");
      ok(board.ssh("config:set", "nameless", "NGINX_SERVER_NAME=named.test"));
      expect(board.get("/", { host: "named.test" }).body).toBe("one");
    },
  );

  story("what an app wrote beside its code survives the next push", () => {
    const app = board.repo(undefined, { ...webProbe("keeps.test"), "notes/readme": "tracked\n" });
    ok(board.push(app, "keeps"));
    const tree = `${board.pikuRoot}/apps/keeps`;
    fs.writeFileSync(`${tree}/notes/visitors.db`, "42\n");
    app.commit("Second", { "app.py": probeSource("two"), "notes/readme": "again\n" });
    ok(board.push(app, "keeps"));
    expect(read(`${tree}/notes/visitors.db`)).toBe("42\n");
    expect(read(`${tree}/notes/readme`)).toBe("again\n");
  });

  story("preflight and release can ask git for the commit that is being pushed", () => {
    const asks = 'git log -1 --format=%s > "$DATA_ROOT"';
    const Procfile = `preflight: ${asks}/preflight\nrelease: ${asks}/release\nweb: exec python3 app.py\n`;
    const app = board.repo(undefined, { ...webProbe("asks.test"), Procfile });
    ok(board.push(app, "asks"));
    app.commit("A subject of its own", { "app.py": probeSource("two") });
    ok(board.push(app, "asks"));
    for (const step of ["preflight", "release"])
      expect(read(`${board.pikuRoot}/data/asks/${step}`)).toBe("A subject of its own\n");
  });

  story("tags and deleted branches do not deploy", () => {
    const app = board.repo(undefined, webProbe("tags.test"));
    ok(board.push(app, "tags"));
    const pid = board.get("/pid", { host: "tags.test" }).body;
    app.commit("Second", { "app.py": probeSource("two") });
    ok(app.git("tag", "v2"));
    expect(ok(board.push(app, "tags", "v2")).output).not.toContain("Deploying");
    ok(app.git("branch", "side", "HEAD~1"));
    expect(board.get("/", { host: "tags.test" }).body).toBe("one");
    ok(board.push(app, "tags", "main"));
    expect(board.get("/", { host: "tags.test" }).body).toBe("two");
    const after = board.get("/pid", { host: "tags.test" }).body;
    expect(after).not.toBe(pid);
    ok(board.push(app, "tags", "side:side"));
    expect(board.get("/", { host: "tags.test" }).body).toBe("one");
    ok(board.push(app, "tags", "main:again"));
    const before = board.get("/pid", { host: "tags.test" }).body;
    expect(ok(board.push(app, "tags", ":side")).output).not.toContain("Deploying");
    expect(board.get("/pid", { host: "tags.test" }).body).toBe(before);
    expect(board.tip("tags", "refs/heads/side") ?? "").toBe("");
  });

  story("of several branches in one push one is deployed, and the push says which", () => {
    const app = board.repo(undefined, webProbe("several.test", "from main"));
    ok(app.git("checkout", "--quiet", "-b", "aside"));
    app.commit("Aside", { "app.py": probeSource("from aside") });
    const { output } = ok(board.push(app, "several", "aside", "main"));
    expect(output.match(/-----> Deploying app/g)).toHaveLength(1);
    expect(output).toMatch(/main/);
    expect(output).toMatch(/aside/);
    expect(board.get("/", { host: "several.test" }).body).toBe("from main");
    expect(board.tip("several", "refs/heads/aside")).toBe(app.head());
  });

  story("any branch deploys, and `git clone` gives the app back", () => {
    const app = board.repo(undefined, webProbe("clone.test"));
    ok(app.git("branch", "-m", "trunk"));
    ok(board.push(app, "clone", "trunk"));
    expect(board.get("/", { host: "clone.test" }).body).toBe("one");
    const folder = `${app.folder}-cloned`;
    ok(board.run(["git", "clone", "--quiet", "board:clone", folder]));
    expect(read(`${folder}/app.py`)).toBe(probeSource("one"));
    fails(board.run(["git", "clone", "--quiet", "board:no-such-app", `${folder}-none`]));
    expect(list(`${board.pikuRoot}/repos`)).not.toContain("no-such-app");
  });

  story(
    "two pushes at once: afterwards the branch and what is served are the same commit",
    async () => {
      const first = board.repo(undefined, webProbe("race.test", "zero"));
      ok(board.push(first, "race"));
      const second = first.copy();
      for (const round of [1, 2, 3]) {
        first.commit(`A ${round}`, { "app.py": probeSource(`a${round}`) });
        second.commit(`B ${round}`, { "app.py": probeSource(`b${round}`) });
        const pushes = await Promise.all([
          board.pushing(first, "race", "--force", "main"),
          Bun.sleep(round * 30).then(() => board.pushing(second, "race", "--force", "main")),
        ]);
        expect(pushes.filter(({ status }) => status === 0).length).toBeGreaterThan(0);
        const tip = board.tip("race");
        const served = board.get("/", { host: "race.test" }).body;
        expect({ tip, served }).toBeOneOf([
          { tip: first.head(), served: `a${round}` },
          { tip: second.head(), served: `b${round}` },
        ]);
        for (const [index, repo] of [first, second].entries())
          if (pushes[index]!.status !== 0) expect(tip).not.toBe(repo.head());
      }
    },
  );

  story(
    "of two pushes at once that do not build on each other, git refuses the later one",
    async () => {
      const first = board.repo(undefined, webProbe("turns.test", "zero"));
      ok(board.push(first, "turns"));
      const second = first.copy();
      first.commit("A", { "app.py": probeSource("a") });
      second.commit("B", { "app.py": probeSource("b") });
      const pushes = await Promise.all([
        board.pushing(first, "turns"),
        board.pushing(second, "turns"),
      ]);
      expect(pushes.map(({ status }) => status).sort()).toEqual([0, 1]);
      const winner = pushes[0].status === 0 ? first : second;
      expect(board.tip("turns")).toBe(winner.head());
      expect(board.get("/", { host: "turns.test" }).body).toBe(winner === first ? "a" : "b");
    },
  );

  story("apps lists what is deployed, with a star at what runs", () => {
    const { stdout } = ok(board.ssh("apps"));
    expect(stdout.split("\n")).toEqual(expect.arrayContaining(["*hello", "*trio"]));
  });

  story(
    "a build that reads the repository by itself, as JGit does, did not find the commit",
    () => {
      const app = board.repo(undefined, {
        ...webProbe("reader.test"),
        Procfile:
          'preflight: env -u GIT_ALTERNATE_OBJECT_DIRECTORIES git log -1 --format=read-%s; echo "asked $GIT_ALTERNATE_OBJECT_DIRECTORIES"\nweb: exec python3 app.py\n',
      });
      expect(ok(board.push(app, "reader")).output).toContain("read-");
      for (const name of ["second", "third"]) {
        app.commit(name, { "note.txt": name });
        const { output } = ok(board.push(app, "reader"));
        expect(output).toContain(`read-${name}`);
        // JGit looks into these and no others.
        expect(output).toMatch(/asked \S+incoming\S*:\S+\/repos\/reader\/objects/);
      }
      ok(board.ssh("restart", "reader"));
    },
  );
}, anyBoard);
