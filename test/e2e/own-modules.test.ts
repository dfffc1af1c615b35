/** What the app has written into submodules is never lost, and a failed push takes them back. */
import { expect } from "bun:test";
import { spawn } from "node:child_process";
import fs from "node:fs";
import { webProbe } from "./probe.ts";
import { eventually, type Files, fails, freePorts, ok, type Ran, read } from "./sandbox.ts";
import { onlyLong, stories, unlessLong } from "./story.ts";

stories((board, story) => {
  /** An app with a submodule at `parts/lib`, which a git daemon gives to the board. */
  function withLibrary(name: string, files: Files, body: (told: Told) => void) {
    const [port] = freePorts(1) as [number];
    const library = board.repo(undefined, { "data.txt": "one", "lib.txt": "one" });
    const serving = [`--listen=${board.clientAddress}`, `--port=${port}`, "--export-all"];
    const words = ["daemon", ...serving, `--base-path=${board.folder}`, board.folder];
    const daemon = spawn("git", words, { stdio: "inherit" });
    try {
      const app = board.repo(undefined, files);
      const url = `git://${board.clientAddress}:${port}${library.folder.slice(board.folder.length)}`;
      const add = () =>
        eventually(() => ok(app.git("submodule", "add", "-q", "--force", url, "parts/lib")));
      const bump = (version: string) => {
        library.commit(version, { "lib.txt": version, "data.txt": version });
        ok(board.run(["git", "pull", "-q"], { cwd: `${app.folder}/parts/lib` }));
        app.commit(`Library ${version}`);
      };
      const at = (file: string) => `${board.pikuRoot}/apps/${name}/parts/lib/${file}`;
      const push = (...words: string[]): Ran => board.push(app, name, ...words);
      body({ app, add, bump, at, push });
    } finally {
      daemon.kill();
    }
  }
  interface Told {
    app: ReturnType<typeof board.repo>;
    add(): void;
    bump(version: string): void;
    at(file: string): string;
    push(...words: string[]): Ran;
  }

  story("files of a submodule that the app has written were lost at the next push", () =>
    withLibrary(
      "within",
      { Procfile: "static: .\n", ENV: "NGINX_SERVER_NAME=within.test\n" },
      ({ app, add, bump, at, push }) => {
        add();
        app.commit("With a library");
        ok(push());
        fs.writeFileSync(at("data.txt"), "the app's");
        app.commit("Other", { note: "1" });
        expect(ok(push()).stderr).toContain("Left as the app has changed it: parts/lib/data.txt");
        expect(read(at("data.txt"))).toBe("the app's");

        bump("two");
        const { stderr } = fails(push(), 1);
        expect(stderr).toContain("has written into 'parts/lib/data.txt' since");
        expect(stderr).toContain("git push -o take=parts/lib/data.txt piku main");
        expect(stderr).toContain("git push -o keep=parts/lib/data.txt piku main");
        expect([read(at("data.txt")), read(at("lib.txt"))]).toEqual(["the app's", "one"]);

        ok(push("-o", "keep=parts/lib/data.txt", "main"));
        expect([read(at("data.txt")), read(at("lib.txt"))]).toEqual(["the app's", "one"]);
        app.commit("Another", { note: "2" });
        ok(push());
        expect([read(at("data.txt")), read(at("lib.txt"))]).toEqual(["the app's", "one"]);

        bump("three");
        fails(push(), 1);
        ok(push("-o", "take=.", "main"));
        expect([read(at("data.txt")), read(at("lib.txt"))]).toEqual(["three", "three"]);
        expect(ok(board.ssh("rollback", "within")).output).toContain(
          "Back as the app had changed it",
        );
        expect([read(at("data.txt")), read(at("lib.txt"))]).toEqual(["the app's", "two"]);

        // What the app has cloned is the app's own.
        const cloned = at("../../cloned");
        fs.mkdirSync(`${cloned}/.git`, { recursive: true });
        fs.writeFileSync(`${cloned}/mine`, "");
        app.commit("A file", { cloned: "a file" });
        expect(fails(push("-o", "take=.", "main"), 1).stderr).toContain(
          "on the server 'cloned' is something that the app wrote",
        );
        expect(fs.existsSync(`${cloned}/mine`)).toBe(true);
      },
    ),
  );

  onlyLong(story)("a push that failed left the submodule as it had brought it", () =>
    withLibrary("undone", webProbe("undone.test"), ({ app, add, bump, at, push }) => {
      ok(push());
      add();
      app.commit("Broken", { Procfile: "web: false\n" });
      fails(push(), 1);
      expect(fs.existsSync(at("lib.txt"))).toBe(false);
      const good = webProbe("undone.test").Procfile!;
      app.commit("Mended", { Procfile: good });
      ok(push());
      fs.writeFileSync(at("data.txt"), "the app's");
      app.write({ Procfile: "web: false\n" });
      bump("two");
      fails(push("-o", "take=.", "main"), 1);
      expect([read(at("data.txt")), read(at("lib.txt"))]).toEqual(["the app's", "one"]);
      app.commit("Mended again", { Procfile: good });
      ok(push("-o", "take=.", "main"));
      expect([read(at("data.txt")), read(at("lib.txt"))]).toEqual(["two", "two"]);

      ok(app.git("rm", "-q", "-f", "parts/lib"));
      app.commit("Without");
      ok(push());
      ok(board.ssh("rollback", "undone"));
      expect(read(at("lib.txt"))).toBe("two");
    }),
  );
}, unlessLong);
