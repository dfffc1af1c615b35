import { expect } from "bun:test";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import { probeSource, webProbe, wsgiProbe } from "./probe.ts";
import { type Board, eventually, fails, freePorts, list, ok, read, Sandbox } from "./sandbox.ts";
import { longOnAnyBoard, skipped, stories } from "./story.ts";

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

/** Seals a gzipped tar as piku does, so that it passes for whole whatever is in it. */
const sealed = (content: Buffer) => {
  const sum = createHash("sha256").update(content).digest("hex");
  const head = "\x1f\x8b\x08\x10\0\0\0\0\0\x03";
  return Buffer.concat([
    content,
    Buffer.from(`${head}piku backup 1 sha256 ${sum}\0\x03\0${"\0".repeat(8)}`, "latin1"),
  ]);
};

stories((board, story) => {
  const on = (one: Board, line: string) => one.run(["sh", "-c", line], { limit: 120 });
  const get = (one: Board, url: string, host = "blog.test") => one.get(url, { host }).body;
  const python = (source: string, ...words: string[]) =>
    ok(board.run(["python3", "-c", source, ...words])).stdout.trim();
  const archive = () => `${board.folder}/board.tar.gz`;
  const below = (one: Board, name: string) => `${one.pikuRoot}/${name}`;
  const state = (one: Board) => [
    // A process that was replaced may still be leaving.
    one.inventory().filter((name) => !name.startsWith("uwsgi-enabled/")),
    one.settings,
    read(`${one.home}/.ssh/authorized_keys`),
  ];

  /** A second board, without anything on it. */
  const withFresh = async (tell: (fresh: Board) => void) => {
    const fresh = board.another().start();
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
    const app = board.repo(undefined, {
      ...files,
      Procfile: `wsgi: app:app\npreflight: pwd >built.txt\n`,
    });
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
      board.push(
        board.repo(undefined, {
          ...idle,
          Procfile: `${idle.Procfile}release: test ! -e ~/broken\n`,
        }),
        "idle",
      ),
    );
    ok(board.ssh("stop", "idle"));
    ok(board.ssh("config:set", "early", "A=1"));
    ok(board.ssh("config:set", "--global", "PLACE=room 5"));
    ok(board.ssh("maintenance:on", "blog"));
    ok(board.sshRaw("keys:add anna --apps blog", { input: read(`${board.folder}/ssh/other.pub`) }));
    const tree = below(board, "apps/blog");
    fs.mkdirSync(`${tree}/uploads/empty`, { recursive: true });
    fs.writeFileSync(
      Buffer.concat([Buffer.from(`${tree}/uploads/`), Buffer.from([0xe9, 0x0a, 0x2e])]),
      "odd name",
    );
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
        const child = spawn("python3", ["-c", writer, file, mode], {
          stdio: ["ignore", "pipe", "inherit"],
        });
        await new Promise((resolve) => child.stdout.once("data", resolve));
        return child;
      }),
    );
    const before = state(board);
    const { stderr } = fails(on(board, `ssh board backup >${archive()}`), 1);
    for (const child of writers) child.kill();
    expect(stderr).toContain("-----> Backing up app 'blog'\n");
    // Of a file that SQLite could not copy nobody may hear that all went well.
    expect(stderr).toContain("the backup is whole, but");
    expect(stderr).toContain("apps/blog/uploads/not-a.db");
    expect(state(board)).toEqual(before);
    expect(fs.existsSync(below(board, ".backup"))).toBe(false);
    const said =
      /It is whole\. Of \d.* UTC: blog, early, gone, idle, and what belongs to all apps\.\n/;
    expect(ok(on(board, `ssh board backup --verify <${archive()}`)).stdout).toMatch(said);
    expect(ok(board.ssh("backup", "--verify", archive())).stdout).toMatch(said);
    // tar alone can read it, and what a build makes is not in it.
    const names = ok(board.run(["tar", "-tzf", archive()])).stdout.split("\n");
    expect(names[0]).toBe("piku.json");
    expect(names.filter((name) => /built\.txt|-wal$|-shm$|app\.py|hooks\//.test(name))).toEqual([]);
  });

  story("a fresh board becomes the same: code, settings, data, keys, releases", async () => {
    await withFresh((fresh) => {
      const settings = fresh.settings;
      const { output } = ok(on(fresh, `ssh board restore <${archive()}`));
      if (!board.isInstalled)
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
      expect(read(`${tree}/built.txt`)).toContain(fresh.inside(fresh.home));
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
      const causes = (one: Board) =>
        JSON.parse(ok(one.ssh("releases", "blog", "--json")).stdout).map(
          ({ cause }: { cause: string }) => cause,
        );
      expect(causes(fresh)).toEqual(["restore", ...causes(board)]);
      expect(fresh.tip("blog")).toBe(board.tip("blog"));
      ok(fresh.ssh("rollback", "blog", "1"));
      expect(get(fresh, "/")).toBe("one");
      // Its keys, bound as they were, call the piku of this board.
      expect(read(`${fresh.home}/.ssh/authorized_keys`)).toMatch(/NAME=anna .*PIKU_KEY_APPS=blog /);
      if (!board.isInstalled)
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
      expect([get(fresh, "/"), fs.statSync(below(fresh, "data/blog/big")).size]).toEqual([
        "two",
        3_000_000,
      ]);
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
      ["empty", "", /nothing came on stdin/],
      ["text", "hello\n".repeat(50), /not a piku backup/],
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
      for (const line of what === "half"
        ? ["backup --verify", "restore --force"]
        : ["restore --force"])
        expect(`${what}: ${fails(on(board, `ssh board ${line} <${file}`), 1).stderr}`).toMatch(
          message,
        );
    }
    expect(state(board)).toEqual(before);
    expect(get(board, "/", "idle.test")).not.toBe("one");
    fails(board.ssh("backup", "--verify", "/no/such/file"), 1);
    fails(on(board, `ssh board restore nobody <${archive()}`), 1);
  });

  story("one app, and what a reader who leaves gets", async () => {
    const one = `${board.folder}/blog.tar.gz`;
    fs.rmSync(below(board, "apps/blog/uploads/not-a.db"));
    ok(on(board, `ssh board backup blog >${one}`));
    const names = ok(board.run(["tar", "-tzf", one])).stdout;
    expect(names).toContain("repos/blog/");
    expect(names).not.toMatch(/idle|gone|^ENV|authorized_keys/m);
    fails(board.ssh("backup", "nobody"), 1);
    fails(board.run(["ssh", "-tt", "board", "backup"]), 2);
    fs.chmodSync(below(board, "data/blog/big"), 0o000);
    if (board.isInstalled || process.getuid?.() !== 0) {
      expect(fails(on(board, `ssh board backup blog >${one}.2`), 1).stderr).toContain(
        "'data/blog/big'",
      );
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

  // ---- faults that somebody found ----

  story(
    "a data folder or a clone that is a link to a disk was left out, and a restore replaced the link",
    async () => {
      const disk = `${board.folder}/disk`;
      const mine = (name: string) => below(board, name);
      fs.mkdirSync(`${disk}/linked/sub`, { recursive: true });
      fs.writeFileSync(`${disk}/linked/sub/photo`, "on the disk");
      // A disk's own folder is root's.
      fs.mkdirSync(`${disk}/linked/lost+found`);
      ok(board.run(["git", "init", "-q", "--bare", `${disk}/clone`]));
      fs.symlinkSync(`${disk}/linked`, mine("data/linked"));
      fs.symlinkSync(`${disk}/clone`, mine("repos/linked"));
      const file = `${board.folder}/linked.tar.gz`;
      ok(on(board, `ssh board backup linked >${file}`));
      const names = ok(board.run(["tar", "-tzf", file])).stdout;
      expect(names).toContain("data/linked/sub/photo\n");
      expect(names).toContain("repos/linked/HEAD\n");
      expect(names).not.toContain("lost+found");
      fs.renameSync(disk, `${disk}.away`);
      expect(fails(on(board, `ssh board backup linked >${file}.2`), 1).stderr).toContain("linked");
      await withFresh((fresh) => {
        const usb = `${fresh.folder}/usb`;
        const data = below(fresh, "data/linked");
        fs.mkdirSync(`${usb}/lost+found`, { recursive: true });
        fs.symlinkSync(usb, data);
        ok(on(fresh, `ssh board restore <${file}`));
        fs.writeFileSync(`${usb}/later`, "");
        ok(on(fresh, `ssh board restore linked --force <${file}`));
        expect([fs.readlinkSync(data), list(usb), read(`${usb}/sub/photo`)]).toEqual([
          usb,
          ["lost+found", "sub"],
          "on the disk",
        ]);
        expect(fs.lstatSync(below(fresh, "repos/linked")).isDirectory()).toBe(true);
        // Without its disk, nothing is destroyed and nothing put in place.
        fs.renameSync(usb, `${usb}.away`);
        const before = state(fresh);
        expect(fails(on(fresh, `ssh board restore linked --force <${file}`), 1).output).toContain(
          "is its disk mounted?",
        );
        expect(state(fresh)).toEqual(before);
      });
      for (const name of ["data/linked", "repos/linked"]) fs.rmSync(mine(name));
    },
  );

  story("what an app wrote into a submodule's folder was left out", async () => {
    const [port] = freePorts(1) as [number];
    const library = board.repo(undefined, { "lib.txt": "as committed", ".gitignore": "*.cache\n" });
    const serving = [
      "daemon",
      `--listen=${board.clientAddress}`,
      `--port=${port}`,
      "--export-all",
      `--base-path=${board.folder}`,
    ];
    const daemon = spawn("git", [...serving, board.folder], { stdio: "inherit" });
    try {
      const files = webProbe("modules.test");
      const app = board.repo(undefined, files);
      const url = `git://${board.clientAddress}:${port}${library.folder.slice(board.folder.length)}`;
      eventually(() => ok(app.git("submodule", "add", "-q", url, "parts/lib")));
      app.commit("With a library");
      ok(board.push(app, "modules"));
      const inLibrary = (one: Board, name: string) => below(one, `apps/modules/parts/lib/${name}`);
      fs.writeFileSync(inLibrary(board, "lib.txt"), "as the app left it");
      fs.writeFileSync(inLibrary(board, "upload"), "untracked");
      fs.writeFileSync(inLibrary(board, "a.cache"), "ignored");
      const file = `${board.folder}/modules.tar.gz`;
      ok(on(board, `ssh board backup modules >${file}`));
      await withFresh((fresh) => {
        ok(on(fresh, `ssh board restore <${file}`));
        expect(get(fresh, "/", "modules.test")).toBe("one");
        expect(list(inLibrary(fresh, ""))).toEqual([
          ".git",
          ".gitignore",
          "a.cache",
          "lib.txt",
          "upload",
        ]);
        expect(read(inLibrary(fresh, "upload"))).toBe("untracked");
        expect(read(inLibrary(fresh, "a.cache"))).toBe("ignored");
        expect(list(below(fresh, "apps/modules/.git/aside"))).toEqual([]);
      });
    } finally {
      daemon.kill();
      ok(board.ssh("destroy", "modules"));
    }
  });

  story("one damaged record or work tree kept the whole board from its backup", () => {
    ok(board.push(board.repo(undefined, webProbe("hurt.test")), "hurt"));
    fs.writeFileSync(below(board, "apps/hurt/upload"), "still here");
    fs.writeFileSync(below(board, "releases/hurt/1.json"), "{");
    fs.writeFileSync(below(board, "releases/hurt/1.made"), "[");
    fs.writeFileSync(below(board, "apps/hurt/.git/index"), "no index");
    const file = `${board.folder}/hurt.tar.gz`;
    const { stderr } = ok(on(board, `ssh board backup >${file}`));
    expect(stderr).toContain("Warning: the live release's record of app 'hurt' is damaged");
    expect(stderr).toContain("Warning: git cannot read 'apps/hurt'");
    ok(on(board, `ssh board backup --verify <${file}`));
    const names = ok(board.run(["tar", "-tzf", file])).stdout;
    expect(names).toContain("\napps/hurt/upload\n");
    expect(names).toContain("\nrepos/blog/HEAD\n");
    ok(board.ssh("destroy", "hurt"));
  });

  story("the holes of a sparse file were written out, and filled at the restore", () => {
    const hole = below(board, "data/sparse/hole");
    fs.mkdirSync(below(board, "data/sparse"));
    fs.writeFileSync(hole, "begins");
    fs.truncateSync(hole, 300_000_000);
    const file = `${board.folder}/sparse.tar.gz`;
    fs.mkdirSync(below(board, "envs/sparse"));
    ok(on(board, `ssh board backup sparse >${file}`));
    ok(on(board, `ssh board restore sparse --force <${file}`));
    const { size, blocks } = fs.statSync(hole);
    expect([size, blocks < 1000]).toEqual([300_000_000, true]);
    fs.rmSync(below(board, "data/sparse"), { recursive: true });
  });

  story(
    "a sealed archive that piku did not write wrote into another app, hung, or showed a stack",
    () => {
      const work = `${board.folder}/hostile`;
      const victim = below(board, "apps/idle");
      const idle = () => [
        list(victim),
        list(below(board, "data/idle")),
        list(`${victim}/.git/objects/info`),
      ];
      const manifest = (change: object) =>
        JSON.stringify({ format: 1, created: "2026-01-01T00:00:00Z", ...change });
      const good = manifest({ apps: [{ name: "x" }] });
      const bad: [string, string, RegExp][] = [
        [good, `mkdir apps && ln -s ${victim} apps/x`, /unexpected file in the backup: 'apps\/x'/],
        [
          good,
          `mkdir data && ln -s ${below(board, "data/idle")} data/x`,
          /unexpected file in the backup: 'data\/x'/,
        ],
        [
          good,
          `mkdir envs && ln -s ${below(board, "envs/idle")} envs/x`,
          /unexpected file in the backup: 'envs\/x'/,
        ],
        [
          good,
          `mkdir -p envs/x && ln -s ${below(board, "envs/idle/ENV")} envs/x/ENV`,
          /unexpected file in the backup/,
        ],
        [
          good,
          `mkdir -p repos/x && ln -s ${below(board, "repos/idle/hooks")} repos/x/hooks`,
          /unexpected file in the backup/,
        ],
        [
          good,
          "mkdir releases && echo no folder >releases/x",
          /unexpected file in the backup: 'releases\/x'/,
        ],
        [
          good,
          "mkdir -p data/x && mkfifo data/x/pipe",
          /unexpected file in the backup: 'data\/x\/pipe'/,
        ],
        // With a commit, its work tree becomes git's: not through a link.
        [
          manifest({ apps: [{ name: "x", commit: "1".repeat(40) }] }),
          `mkdir -p apps/x && ln -s ${victim}/.git apps/x/.git`,
          /app 'x' is not restored/,
        ],
        ["{", "true", /piku\.json is damaged/],
        ["null", "true", /piku\.json is damaged/],
        [manifest({}), "true", /piku\.json is damaged/],
        ["", "rm piku.json && mkfifo piku.json", /not a piku backup/],
      ];
      fs.writeFileSync(
        `${victim}/.git/objects/info/alternates`,
        `${below(board, "repos/idle")}/objects\n`,
      );
      const before = [state(board), idle(), read(`${victim}/.git/objects/info/alternates`)];
      for (const [json, line, message] of bad) {
        fs.rmSync(work, { recursive: true, force: true });
        fs.mkdirSync(work);
        fs.writeFileSync(`${work}/piku.json`, json);
        ok(board.run(["sh", "-c", line], { cwd: work }));
        ok(
          board.run(
            ["sh", "-c", "tar -czf ../hostile.tar.gz piku.json $(ls | grep -v piku.json)"],
            { cwd: work },
          ),
        );
        fs.writeFileSync(`${work}.tar.gz`, sealed(fs.readFileSync(`${work}.tar.gz`)));
        const ran = board.run(["sh", "-c", `ssh board restore --force <${work}.tar.gz`], {
          limit: 20,
        });
        expect(`${line}: ${fails(ran, 1).output}`).toMatch(message);
        expect(ran.output).not.toContain("fault of piku's own");
        expect([state(board), idle(), read(`${victim}/.git/objects/info/alternates`)]).toEqual(
          before,
        );
      }
    },
  );

  story(
    "a restore of a board that was cut off could not go on, and left its files for good",
    async () => {
      for (const name of ["first", "second"]) {
        fs.mkdirSync(below(board, `data/${name}`));
        fs.writeFileSync(below(board, `data/${name}/file`), "of the backup");
      }
      fs.mkdirSync(below(board, "plugins"), { recursive: true });
      for (const name of ["both", "theirs"])
        fs.writeFileSync(below(board, `plugins/${name}`), "of the backup");
      const file = `${board.folder}/board-two.tar.gz`;
      ok(on(board, `ssh board backup >${file}`));
      await withFresh((fresh) => {
        fs.mkdirSync(below(fresh, "data/first"));
        fs.writeFileSync(below(fresh, "data/first/file"), "of the fresh board");
        fs.writeFileSync(below(fresh, "plugins/both"), "of the fresh board");
        fs.mkdirSync(below(fresh, ".backup/files/left-by-a-power-cut"), { recursive: true });
        fresh.piku("daily", "--if-time");
        expect(fs.existsSync(below(fresh, ".backup"))).toBe(false);
        // Coreutils 9.2 to 9.4 say 1 when `cp -n` has left a file as it is.
        const bin = `${fresh.folder}/bin`;
        fs.mkdirSync(bin);
        const copy = '#!/bin/sh\n/bin/cp "$@" || exit\ncase $1 in -*n*) exit 1 ;; esac\n';
        fs.writeFileSync(`${bin}/cp`, copy, { mode: 0o755 });
        const env = { ...fresh.boardEnv(), PATH: `${bin}:${fresh.boardEnv().PATH}` };
        const brought = `${fresh.folder}/brought.tar.gz`;
        fs.copyFileSync(file, brought);
        const ran = fails(
          fresh.on(["sh", "-c", `${fresh.executable} restore <${brought}`], { env, limit: 120 }),
          1,
        );
        expect(ran.output).toContain("already on this server, and left untouched: 'first'");
        expect(ran.output).toContain("--force");
        const content = (name: string) => read(below(fresh, name));
        expect(content("data/first/file")).toBe("of the fresh board");
        expect(content("data/second/file")).toBe("of the backup");
        expect(content("plugins/both")).toBe("of the fresh board");
        expect(content("plugins/theirs")).toBe("of the backup");
        expect(get(fresh, "/")).not.toBe("");
      });
    },
  );

  const fullDisk =
    "a full disk made a backup of half a database, and was told as a damaged backup at the restore";
  if (board.isInstalled) skipped(fullDisk, "its small disk is a sandbox's");
  else if (process.getuid?.() !== 0) skipped(fullDisk, "needs root, to mount a small disk");
  else
    story(fullDisk, async () => {
      const size = Math.ceil(fs.statSync(board.target.executable).size / 2 ** 20);
      const small = new Sandbox(board.target).start(size + 40);
      try {
        for (const folder of ["data", "envs"]) fs.mkdirSync(below(board, `${folder}/large`));
        fs.writeFileSync(below(board, "data/large/file"), Buffer.alloc(60_000_000, "x y"));
        const file = `${board.folder}/large.tar.gz`;
        ok(on(board, `ssh board backup large >${file}`));
        for (const folder of ["data", "envs"])
          fs.rmSync(below(board, `${folder}/large`), { recursive: true });
        expect(fails(on(small, `ssh board restore <${file}`), 1).stderr).toContain(
          "disk has no room",
        );
        expect(list(below(small, "data"))).toEqual([]);
        for (const folder of ["data", "envs"]) fs.mkdirSync(below(small, `${folder}/full`));
        const fill =
          "db = sqlite3.connect(sys.argv[1]); db.execute('CREATE TABLE t AS SELECT zeroblob(25000000)')";
        python(`import sqlite3, sys; ${fill}; db.commit()`, below(small, "data/full/big.db"));
        const ran = fails(on(small, `ssh board backup full >${board.folder}/full.tar.gz`), 1);
        expect(ran.stderr).toContain(
          "'data/full/big.db' could not be copied: database or disk is full",
        );
        expect(fs.statSync(`${board.folder}/full.tar.gz`).size).toBe(0);
      } finally {
        await small.stop();
      }
    });
}, longOnAnyBoard);
