import { expect } from "bun:test";
import fs from "node:fs";
import path from "node:path";
import { alike } from "./alike.ts";
import { type Ran, user } from "./board.ts";
import { webProbe } from "./probe.ts";
import { fails, ok, type Repo } from "./sandbox.ts";
import { longOnAnyBoard, stories } from "./story.ts";

/** The executable as a laptop has it: there is no board in its user's home. */
stories((board, story) => {
  let app: Repo;
  const name = board.isInstalled ? "piku" : user();
  const piku = (...words: string[]) =>
    board.run([board.target.executable, ...words], { cwd: app.folder });

  story("a new directory is on the board after `piku init` and `piku deploy`", () => {
    app = board.repo(undefined, webProbe("laptop.test"));
    const said = ok(piku("-a", "laptop", "init", `ssh://${name}@board`)).output;
    expect(said).toContain(`Remote 'piku' is ${name}@board:laptop.`);
    expect(ok(piku("deploy")).output).toContain("of app 'laptop' is live");
    expect(board.get("/", { host: "laptop.test" }).status).toBe(200);
    const fresh = board.repo(undefined, { "index.html": "a page" });
    const init = board.run([board.target.executable, "-a", "fresh", "init", "board"], {
      cwd: fresh.folder,
    });
    expect(ok(init).output).toContain("Wrote a Procfile with the line `static: /`");
    expect(fs.readFileSync(`${fresh.folder}/Procfile`, "utf8")).toBe("static: /\n");
    expect(fails(piku("init", "elsewhere")).output).toContain("git remote set-url piku");
  });

  story("without a board's name, and where none announces itself, `piku init` asks for it", () => {
    const fresh = board.repo(undefined, { "index.html": "a page" });
    const init = `${board.target.executable} -a asked init`;
    const alone = fails(board.run(["sh", "-c", init], { cwd: fresh.folder }), 2).stderr;
    expect(alone).toContain("no board announces itself on this network");
    expect(alone.trimEnd().split("\n").at(-1)).toBe("Hint: say which: piku init board.local");
    const terminal = (typed: string) =>
      board.run(["script", "-qec", init, "/dev/null"], { cwd: fresh.folder, input: typed });
    expect(fails(terminal("\n"), 2).stdout).toContain("say which: piku init board.local");
    const { stdout } = ok(terminal(`ssh://${name}@board\n`));
    expect(stdout).toContain("No board announces itself on this network.\r\nThe board's name");
    expect(stdout).toContain(`Remote 'piku' is ${name}@board:asked.`);
  });

  story("commands give the same bytes and the same exit status as over plain ssh", () => {
    for (const [words, line] of alike) {
      const [client, plain] = [piku(...words), board.sshRaw(line)].map((ran) => ({
        ...ran,
        // A second may pass between the two.
        stdout: ran.stdout.replace(/up \d+s .* CPU/g, "up CPU"),
      })) as [Ran, Ran];
      expect([words, client.status, client.stdout, client.stderr]).toEqual([
        words,
        plain.status,
        plain.stdout,
        plain.stderr,
      ]);
    }
  });

  story("what is typed arrives: blanks, quotes, dollars", () => {
    const value = `two words, it's "so", $HOME and \\ *`;
    ok(piku("config:set", `A=${value}`));
    expect(ok(piku("config:get", "A")).stdout).toBe(`${value}\n`);
  });

  story("a backup through the client is the same stream", () => {
    const file = path.join(board.folder, "laptop.tar.gz");
    const shell = (line: string) => ok(board.run(["sh", "-c", line], { cwd: app.folder }));
    shell(`'${board.target.executable}' backup laptop >'${file}' && gzip -t '${file}'`);
    shell(`'${board.target.executable}' backup --verify <'${file}'`);
    expect(fs.statSync(file).size).toBeGreaterThan(500);
  });

  story("files go to the app's data and back", () => {
    app.write({ "photo one.jpg": new Uint8Array([0, 255, 13, 10]) });
    ok(piku("upload", "photo one.jpg"));
    fs.renameSync(path.join(app.folder, "photo one.jpg"), path.join(app.folder, "before"));
    ok(piku("download", "photo one.jpg"));
    const bytes = (name: string) => fs.readFileSync(path.join(app.folder, name)).toString("hex");
    expect(bytes("photo one.jpg")).toBe(bytes("before"));
    expect(fails(piku("download", "../../keys"), 2).output).toContain("not a path below");
  });

  story("`piku open` prints the app's address, `piku shell` opens a shell in its directory", () => {
    expect(ok(piku("open")).stdout.trim()).toBe(board.url("laptop.test"));
    const shell = board.run([board.target.executable, "shell"], {
      cwd: app.folder,
      input: "ls app.py\n",
    });
    expect(ok(shell).stdout).toBe("app.py\n");
  });

  story("`piku add-key` lets another key in", () => {
    ok(piku("add-key", path.join(board.folder, "ssh/other.pub"), "ben"));
    expect(ok(board.sshRaw("apps", { host: "other" })).stdout).toContain("laptop");
  });

  story("install.sh --client puts it into the caller's home, without root's rights", () => {
    const home = path.join(board.folder, "laptop");
    fs.mkdirSync(home);
    const dist = path.dirname(board.target.executable);
    const words = ["sh", `${dist}/install.sh`, "--client", "--target", board.target.name];
    const env = { ...board.clientEnv(), HOME: home };
    expect(ok(board.run(words, { env })).output).toContain(`${home}/.local/bin/piku: piku `);
    expect(ok(board.run([`${home}/.local/bin/piku`, "ps"], { cwd: app.folder })).stdout).toContain(
      "web.1",
    );
    expect(fs.readdirSync(`${home}/.local/bin`)).toEqual(["piku"]);
  });

  story("outside of an app's directory it says what to type", () => {
    const outside = board.run([board.target.executable, "logs"], { cwd: "/" });
    expect(fails(outside).output).toContain("piku init BOARD");
  });
}, longOnAnyBoard);
