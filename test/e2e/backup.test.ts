import { expect } from "bun:test";
import { spawn } from "node:child_process";
import fs from "node:fs";
import { probeSource, webProbe, wsgiProbe } from "./probe.ts";
import { fails, list, ok, read, Sandbox } from "./sandbox.ts";
import { stories } from "./story.ts";

/** Writes two rows a transaction, again and again, so that a copy that is not consistent shows. */
const writer = `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA journal_mode=" + sys.argv[2])
db.execute("CREATE TABLE IF NOT EXISTS pairs (n INTEGER, side TEXT)")
n = 0
while True:
    n += 1
    db.execute("BEGIN IMMEDIATE")
    for side in "ab":
        db.execute("INSERT INTO pairs VALUES (?, ?)", (n, side * 500))
    db.execute("COMMIT")
    if n == 200:
        print("going", flush=True)
`;

const reader = `
import sqlite3, sys
db = sqlite3.connect("file:%s?mode=ro&immutable=1" % sys.argv[1], uri=True)
check = db.execute("PRAGMA integrity_check").fetchone()[0]
odd = db.execute("SELECT count(*) FROM (SELECT n FROM pairs GROUP BY n HAVING count(*) != 2)").fetchone()[0]
print(check, odd, db.execute("SELECT count(*) FROM pairs").fetchone()[0] > 300)
`;

stories((board, story) => {
  const on = (one: Sandbox, line: string) => one.run(["sh", "-c", line], { limit: 120 });
  const get = (one: Sandbox, url: string, host = "blog.test") => one.get(url, { host }).body;
  const python = (source: string, ...words: string[]) =>
    ok(board.run(["python3", "-c", source, ...words])).stdout.trim();
  const archive = () => `${board.folder}/board.tar.gz`;
  const below = (one: Sandbox, name: string) => `${one.pikuRoot}/${name}`;
  const state = (one: Sandbox) => [
    // A process that was replaced may still be leaving.
    one.inventory().filter((name) => !name.startsWith("uwsgi-enabled/")),
    read(below(one, "ENV")),
    read(`${one.home}/.ssh/authorized_keys`),
  ];

  /** A second board, without anything on it. */
  const withFresh = async (tell: (fresh: Sandbox) => void) => {
    const fresh = new Sandbox(board.target).start();
    try {
      tell(fresh);
    } catch (error) {
      console.error(fresh.logs());
      throw error;
    } finally {
      await fresh.stop();
    }
  };

  story("a board is written to stdout while its apps write", async () => {
    const files = { ...wsgiProbe("blog.test"), "notes.txt": "as committed" };
    const app = board.repo(undefined, { ...files, Procfile: `wsgi: app:app\npreflight: pwd >built.txt\n` });
    python(
      'import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute("CREATE TABLE t (x)"); db.commit()',
      `${app.folder}/committed.db`,
    );
    app.commit("With a database");
    ok(board.push(app, "blog"));
    app.commit("Two", { "app.py": probeSource("two") });
    ok(board.push(app, "blog"));
    ok(board.ssh("config:set", "blog", "SECRET=it's  kept", "--no-restart"));
    ok(board.ssh("ps:scale", "blog", "wsgi=2"));
    const idle = webProbe("idle.test");
    ok(
      board.push(board.repo(undefined, { ...idle, Procfile: `${idle.Procfile}release: test ! -e ~/broken\n` }), "idle"),
    );
    ok(board.ssh("stop", "idle"));
    ok(board.ssh("config:set", "early", "A=1"));
    ok(board.ssh("config:set", "--global", "PLACE=room 5"));
    ok(board.ssh("maintenance:on", "blog"));
    ok(board.sshRaw("keys:add anna --apps blog", { input: read(`${board.folder}/ssh/other.pub`) }));
    const tree = below(board, "apps/blog");
    fs.mkdirSync(`${tree}/uploads/empty`, { recursive: true });
    fs.writeFileSync(Buffer.concat([Buffer.from(`${tree}/uploads/`), Buffer.from([0xe9, 0x0a, 0x2e])]), "odd name");
    fs.writeFileSync(`${tree}/uploads/not-a.db`, "SQLite format 3\0 but no more of it");
    fs.writeFileSync(`${tree}/notes.txt`, "as the app left it");
    fs.writeFileSync(below(board, "data/blog/big"), Buffer.alloc(3_000_000, "x y"));
    fs.mkdirSync(below(board, "data/gone"));
    fs.writeFileSync(below(board, "data/gone/old"), "of an app that was destroyed");
    python(
      'import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute("INSERT INTO t VALUES (7)"); db.commit()',
      `${tree}/committed.db`,
    );
    const databases = [
      [`${tree}/live.sqlite`, "WAL"],
      [below(board, "data/blog/plain.file"), "DELETE"],
    ] as const;
    const writers = await Promise.all(
      databases.map(async ([file, mode]) => {
        const child = spawn("python3", ["-c", writer, file, mode], { stdio: ["ignore", "pipe", "inherit"] });
        await new Promise((resolve) => child.stdout.once("data", resolve));
        return child;
      }),
    );
    const before = state(board);
    const { stderr } = ok(on(board, `ssh board backup >${archive()}`));
    for (const child of writers) child.kill();
    expect(stderr).toContain("-----> Backing up app 'blog'\n");
    expect(stderr).toContain("'apps/blog/uploads/not-a.db' looks like SQLite's");
    expect(state(board)).toEqual(before);
    expect(fs.existsSync(below(board, ".backup"))).toBe(false);
    const said = /It is whole\. Of \d.* UTC: blog, early, gone, idle, and what belongs to all apps\.\n/;
    expect(ok(on(board, `ssh board backup --verify <${archive()}`)).stdout).toMatch(said);
    expect(ok(board.ssh("backup", "--verify", archive())).stdout).toMatch(said);
    // tar alone can read it, and what a build makes is not in it.
    const names = ok(board.run(["tar", "-tzf", archive()])).stdout.split("\n");
    expect(names[0]).toBe("piku.json");
    expect(names.filter((name) => /built\.txt|-wal$|-shm$|app\.py|hooks\//.test(name))).toEqual([]);
  });

  story("a fresh board becomes the same: code, settings, data, keys, releases", async () => {
    await withFresh((fresh) => {
      const settings = read(below(fresh, "ENV"));
      const { output } = ok(on(fresh, `ssh board restore <${archive()}`));
      expect(output).toContain("this server keeps its own PIKU_HTTP_PORT, PIKU_HTTPS_PORT");
      expect(fresh.get("/", { host: "blog.test" }).status).toBe(503);
      ok(fresh.ssh("maintenance:off", "blog"));
      expect(get(fresh, "/")).toBe("two");
      expect(get(fresh, "/env/SECRET")).toBe("it's  kept");
      expect(get(fresh, "/env/PLACE")).toBe("room 5");
      expect(read(below(fresh, "ENV"))).toBe(`${settings}PLACE=room 5\n`);
      expect(ok(fresh.ssh("ps", "blog")).stdout).toMatch(/^wsgi:2\nwsgi\.1 +up .*\nwsgi\.2 +up /);
      expect(ok(fresh.ssh("apps")).stdout).toBe("*blog\n idle\n");
      expect(ok(fresh.ssh("config", "early")).stdout).toBe("A=1\n");
      const tree = below(fresh, "apps/blog");
      expect(read(`${tree}/notes.txt`)).toBe("as the app left it");
      expect(read(`${tree}/built.txt`)).toContain(fresh.folder);
      expect(
        fs
          .readdirSync(`${tree}/uploads`, "buffer")
          .map((name) => name.toString("latin1"))
          .sort(),
      ).toEqual(["empty", "not-a.db", "\xe9\n."]);
      expect(fs.statSync(below(fresh, "data/blog/big")).size).toBe(3_000_000);
      expect(read(below(fresh, "data/gone/old"))).toBe("of an app that was destroyed");
      for (const file of [`${tree}/live.sqlite`, below(fresh, "data/blog/plain.file")])
        expect(python(reader, file)).toBe("ok 0 True");
      expect(
        python(
          'import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute("SELECT x FROM t").fetchall())',
          `${tree}/committed.db`,
        ),
      ).toBe("[(7,)]");
      const causes = (one: Sandbox) =>
        JSON.parse(ok(one.ssh("releases", "blog", "--json")).stdout).map(({ cause }: { cause: string }) => cause);
      expect(causes(fresh)).toEqual(["restore", ...causes(board)]);
      expect(fresh.tip("blog")).toBe(board.tip("blog"));
      ok(fresh.ssh("rollback", "blog", "1"));
      expect(get(fresh, "/")).toBe("one");
      // Its keys, bound as they were, call the piku of this board.
      expect(read(`${fresh.home}/.ssh/authorized_keys`)).toMatch(/NAME=anna .*PIKU_KEY_APPS=blog /);
      expect(read(`${fresh.home}/.ssh/authorized_keys`)).not.toContain(board.home);
      // Once more, over what is there now.
      const before = state(fresh);
      expect(fails(on(fresh, `ssh board restore <${archive()}`), 1).stderr).toContain("--force");
      expect(state(fresh)).toEqual(before);
      // What cannot be deployed here is in its place all the same.
      fs.writeFileSync(`${fresh.home}/broken`, "");
      const half = fails(on(fresh, `ssh board restore idle --force <${archive()}`), 1);
      expect(half.output).toContain("app 'idle' is restored, but does not run");
      fs.rmSync(`${fresh.home}/broken`);
      ok(fresh.ssh("deploy", "idle"));
      expect(get(fresh, "/", "idle.test")).toBe("one");
      expect(get(fresh, "/")).toBe("one");
      fs.writeFileSync(below(fresh, "data/blog/big"), "other");
      ok(on(fresh, `ssh board restore --force blog <${archive()}`));
      ok(fresh.ssh("maintenance:off", "blog"));
      expect([get(fresh, "/"), fs.statSync(below(fresh, "data/blog/big")).size]).toEqual(["two", 3_000_000]);
      // And pushes go on from there.
      ok(fresh.run(["git", "clone", "-q", "board:blog", "again"]));
      const clone = { cwd: `${fresh.folder}/client/again` };
      ok(fresh.run(["git", "commit", "-q", "--allow-empty", "-m", "Three"], clone));
      ok(fresh.run(["git", "push", "-q", "origin", "HEAD"], clone));
      expect(list(below(fresh, ".backup"))).toEqual([]);
    });
  });

  story("what is cut short, damaged or no backup changes nothing", () => {
    const whole = fs.readFileSync(archive());
    const flipped = Buffer.from(whole);
    flipped[whole.length >> 1]! ^= 1;
    const bad: [string, Buffer | string, RegExp][] = [
      ["empty", "", /no backup/],
      ["text", "hello\n".repeat(50), /no backup/],
      ["begun", whole.subarray(0, 20_000), /cut short|no backup/],
      ["half", whole.subarray(0, whole.length >> 1), /cut short or damaged/],
      ["without its seal", whole.subarray(0, -106), /cut short or damaged/],
      ["one byte short", whole.subarray(0, -1), /cut short or damaged/],
      ["one bit wrong", flipped, /cut short or damaged/],
      ["more behind it", Buffer.concat([whole, whole.subarray(0, 1000)]), /cut short or damaged/],
    ];
    const before = state(board);
    const file = `${board.folder}/bad.tar.gz`;
    for (const [what, content, message] of bad) {
      fs.writeFileSync(file, content);
      for (const line of what === "half" ? ["backup --verify", "restore --force"] : ["restore --force"])
        expect(`${what}: ${fails(on(board, `ssh board ${line} <${file}`), 1).stderr}`).toMatch(message);
    }
    expect(state(board)).toEqual(before);
    expect(get(board, "/", "idle.test")).not.toBe("one");
    fails(board.ssh("backup", "--verify", "/no/such/file"), 1);
    fails(on(board, `ssh board restore nobody <${archive()}`), 1);
  });

  story("one app, and what a reader who leaves gets", async () => {
    const one = `${board.folder}/blog.tar.gz`;
    ok(on(board, `ssh board backup blog >${one}`));
    const names = ok(board.run(["tar", "-tzf", one])).stdout;
    expect(names).toContain("repos/blog/");
    expect(names).not.toMatch(/idle|gone|^ENV|authorized_keys/m);
    fails(board.ssh("backup", "nobody"), 1);
    fails(board.run(["ssh", "-tt", "board", "backup"]), 2);
    fs.chmodSync(below(board, "data/blog/big"), 0o000);
    if (process.getuid?.() !== 0) {
      expect(fails(on(board, `ssh board backup blog >${one}.2`), 1).stderr).toContain("'data/blog/big'");
      expect(fs.statSync(`${one}.2`).size).toBe(0);
    }
    fs.chmodSync(below(board, "data/blog/big"), 0o644);
    fs.mkdirSync(below(board, ".backup/files/left-by-a-power-cut"), { recursive: true });
    ok(board.piku("recover"));
    expect(fs.existsSync(below(board, ".backup"))).toBe(false);
    on(board, "ssh board backup 2>/dev/null | head -c 100000 >/dev/null");
    for (let i = 0; i < 50 && fs.existsSync(below(board, ".backup")); i++) Bun.sleepSync(100);
    expect(fs.existsSync(below(board, ".backup"))).toBe(false);
    ok(board.ssh("destroy", "blog"));
    fs.rmSync(below(board, "data/blog"), { recursive: true });
    ok(on(board, `ssh board restore <${one}`));
    ok(board.ssh("maintenance:off", "blog"));
    expect(get(board, "/")).toBe("two");
  });
});
