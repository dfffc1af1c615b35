/**
 * What a site's visitors notice of each command that changes an app: nothing but the new answer.
 */
import { expect } from "bun:test";
import { spawn } from "node:child_process";
import fs from "node:fs";
import { underLoad } from "../e2e/load.ts";
import { probeSource, webProbe, wsgiProbe } from "../e2e/probe.ts";
import {
  type Board,
  type Files,
  fails,
  freePorts,
  ok,
  type Ran,
  type Repo,
} from "../e2e/sandbox.ts";
import { stories } from "../e2e/story.ts";
import { sshing } from "../e2e/watch.ts";

const whileDoing = (board: Board, host: string, action: () => Promise<Ran>) =>
  underLoad(board, host, 5000, async () => {
    ok(await action());
    // Until the old processes have gone.
    await Bun.sleep(3000);
  });

/** The probe, which takes two seconds to start. */
const slowly = (version: string) => `import time\n\ntime.sleep(2)\n${probeSource(version)}`;

/** Seconds that git itself needs to push this repository's tip to a bare one, by file. */
function gitAlone(board: Board, app: Repo): number {
  const bare = `${app.folder}-bare`;
  ok(board.run(["git", "clone", "--quiet", "--bare", app.folder, bare]));
  app.commit("Nothing but git");
  return ok(app.git("push", "--quiet", bare, "main")).ms / 1000;
}

/** Seconds from the start of the app until it answers. */
async function startAlone(app: Repo): Promise<number> {
  const [port = 0] = freePorts(1);
  const began = performance.now();
  const env = { ...process.env, PORT: String(port), BIND_ADDRESS: "127.0.0.1" };
  const child = spawn("python3", ["app.py"], { cwd: app.folder, env, stdio: "ignore" });
  while (!(await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined))) await Bun.sleep(10);
  child.kill();
  return (performance.now() - began) / 1000;
}

stories((board, story) => {
  for (const [kind, probe] of [
    ["web", webProbe],
    ["wsgi", wsgiProbe],
  ] as const) {
    const name = `load-${kind}`;
    const host = `${name}.test`;
    let app: Repo;

    story(`a ${kind} app that takes 2 s to start, for what follows`, () => {
      app = board.repo(undefined, { ...probe(host), "app.py": slowly("one") });
      ok(board.push(app, name));
      app.commit("Second", { "app.py": slowly("two") });
      ok(board.push(app, name));
      ok(board.ssh("rollback", name));
      expect(board.get("/", { host }).body).toBe("one");
    });

    // A `web` process has to live for a second more after it has answered.
    const most = kind === "web" ? 2 : 1;
    story(
      `a push of a ${kind} app that changes only code adds less than ${most} s to git and to the app's start`,
      async () => {
        const repo = board.repo(undefined, {
          ...probe("quick.test"),
          "app.py": slowly("0"),
          "requirements.txt": "pip\n",
        });
        ok(board.push(repo, `quick-${kind}`));
        const added: number[] = [];
        for (const version of ["1", "2", "3", "4", "5"]) {
          repo.commit(version, { "app.py": slowly(version) });
          const push = ok(board.push(repo, `quick-${kind}`));
          expect(push.output).not.toMatch(/pip|virtual/i);
          added.push(push.ms / 1000 - gitAlone(board, repo) - (await startAlone(repo)));
          expect(board.get("/", { host: "quick.test" }).body).toBe(version);
          fs.rmSync(`${repo.folder}-bare`, { recursive: true });
        }
        console.log(
          `quick-${kind}: ${added.map((seconds) => seconds.toFixed(2)).join(", ")} s added`,
        );
        ok(board.ssh("destroy", `quick-${kind}`));
        expect(Math.min(...added)).toBeLessThan(most);
      },
    );

    const changes: [string, () => Promise<Ran>, string[]][] = [
      ["a push", () => board.pushing(app, name, "+main"), ["one", "three"]],
      ["config:set", () => sshing(board, "config:set", name, `A=${Date.now()}`), ["three"]],
      ["ps:scale up", () => sshing(board, "ps:scale", name, `${kind}=2`), ["three"]],
      ["ps:scale down", () => sshing(board, "ps:scale", name, `${kind}=1`), ["three"]],
      ["restart", () => sshing(board, "restart", name), ["three"]],
      ["rollback", () => sshing(board, "rollback", name, "1"), ["three", "one"]],
    ];
    for (const [title, action, answers] of changes)
      story(
        `no request to a ${kind} app fails during ${title}, and no connection sees an old answer after a new one`,
        async () => {
          if (title === "a push") app.commit("Third", { "app.py": slowly("three") });
          const { asked, failed, seen } = await whileDoing(board, host, action);
          console.log(`${name}, ${title}: ${asked} requests, ${failed.length} failed`);
          expect(failed).toEqual([]);
          expect(asked).toBeGreaterThan(5000);
          for (const one of seen) expect(one).toEqual(answers);
        },
      );

    const broken: [string, Files, RegExp][] = [
      [
        "a failing preflight",
        { Procfile: "preflight: exit 3\n" },
        /preflight failed with exit status 3/,
      ],
      [
        "a failing build",
        { "requirements.txt": "./not-there\n" },
        /Running pip failed with exit status/,
      ],
      ["a failing release", { Procfile: "release: exit 4\n" }, /release failed with exit status 4/],
      ["a crash at its start", { "app.py": "import not_there\n" }, /No module named 'not_there'/],
      [
        "a health path that answers 404",
        { ENV: "PIKU_HEALTHCHECK=/env/NONE\n" },
        /\/env\/NONE answers 404/,
      ],
      ["an app that hangs", { "app.py": "import time\n\ntime.sleep(600)\n" }, /after 5 s\b/],
      ...(kind === "web"
        ? ([
            [
              "the wrong port",
              { "app.py": probeSource("x").replace('int(os.environ["PORT"])', "0") },
              /it listens on port \d+ instead/,
            ],
          ] satisfies [string, Files, RegExp][])
        : []),
    ];

    story(
      `no request to a ${kind} app fails while broken pushes of it are rejected, and the next one goes live`,
      async () => {
        const good = {
          ...probe(host, "good"),
          ENV: `NGINX_SERVER_NAME=${host}\nPIKU_HEALTHCHECK_TIMEOUT=5\n`,
          "requirements.txt": "",
        };
        app.commit("Good", good);
        ok(await board.pushing(app, name, "+main"));
        const load = whileDoing(board, host, async () => {
          for (const [title, files, cause] of broken) {
            // A line more for the Procfile and ENV, another text for the others.
            const merged = Object.entries(files).map(([file, text]) => {
              const first = file === "Procfile" || file === "ENV" ? (good as Files)[file] : "";
              return [file, `${first}${text}`];
            });
            app.commit(title, { ...good, ...Object.fromEntries(merged) });
            const push = fails(await board.pushing(app, name), 1);
            expect(push.output).toMatch(cause);
          }
          app.commit("Mended", { ...good, "app.py": probeSource("mended") });
          return board.pushing(app, name);
        });
        const { asked, failed, seen } = await load;
        console.log(
          `${name}, ${broken.length} broken pushes: ${asked} requests, ${failed.length} failed`,
        );
        expect(failed).toEqual([]);
        for (const one of seen) expect(one).toEqual(["good", "mended"]);
      },
    );
  }
});
