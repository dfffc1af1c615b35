import { expect } from "bun:test";
import fs from "node:fs";
import { wsgiProbe } from "./probe.ts";
import { eventually, fails, list, ok, read } from "./sandbox.ts";
import { longOnAnyBoard, stories } from "./story.ts";

stories((board, story) => {
  const logs = (...words: string[]) => ok(board.ssh("logs", ...words, "--no-follow"));
  let app: ReturnType<typeof board.repo>;

  story("F8: logs of a quiet app are empty, and all of it is uWSGI's", () => {
    const cron = "cron: * * * * * echo cron said\n";
    const worker = "worker: python3 -u -c 'import time; print(1, flush=True); time.sleep(99)'\n";
    const files = wsgiProbe("shop.test");
    app = board.repo(undefined, { ...files, Procfile: `${files.Procfile}${cron}${worker}` });
    ok(board.push(app, "shop"));
    ok(board.ssh("restart", "shop"));
    const { stdout, stderr } = logs("shop", "wsgi");
    expect([stdout, stderr]).toEqual(["", "Nothing yet; --all also shows what uWSGI says.\n"]);
    expect(logs("shop", "-n", "9").stdout).toMatch(/^((worker\.1 \| 1|cron\.1 +\| cron said)\n)+$/);
    const following = board.run(["timeout", "2", "ssh", "board", "logs shop wsgi"]);
    expect([following.stdout, following.stderr]).toEqual([
      "",
      "Nothing yet; waiting (Ctrl-C ends).\n",
    ]);
    for (const option of ["--all", "--raw"])
      expect(logs("shop", "wsgi", option).stdout).toContain("spawned uWSGI master process");
    board.get("/", { host: "shop.test" });
    eventually(() => expect(logs("shop", "wsgi").stdout).toMatch(/^wsgi\.1 \| .*"GET \/ HTTP/));
  });

  story(
    "F8: a refused push shows no line of uWSGI's, and its kind is not among the live ones",
    () => {
      const Procfile = "web: python3 -c 'import nothing_like_it'\n";
      app.commit("Web", { Procfile });
      const refused = fails(board.push(app, "shop"));
      expect(refused.output).toContain("No module named");
      expect(refused.output).not.toContain("uwsgi-daemons");
      expect(list(`${board.pikuRoot}/logs/shop`)).toContain("web.1.log");
      expect(logs("shop").stdout).not.toContain("web.1");
      expect(logs("shop", "web").stdout).toContain("web.1 | ");
    },
  );

  story("S1: logs of a process that an app has not is an error that says what it has", () => {
    const wrong: [string, RegExp][] = [
      ["wsgi.9", /no process 'wsgi\.9'\nHint: did you mean 'wsgi\.1'\?/],
      ["wsg", /no process 'wsg'\nHint: did you mean 'wsgi'\?/],
      [
        "nonsense",
        /no process 'nonsense'\nHint: it has cron\.1, worker\.1, wsgi\.1|it has wsgi\.1/,
      ],
    ];
    for (const [word, message] of wrong)
      expect(fails(board.ssh("logs", "shop", word), 1).stderr).toMatch(message);
  });

  story("F7: of a first push that failed one can read what it said", () => {
    const first = board.repo(undefined, { Procfile: "web: python3 nothing.py\n" });
    fails(board.push(first, "anna"));
    expect(ok(board.ssh("releases:output", "anna", "1")).stdout).toContain("nothing.py");
    expect(logs("anna", "--deploys").stdout).toMatch(/^deploy\.1 \| -----> Deploying/m);
    for (const words of ["logs anna", "releases anna", "ps anna", "config anna", "restart anna"])
      expect(fails(board.sshRaw(words), 1).stderr).toBe(
        "Error: app 'anna' has never been live.\nHint: its last push: releases:output anna 1\n",
      );
    const { stdout } = board.ssh("doctor");
    expect(stdout).toMatch(/ok +leftovers.*not live yet, after pushes that failed: anna/);
  });

  story(
    "F3: the original's client script puts the app's name before the words of every command",
    () => {
      const { output } = board.ssh("doctor", "shop");
      expect(output).toContain("leftovers");
      for (const words of ["keys shop", "version shop", "completion shop"])
        expect([words, board.sshRaw(words).output]).toEqual([
          words,
          board.sshRaw(words.replace(" shop", "")).output,
        ]);
      const key = `${board.folder}/anna.pub`;
      fs.writeFileSync(
        key,
        ok(
          board.run([
            "sh",
            "-c",
            `ssh-keygen -q -t ed25519 -N '' -f ${board.folder}/anna && cat ${key}`,
          ]),
        ).stdout,
      );
      ok(board.sshRaw("keys:add shop anna --apps shop", { input: read(key) }));
      expect(ok(board.ssh("keys")).stdout).toContain("anna");
      ok(board.sshRaw("keys:remove shop anna"));
      expect(ok(board.sshRaw("config:set shop --global PLACE=here")).stdout).toContain(
        "for all apps",
      );
      ok(board.sshRaw("config:unset shop --global PLACE"));
      expect(fails(board.ssh("doctor", "nothing"), 2).stderr).toContain(
        "unexpected word 'nothing'",
      );
    },
  );

  story(
    "S12, S13, S17: malformed input ends with 2, and an empty one says that nothing came",
    () => {
      const wrong: [string, number, RegExp][] = [
        ["config:set shop 1FOO=x", 2, /^Error: invalid setting name '1FOO'/],
        ["ps:scale shop wsgi=-1", 2, /below 0/],
        ["ps:scale shop wsgi=1000", 2, /above 64/],
        ["keys:add ben", 2, /nothing came on stdin\nHint: ssh piku@board keys:add ben </],
        ["restore shop", 1, /nothing came on stdin\nHint: ssh piku@board restore </],
        ["config:import shop", 1, /Hint: ssh piku@board config:import blog </],
        [
          "maintenance:on shop --message Back at noon",
          2,
          /quotes around spaces must reach.*Back at noon/,
        ],
      ];
      for (const [words, status, message] of wrong)
        expect(fails(board.sshRaw(words, { input: "" }), status).stderr).toMatch(message);
      ok(board.ssh("releases:output", "shop", "v1"));
    },
  );

  story("S16: no colours on a dumb terminal, or with --no-color", () => {
    const on = (words: string, terminal = "xterm") =>
      board.run(["env", `TERM=${terminal}`, "ssh", "-tt", "board", words]).stdout;
    expect(on("logs shop -n 1 --no-follow")).toContain("\x1b[36m");
    expect(on("nonsense")).toContain("\x1b[31mError");
    for (const plain of [
      on("logs shop -n 1 --no-follow", "dumb"),
      on("nonsense", "dumb"),
      on("logs shop -n 1 --no-follow --no-color"),
      on("doctor --no-color"),
    ])
      expect(plain).not.toContain("\x1b[");
  });

  story("S18, S6: ps tells of cron lines, and times are as people say them on a terminal", () => {
    const cron = "cron: * * * * * exit 3\ncron_rare: 0 0 29 2 * true\n";
    ok(board.push(board.repo(undefined, { Procfile: cron }), "jobs"));
    const ended =
      /^cron\.1 +up \d+s .*ran (just now|\d+ seconds ago), exit status 3, next in \d+ second/m;
    eventually(() => expect(ok(board.ssh("ps", "jobs")).stdout).toMatch(ended), 70);
    const all = JSON.parse(ok(board.ssh("ps", "jobs", "--json")).stdout);
    expect(all[0]).toMatchObject({ process: "cron.1", lastStatus: 3 });
    expect(all[1].lastRun).toBeUndefined();
    expect(new Date(all[1].nextRun).getUTCFullYear()).toBe(2028);
    const table = ok(board.run(["ssh", "-tt", "board", "releases jobs"])).stdout;
    expect(table).toMatch(/^ NR +WHEN +COMMIT +WHAT +BY +SUBJECT\s/);
    expect(table).toMatch(/\*1 +(just now|\d+ \w+ ago) +[0-9a-f]{7} +push +id@client +First/);
  });
}, longOnAnyBoard);
