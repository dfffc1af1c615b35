/**
 * A secret that is set on the server is in the files meant for it and with the app's own processes,
 * and nowhere else.
 */
import { expect } from "bun:test";
import { spawn } from "node:child_process";
import fs from "node:fs";
import { webProbe, wsgiProbe } from "./probe.ts";
import { fails, list, ok, type Ran, read } from "./sandbox.ts";
import { stories, unlessLong } from "./story.ts";

const canary = `canary${Math.random().toString(36).slice(2)}`;
const apps = ["vault", "inner"];

/**
 * Where a secret may be, below piku's root: settings, and what an app's processes are started from.
 */
const meant = (app: string) =>
  new RegExp(
    `^(envs/${app}/(ENV|LIVE_ENV)|releases/${app}/(\\d+\\.(ENV|LIVE_ENV|former)|run-\\d+/[\\w.-]+\\.sh|run-\\d+/[\\w.-]+\\.env/\\w+|run-\\d+/${app}_[\\w.-]+\\.ini)|uwsgi-enabled/${app}_[\\w.-]+\\.ini)$`,
  );

/**
 * Looks at all processes again and again: who has the secret among its words, or in an environment
 * that is not the app's own. The command that is given by ssh comes in an environment: sshd's shell
 * and piku have it until it is read.
 */
const watcher = `import os, sys, time
canary, home, out = sys.argv[1].encode(), sys.argv[2].encode(), sys.argv[3]
seen = set()
def look(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""
print("ready", flush=True)
while True:
    for pid in os.listdir("/proc"):
        if not pid.isdigit() or int(pid) == os.getpid():
            continue
        environ = look(f"/proc/{pid}/environ")
        words = look(f"/proc/{pid}/cmdline")
        program = words.split(b"\\0")[0].split(b"/")[-1]
        if canary in words and not (program in (b"ssh", b"git", b"sh", b"grep") and b"HOME=" + home not in environ.split(b"\\0")):
            seen.add("words: " + words.decode(errors="replace"))
        if canary in environ:
            pairs = environ.split(b"\\0")
            ours = any(pair in (b"APP=vault", b"APP=inner") for pair in pairs)
            asked = [pair for pair in pairs if canary in pair]
            given = all(pair.startswith(b"SSH_ORIGINAL_COMMAND=") for pair in asked)
            reads = program == b"piku" and b"config:set" not in words or b"exec env -u BUN_OPTIONS" in words or program == b"env"
            if not ours and not (given and reads):
                seen.add("environ: " + words.decode(errors="replace"))
    with open(out + ".tmp", "w") as file:
        file.write("\\n".join(sorted(seen)))
    os.rename(out + ".tmp", out)
    time.sleep(0.01)
`;

stories((board, story) => {
  const found = () => `${board.folder}-seen`;

  /** Files of the board that hold the secret and should not, or that others may read. */
  const leaks = (): string[] => {
    const words = ["grep", "-rl", "--exclude=piku", "--exclude-dir=.git", canary, board.folder];
    const files = board.run(words).stdout.split("\n").filter(Boolean);
    const wrong: string[] = [];
    for (const file of files) {
      // What was replaced may leave at this very moment.
      const entry = fs.lstatSync(file, { throwIfNoEntry: false });
      if (!entry) continue;
      const below = file.startsWith(`${board.pikuRoot}/`)
        ? file.slice(board.pikuRoot.length + 1)
        : file;
      if (!apps.some((app) => meant(app).test(below))) wrong.push(below);
      else if ((entry.mode & 0o777) !== 0o600)
        wrong.push(`${below} has mode ${(entry.mode & 0o777).toString(8)}`);
    }
    return wrong;
  };

  /** Objects of git that hold it. */
  const objects = (): string[] =>
    list(`${board.pikuRoot}/repos`)
      .flatMap((app) => [`repos/${app}`, `apps/${app}/.git`, `releases/${app}/tree/.git`])
      .filter((git) => fs.existsSync(`${board.pikuRoot}/${git}`))
      .filter((git) => {
        const words = [
          "git",
          "--git-dir",
          `${board.pikuRoot}/${git}`,
          "cat-file",
          "--batch-all-objects",
          "--batch",
        ];
        return ok(board.run(words)).stdout.includes(canary);
      });

  const told: string[] = [];
  /** A command that should not say the secret; afterwards it is nowhere that it should not be. */
  const quiet = (ran: Ran): Ran => {
    told.push(ran.command.replace(canary, "SECRET"));
    expect([ran.command, ran.output.includes(canary)]).toEqual([ran.command, false]);
    expect([ran.command, leaks()]).toEqual([ran.command, []]);
    return ran;
  };

  story("a secret is nowhere but where it is meant to be, after every command", async () => {
    const watch = spawn("python3", ["-c", watcher, canary, board.home, found()], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await new Promise((resolve) => watch.stdout.once("data", resolve));
    try {
      const vault = board.repo(undefined, {
        ...webProbe("vault.test"),
        Procfile:
          "preflight: true\nrelease: true\nweb: exec python3 app.py\ncron: * * * * * true\n",
        "nginx.conf": "location = /x { return 200 $APP; }\n",
        ENV: "NGINX_SERVER_NAME=vault.test\nNGINX_INCLUDE_FILE=nginx.conf\n",
      });
      const inner = board.repo(undefined, wsgiProbe("inner.test"));
      const other = board.repo(undefined, webProbe("other.test"));
      const tools = { cwd: vault.folder };
      const expected = `${canary} it's`;
      quiet(ok(board.ssh("config:set", "vault", `SECRET=${expected}`)));
      for (const [app, name] of [
        [vault, "vault"],
        [inner, "inner"],
        [other, "other"],
      ] as const)
        quiet(ok(board.push(app, name)));
      expect(board.get("/env/SECRET", { host: "vault.test" }).body).toBe(expected);
      // One that uWSGI's envdir cannot carry stands in the vassal itself.
      quiet(ok(board.ssh("config:set", "inner", `SECRET=${canary}`, `TRAILING=${canary} `)));
      expect(board.get("/env/TRAILING", { host: "inner.test" }).body).toBe(`${canary} `);
      quiet(ok(board.ssh("config:set", "vault", "A=1", `B=${canary}`)));
      quiet(ok(board.ssh("config:unset", "vault", "A")));
      // It goes by names.
      expect(ok(board.ssh("config", "vault", "--all")).stdout).not.toContain(`SECRET=${canary}`);
      quiet(ok(board.sshRaw("config:import vault", { input: `C='${canary}'\n` })));
      quiet(ok(board.ssh("config:set", "--no-restart", "vault", `D=${canary}`)));
      // Those that are asked for it.
      for (const words of [
        ["config", "vault"],
        ["config", "vault", "--all", "--reveal"],
        ["config:export", "vault"],
        ["config:get", "vault", "SECRET"],
        ["config:live", "vault"],
        ["export", "vault", "--kubernetes", "vault:1"],
        ["run", "vault", "--", "env"],
      ]) {
        const ran = ok(board.ssh(...words));
        expect(ran.stdout).toContain(canary);
        told.push(ran.command);
      }
      expect(leaks()).toEqual([]);
      // Deploys that fail, each at another step.
      quiet(fails(board.ssh("config:set", "vault", "PORT=eighty", `B=${canary}2`), 1));
      quiet(
        fails(board.ssh("config:set", "vault", "NGINX_IPV4_ADDRESS=999.1.1.1", `B=${canary}3`), 1),
      );
      quiet(fails(board.ssh("config:set", "vault", `B=${canary}\r4`), 1));
      vault.commit("Broken", { Procfile: "release: false\nweb: exec python3 app.py\n" });
      quiet(fails(board.push(vault, "vault"), 1));
      vault.commit("Broken at its start", { Procfile: "web: exit 1\n" });
      quiet(fails(board.push(vault, "vault"), 1));
      vault.commit("Mended", { Procfile: "web: exec python3 app.py\n" });
      quiet(ok(board.push(vault, "vault")));
      // Everything else.
      quiet(ok(board.sshRaw("keys:add anna", { input: read(`${board.folder}/ssh/other.pub`) })));
      for (const words of [
        ["apps"],
        ["branches", "vault"],
        ["ps", "vault"],
        ["ps:scale", "vault", "web=1"],
        ["restart", "vault"],
        ["ps:restart", "vault", "web"],
        ["maintenance:on", "vault"],
        ["maintenance:off", "vault"],
        ["keys"],
        ["keys:remove", "anna"],
        ["completion"],
        ["doctor"],
        ["deploy", "vault"],
        ["releases", "vault"],
        ["releases", "vault", "--json"],
        ["rollback", "vault"],
        ["releases:output", "vault", "2"],
        ["stop", "inner"],
        ["restart", "inner"],
        ["help"],
        ["help", "config:set"],
        ["setup"],
        ["recover"],
        ["daily"],
        ["retire", "vault"],
      ])
        quiet(ok(board.ssh(...words)));
      quiet(fails(board.ssh("deploy:cancel", "vault"), 1));
      quiet(fails(board.ssh("update", "--from", `${board.folder}/none`)));
      quiet(board.sshRaw("setup:ssh -", { input: read(`${board.folder}/ssh/other.pub`) }));
      quiet(board.run(["timeout", "2", "ssh", "board", "logs", "vault"]));
      quiet(ok(board.run(["git", "fetch", "board:vault", "main"], tools)));
      quiet(board.sshRaw("git-hook vault"));
      const archive = { cwd: board.folder };
      for (const protocol of [["-O"], []]) {
        const words = [
          "-F",
          `${board.folder}/ssh/config`,
          "board:.piku/apps/vault/app.py",
          "fetched.py",
        ];
        quiet(ok(board.run(["scp", "-q", ...protocol, ...words], archive)));
      }
      quiet(
        ok(board.run(["sh", "-c", "umask 077; ssh board backup vault >vault.tar.gz"], archive)),
      );
      quiet(ok(board.run(["sh", "-c", "ssh board restore vault --force <vault.tar.gz"], archive)));
      // An image gets its settings where it runs.
      quiet(ok(board.run(["sh", "-c", "umask 077; ssh board export vault >image.tar"], archive)));
      quiet(ok(board.ssh("destroy", "other")));
      // Other apps are not given it, whoever asks them.
      expect(board.get("/names", { host: "inner.test" }).body.split("\n")).toContain("SECRET");
      for (const url of ["/", "/x", "/names"])
        expect(board.get(url, { host: "vault.test" }).body).not.toContain(canary);
      const commands = ok(board.ssh("help", "--all"))
        .stdout.split("\n")
        .flatMap((line) => /^ {2}([a-z][a-z:-]*) {2,}/.exec(line)?.[1] ?? []);
      const said = (command: string) => told.some((one) => ` ${one} `.includes(` ${command} `));
      const by: Record<string, boolean> = {
        "git-receive-pack": said("push"),
        "git-upload-pack": said("fetch"),
        sftp: said("scp"),
      };
      expect(commands.length).toBeGreaterThan(25);
      expect(commands.filter((command) => !(by[command] ?? said(command)))).toEqual([]);
      expect(read(found())).toBe("");
      expect(objects()).toEqual([]);
      // With the app everything goes, once nothing is kept to undo that.
      for (const app of apps) ok(board.ssh("destroy", app));
      for (const app of apps) ok(board.ssh("destroy", "--purge", app));
      Bun.sleepSync(500);
      const left: string[] = [];
      for (const folder of [
        "envs",
        "releases",
        "destroyed",
        "uwsgi-enabled",
        "nginx",
        "logs",
        "repos",
        "apps",
        "locks",
        "sockets",
      ]) {
        const { stdout } = board.run(["grep", "-rl", canary, `${board.pikuRoot}/${folder}`]);
        left.push(...stdout.split("\n").filter(Boolean));
      }
      expect(left).toEqual([]);
    } finally {
      const gone = new Promise((resolve) => watch.once("exit", resolve));
      watch.kill("SIGKILL");
      await gone;
      for (const file of [found(), `${found()}.tmp`]) fs.rmSync(file, { force: true });
    }
  });
}, unlessLong);
