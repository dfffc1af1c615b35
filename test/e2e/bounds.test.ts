/**
 * Whatever is read, there may be far too much of it: each reader gets that with little memory, and
 * must be quick.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { build } from "../../build.ts";
import { targets } from "./sandbox.ts";
import { skipped } from "./story.ts";

const megabyte = 1024 * 1024;
const gigabyte = 1024 * megabyte;
// Of address space, on QuickJS. Bun reserves gigabytes of that, and collects late: there it is what
// is resident beyond what `--version` takes.
const cap = 64 * megabyte;
const residentOnBun = 128 * megabyte;
const patience = 20_000;
// Of the child alone: what a process that we start ourselves is said to have had includes our own
// memory.
const measuring = `
import resource, subprocess, sys
status = subprocess.run(sys.argv[2:]).returncode
open(sys.argv[1], "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(status)
`;

const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJsTV3a1tqcQ4jP1u5O4nR9yB8C6tT1u2yq3VfVn0Yk5";

for (const { name, executable } of targets)
  describe(name, () => {
    const home = fs.mkdtempSync(
      path.join(fs.existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "piku-bounds-"),
    );
    const root = `${home}/.piku`;
    const isLite = name.endsWith("-lite");
    let usual = 0;

    const put = (file: string, text = "") => {
      fs.mkdirSync(path.dirname(`${home}/${file}`), { recursive: true });
      fs.writeFileSync(`${home}/${file}`, text);
      return `${home}/${file}`;
    };
    /** A file of 1 GB, most of it a hole; with this at its end. */
    const large = (file: string, end = "") => {
      const descriptor = fs.openSync(put(file), "w");
      fs.ftruncateSync(descriptor, gigabyte);
      fs.writeSync(descriptor, end, gigabyte - end.length);
      fs.closeSync(descriptor);
      return `${home}/${file}`;
    };

    /** Runs piku under the cap; its output, of which there may be much, is cut. */
    const run = (
      words: string[],
      stdin: string = "/dev/null",
      env: Record<string, string> = {},
    ) => {
      const capped = isLite
        ? ["prlimit", `--as=${cap}`]
        : ["python3", "-c", measuring, `${home}/memory`];
      const [input, output] = [fs.openSync(stdin, "r"), fs.openSync(`${home}/output`, "w")];
      const start = performance.now();
      const ran = Bun.spawnSync([...capped, executable, ...words], {
        env: {
          PATH: process.env.PATH!,
          HOME: home,
          USER: "piku",
          PWD: home,
          PIKU_ROOT: root,
          ...env,
        },
        stdin: input,
        stdout: output,
        stderr: "pipe",
        timeout: patience,
      });
      const took = performance.now() - start;
      const head = Buffer.alloc(megabyte);
      const length = fs.readSync(fs.openSync(`${home}/output`, "r"), head, 0, megabyte, 0);
      const size = fs.statSync(`${home}/output`).size;
      fs.closeSync(input);
      fs.closeSync(output);
      const told = {
        status: ran.exitCode,
        stdout: head.toString("utf8", 0, length),
        stderr: ran.stderr.toString(),
      };
      expect(told.stderr).not.toContain("fault of piku's own");
      expect(took).toBeLessThan(patience);
      const memory = isLite ? 0 : 1024 * Number(fs.readFileSync(`${home}/memory`, "utf8"));
      if (usual > 0) expect((memory - usual) / megabyte).toBeLessThan(residentOnBun / megabyte);
      return { ...told, size, memory };
    };
    const refused = (ran: ReturnType<typeof run>, sentence: string) => {
      expect(ran.stderr).toContain(sentence);
      expect(ran.status).toBe(1);
    };

    beforeAll(() => {
      usual = run(["--version"]).memory;
      for (const folder of [
        "apps/blog",
        "repos",
        "envs/blog",
        "data",
        "logs/blog",
        "releases/blog",
        "plugins",
        "nginx",
      ])
        fs.mkdirSync(`${root}/${folder}`, { recursive: true });
    });
    afterAll(() => fs.rmSync(home, { recursive: true }));

    test("1 GB on stdin is refused by every command that reads it", () => {
      const file = large("stdin");
      refused(run(["config:import", "blog"], file), "what comes on stdin is larger than 1 MB");
      refused(run(["keys:add", "anna"], file), "what comes on stdin is larger than 64 KB");
      refused(run(["setup:ssh", "-"], file), "what comes on stdin is larger than 64 KB");
      refused(run(["setup:ssh", file], file), `the file '${file}' is larger than 64 KB`);
      refused(run(["git-hook", "blog"], file), "what comes on stdin is larger than 2 MB");
      expect(run(["restore"], file).stderr).toContain("this is not a piku backup");
      expect(run(["backup", "--verify", file]).stderr).toContain("this is not a piku backup");
      fs.rmSync(file);
    });

    test("a file of 1 GB in the place of a small one is named", () => {
      for (const [file, ...commands] of [
        [".piku/envs/blog/ENV", "config blog", "config:get blog A", "config:export blog"],
        [".piku/envs/blog/LIVE_ENV", "config:live blog", "config blog --all"],
        [".piku/envs/blog/SCALING", "ps blog"],
        [".piku/ENV", "config:set --global A=1"],
        [".ssh/authorized_keys", "keys", "keys:remove anna"],
        [".piku/releases/blog/live", "releases blog"],
      ] as const) {
        large(file);
        for (const command of commands)
          refused(run(command.split(" ")), `the file '${home}/${file}' is larger than`);
        fs.rmSync(`${home}/${file}`);
      }
    });

    test("a file of 4 MB that is all lines is not taken apart", () => {
      const sentence = "has more than 20000 lines";
      for (const [file, line, ...commands] of [
        [
          ".piku/envs/blog/ENV",
          "A=\n",
          "config:export blog",
          "config:get blog A",
          "config:unset blog A",
        ],
        [".piku/envs/blog/SCALING", "a:1\n", "ps blog"],
        [".piku/ENV", "A=\n", "config:set --global B=1"],
        [".ssh/authorized_keys", "a\n", "keys", "keys:remove anna", "setup"],
      ] as const) {
        put(file, line.repeat((4 * megabyte) / line.length));
        for (const command of commands) refused(run(command.split(" ")), sentence);
        put(file, "x".repeat(4 * megabyte));
        for (const command of commands) run(command.split(" "));
        fs.rmSync(`${home}/${file}`);
      }
      for (const [command, most] of [
        ["config:import blog", 2_000_000],
        ["keys:add anna", 64 * 1024],
        ["setup:ssh -", 64 * 1024],
      ] as const)
        for (const text of ["\n", "A=1 ", "A", "=", "'", "\\", "# "])
          run(command.split(" "), put("stdin", text.repeat(most / text.length)));
    });

    test("1 GB of log and of transcript are shown, and their ends are found", () => {
      large(".piku/logs/blog/web.1.log", "\nthe last line\n");
      large(".piku/releases/blog/1.log", "\nthe last word\n");
      for (const words of [["--lines", "2"], ["--since", "1h"], []])
        expect(run(["logs", "blog", "--no-follow", ...words]).stdout).toEndWith(
          "web.1 | the last line\n",
        );
      expect(run(["logs", "blog", "--no-follow", "--deploys"]).stdout).toContain(
        "deploy.1 | the last word\n",
      );
      expect(run(["releases:output", "blog", "1"]).size).toBe(gigabyte);
      fs.rmSync(`${root}/logs/blog/web.1.log`);
      fs.rmSync(`${root}/releases/blog/1.log`);
    });

    test("a log of two million lines is not taken apart", () => {
      put(".piku/logs/blog/web.1.log", "a\n".repeat(2 * megabyte));
      expect(run(["logs", "blog", "--no-follow"]).stdout).toBe("web.1 | a\n".repeat(20));
      expect(run(["logs", "blog", "--no-follow", "--lines", "100000"]).size).toBe(
        50_000 * "web.1 | a\n".length,
      );
      fs.rmSync(`${root}/logs/blog/web.1.log`);
    });

    test("50,000 files in a folder of logs, all of them logs or all of them of one log", () => {
      const many = (nameOf: (i: number) => string) => {
        for (let i = 0; i < 50_000; i++)
          fs.writeFileSync(`${root}/logs/blog/${nameOf(i)}`, "a line\n");
      };
      many((i) => `web${i}.1.log`);
      expect(run(["logs", "blog", "--no-follow"]).stdout.match(/ \| a line\n/g)?.length).toBe(200);
      fs.rmSync(`${root}/logs/blog`, { recursive: true });
      fs.mkdirSync(`${root}/logs/blog`);
      many((i) => (i === 0 ? "web.1.log" : `web.1.log.before-${i}`));
      expect(run(["logs", "blog", "--no-follow"]).stdout).toBe("web.1 | a line\n".repeat(20));
      fs.rmSync(`${root}/logs/blog`, { recursive: true });
      fs.mkdirSync(`${root}/logs/blog`);
    });

    test("as many settings as may come are set within seconds, and more than may be kept are refused", () => {
      const settings = Array.from(
        { length: 4000 },
        (_, i) => `KEY_${i}='${"v".repeat(200)}' # a comment\n`,
      ).join("");
      expect(run(["config:import", "shop"], put("settings", settings)).status).toBe(0);
      expect(fs.readFileSync(`${root}/envs/shop/ENV`, "utf8").split("\n").length).toBe(4001);
      const more = Array.from({ length: 12 }, (_, i) => `MORE_${i}='${"v".repeat(99_000)}'\n`).join(
        "",
      );
      refused(
        run(["config:import", "other"], put("settings", more)),
        "the settings together are larger than 1 MB",
      );
      const tiny = Array.from(
        { length: 19_000 },
        (_, i) => `${i.toString(36).replace(/^\d/, "A$&")}=\n`,
      ).join("");
      refused(
        run(["config:import", "other"], put("settings", tiny)),
        "there are more than 5000 settings",
      );
      expect(fs.existsSync(`${root}/envs/other/ENV`)).toBe(false);
    });

    test("2,000 keys are listed by one call, and a line of a megabyte holds nobody up", () => {
      const lines = Array.from({ length: 2000 }, (_, i) => `${key} me ${i}\n`);
      put(".ssh/authorized_keys", lines.join(""));
      expect(run(["keys"]).stdout.trim().split("\n").length).toBe(2000);
      const strange = [
        `${key} x${" ".repeat(megabyte)}y\n`,
        `${"o".repeat(megabyte)} ${key} z\n`,
        `${'a="" ,'.repeat(100_000)}\n`,
        `command="${"FINGERPRINT=".repeat(50_000)}" ${key} z\n`,
      ];
      put(".ssh/authorized_keys", strange.join(""));
      expect(run(["keys"]).stdout.trim().split("\n").length).toBe(3);
      fs.rmSync(`${home}/.ssh`, { recursive: true });
    });

    test("a word of 100 KB is a usage error, as a command and as an argument", () => {
      const word = "a".repeat(100_000);
      for (const line of [
        word,
        `config ${word}`,
        `help ${word}`,
        `a:${word}`,
        `ps:restart blog ${word}`,
      ]) {
        const { status, stderr } = run([], "/dev/null", { SSH_ORIGINAL_COMMAND: line });
        expect(stderr).not.toContain("ENAMETOOLONG");
        expect([1, 2]).toContain(status!);
      }
      expect(run([], "/dev/null", { SSH_ORIGINAL_COMMAND: word })).toMatchObject({ status: 2 });
    });

    const isAlone = spawnSync("unshare", ["-rn", "true"]).status === 0;
    if (!isAlone) skipped("30,000 sockets", "no network namespace can be made here");
    else
      test("30,000 sockets in TIME_WAIT cost a look no memory", async () => {
        const program = `${home}/sockets`;
        const source = path.join(import.meta.dir, "sockets.ts");
        await build(name.replace(/^piku-/, ""), source, program);
        const argv = isLite ? ["prlimit", `--as=${cap}`, program] : [program];
        const script = path.join(import.meta.dir, "sockets.py");
        const ran = spawnSync("unshare", ["-rn", "python3", script, "30000", ...argv], {
          encoding: "utf8",
        });
        expect(ran.stderr).toBe("");
        const [before, after] = ran.stdout
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line));
        expect(before.looks).toEqual({
          listening: true,
          connected: true,
          elsewhere: false,
          unix: false,
        });
        expect(after.looks).toEqual(before.looks);
        expect(after.sockets).toBeGreaterThan(29_000);
        expect(after.kilobytes - before.kilobytes).toBeLessThan(isLite ? 1024 : 32 * 1024);
        // The kernel alone takes 40 ms to write the table.
        expect(after.milliseconds.listening).toBeLessThan(100);
        expect(after.milliseconds.elsewhere).toBeLessThan(2000);
      }, 60_000);
  });
