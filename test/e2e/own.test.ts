/** What the app has written is never lost: files that git tracks and the app changes. */
import { expect } from "bun:test";
import fs from "node:fs";
import { type Board, type Files, fails, ok, read } from "./sandbox.ts";
import { stories, unlessLong } from "./story.ts";

const page = (host: string, files: Files = {}): Files => ({
  Procfile: "static: public\n",
  ENV: `NGINX_SERVER_NAME=${host}\n`,
  "public/index.html": "one",
  ...files,
});

/** The app's work tree on the board, in which we write as the app would. */
const tree = (board: Board, name: string) => `${board.pikuRoot}/apps/${name}`;

stories((board, story) => {
  const deployed = (name: string, files: Files) => {
    const app = board.repo(undefined, page(`${name}.test`, files));
    ok(board.push(app, name));
    const at = (file: string) => `${tree(board, name)}/${file}`;
    const live = () => board.get("/", { host: `${name}.test` }).body;
    return { app, at, live };
  };

  story("a database that the app has written stays when the commit stops tracking it", () => {
    const { app, at, live } = deployed("untracked", { "db.sqlite3": "empty" });
    fs.writeFileSync(at("db.sqlite3"), "five visits");
    ok(app.git("rm", "--quiet", "--cached", "db.sqlite3"));
    app.write({ ".gitignore": "*.sqlite3\n", "public/index.html": "two" });
    app.commit("Not tracked any more");
    const { stderr } = ok(board.push(app, "untracked"));
    expect(stderr).toContain("Left as the app's own, though the commit removes it: db.sqlite3");
    expect(live()).toBe("two");
    expect(read(at("db.sqlite3"))).toBe("five visits");
    fs.writeFileSync(at("db.sqlite3"), "six visits");
    expect(ok(board.ssh("rollback", "untracked")).output).toContain(
      "Left as the app has changed it: db.sqlite3",
    );
    expect(live()).toBe("one");
    expect(read(at("db.sqlite3"))).toBe("six visits");
    ok(board.ssh("deploy", "untracked"));
    expect(live()).toBe("two");
    expect(read(at("db.sqlite3"))).toBe("six visits");
  });

  story(
    "a database that both have written is refused before the build, with the two ways on",
    () => {
      const { app, at, live } = deployed("both", { "db.sqlite3": "empty" });
      fs.writeFileSync(at("db.sqlite3"), "five visits");
      const release = { Procfile: "preflight: echo built\nstatic: public\n" };
      app.commit("Mine", {
        ...release,
        "db.sqlite3": "from the laptop",
        "public/index.html": "two",
      });
      const { stderr } = fails(board.push(app, "both"), 1);
      expect(stderr).toContain("the app 'both' has written into 'db.sqlite3' since");
      expect(stderr).toContain("git push -o take=db.sqlite3 piku main");
      expect(stderr).toContain("git push -o keep=db.sqlite3 piku main");
      expect(stderr).not.toContain("built");
      expect([live(), read(at("db.sqlite3"))]).toEqual(["one", "five visits"]);

      ok(board.push(app, "both", "-o", "keep=db.sqlite3", "main"));
      expect([live(), read(at("db.sqlite3"))]).toEqual(["two", "five visits"]);

      app.commit("Mine again", {
        "db.sqlite3": "from the laptop again",
        "public/index.html": "three",
      });
      fails(board.push(app, "both"), 1);
      ok(board.push(app, "both", "-o", "take=.", "main"));
      expect([live(), read(at("db.sqlite3"))]).toEqual(["three", "from the laptop again"]);

      // The app's own belongs to the release before, and comes back with it.
      expect(ok(board.ssh("rollback", "both")).output).toContain("Back as the app had changed it");
      expect([live(), read(at("db.sqlite3"))]).toEqual(["two", "five visits"]);
      const forward = fails(board.ssh("deploy", "both"), 1).stderr;
      expect(forward).toContain("deploy both --take db.sqlite3");
      expect([live(), read(at("db.sqlite3"))]).toEqual(["two", "five visits"]);
      ok(board.ssh("deploy", "both", "--take", "db.sqlite3"));
      expect([live(), read(at("db.sqlite3"))]).toEqual(["three", "from the laptop again"]);
      fs.writeFileSync(at("db.sqlite3"), "one visit");
      expect(fails(board.ssh("rollback", "both", "3"), 1).stderr).toContain(
        "rollback both 3 --keep db.sqlite3",
      );
      ok(board.ssh("rollback", "both", "3", "--take=db.sqlite3"));
      expect([live(), read(at("db.sqlite3"))]).toEqual(["two", "five visits"]);
    },
  );

  story("a deploy that fails after it took the commit's files gives the app's own back", () => {
    const { app, at, live } = deployed("undone", { "db.sqlite3": "empty", gone: "tracked" });
    fs.writeFileSync(at("db.sqlite3"), "five visits");
    fs.writeFileSync(at("gone"), "the app's");
    app.commit("Fails late", {
      Procfile: "release: false\nstatic: public\n",
      "db.sqlite3": "from the laptop",
      gone: null,
    });
    const { stderr } = fails(board.push(app, "undone", "-o", "take=db.sqlite3", "main"), 1);
    expect(
      stderr
        .trimEnd()
        .split("\n")
        .filter((line) => line.startsWith("remote: "))
        .at(-1),
    ).toMatch(
      /-----> Nothing has changed: visitors still see release 1 \([0-9a-f]{7}, "First"\)\./,
    );
    expect(live()).toBe("one");
    expect([read(at("db.sqlite3")), read(at("gone"))]).toEqual(["five visits", "the app's"]);
    expect(fs.existsSync(`${board.pikuRoot}/releases/undone/2.own.tar`)).toBe(false);
  });

  story("a file that only the app has is not replaced by one of the commit's", () => {
    const { app, at } = deployed("only", {});
    fs.writeFileSync(at("notes.txt"), "the app's");
    app.commit("The same name", { "notes.txt": "the commit's" });
    expect(fails(board.push(app, "only"), 1).stderr).toContain("'notes.txt'");
    expect(read(at("notes.txt"))).toBe("the app's");
    // What the commit has is what the app has: nothing is lost.
    app.commit("The app's own", { "notes.txt": "the app's" });
    ok(board.push(app, "only"));
    fs.mkdirSync(at("photos"));
    fs.writeFileSync(at("photos/1"), "the app's");
    app.commit("A directory of the app's", { photos: "a file" });
    expect(fails(board.push(app, "only"), 1).stderr).toContain("rename one of them");
    expect(read(at("photos/1"))).toBe("the app's");
  });

  story("a directory or a link that the app put in the place of a tracked file stays", () => {
    const { app, at } = deployed("place", { "log/today": "x\n", state: "x\n", target: "x\n" });
    fs.rmSync(at("state"));
    fs.mkdirSync(at("state"));
    fs.writeFileSync(at("state/own"), "the app's");
    app.commit("Two", { state: "y\n" });
    expect(fails(board.push(app, "place"), 1).stderr).toContain("'state'");
    expect(read(at("state/own"))).toBe("the app's");
    app.commit("As it was", { state: "x\n", target: "y\n" });
    fs.rmSync(at("target"));
    fs.symlinkSync("state/own", at("target"));
    expect(fails(board.push(app, "place"), 1).stderr).toContain("'target'");
    expect(fs.readlinkSync(at("target"))).toBe("state/own");
    ok(board.push(app, "place", "-o", "keep=target", "main"));
    expect(fs.readlinkSync(at("target"))).toBe("state/own");
  });

  story(
    "times, rights, ends of lines, Python's caches and equal contents count as no change",
    () => {
      const crlf = "a,b\r\nc,d\r\n";
      const { app, at, live } = deployed("same", {
        ".gitattributes": "*.csv text eol=crlf\n",
        "touched.txt": "x\n",
        "run.sh": "x\n",
        "__pycache__/app.cpython-311.pyc": "compiled once",
        equal: "x\n",
      });
      // As committed before there was a .gitattributes: git itself would always call it changed.
      app.write({ "old.csv": crlf, "new.csv": "a,b\n" });
      ok(
        app.git(
          "-c",
          "core.autocrlf=false",
          "update-index",
          "--add",
          "--cacheinfo",
          `100644,${ok(app.git("hash-object", "-w", "--no-filters", "old.csv")).stdout.trim()},old.csv`,
        ),
      );
      ok(app.git("add", "new.csv"));
      ok(app.git("commit", "--quiet", "-m", "With lines"));
      ok(board.push(app, "same"));
      const later = new Date(Date.now() + 5000);
      for (const name of ["touched.txt", "old.csv", "new.csv"])
        fs.utimesSync(at(name), later, later);
      fs.chmodSync(at("run.sh"), 0o755);
      fs.writeFileSync(at("__pycache__/app.cpython-311.pyc"), "compiled by the board");
      fs.writeFileSync(at("equal"), "z\n");
      app.write({
        "touched.txt": "y\n",
        "run.sh": "y\n",
        "new.csv": "e,f\n",
        "old.csv": "e,f\r\n",
        "__pycache__/app.cpython-311.pyc": "compiled twice",
        equal: "z\n",
        "public/index.html": "two",
      });
      app.commit("All of them");
      expect(ok(board.push(app, "same")).stderr).not.toContain("Left as");
      expect(live()).toBe("two");
      expect(read(at("touched.txt"))).toBe("y\n");
      expect(read(at("__pycache__/app.cpython-311.pyc"))).toBe("compiled twice");
    },
  );

  story("boards F7: after files were copied each push said that the app had changed them", () => {
    const { app, live } = deployed("copied", { "public/about.html": "about" });
    const copy = (how: string) =>
      ok(
        board.on([
          "sh",
          "-c",
          `${how} "$1" "$1.copy" && rm -r "$1" && mv "$1.copy" "$1"`,
          "sh",
          tree(board, "copied"),
        ]),
      );
    for (const [how, word] of [
      ["cp -a", "two"],
      ["cp -r", "three"],
    ] as const) {
      copy(how);
      app.write({ "public/index.html": word, "public/about.html": `about ${word}` });
      app.commit(word);
      expect(ok(board.push(app, "copied")).stderr).not.toContain("Left as");
      expect(live()).toBe(word);
    }
  });

  story("what the release line writes into tracked files is made again, not the app's", () => {
    const { app, at, live } = deployed("collect", {
      Procfile: "release: echo built $(cat source) >staticfiles/all.css\nstatic: public\n",
      source: "1",
      "staticfiles/all.css": "from the laptop\n",
    });
    expect(read(at("staticfiles/all.css"))).toBe("built 1\n");
    for (const source of ["2", "3"]) {
      app.commit("Next", {
        source,
        "staticfiles/all.css": `laptop ${source}\n`,
        "public/index.html": source,
      });
      ok(board.push(app, "collect"));
      expect([live(), read(at("staticfiles/all.css"))]).toEqual([source, `built ${source}\n`]);
      ok(board.ssh("config:set", "collect", `N=${source}`));
    }
    fs.writeFileSync(at("staticfiles/all.css"), "by hand, on the board\n");
    app.commit("Last", { "staticfiles/all.css": "laptop\n" });
    fails(board.push(app, "collect"), 1);
    expect(read(at("staticfiles/all.css"))).toBe("by hand, on the board\n");
  });
}, unlessLong);
