import { expect } from "bun:test";
import { spawn } from "node:child_process";
import fs from "node:fs";
import { webProbe, wsgiProbe } from "./probe.ts";
import { type Board, eventually, fails, kill, list, ok, quote, read } from "./sandbox.ts";
import { longOnAnyBoard, stories } from "./story.ts";

/** `logs WORDS`, followed: what it has printed so far; `end` hangs up and waits. */
function following(board: Board, ...words: string[]) {
  const client = spawn("ssh", ["board", ["logs", ...words].map(quote).join(" ")], {
    env: board.clientEnv(),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  client.stdout.on("data", (data) => (said += data));
  const until = async (done: (said: string) => boolean, seconds = 15) => {
    for (let i = 0; i < seconds * 20 && !done(said); i++) await Bun.sleep(50);
    return said;
  };
  return { until, end: () => client.kill() };
}

stories((board, story) => {
  const shown = (...words: string[]) =>
    ok(board.ssh("logs", ...words, "--no-follow"))
      .stdout.split("\n")
      .slice(0, -1);

  // One says its odd lines in pieces and two at once, the other the even ones in between.
  const speaker = `import os, sys, time
odd = os.environ["PROC_TYPE"] == "odd"
time.sleep(-time.time() % 2 + (0.2 if odd else 1.2))
for n in range(1 if odd else 2, 7, 2):
    if n == 3:
        sys.stdout.write("line "); sys.stdout.flush(); time.sleep(0.1)
        sys.stdout.write("3\\n")
    elif n == 5:
        os.write(1, "line 5\\n\\tin two, with \\u00fc\\n".encode())
    else:
        print("line", n)
    sys.stdout.flush()
    time.sleep(2)
time.sleep(1000)
`;

  story("the lines of several processes in the order of their times, as the app said them", () => {
    ok(
      board.push(
        board.repo(undefined, {
          Procfile: "odd: python3 speaker.py\neven: python3 speaker.py\n",
          "speaker.py": speaker,
        }),
        "speaks",
      ),
    );
    const lines = [
      "odd.1  | line 1",
      "even.1 | line 2",
      "odd.1  | line 3",
      "even.1 | line 4",
      "odd.1  | line 5",
      "odd.1  | \tin two, with ü",
      "even.1 | line 6",
    ];
    eventually(() => expect(shown("speaks", "-n", "7")).toEqual(lines), 20);
    for (const words of [["--lines=2"], ["-n2"], ["--tail", "2"], ["--tail=2"]])
      expect(shown("speaks", ...words)).toEqual(lines.slice(-2));
    expect(shown("speaks", "even", "-n", "2")).toEqual([lines[3]!, lines[6]!]);
    expect(shown("speaks", "odd.1", "-n", "1")).toEqual(["odd.1 | \tin two, with ü"]);
    expect(shown("speaks", "-n", "0")).toEqual([]);
    // What uWSGI said before pushed it out of sight.
    expect(shown("speaks", "odd")).toEqual(
      lines.filter((line) => line.startsWith("odd")).map((line) => line.replace("1  |", "1 |")),
    );
    const timed = shown("speaks", "-n", "1", "-t")[0]!;
    expect(timed).toEndWith(` ${lines.at(-1)}`);
    expect(Math.abs(Date.now() - Date.parse(timed.split(" ")[0]!))).toBeLessThan(20_000);
    expect(
      shown("speaks", "--since", "1h").filter((line) => line.includes("| line ")),
    ).toHaveLength(6);
    Bun.sleepSync(1100);
    expect(shown("speaks", "--since", "1s")).toEqual([]);
    const terminal = ok(board.run(["ssh", "-tt", "board", "logs speaks -n 1 --no-follow"])).stdout;
    expect(terminal).toBe("\u001b[36meven.1\u001b[0m | line 6\r\n");
  });

  story("what was said before the last deploy is still there, and what a deploy said", () => {
    const app = board.repo(undefined, webProbe("kept.test"));
    ok(board.push(app, "kept"));
    ok(board.ssh("restart", "kept"));
    const listens = (lines: string[]) => lines.filter((line) => line.endsWith("probe one listens"));
    eventually(() => expect(listens(shown("kept", "-n", "1000"))).toHaveLength(2));
    app.commit("Broken", { "app.py": "import no_such_module\n" });
    const { output } = fails(board.push(app, "kept"), 1);
    expect(output).toContain("web.1 | ModuleNotFoundError: No module named 'no_such_module'");
    expect(output).not.toContain("\x1e");
    const told = shown("kept", "--deploys", "-n", "1000");
    expect(told).toContain("deploy.1 | -----> Release 1 of app 'kept' is live.");
    expect(told.join("\n")).toContain(
      "deploy.3 | -----> Nothing has changed: visitors still see release 2 (",
    );
    expect(shown("kept", "-n", "1000").some((line) => line.startsWith("deploy"))).toBe(false);
  });

  /** A line of this source about our request. */
  const byUs = (source: string) =>
    new RegExp(`^${source} +\\| ${board.clientAddress} .*"GET /names HTTP`);

  story("the lines of an app inside uWSGI, with the requests that it answers", () => {
    const { "app.py": source, ...files } = wsgiProbe("inside.test");
    const app = `${source}`.replace(
      "def app(environ",
      'print("it is", "loaded")\n\n\ndef app(environ',
    );
    ok(board.push(board.repo(undefined, { ...files, "app.py": app }), "inside"));
    board.get("/names", { host: "inside.test" });
    eventually(() => {
      const lines = shown("inside", "-n", "200");
      expect(lines).toContain("wsgi.1 | it is loaded");
      expect(lines.some((line) => byUs("wsgi.1").test(line))).toBe(true);
    });
  });

  story("with NGINX_LOG what nginx writes about an app is told apart, and stays small", () => {
    const app = board.repo(undefined, webProbe("front.test"));
    ok(board.push(app, "front"));
    expect(fails(board.ssh("logs", "front", "--nginx"), 1).stderr).toContain(
      "config:set front NGINX_LOG=true",
    );
    ok(board.ssh("config:set", "front", "NGINX_LOG=true"));
    board.get("/names", { host: "front.test" });
    board.get("/names", { host: "kept.test" });
    // It ends, and cannot start again.
    const source = `${board.pikuRoot}/apps/front/app.py`;
    fs.renameSync(source, `${source}.away`);
    kill(board.pidOf(Number(board.get("/pid", { host: "front.test" }).body)), "SIGKILL");
    eventually(() => expect(board.get("/long", { host: "front.test" }).status).toBe(502));
    const lines = shown("front", "--nginx", "--since", "1h");
    const at = (pattern: RegExp) => lines.findIndex((line) => pattern.test(line));
    expect(at(/^web\.1 +\| probe one listens/)).toBeGreaterThan(-1);
    expect(at(byUs("nginx.access"))).toBeGreaterThan(at(/^web\.1 +\| probe one listens/));
    expect(at(/^nginx\.error +\| .*refused.* request: "GET \/long /)).toBeGreaterThan(
      at(/^nginx.*"GET \/names/),
    );
    expect(lines.filter((line) => /^nginx.*GET \/names/.test(line))).toHaveLength(1);
    expect(shown("front", "--since", "1h").some((line) => line.startsWith("nginx"))).toBe(false);
    const log = `${board.pikuRoot}/logs/front/nginx.access.log`;
    fs.appendFileSync(log, `${"x".repeat(1 << 20)}\n`);
    ok(board.piku("daily", "--if-time"));
    board.get("/late", { host: "front.test" });
    // nginx notes a request when it has answered it.
    eventually(() => expect(read(log)).toMatch(/^[\d.]+ [^\n]*"GET \/late HTTP[^\n]*\n$/));
    expect(fs.statSync(`${log}.old`).size).toBeGreaterThan(1 << 20);
    expect(shown("front", "--nginx", "-n", "9").some((line) => line.includes("GET /late"))).toBe(
      true,
    );
    fs.renameSync(`${source}.away`, source);
    ok(board.ssh("restart", "front"));
    fs.appendFileSync(log, `${"x".repeat(1 << 20)}\n`);
    ok(board.piku("daily"));
    board.get("/names", { host: "front.test" });
    expect(fs.statSync(log).size).toBeLessThan(1000);
    ok(board.ssh("config:set", "front", "NGINX_LOG=false"));
    expect(read(`${board.pikuRoot}/nginx/front.conf`)).not.toContain("_log");
  });

  story(
    "following from now on does not begin with what is old: -n 0, and --since with nothing new",
    async () => {
      for (const words of [
        ["-n", "0"],
        ["--since", "1s"],
      ]) {
        fs.utimesSync(`${board.pikuRoot}/logs/kept/web.1.log`, 1, 1);
        const { until, end } = following(board, "kept", ...words);
        await Bun.sleep(2000);
        fs.appendFileSync(`${board.pikuRoot}/logs/kept/web.1.log`, "news\n");
        expect(await until((said) => said.includes("news"))).toBe("web.1 | news\n");
        end();
      }
    },
  );

  story(
    "following loses nothing when a log is rotated, sees a process that comes later, and ends with its client",
    async () => {
      const counter = `import time
for n in range(100000):
    print("number", n, "and some words that fill the line up", flush=True)
    time.sleep(0.02)
`;
      const files = {
        Procfile: "worker: python3 counter.py\n",
        "counter.py": counter,
        ENV: "UWSGI_LOG_MAXSIZE=3000\n",
      };
      ok(board.push(board.repo(undefined, files), "turns"));
      const old = `${board.pikuRoot}/logs/turns/worker.1.log.old`;
      const { until, end } = following(board, "turns", "-n", "1");
      await until(() => fs.existsSync(old));
      const first = fs.statSync(old).ino;
      await until((said) => fs.statSync(old).ino !== first && said.split("\n").length > 120);
      ok(board.ssh("ps:scale", "turns", "worker=2"));
      const said = await until((said) => said.includes("worker.2 | number 5 "));
      end();
      // Until the worker was replaced by ps:scale.
      const numbers = [...said.matchAll(/^worker\.1 \| number (\d+) /gm)].map(([, n]) => Number(n));
      const upTo = numbers.findIndex((n, i) => i > 0 && n < numbers[i - 1]!);
      const run = numbers.slice(0, upTo < 0 ? undefined : upTo);
      expect(run.length).toBeGreaterThan(100);
      expect(run).toEqual(run.map((_, i) => run[0]! + i));
      expect(said).toContain("worker.2 | number 5 ");
      expect(fs.statSync(old).size).toBeLessThan(20_000);
      ok(board.ssh("destroy", "turns"));
    },
  );

  story("words that are none end with 2, and no app's logs are shown for another's", () => {
    for (const words of [
      ["speaks", "-n", "many"],
      ["speaks", "--since", "noon"],
      ["speaks", "../x"],
      ["speaks", "--folow"],
    ])
      fails(board.ssh("logs", ...words), 2);
    fails(board.ssh("logs", "spea", "--no-follow"), 1);
    fails(board.ssh("logs", "speaks", "nothing", "--no-follow"), 1);
  });

  story(
    "logs that nothing writes into any more go, the oldest first, beyond 200 MB on the whole board",
    () => {
      const folder = `${board.pikuRoot}/logs/speaks`;
      const spare = (name: string, megabytes: number, age: number) => {
        fs.writeFileSync(`${folder}/${name}`, "");
        fs.truncateSync(`${folder}/${name}`, megabytes << 20);
        fs.utimesSync(`${folder}/${name}`, Date.now() / 1000 - age, Date.now() / 1000 - age);
      };
      spare("gone.1.log", 120, 300);
      spare("odd.1.log.old", 70, 200);
      spare("odd.1.log.before-1", 60, 100);
      ok(board.piku("daily"));
      expect(list(folder)).toEqual([
        "even.1.log",
        "odd.1.log",
        "odd.1.log.before-1",
        "odd.1.log.old",
      ]);
      expect(read(`${folder}/odd.1.log`)).toContain("line 5");
    },
  );
}, longOnAnyBoard);
