import { expect } from "bun:test";
import fs from "node:fs";
import { webProbe, wsgiProbe } from "./probe.ts";
import { type Board, eventually, fails, ok, quote, read } from "./sandbox.ts";
import { longOnAnyBoard, stories } from "./story.ts";
import { live, running, sshing, watching } from "./watch.ts";

/** The same command on a terminal. */
const onTerminal = (board: Board, ...words: string[]) =>
  ok(board.run(["ssh", "-tt", "board", words.map(quote).join(" ")])).stdout.replaceAll("\r", "");

/** The same for one that may fail. */
const onAnyTerminal = (board: Board, ...words: string[]) =>
  board.run(["ssh", "-tt", "board", words.map(quote).join(" ")]).stdout;

interface Process {
  app: string;
  process: string;
  up: boolean;
  since?: string;
  restarts?: number;
  memory?: number;
  cpu?: number;
  port?: number;
}

const processes = (board: Board, ...words: string[]): Process[] =>
  JSON.parse(ok(board.ssh("ps", ...words, "--json")).stdout);

stories((board, story) => {
  story(
    "apps on a terminal also tells release, commit, age, workers and address; a script sees names only",
    () => {
      const blog = board.repo(undefined, {
        ...webProbe("blog.test"),
        Procfile: "web: exec python3 app.py\nworker: exec sleep 1234\nsecond: exec sleep 2345\n",
      });
      ok(board.push(blog, "blog"));
      ok(
        board.push(
          board.repo(undefined, {
            ...wsgiProbe("wiki.test"),
            Procfile: "wsgi: app:app\nbot: exec sleep 3456\n",
          }),
          "wiki",
        ),
      );
      expect(ok(board.ssh("apps")).stdout).toBe("*blog\n*wiki\n");
      const table = onTerminal(board, "apps").trimEnd().split("\n");
      expect(table[0]!.trim().split(/\s+/)).toEqual([
        "APP",
        "RELEASE",
        "COMMIT",
        "AGE",
        "UP",
        "URL",
      ]);
      const url = (name: string) => board.url(name);
      expect(table[1]!.split(/\s+/)).toEqual([
        "*blog",
        "1",
        blog.head().slice(0, 7),
        expect.stringMatching(/^\d+s$/),
        "3/3",
        url("blog.test"),
      ]);
      expect(table[2]).toMatch(/^\*wiki .* 2\/2 /);
      const [first, second] = JSON.parse(ok(board.ssh("apps", "--json")).stdout);
      expect(first).toEqual({
        app: "blog",
        running: true,
        release: 1,
        commit: blog.head(),
        since: expect.stringMatching(/^\d{4}-.*Z$/),
        up: 3,
        wanted: 3,
        url: url("blog.test"),
      });
      expect(second.url).toBe(url("wiki.test"));
    },
  );

  story("ps: how many there are to be, then how each process is, also one that was killed", () => {
    const lines = ok(board.ssh("ps", "blog")).stdout.trimEnd().split("\n");
    expect(lines.slice(0, 3)).toEqual(["web:1", "worker:1", "second:1"]);
    expect(lines.slice(3).every((line) => !line.includes(":"))).toBe(true);
    const [web] = processes(board, "blog");
    expect(lines[3]).toMatch(
      new RegExp(`^web\\.1 +up \\d+s +0 restarts +\\d+ MB +\\d+\\.\\d s CPU +port ${web!.port}$`),
    );
    expect(board.get("/", { port: web!.port, local: true }).body).toBe("one");
    expect(web!.memory).toBeGreaterThan(8e6);
    expect(web!.cpu).toBeGreaterThan(0);
    expect(Math.abs(Date.now() - Date.parse(web!.since!))).toBeLessThan(60_000);
    const [before] = running(board, "sleep 1234");
    process.kill(before!, "SIGKILL");
    eventually(() => {
      const worker = processes(board, "blog").find(({ process }) => process === "worker.1");
      expect([worker!.up, worker!.restarts]).toEqual([true, 1]);
    }, 20);
    expect(ok(board.ssh("ps", "blog")).stdout).toMatch(/^worker\.1 +up \d+s +1 restart /m);
    // uWSGI's own process, which the emperor starts anew.
    const pid = Number(board.get("/pid", { host: "wiki.test" }).body);
    process.kill(board.pidOf(pid), "SIGKILL");
    eventually(() => {
      expect(Number(board.get("/pid", { host: "wiki.test" }).body)).not.toBe(pid);
      expect(processes(board, "wiki")[0]).toMatchObject({
        process: "wsgi.1",
        up: true,
        restarts: 1,
      });
    }, 20);
  });

  story("ps without an app shows all of them; what is stopped is down", () => {
    expect(processes(board).map(({ app, process }) => `${app} ${process}`)).toEqual([
      "blog web.1",
      "blog worker.1",
      "blog second.1",
      "wiki wsgi.1",
      "wiki bot.1",
    ]);
    ok(board.ssh("stop", "wiki"));
    expect(processes(board, "wiki")).toEqual([
      { app: "wiki", process: "wsgi.1", kind: "wsgi", up: false } as Process,
      { app: "wiki", process: "bot.1", kind: "bot", up: false } as Process,
    ]);
    expect(ok(board.ssh("ps")).stdout).toMatch(/^wiki +wsgi\.1 +down$/m);
    expect(onTerminal(board, "ps")).toMatch(/^wiki +wsgi\.1.* down/m);
    expect(onTerminal(board, "apps")).toMatch(/^ wiki .* 0\/2 /m);
    fails(board.ssh("ps:restart", "wiki", "wsgi"), 1);
    ok(board.ssh("restart", "wiki"));
  });

  story(
    "ps:restart restarts one kind, without a failed request, and leaves the others",
    async () => {
      const [worker] = running(board, "sleep 1234");
      const [second] = running(board, "sleep 2345");
      const pid = () => board.get("/pid", { host: "blog.test" }).body;
      const web = pid();
      const { output } = ok(board.ssh("ps:restart", "blog", "worker"));
      expect(output).toContain("spawning 'blog:worker.1'");
      expect(output).not.toMatch(/spawning 'blog:(web|second)|build|goes? on/i);
      expect(running(board, "sleep 1234")).not.toEqual([worker]);
      expect(running(board, "sleep 2345")).toEqual([second!]);
      expect(pid()).toBe(web);
      const end = watching(board, "blog.test");
      for (let i = 0; i < 2; i++) ok(await sshing(board, "ps:restart", "blog", "web"));
      const { asked, failed } = await end();
      expect(asked).toBeGreaterThan(20);
      expect(failed).toEqual([]);
      expect(pid()).not.toBe(web);
      expect(running(board, "sleep 2345")).toEqual([second!]);
      expect(processes(board, "blog").map(({ up, restarts }) => [up, restarts])).toEqual([
        [true, 0],
        [true, 0],
        [true, 0],
      ]);
      expect(live(board, "blog").number).toBe(4);
      const wiki = () => [
        board.get("/pid", { host: "wiki.test" }).body,
        running(board, "sleep 3456")[0],
      ];
      const [wsgi, bot] = wiki();
      ok(board.ssh("ps:restart", "wiki", "bot"));
      const [same, later] = wiki();
      expect(same).toBe(wsgi!);
      expect(later).not.toBe(bot);
      ok(board.ssh("ps:restart", "wiki", "wsgi"));
      expect(wiki()[0]).not.toBe(wsgi);
      expect(wiki()[1]).toBe(later!);
      expect(fails(board.ssh("ps:restart", "blog", "wroker"), 1).stderr).toContain(
        "it has web, worker, second",
      );
      fails(board.ssh("ps:restart", "blog"), 2);
    },
  );

  /** What doctor finds, but for what the machine that runs this story is like. */
  const findings = (): { check: string; ok: boolean; says: string; remedy?: string }[] =>
    JSON.parse(board.ssh("doctor", "--json").stdout).filter(
      ({ check }: { check: string }) => !["clock", "power", "disk", "memory"].includes(check),
    );

  story("doctor has nothing to say against a board that is well", () => {
    eventually(() => expect(findings().filter(({ ok }) => !ok)).toEqual([]));
    const said = Object.fromEntries(findings().map(({ check, says }) => [check, says]));
    expect(said.tools).toMatch(/git \d+\.\d+.*uwsgi 2\..*nginx 1\./);
    expect(said.processes).toBe("5 of 5 are up");
    expect(said.sites).toBe("2 sites, all accepted by nginx");
    expect(said.certificates).toBe("left: blog 824 days, wiki 824 days");
    const { stdout, stderr } = board.ssh("doctor");
    expect(stdout).toMatch(/^ok +emperor +uWSGI's emperor runs$/m);
    expect(stderr).toBe("");
    expect(onAnyTerminal(board, "doctor")).toContain("\u001b[32mok\u001b[0m");
  });

  story("doctor of a board that was never set up says so", () => {
    const home = `${board.folder}/empty`;
    fs.mkdirSync(home);
    const ran = fails(
      board.on([board.executable, "doctor"], {
        // Without it this is a laptop, and piku the client.
        env: { ...board.boardEnv(), HOME: home, PIKU_ROOT: `${home}/.piku` },
      }),
      1,
    );
    expect(ran.stdout).toContain(`${home}/.piku/apps is missing. To do: setup makes it`);
    expect(ran.stderr).toBe("");
    expect(fs.readdirSync(home)).toEqual([]);
  });

  story("doctor passed over an ENV of the machine that cannot be read", () => {
    const file = `${board.pikuRoot}/ENV`;
    const former = board.settings;
    fs.writeFileSync(file, `${former}\nPIKU_HTTP_PORT=many\n`);
    const found = findings().find(({ check }) => check === "settings");
    fs.writeFileSync(file, former);
    expect(found).toEqual({
      check: "settings",
      ok: false,
      says: `${board.inside(file)}: PIKU_HTTP_PORT: invalid port 'many'`,
      remedy: "write a whole number from 1 to 65535, such as 8080",
    });
  });

  story("doctor took settings that wait for a first push for leftovers", () => {
    ok(board.ssh("config:set", "later", "A=1"));
    const found = () => findings().filter(({ check }) => check === "leftovers");
    expect(found()).toEqual([
      { check: "leftovers", ok: true, says: "none; settings wait for a first push of later" },
    ]);
    // A first push that failed is another matter.
    fs.mkdirSync(`${board.pikuRoot}/repos/later`);
    expect(found()).toMatchObject([
      { ok: false, says: "'later' has settings or a repository, but is not an app" },
    ]);
    ok(board.ssh("destroy", "later"));
  });

  const busybox = Bun.which("busybox");
  // Nobody else can give a file away.
  if (busybox && process.getuid!() === 0 && !board.isInstalled)
    story(
      "doctor saw nothing that belongs to others with busybox's find, which knows no -uid",
      () => {
        const tools = `${board.folder}/busybox`;
        const file = `${board.pikuRoot}/data/theirs`;
        fs.mkdirSync(tools);
        fs.symlinkSync(busybox, `${tools}/find`);
        fs.writeFileSync(file, "");
        fs.chownSync(file, 4242, 4242);
        const env = { ...board.boardEnv(), PATH: `${tools}:${process.env.PATH}` };
        const { stdout } = board.run([`${board.home}/piku`, "doctor", "--json"], { env });
        fs.rmSync(file);
        expect(JSON.parse(stdout)).toContainEqual({
          check: "rights",
          ok: false,
          says: `${file} belongs to another user`,
          remedy: `sudo chown -R --reference=${board.pikuRoot} ${file}`,
        });
      },
    );

  story("doctor names what is wrong, with the remedy, and ends with 1", async () => {
    const root = board.pikuRoot;
    const shown = board.inside(root);
    const keys = `${board.home}/.ssh/authorized_keys`;
    const [former, site] = [read(keys), read(`${root}/nginx/blog.conf`)];
    const [type, blob] = read(`${board.folder}/ssh/id.pub`).split(" ");
    fs.writeFileSync(keys, `# mine\n${type} ${blob} laptop\n${former}`);
    fs.chmodSync(`${root}/envs/blog/LIVE_ENV`, 0o644);
    fs.writeFileSync(`${root}/nginx/blog.conf`, site.replace("gzip on;", "gzip maybe;"));
    fs.writeFileSync(
      `${root}/releases/blog/journal.json`,
      JSON.stringify({ release: 99, cause: "push", tree: false, made: false }),
    );
    fs.mkdirSync(`${root}/envs/ghost`);
    fs.copyFileSync(`${root}/nginx/blog.key`, `${root}/nginx/wiki.key`);
    fs.rmdirSync(`${root}/plugins`);
    await board.killEmperor();
    const wrong = () => findings().filter(({ ok }) => !ok);
    const expected = [
      ["emperor", "uWSGI's emperor is not running on the server", /uwsgi/],
      ["sites", "the site of app 'blog' is not the one that its release made", /^restart blog/],
      ["sites", "visitors of app 'blog' get 502 from nginx", "logs blog tells why; restart blog"],
      ["sites", "visitors of app 'wiki' get 502 from nginx", "logs wiki tells why; restart wiki"],
      ["processes", "web.1 of app 'blog' is down", /^logs blog web\.1 tells why; restart blog$/],
      ["processes", "worker.1 of app 'blog' is down", /./],
      ["processes", "second.1 of app 'blog' is down", /./],
      ["processes", "wsgi.1 of app 'wiki' is down", /./],
      ["processes", "bot.1 of app 'wiki' is down", /./],
      [
        "certificates",
        /^the certificate of app 'wiki' is missing, or does not match its key$/,
        /deploy wiki/,
      ],
      [
        "keys",
        `line 2 of ${board.inside(keys)} has a key without a command, before the line that leads to piku`,
        /sed -i '2d'/,
      ],
      ["rights", `${shown}/plugins is missing`, /setup/],
      [
        "rights",
        `${shown}/envs/blog/LIVE_ENV is open to others`,
        `chmod 600 ${shown}/envs/blog/LIVE_ENV`,
      ],
      ["leftovers", "a deploy of app 'blog' was cut off", /recover/],
      ["leftovers", "'ghost' has settings or a repository, but is not an app", /destroy ghost/],
    ].map(([check, says, remedy]) => ({
      check: check as string,
      ok: false,
      says: typeof says === "string" ? says : expect.stringMatching(says!),
      remedy: typeof remedy === "string" ? remedy : expect.stringMatching(remedy!),
    }));
    // sshd takes the plain key first, which is what is wrong: piku is called as the board's user
    // calls it.
    const told = () =>
      JSON.parse(fails(board.piku("doctor", "--json"), 1).stdout) as ReturnType<typeof findings>;
    const bad = () =>
      told().filter(
        ({ check, ok }) => !ok && !["clock", "power", "disk", "memory"].includes(check),
      );
    eventually(() => expect(bad()).toEqual(expected));
    expect(fails(board.piku("doctor"), 1).stdout).toMatch(
      /^wrong +keys +line 2 of .*\. To do: remove that line/m,
    );
    fs.writeFileSync(keys, former);
    fs.chmodSync(`${root}/envs/blog/LIVE_ENV`, 0o600);
    fs.writeFileSync(`${root}/nginx/blog.conf`, site);
    fs.rmdirSync(`${root}/envs/ghost`);
    fs.rmSync(`${root}/nginx/wiki.crt`);
    board.startEmperor();
    for (const words of [["setup"], ["recover"], ["restart", "blog"], ["restart", "wiki"]])
      ok(board.piku(...words));
    eventually(() => expect(wrong()).toEqual([]));
  });
}, longOnAnyBoard);
