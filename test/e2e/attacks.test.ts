/**
 * What a key that may push can try beyond its own app: through references, sizes, stdin, backups
 * and words.
 */
import { expect } from "bun:test";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import { webProbe } from "./probe.ts";
import { eventually, type Files, fails, list, ok, type Ran, type Repo, read } from "./sandbox.ts";
import { longOnAnyBoard, stories } from "./story.ts";

/** A gzipped tar with the seal that `backup` puts behind one. */
const sealed = (content: Buffer) => {
  const comment = `piku backup 1 sha256 ${createHash("sha256").update(content).digest("hex")}\0`;
  const head = Buffer.from([0x1f, 0x8b, 8, 16, 0, 0, 0, 0, 0, 3]);
  return Buffer.concat([
    content,
    head,
    Buffer.from(comment),
    Buffer.from([3, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
  ]);
};

stories((board, story) => {
  const root = () => board.pikuRoot;
  const page = (name: string, url = "/") => board.get(url, { host: `${name}.test` }).body;
  const deployed = (name: string, files: Files): Repo => {
    const app = board.repo(undefined, files);
    ok(board.push(app, name));
    return app;
  };
  const quick = (ran: Ran, seconds: number) => {
    expect(ran.ms).toBeLessThan(seconds * 1000);
    return ran;
  };
  /** The other key of the board's people is bound to app `ben`. */
  const bind = () => {
    if (read(`${board.home}/.ssh/authorized_keys`).includes("NAME=mallory")) return;
    ok(
      board.sshRaw("keys:add mallory --apps ben", { input: read(`${board.folder}/ssh/other.pub`) }),
    );
  };
  const bound = (line: string, input = "") => board.sshRaw(line, { host: "other", input });

  // ---- references (A7) ----

  const withStatics = (name: string): Files => ({
    ...webProbe(`${name}.test`),
    ENV: `NGINX_SERVER_NAME=${name}.test\nNGINX_STATIC_PATHS=/s:public\n`,
    "public/file.txt": "a file\n",
  });

  story("refs/replace showed piku another commit than it deployed", () => {
    ok(
      board.push(
        board.repo(undefined, { ...webProbe("bank.test"), "secret.txt": "of the bank\n" }),
        "bank",
      ),
    );
    const app = deployed("swap", withStatics("swap"));
    const clean = app.head();
    fs.symlinkSync(`${board.inside(root())}/apps/bank`, `${app.folder}/public/bank`);
    const evil = app.commit("A link out");
    const { output } = fails(board.push(app, "swap", `${clean}:refs/replace/${evil}`), 1);
    expect(output).toContain(`'refs/replace/${evil}' is neither a branch nor a tag`);
    // As a board of version 1 may have it already.
    const repo = `${root()}/repos/swap`;
    fs.mkdirSync(`${repo}/refs/replace`, { recursive: true });
    fs.writeFileSync(`${repo}/refs/replace/${evil}`, `${clean}\n`);
    expect(fails(board.push(app, "swap", `${evil}:refs/heads/main`), 1).output).toContain(
      "is a link out of the app",
    );
    expect(page("swap", "/s/bank/secret.txt")).not.toContain("of the bank");
    expect(page("swap", "/s/file.txt")).toBe("a file\n");
    expect(board.tip("swap")).toBe(clean);
    ok(board.push(app, "swap", `:refs/replace/${evil}`));
    expect(list(`${repo}/refs/replace`)).toEqual([]);
  });

  story("only branches and tags are taken, and none that git would take for something else", () => {
    const app = deployed("refs", webProbe("refs.test"));
    app.commit("Next");
    const head = app.head();
    for (const name of [
      "notes/commits",
      "remotes/origin/main",
      "bisect/bad",
      "worktree/x",
      "stash",
      "x",
    ]) {
      const { output } = fails(board.push(app, "refs", `HEAD:refs/${name}`), 1);
      expect(output).toContain(`'refs/${name}' is neither a branch nor a tag`);
    }
    for (const name of [
      "heads/HEAD",
      "heads/@",
      "tags/FETCH_HEAD",
      `heads/${head}`,
      "tags/refs/heads/main",
      "heads/tags/x",
    ]) {
      const { output } = fails(board.push(app, "refs", `HEAD:refs/${name}`), 1);
      expect(output).toContain("since git takes that for something else");
    }
    // All or nothing, as git does it.
    fails(board.push(app, "refs", "HEAD:refs/heads/main", "HEAD:refs/notes/commits"), 1);
    expect(page("refs")).toBe("one");
    const refs = ok(
      board.run(["git", "-C", `${root()}/repos/refs`, "for-each-ref", "--format=%(refname)"]),
    ).stdout;
    expect(refs).toBe("refs/heads/main\nrefs/piku/1\n");
    ok(
      board.push(app, "refs", "HEAD:refs/heads/main", "HEAD:refs/tags/v1", "HEAD:refs/heads/AHEAD"),
    );
  });

  // ---- sizes (A8, A12) ----

  story(
    "what a key sent to stdin had no bound, and settings were kept that no app could get",
    () => {
      bind();
      const many = Array.from({ length: 100 }, (_, i) => `K${i}=${"v".repeat(90_000)}\n`).join("");
      for (const line of ["config:import ben", "git-hook ben"]) {
        const ran = quick(fails(bound(line, many), 1), 10);
        expect(ran.stderr).toMatch(/what comes on stdin is larger than [12] MB/);
      }
      const kept = Array.from({ length: 12 }, (_, i) => `K${i}=${"v".repeat(90_000)}\n`).join("");
      expect(fails(bound("config:import ben", kept), 1).stderr).toContain(
        "the settings together are larger than 1 MB",
      );
      expect(fs.existsSync(`${root()}/envs/ben/ENV`)).toBe(false);
      for (const line of ["keys:add eve", "setup:ssh -"])
        expect(fails(board.sshRaw(line, { input: many }), 1).stderr).toContain(
          "what comes on stdin is larger than 64 KB",
        );
    },
  );

  /**
   * A commit in which a folder holds ten times the folder below it, and so on: a few objects, and
   * as many names as you like.
   */
  const bomb = (app: Repo, leaf: string, levels: number): string => {
    const make = (input: string, ...words: string[]) =>
      ok(board.run(["git", ...words], { cwd: app.folder, input })).stdout.trim();
    const tens = (entry: string) =>
      Array.from({ length: 10 }, (_, i) => `${entry}\tn${i}\n`).join("");
    let tree =
      leaf === ""
        ? make("", "mktree")
        : make(tens(`100644 blob ${make(leaf, "hash-object", "-w", "--stdin")}`), "mktree");
    for (let i = 1; i < levels; i++) tree = make(tens(`040000 tree ${tree}`), "mktree");
    const top = ok(app.git("ls-tree", "HEAD")).stdout;
    const whole = make(`${top}040000 tree ${tree}\tzz\n`, "mktree");
    return make("A bomb", "commit-tree", "-p", "HEAD", whole);
  };

  story(
    "a commit of a million names, or of as many empty folders, is refused within seconds",
    () => {
      const app = deployed("bomb", webProbe("bomb.test"));
      for (const [leaf, levels] of [
        ["x", 6],
        ["x", 9],
        ["", 9],
      ] as const) {
        const commit = bomb(app, leaf, levels);
        const ran = quick(fails(board.push(app, "bomb", `${commit}:refs/heads/main`), 1), 15);
        expect(ran.output).toMatch(
          /the commit has more than 100000 files and folders|are together longer than 20 MB/,
        );
      }
      expect(page("bomb")).toBe("one");
      const { settings } = board;
      fs.appendFileSync(`${root()}/ENV`, "PIKU_MAX_FILES=500\n");
      expect(
        fails(board.push(app, "bomb", `${bomb(app, "x", 3)}:refs/heads/main`), 1).output,
      ).toContain("more than 500 files");
      fs.writeFileSync(`${root()}/ENV`, settings);
      ok(board.push(app, "bomb", `${bomb(app, "x", 3)}:refs/heads/main`));
      expect(list(`${root()}/apps/bomb/zz/n9/n9`)).toHaveLength(10);
    },
  );

  story("5,000 links took git 5,000 calls", () => {
    const app = deployed("links", withStatics("links"));
    for (let i = 0; i < 5000; i++) fs.symlinkSync(`file.txt?${i}`, `${app.folder}/public/l${i}`);
    app.commit("Links to nowhere within");
    quick(ok(board.push(app, "links")), 30);
    fs.symlinkSync(`/etc/passwd`, `${app.folder}/public/zz`);
    app.commit("One leads out");
    expect(fails(board.push(app, "links"), 1).output).toContain(
      "'public/zz' is a link out of the app",
    );
    expect(page("links")).toBe("one");
  });

  story(
    "a build that prints 300 MB filled the disk and the memory; its beginning, its end and its exit status are kept",
    () => {
      const loud = (times: number) =>
        `echo first word; for i in $(seq 0 ${times}); do yes "$i a line of the build" | head -c 10000000; done; echo last word`;
      const app = board.repo(undefined, {
        ...webProbe("loud.test"),
        Procfile: `preflight: ${loud(29)}\nweb: exec python3 app.py\n`,
      });
      const ran = quick(board.push(app, "loud"), 60);
      expect(ran.status).toBe(0);
      const transcript = `${root()}/releases/loud/1.log`;
      expect(fs.statSync(transcript).size).toBeLessThan(11 * 1024 * 1024);
      const text = read(transcript);
      // Not as a whole: nobody could read what a failure shows.
      const left = [...text.matchAll(/\n-----> (\d+) MB are left out here\.\n/g)].map(([, count]) =>
        Number(count),
      );
      expect(left).toEqual([expect.any(Number)]);
      expect(left[0]).toBeGreaterThan(260);
      expect(left[0]).toBeLessThan(290);
      for (const one of [ran.output, text]) {
        expect(one.includes("first word")).toBe(true);
        expect(one.includes("0 a line of the build")).toBe(true);
        expect(one.includes("29 a line of the build")).toBe(true);
        expect(one.includes("last word")).toBe(true);
      }
      expect(text.slice(-500)).toContain("Release 1 of app 'loud' is live.\n");
      expect(ok(board.ssh("releases:output", "loud", "1")).stdout === text).toBe(true);
      app.commit("Fails", {
        Procfile: `preflight: ${loud(2)}; exit 3\nweb: exec python3 app.py\n`,
      });
      expect(fails(board.push(app, "loud"), 1).output.slice(-500)).toContain(
        "preflight failed with exit status 3",
      );
      expect(list(`${root()}/releases/loud`).filter((name) => name.endsWith(".new"))).toEqual([]);
      expect(page("loud")).toBe("one");
    },
  );

  // ---- backups (A9, A15, A17) ----

  story("a client that sent nothing kept everybody from making a backup", async () => {
    bind();
    deployed("ben", webProbe("ben.test"));
    const idle = spawn("ssh", ["other", "restore", "ben"], {
      env: { ...process.env, ...board.clientEnv() },
      stdio: ["pipe", "ignore", "ignore"],
    });
    try {
      eventually(() => expect(list(`${root()}/.backup`)).toEqual(["app.ben"]));
      for (const what of ["", " ben"]) {
        const file = `${board.folder}/while.tar.gz`;
        ok(board.run(["sh", "-c", `ssh board backup${what} >${file}`]));
        ok(board.run(["sh", "-c", `ssh board backup --verify <${file}`]));
        ok(board.run(["sh", "-c", `ssh board restore ben --force <${file}`]));
      }
      expect(page("ben")).toBe("one");
      // Its own key has one at a time: more would be a way to fill the disk.
      expect(fails(bound("backup ben"), 1).stderr).toContain(
        "another backup or restore of app 'ben' is under way",
      );
      expect(list(`${root()}/.backup`)).toEqual(["app.ben"]);
      ok(board.piku("daily", "--if-time"));
      expect(list(`${root()}/.backup`)).toEqual(["app.ben"]);
    } finally {
      idle.kill();
    }
    eventually(() => expect(fs.existsSync(`${root()}/.backup`)).toBe(false));
    ok(bound("backup ben"));
  });

  const packed = (json: object, line = "true") => {
    const work = `${board.folder}/packed`;
    fs.rmSync(work, { recursive: true, force: true });
    fs.mkdirSync(work);
    fs.writeFileSync(`${work}/piku.json`, JSON.stringify(json));
    ok(board.run(["sh", "-c", line], { cwd: work }));
    ok(
      board.run(["sh", "-c", "tar -czf ../packed.tar.gz piku.json $(ls | grep -v piku.json)"], {
        cwd: work,
      }),
    );
    fs.writeFileSync(`${work}.tar.gz`, sealed(fs.readFileSync(`${work}.tar.gz`)));
    return `${work}.tar.gz`;
  };

  story("what a backup says of itself was shown raw", () => {
    const sequence = "\u001b]0;x\u0007\u001b[2J";
    const file = packed({ format: 1, created: sequence, apps: [{ name: `${sequence}evil` }] });
    for (const command of ["backup --verify", "restore", "restore other"]) {
      const { output } = board.run(["sh", "-c", `ssh board ${command} <${file}`]);
      expect(output).toContain("?]0;x");
      expect(output).not.toMatch(/[\u0007\u001b]/);
    }
  });

  story("a backup's files kept their setuid bits", () => {
    const line =
      "mkdir -p data/bits && echo x >data/bits/a && cp data/bits/a data/bits/b && chmod 6755 data/bits/a && chmod 4700 data/bits/b";
    const file = packed({ format: 1, created: "2026-01-01", apps: [{ name: "bits" }] }, line);
    ok(board.run(["sh", "-c", `ssh board restore <${file}`]));
    const mode = (name: string) =>
      (fs.statSync(`${root()}/data/bits/${name}`).mode & 0o7777).toString(8);
    expect([mode("a"), mode("b")]).toEqual(["755", "700"]);
  });

  // ---- words and keys (A14, A17) ----

  story("a word of 100 KB was told as a fault of the disk", () => {
    const word = "a".repeat(100_000);
    const { stderr } = quick(fails(board.ssh(word), 2), 5);
    expect(stderr).toContain("there is no command 'aaa");
    expect(stderr).not.toContain("ENAMETOOLONG");
    fails(board.ssh("config", word), 2);
  });

  story("blanks in a comment of authorized_keys held up whoever looked at the keys", () => {
    const file = `${board.home}/.ssh/authorized_keys`;
    const before = read(file);
    const key = read(`${board.folder}/ssh/other.pub`).split(" ").slice(0, 2).join(" ");
    fs.appendFileSync(
      file,
      `${key.replace(/.$/, "A")} x${" ".repeat(1_000_000)}y\n# a comment${" ".repeat(100_000)}\n`,
    );
    expect(quick(ok(board.ssh("keys")), 10).stdout).not.toContain("  ".repeat(200));
    quick(ok(board.ssh("keys", "--json")), 10);
    fs.writeFileSync(file, before);
  });

  story("what is live answers after all of it", () => {
    for (const name of ["swap", "refs", "bomb", "links", "loud", "ben"])
      expect(page(name)).toBe("one");
  });
}, longOnAnyBoard);
