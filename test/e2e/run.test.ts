import { expect } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { type Board, eventually, fails, ok } from "./sandbox.ts";
import { anyBoard, stories } from "./story.ts";
import { commandOf } from "./watch.ts";

/** `ssh -tt board LINE`, with these keys typed once it has printed `ready`. */
function typing(
  board: Board,
  line: string,
  keys: string,
): Promise<{ status: number | null; said: string }> {
  const client = spawn("ssh", ["-tt", "board", line], {
    env: board.clientEnv(),
    stdio: ["pipe", "pipe", "inherit"],
  });
  let said = "";
  let typed = false;
  client.stdout.on("data", (data) => {
    said += data;
    if (typed || !said.includes("ready")) return;
    typed = true;
    client.stdin.write(keys);
  });
  return new Promise((resolve) => client.once("close", (status) => resolve({ status, said })));
}

const sleeping = (board: Board, seconds: number) =>
  board.processes().filter((pid) => commandOf(pid) === `sleep ${seconds}`);

stories((board, story) => {
  story("run hands bytes on as they are, in both directions", () => {
    const app = board.repo(undefined, {
      Procfile: "worker: exec sleep 1000\n",
      "show.sh": 'printf "<%s>" "$@"\n',
    });
    ok(board.push(app, "runs"));
    const bytes = randomBytes(3 << 20);
    const ran = spawnSync("ssh", ["board", "run runs -- tee copy"], {
      env: board.clientEnv(),
      input: bytes,
      maxBuffer: 8 << 20,
    });
    expect(ran.status).toBe(0);
    expect(ran.stdout.equals(bytes)).toBe(true);
    const sum = createHash("sha256").update(bytes).digest("hex");
    expect(ok(board.ssh("run", "runs", "--", "sha256sum", "copy")).stdout).toBe(`${sum}  copy\n`);
    // Apart, nothing added, and no more than one line's end at the end.
    expect(board.sshRaw("run runs -- sh -c 'printf out; printf err >&2'")).toMatchObject({
      stdout: "out",
      stderr: "err",
    });
  });

  story("run: the command's exit status, also when a signal ends it", () => {
    for (const [line, status] of [
      ["true", 0],
      ["exit 3", 3],
      ["exit 255", 255],
      ["kill -TERM $$", 143],
      ["kill -KILL $$", 137],
      ["sh -c 'kill -SEGV $$'", 139],
      ["no-such-command", 127],
      ["./show.sh", 126],
    ] as const)
      expect([line, board.sshRaw(`run runs -- ${line}`).status]).toEqual([line, status]);
    expect(board.sshRaw("run runs -- yes | head -c 4").stdout).toBe("y\ny\n");
    fails(board.sshRaw("run nope -- true"), 1);
    fails(board.sshRaw("run runs --"), 2);
  });

  story("run: flags and quotes of the command are the command's own", () => {
    for (const [line, said] of [
      ["sh show.sh --help -n --json --no-follow", "<--help><-n><--json><--no-follow>"],
      ["-- sh show.sh -- --version", "<--><--version>"],
      [`-- sh show.sh 'a  b' "it's" '*' \\$HOME`, "<a  b><it's><*><$HOME>"],
      ["-- sh show.sh a -- b", "<a><--><b>"],
    ])
      expect(ok(board.sshRaw(`run runs ${line}`)).stdout).toBe(said!);
    expect(ok(board.piku("run", "runs", "--", "ls", "-d", "--", ".")).stdout).toBe(".\n");
  });

  story("run: the settings that are live, and not what is of the one who calls", () => {
    ok(board.ssh("config:set", "runs", "COLOUR=dark  blue", "SIGNS=$5 % 'quoted' \"twice\""));
    expect(ok(board.ssh("run", "runs", "--", "printenv", "COLOUR", "SIGNS", "APP")).stdout).toBe(
      `dark  blue\n$5 % 'quoted' "twice"\nruns\n`,
    );
    const { stdout } = ok(board.ssh("run", "runs", "--", "env"));
    expect(stdout).toContain(`\nDATA_ROOT=${board.inside(board.pikuRoot)}/data/runs\n`);
    expect(stdout).not.toMatch(/^(FINGERPRINT|SSH_ORIGINAL_COMMAND|BUN_)/m);
  });

  story(
    "run on a terminal: the command has it, ^C ends the command, and hanging up ends it too",
    async () => {
      const terminal = ok(
        board.run(["ssh", "-tt", "board", "run runs -- tty; test -t 0 && test -t 1 && test -t 2"]),
      );
      expect(terminal.stdout).toMatch(/^\/dev\/pts\/\d+\r\n$/);
      expect(board.sshRaw("run runs -- tty").stdout).toBe("not a tty\n");
      expect((await typing(board, "run runs -- echo ready; exec sleep 4321", "\x03")).status).toBe(
        130,
      );
      // What takes ^C for itself goes on, and its own status counts.
      const trap = `run runs -- trap "echo caught; exit 7" INT; echo ready; while :; do sleep 0.1; done`;
      const { status, said } = await typing(board, trap, "\x03");
      expect([status, said.includes("caught")]).toEqual([7, true]);
      const lines = await typing(
        board,
        "run runs -- echo ready; read line; echo got $line",
        "a word\r",
      );
      expect(lines.said).toContain("got a word\r\n");
      const client = spawn("ssh", ["-tt", "board", "run runs -- sleep 5432"], {
        env: board.clientEnv(),
        stdio: ["pipe", "pipe", "pipe"],
      });
      for (let i = 0; i < 100 && sleeping(board, 5432).length === 0; i++) await Bun.sleep(50);
      expect(sleeping(board, 5432).length).toBeGreaterThan(0);
      client.kill("SIGKILL");
      await new Promise((resolve) => client.once("close", resolve));
      eventually(() => expect(sleeping(board, 5432)).toEqual([]));
    },
  );
}, anyBoard);
