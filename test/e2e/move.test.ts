import { expect } from "bun:test";
import fs from "node:fs";
import { user } from "./board.ts";
import { webProbe, wsgiProbe } from "./probe.ts";
import { type Board, fails, ok, type Repo, read } from "./sandbox.ts";
import { anyBoard, stories } from "./story.ts";

/** One laptop and two boards, of which the second is called `second` there. */
stories((board, story) => {
  const name = board.isInstalled ? "piku" : user();
  let second: Board;
  let app: Repo;
  const piku = (words: string[], env: Record<string, string> = {}, cwd = app.folder) =>
    board.run([board.target.executable, ...words], {
      cwd,
      env: { ...board.clientEnv(), ...env },
      limit: 120,
    });
  const page = (one: Board, host: string) => one.get("/", { host });
  const remotes = () => ok(app.git("remote", "get-url", "--push", "--all", "piku")).stdout;

  story("one push goes to two boards", () => {
    second = board.another().start();
    const entry = read(`${second.folder}/ssh/config`).split(/^(?=Host )/m)[0]!;
    const file = `${board.folder}/ssh/config`;
    fs.appendFileSync(file, entry.replace("Host board", "Host second"));
    app = board.repo(undefined, webProbe("pair.test"));
    const url = (to: string) => `${name}@${to}:pair`;
    ok(app.git("remote", "add", "piku", url("board")));
    ok(app.git("remote", "set-url", "--add", "--push", "piku", url("board")));
    ok(app.git("remote", "set-url", "--add", "--push", "piku", url("second")));
    const pushed = ok(app.git("push", "piku", "main")).output;
    expect(pushed.match(/of app 'pair' is live/g)).toHaveLength(2);
    for (const one of [board, second]) expect(page(one, "pair.test").body).toBe("one");
  });

  story("several boards are asked at once, and each line says whose it is", () => {
    const boards = `${name}@board,${name}@second`;
    const apps = ok(piku(["-r", boards, "apps"])).stdout;
    expect(apps).toBe(`${name}@board: *pair\n${name}@second: *pair\n`);
    ok(board.ssh("config:set", "only", "A=1"));
    const list = (words: string[], env?: Record<string, string>) =>
      ok(piku(words, env, "/"))
        .stdout.trimEnd()
        .split("\n");
    expect(list(["apps"], { PIKU_BOARDS: boards.replace(",", " ") })).toEqual(
      apps.trimEnd().split("\n"),
    );
    const json = JSON.parse(list(["ps", "--json"], { PIKU_BOARDS: boards }).join(""));
    expect(Object.keys(json)).toEqual(boards.split(","));
    for (const one of Object.values(json) as { app: string; up: boolean }[][])
      expect(one.map(({ app, up }) => [app, up])).toEqual([["pair", true]]);
    const ps = ok(piku(["-r", boards, "-a", "pair", "ps"])).stdout;
    expect(ps).toContain(`${name}@board: web:1\n`);
    expect(ps).toContain(`${name}@second: web:1\n`);
    const doctor = piku(["-r", boards, "doctor"]).stdout;
    for (const one of boards.split(",")) expect(doctor).toContain(`${one}: `);
  });

  story("one of several that does not answer leaves the others their say", () => {
    const ran = fails(piku(["-r", `nobody@127.0.0.1:1,${name}@second`, "apps"]), 255);
    expect(ran.stdout).toBe(`${name}@second: *pair\n`);
    expect(ran.stderr).toContain("nobody@127.0.0.1:1: ssh: connect to host 127.0.0.1 port 1");
    const one = fails(piku(["-r", "board,second", "restart"]), 2).output;
    expect(one).toContain("only apps, ps, doctor are given to several boards at once");
  });

  story(
    "an app that keeps files moves with its settings and data, and the old one is closed",
    () => {
      app = board.repo(undefined, wsgiProbe("notes.test"));
      ok(app.git("remote", "add", "piku", `${name}@board:notes`));
      ok(piku(["deploy"]));
      ok(piku(["config:set", "MESSAGE=two words and a 'quote'"]));
      app.write({ "photo.bin": new Uint8Array([0, 255, 13, 10]) });
      ok(piku(["upload", "photo.bin", "a photo.bin"]));
      const said = ok(piku(["move", "notes", `${name}@second`])).output;
      expect(said).toContain(`-----> Closing app 'notes' on ${name}@board`);
      expect(said).toContain(
        `-----> App 'notes' is on ${name}@second: ${second.url("notes.test")}`,
      );
      expect(said).toContain(`to remove it: ssh ${name}@board destroy notes`);
      expect(page(second, "notes.test").body).toBe("one");
      expect(second.get("/env/MESSAGE", { host: "notes.test" }).body).toBe(
        "two words and a 'quote'",
      );
      const closed = page(board, "notes.test");
      expect([closed.status, closed.body.includes("This app is moving to another board.")]).toEqual(
        [503, true],
      );
      expect(remotes()).toBe(`${name}@second:notes\n`);
      ok(piku(["download", "a photo.bin", "back"]));
      expect(fs.readFileSync(`${app.folder}/back`).toString("hex")).toBe("00ff0d0a");
      app.commit("Two", { "app.py": read(`${app.folder}/app.py`).replace('"one"', '"two"') });
      ok(piku(["deploy"]));
      expect(page(second, "notes.test").body).toBe("two");
      const json = ok(board.ssh("ps", "notes", "--json")).stdout;
      expect(JSON.parse(json).filter((one: { up: boolean }) => one.up)).toEqual([]);
    },
  );

  story("what would not be whole is not moved, and the old board goes on", () => {
    const there = fails(piku(["move", "pair", `${name}@board`])).output;
    expect(there).toContain(`there is an app 'pair' on ${name}@board already`);
    expect(fails(piku(["move", "nobody", `${name}@board`])).output).toContain(
      `app 'nobody' is not on ${name}@second`,
    );
    // Its release command fails on any board but the one that it is on.
    ok(second.ssh("config:set", "--global", "PLACE=second"));
    app.commit("Only here", {
      Procfile: `${read(`${app.folder}/Procfile`)}release: test "$PLACE" = second\n`,
    });
    ok(piku(["deploy"]));
    ok(board.ssh("destroy", "notes", "--purge"));
    board.on(["rm", "-rf", `${board.inside(board.pikuRoot)}/data/notes`]);
    const failed = fails(piku(["move", "notes", `${name}@board`]));
    expect(failed.output).toContain(`app 'notes' stays on ${name}@second`);
    expect(page(second, "notes.test").body).toBe("two");
    expect(page(board, "notes.test").status).not.toBe(200);
    expect(remotes()).toBe(`${name}@second:notes\n`);
  });

  story("there it ends", async () => await second.stop());
}, anyBoard);
