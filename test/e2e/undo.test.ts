/** What is left of an app that was destroyed, and what comes back of it. */
import { expect } from "bun:test";
import fs from "node:fs";
import { probeSource, webProbe } from "./probe.ts";
import { fails, list, ok, read } from "./sandbox.ts";
import { longOnAnyBoard, stories } from "./story.ts";

stories((board, story) => {
  const get = (host: string, url = "/") => board.get(url, { host });
  const root = () => board.pikuRoot;
  const kept = () => list(`${root()}/destroyed`);
  const recordOf = (app: string) => `${root()}/destroyed/${app}/record.json`;

  story("destroy needs no terminal, says how to undo it, and --undo brings everything back", () => {
    const app = board.repo(undefined, {
      ...webProbe("todo.test"),
      Procfile: "web: exec python3 app.py\nworker: exec sleep 1000\n",
    });
    ok(board.ssh("config:set", "todo", "SECRET=s3cret"));
    ok(board.push(app, "todo"));
    ok(board.ssh("ps:scale", "todo", "worker=0"));
    fs.writeFileSync(`${root()}/data/todo/precious`, "kept\n");
    const ports = read(`${root()}/releases/todo/ports.json`);
    const certificate = read(`${root()}/nginx/todo.crt`);

    const { stdout } = ok(board.ssh("destroy", "todo"));
    expect(stdout).toContain("--> Removing folder");
    expect(stdout.trimEnd().split("\n").at(-1)).toMatch(
      /^-----> App 'todo' is gone, all but its data in '\S+data\/todo'\. To bring it back within a day: destroy --undo todo$/,
    );
    expect(board.inventory().filter((name) => /\/todo\b/.test(name))).toEqual(["data/todo"]);
    expect(get("todo.test").status).toBe(404);
    expect(ok(board.ssh("apps")).stdout).not.toContain("todo");
    expect(fails(board.ssh("destroy", "todo"), 1).stderr).toContain("destroy --undo todo");
    expect(fs.statSync(`${root()}/destroyed`).mode & 0o777).toBe(0o700);
    expect(fs.statSync(`${root()}/destroyed/todo/envs/ENV`).mode & 0o777).toBe(0o600);

    ok(board.ssh("destroy", "--undo", "todo"));
    expect(kept()).toEqual([]);
    expect(get("todo.test").body).toBe("one");
    expect(get("todo.test", "/env/SECRET").body).toBe("s3cret");
    expect(read(`${root()}/data/todo/precious`)).toBe("kept\n");
    expect(read(`${root()}/releases/todo/ports.json`)).toBe(ports);
    expect(read(`${root()}/nginx/todo.crt`)).toBe(certificate);
    expect(ok(board.ssh("ps", "todo")).stdout).toContain("worker:0");
    expect(ok(board.ssh("releases", "todo")).stdout).toMatch(
      /\*3 .* destroy --undo .*\n 2 [\s\S]*\n 1 /,
    );
    // It goes on as before: what is pushed next, and what is gone back to.
    app.commit("two", { "app.py": probeSource("two") });
    ok(board.push(app, "todo"));
    expect(get("todo.test").body).toBe("two");
    ok(board.ssh("rollback", "todo"));
    expect(get("todo.test").body).toBe("one");
    expect(fails(board.ssh("destroy", "--undo", "todo"), 1).stderr).toContain(
      "nothing of app 'todo' is kept",
    );
  });

  story("a stopped app comes back stopped, and a first push that failed as it was", () => {
    ok(board.ssh("stop", "todo"));
    ok(board.ssh("destroy", "todo"));
    expect(get("todo.test").status).toBe(404);
    expect(ok(board.ssh("destroy", "todo", "--undo")).stdout).toContain("restart todo");
    expect(get("todo.test")).toMatchObject({
      status: 503,
      body: expect.stringContaining("This app is stopped."),
    });
    fails(board.push(board.repo(undefined, { Procfile: "release: false\n" }), "never"), 1);
    ok(board.ssh("destroy", "never"));
    expect(ok(board.ssh("destroy", "--undo", "never")).stdout).toContain("has never been live");
  });

  story(
    "its name is another app's by now: all is back but the site, and the reason is told",
    () => {
      ok(board.ssh("destroy", "todo"));
      const thief = board.repo("static", { ENV: "NGINX_SERVER_NAME=todo.test\n" });
      ok(board.push(thief, "thief"));
      const { output, stderr } = fails(board.ssh("destroy", "--undo", "todo"), 1);
      expect(output).toContain("the server name 'todo.test' belongs to app 'thief'");
      expect(stderr.trimEnd().split("\n").at(-1)).toMatch(/is back, but .*restart todo$/);
      expect(get("todo.test").status).toBe(200);
      ok(board.ssh("config:set", "todo", "NGINX_SERVER_NAME=still.test"));
      expect(get("still.test").body).toBe("one");
    },
  );

  story("an app of that name was pushed meanwhile: --undo says how to have the former one", () => {
    ok(board.ssh("destroy", "todo"));
    const newer = board.repo("static", { ENV: "NGINX_SERVER_NAME=newer.test\n" });
    ok(board.push(newer, "todo"));
    expect(fails(board.ssh("destroy", "--undo", "todo"), 1).stderr).toContain(
      "destroy --purge todo, then destroy --undo todo",
    );
    expect(get("newer.test").status).toBe(200);
    const { stdout } = ok(board.ssh("destroy", "--purge", "todo"));
    expect(stdout).toContain("App 'todo' is gone for good");
    expect(stdout).toContain("One that was destroyed before is still kept");
    ok(board.ssh("destroy", "--undo", "todo"));
    expect(get("still.test").body).toBe("one");
  });

  story("--purge keeps nothing, of an app and of a destroyed one", () => {
    ok(board.ssh("destroy", "--purge", "thief"));
    expect(kept()).toEqual([]);
    ok(board.ssh("destroy", "todo"));
    expect(kept()).toEqual(["todo"]);
    expect(ok(board.ssh("destroy", "--purge", "todo")).stdout).toContain("Nothing of app 'todo'");
    expect(kept()).toEqual([]);
    fails(board.ssh("destroy", "--purge", "todo"), 1);
    expect(fails(board.ssh("destroy", "--purge", "--undo", "todo"), 2).stderr).toContain("--undo");
  });

  story("the daily run removes what was destroyed a day ago", () => {
    ok(board.ssh("destroy", "never"));
    const record = JSON.parse(read(recordOf("never")));
    ok(board.piku("daily", "--if-time"));
    expect(kept()).toEqual(["never"]);
    const earlier = { ...record, when: record.when - 86_400_000 };
    fs.writeFileSync(recordOf("never"), JSON.stringify(earlier));
    ok(board.piku("daily", "--if-time"));
    expect(kept()).toEqual([]);
  });

  story("a destroy that was killed is finished by recover, and by the next push", () => {
    const app = board.repo("static", { ENV: "NGINX_SERVER_NAME=cut.test\n" });
    ok(board.push(app, "cut"));
    ok(board.ssh("destroy", "cut"));
    const isWhole = () => JSON.parse(read(recordOf("cut"))).isWhole as boolean;
    const folder = board.inside(`${root()}/destroyed/cut`);
    /** As it was when only the repository and the settings had been moved. */
    const half = `cd ${board.inside(root())} && mv ${folder}/tree apps/cut && mv ${folder}/releases releases/cut && sed -i s/true}/false}/ ${folder}/record.json`;
    for (const finish of [() => board.piku("recover"), () => board.push(app, "cut")]) {
      ok(board.on(["sh", "-c", half]));
      expect([isWhole(), list(`${root()}/apps`)]).toEqual([false, ["cut"]]);
      ok(finish());
      expect(isWhole()).toBe(true);
    }
    // The push made an app of its own.
    expect(ok(board.ssh("releases", "cut")).stdout).toMatch(/^\*1 /);
  });
}, longOnAnyBoard);
