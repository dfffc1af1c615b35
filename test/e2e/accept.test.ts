/** What git would refuse once its hook has ended must not be live before that. */
import { expect } from "bun:test";
import fs from "node:fs";
import { type Board, type Files, fails, list, ok, type Repo, read } from "./sandbox.ts";
import { stories, unlessLong } from "./story.ts";

/** A page, the cheapest app there is. */
const page = (host: string, text: string): Files => ({
  Procfile: "static: public\n",
  ENV: `NGINX_SERVER_NAME=${host}\n`,
  "public/index.html": text,
});

const shown = (board: Board, host: string) => board.get("/", { host });

/** Clones without the commits below the last `depth`, and commits on top unless told not to. */
function shallow(board: Board, app: Repo, depth: number, files?: Files): Repo {
  const clone = app.copy(`shallow-${depth}`);
  fs.rmSync(clone.folder, { recursive: true });
  const words = [
    "git",
    "clone",
    "--quiet",
    `--depth=${depth}`,
    `file://${app.folder}`,
    clone.folder,
  ];
  ok(board.run(words));
  if (files) clone.commit("On top", files);
  return clone;
}

const repository = (board: Board, name: string) => `${board.pikuRoot}/repos/${name}`;

const configure = (board: Board, name: string, ...words: string[]) =>
  ok(board.on(["git", "-C", repository(board, name), "config", ...words]));

stories((board, story) => {
  /** An app with two commits on the board, at `name.test`. */
  const deployed = (name: string) => {
    const app = board.repo(undefined, page(`${name}.test`, "one"));
    ok(board.push(app, name));
    return app;
  };

  /** Pushes what must be refused, without anything of it having been live or built. */
  const refused = (app: Repo, name: string, reason: RegExp, ...words: string[]) => {
    const { stderr } = fails(board.push(app, name, ...words), 1);
    expect(stderr).toMatch(reason);
    expect(stderr).not.toContain("Deploying app");
    expect(shown(board, `${name}.test`).body).toBe("one");
    expect(ok(board.ssh("releases", name)).stdout).not.toContain("*2");
    return stderr;
  };

  story("a push from a shallow clone is refused before anything is live, with the remedies", () => {
    const full = board.repo(undefined, page("shallow.test", "zero"));
    full.commit("Second", { a: "1\n" });
    for (const files of [undefined, { b: "2\n" }]) {
      const clone = shallow(board, full, 1, files);
      const { stderr } = fails(board.push(clone, "shallow"), 1);
      expect(stderr).toContain("shallow clone");
      expect(stderr).toContain("git fetch --unshallow");
      expect(stderr).toContain("fetch-depth: 0");
      expect(stderr).not.toContain("is live.");
      expect(shown(board, "shallow.test").status).toBe(404);
    }
    const clone = shallow(board, full, 1, { b: "3\n" });
    ok(clone.git("fetch", "--quiet", "--unshallow"));
    ok(board.push(clone, "shallow"));
    // Onto the whole history a shallow clone's commits are complete.
    ok(full.git("pull", "--quiet", clone.folder, "main"));
    const later = shallow(board, full, 1, { "public/index.html": "later" });
    ok(board.push(later, "shallow"));
    expect(shown(board, "shallow.test").body).toBe("later");
    ok(board.run(["git", "-C", repository(board, "shallow"), "fsck", "--connectivity-only"]));
  });

  story(
    "a history that an earlier push has cut is told by doctor, and mended by two pushes",
    () => {
      const app = deployed("cut");
      app.commit("Second", { a: "1\n" });
      app.commit("Third", { b: "1\n" });
      ok(board.push(app, "cut"));
      const objects = `${repository(board, "cut")}/objects`;
      const lost = ok(app.git("rev-parse", "HEAD~1")).stdout.trim();
      fs.rmSync(`${objects}/${lost.slice(0, 2)}/${lost.slice(2)}`);
      fails(board.run(["git", "clone", "--quiet", "board:cut", `${app.folder}-broken`]));
      const told = board.ssh("doctor").output;
      expect(told).toMatch(/app 'cut'.*earlier commits/);
      expect(told).toContain("git push piku :main && git push piku main");
      ok(board.push(app, "cut", ":main"));
      expect(shown(board, "cut.test").body).toBe("one");
      ok(board.push(app, "cut"));
      ok(board.run(["git", "clone", "--quiet", "board:cut", `${app.folder}-whole`]));
      expect(board.ssh("doctor").output).not.toContain("earlier commits");
    },
  );

  for (const [setting, words, reason] of [
    ["denyNonFastForwards", ["+main"], /drop commits of branch 'main'.*denyNonFastForwards/],
    ["denyDeletes", ["main", ":side"], /'side' cannot be deleted.*denyDeletes/],
  ] as const)
    story(`receive.${setting} refuses before anything is live`, () => {
      const name = setting.toLowerCase();
      const app = deployed(name);
      ok(board.push(app, name, "main~0:refs/tags/t"));
      configure(board, name, `receive.${setting}`, "true");
      if (setting === "denyDeletes")
        ok(board.on(["git", "-C", repository(board, name), "branch", "side", "main"]));
      else ok(app.git("commit", "--quiet", "--amend", "-m", "Other"));
      if (setting === "denyDeletes") app.commit("Two", { "public/index.html": "two" });
      refused(app, name, reason, ...words);
      configure(board, name, `receive.${setting}`, "false");
      ok(board.push(app, name, ...words));
    });

  story("hidden and checked-out branches in somebody's configuration do not stop a push", () => {
    const app = deployed("hidden");
    configure(board, "hidden", "receive.hideRefs", "refs/heads");
    configure(board, "hidden", "receive.denyCurrentBranch", "refuse");
    configure(board, "hidden", "core.bare", "false");
    app.commit("Two", { "public/index.html": "two" });
    ok(board.push(app, "hidden"));
    expect(shown(board, "hidden.test").body).toBe("two");
    expect(board.tip("hidden")).toBe(app.head());
  });

  for (const hook of ["update", "reference-transaction"])
    story(`a hook '${hook}' of the repository's own refuses before anything is live`, () => {
      const name = hook.slice(0, 9);
      const app = deployed(name);
      const file = `${repository(board, name)}/hooks/${hook}`;
      fs.writeFileSync(file, "#!/bin/sh\necho not on a Friday >&2\nexit 1\n", { mode: 0o755 });
      app.commit("Two", { "public/index.html": "two" });
      expect(refused(app, name, /hook/)).toContain("not on a Friday");
      fs.rmSync(file);
      ok(board.push(app, name));
      expect(shown(board, `${name}.test`).body).toBe("two");
    });

  story("branches that cannot be beside each other are refused, whichever is deployed", () => {
    const app = deployed("beside");
    app.commit("Two", { "public/index.html": "two" });
    ok(app.git("branch", "a", "HEAD"));
    ok(board.push(app, "beside", "a"));
    app.commit("Three", { "public/index.html": "three" });
    for (const words of [
      ["main", "main:a/b"],
      ["--atomic", "main", "main:a/b"],
      ["main:b", "main:b/c"],
    ]) {
      const { stderr } = fails(board.push(app, "beside", ...words), 1);
      expect(stderr).toMatch(/cannot (be beside|take this push)/);
      expect(shown(board, "beside.test").body).toBe("two");
    }
    ok(board.push(app, "beside", "--atomic", "main", "main:c"));
    expect(shown(board, "beside.test").body).toBe("three");
  });

  story("references that cannot be written are told before anything is live", () => {
    const app = deployed("unwritable");
    app.commit("Two", { "public/index.html": "two" });
    const folder = `${repository(board, "unwritable")}/refs/heads/main`;
    // As root no rights stop git; a directory in the place of the lock stops everybody.
    fs.mkdirSync(`${folder}.lock/x`, { recursive: true });
    refused(app, "unwritable", /git cannot take this push/);
    fs.rmSync(`${folder}.lock`, { recursive: true });
    ok(board.push(app, "unwritable"));
    expect(shown(board, "unwritable.test").body).toBe("two");
  });

  story("what git refuses all the same does not stay live: the release before is back", () => {
    const app = deployed("late");
    const hook = `${repository(board, "late")}/hooks/reference-transaction`;
    // It lets the rehearsal pass: git's own transaction is the first that wants the branch for good.
    fs.writeFileSync(
      hook,
      `#!/bin/sh\n[ "$1" = prepared ] || exit 0\ngrep -q refs/heads/ || exit 0\nn=$(cat ${board.inside(board.folder)}/count 2>/dev/null || echo 0)\necho $((n + 1)) >${board.inside(board.folder)}/count\n[ $n = 0 ]\n`,
      { mode: 0o755 },
    );
    app.commit("Two", { "public/index.html": "two" });
    const { stderr } = fails(board.push(app, "late"));
    expect(stderr).toContain("git has refused the push in the end");
    expect(shown(board, "late.test").body).toBe("one");
    expect(stderr).toContain("-----> Release 3 of app 'late' is live.");
    expect(stderr).toContain("again as release 1 was");
    fs.rmSync(hook);
    ok(board.push(app, "late"));
    expect(shown(board, "late.test").body).toBe("two");
    fs.rmSync(`${board.folder}/count`);
  });

  story("the same of a first push: nothing of it is live, and the next one begins anew", () => {
    const app = board.repo(undefined, page("first-late.test", "one"));
    fails(board.push(board.repo(undefined, { ENV: "" }), "first-late"), 1);
    const hook = `${repository(board, "first-late")}/hooks/post-receive`;
    const prevents = `${repository(board, "first-late")}/hooks/proc-receive`;
    configure(board, "first-late", "receive.procReceiveRefs", "refs/heads");
    fs.writeFileSync(prevents, "#!/bin/sh\nexit 1\n", { mode: 0o755 });
    const { stderr } = fails(board.push(app, "first-late"), 1);
    expect(stderr).toContain("-----> Nothing of app 'first-late' is live: mend it and push again");
    expect(shown(board, "first-late.test").status).toBe(404);
    expect(ok(board.ssh("apps")).stdout).not.toContain("first-late");
    configure(board, "first-late", "--unset-all", "receive.procReceiveRefs");
    fs.rmSync(prevents);
    fs.rmSync(hook, { force: true });
    ok(board.push(app, "first-late"));
    expect(shown(board, "first-late.test").body).toBe("one");
  });

  story("a push that is too large is told its largest file, the bound, and what to type", () => {
    const app = deployed("video");
    const settings = `${board.pikuRoot}/ENV`;
    const former = board.settings;
    fs.writeFileSync(settings, `${former}\nPIKU_MAX_PUSH=2m\n`);
    const bytes = new Uint8Array(3 * 1024 * 1024);
    for (let i = 0; i < bytes.length; i += 65_536)
      crypto.getRandomValues(bytes.subarray(i, i + 65_536));
    app.commit("Film", { "my video.mp4": bytes, "public/index.html": "two" });
    const stderr = refused(
      app,
      "video",
      /my video\.mp4 is 3 MB.* takes 2 MB a push \(PIKU_MAX_PUSH\)/,
    );
    expect(stderr).toContain("git rm --cached 'my video.mp4' && git commit --amend");
    app.commit("After it", { other: "x\n" });
    expect(fails(board.push(app, "video"), 1).stderr).toContain("git filter-branch --index-filter");
    expect(
      list(`${repository(board, "video")}/objects`).filter((name) => /incoming/.test(name)),
    ).toEqual([]);
    fs.writeFileSync(settings, former);
    ok(board.push(app, "video"));
    expect(read(`${board.pikuRoot}/apps/video/other`)).toBe("x\n");
  });
}, unlessLong);
