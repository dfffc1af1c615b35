import { expect } from "bun:test";
import fs from "node:fs";
import { webProbe } from "./probe.ts";
import { fails, ok, read } from "./sandbox.ts";
import { longOnAnyBoard, stories } from "./story.ts";

stories((board, story) => {
  const get = (url: string, host = "blog.test") => board.get(url, { host }).body;
  const settings = (app = "blog") => read(`${board.pikuRoot}/envs/${app}/ENV`);
  const importing = (input: string, words = "blog") =>
    board.sshRaw(`config:import ${words}`, { input });
  let app: ReturnType<typeof board.repo>;

  story("what is set is not shown, neither then nor in what is kept of the release", () => {
    app = board.repo(undefined, webProbe("blog.test"));
    ok(board.push(app, "blog"));
    const { output } = ok(board.ssh("config:set", "blog", "TOKEN=hush-hush", "B=2"));
    expect(output).toMatch(/^Setting TOKEN for 'blog'\nSetting B for 'blog'\n/);
    expect(output + ok(board.ssh("releases:output", "blog", "2")).output).not.toContain("hush");
    expect(get("/env/TOKEN")).toBe("hush-hush");
    for (const word of ["", "blog"]) fails(board.sshRaw(`config:set ${word}`), 2);
  });

  story(
    "config:set --no-restart waits for the next restart, and refuses what no deploy would take",
    () => {
      const pid = get("/pid");
      expect(ok(board.ssh("config:set", "blog", "--no-restart", "B=3")).stdout).toBe(
        "Setting B for 'blog'\nKept for the next deploy or restart of 'blog'.\n",
      );
      expect([get("/pid"), get("/env/B")]).toEqual([pid, "2"]);
      expect(ok(board.ssh("config:get", "blog", "B")).stdout).toBe("3\n");
      const all = ok(board.ssh("config", "blog", "--all"));
      expect(all.stdout).toContain("server      B=3\n");
      expect(all.stderr).toBe("Warning: app 'blog' gets B with its next deploy or restart.\n");
      const before = settings();
      expect(
        fails(board.ssh("config:set", "blog", "NGINX_SERVER_NAME=a;b", "--no-restart"), 1).stderr,
      ).toContain("a;b");
      expect(settings()).toBe(before);
      ok(board.ssh("restart", "blog"));
      expect(get("/env/B")).toBe("3");
      ok(board.ssh("config:set", "early", "A=1", "--no-restart"));
      ok(board.push(board.repo(undefined, webProbe("early.test")), "early"));
      expect(get("/env/A", "early.test")).toBe("1");
    },
  );

  story("config:export is what a shell reads and config:import takes, also as JSON", () => {
    const values = {
      QUOTES: `it's "so"`,
      BLANKS: "  a  b  ",
      DOLLAR: "\\$HOME `id` #x",
      EMPTY: "",
      UNICODE: "grüße",
    };
    ok(
      board.ssh(
        "config:set",
        "blog",
        ...Object.entries(values).map(([key, value]) => `${key}=${value}`),
      ),
    );
    const kept = settings();
    const lines = ok(board.ssh("config:export", "blog")).stdout;
    for (const [key, value] of Object.entries(values))
      expect(ok(board.run(["sh", "-c", `${lines}printf %s "$${key}"`])).stdout).toBe(
        value.replace("\\$", "$"),
      );
    const json = ok(board.ssh("config:export", "blog", "--json")).stdout;
    expect(JSON.parse(json)).toMatchObject(values);
    // Before the first push, too.
    for (const [name, text] of [
      ["one", lines],
      ["two", json],
    ] as const) {
      const { stdout } = ok(importing(text, name));
      expect(stdout).toMatch(/^Setting TOKEN for '\w+'\n[\s\S]*kept for its first push/);
      expect(stdout).not.toContain("hush");
      expect(settings(name)).toBe(kept);
    }
    ok(importing(`QUOTES='"new"'\n`));
    expect([get("/env/QUOTES"), get("/env/DOLLAR")]).toEqual(['"new"', "$HOME `id` #x"]);
    ok(importing("LATER=1\n", "blog --no-restart"));
    expect(JSON.parse(ok(board.ssh("config", "blog", "--json")).stdout)).toMatchObject({
      B: "3",
      LATER: "1",
    });
  });

  story("an import with a wrong line in it changes nothing", () => {
    const before = settings();
    const bad: [string, RegExp][] = [
      ["", /no setting/],
      ["GOOD=1\nhello\n", /line 2: 'hello'/],
      ["GOOD='1\n2\n", /line 1: the quote ' is not closed/],
      ['{"GOOD": "1", "BAD": 2}', /'BAD' is not a string/],
      ['{"GOOD": "1"', /not JSON/],
      ["NGINX_SERVER_NAME='a;b'\n", /a;b/],
    ];
    for (const [text, message] of bad) expect(fails(importing(text), 1).stderr).toMatch(message);
    expect(settings()).toBe(before);
    expect(get("/env/B")).toBe("3");
  });

  story("config --all tells where each value comes from, and masks secrets", () => {
    ok(board.ssh("config:set", "blog", "DATABASE_URL=postgres://me:hush-hush@127.0.0.1/db"));
    const { stdout } = ok(board.ssh("config", "blog", "--all"));
    for (const line of [
      "piku        APP=blog",
      "repository  NGINX_SERVER_NAME=blog.test",
      ...(board.isInstalled ? [] : ["host        DISABLE_IPV6=true"]),
      "server      B=3",
      "server      TOKEN=********",
      "server      DATABASE_URL=postgres://me:********@127.0.0.1/db",
    ])
      expect(stdout.split("\n")).toContain(line);
    expect(stdout).not.toContain("hush");
    expect(ok(board.ssh("config", "blog", "--all", "--reveal")).stdout).toContain(
      "server      TOKEN=hush-hush\n",
    );
    const origins = JSON.parse(ok(board.ssh("config", "blog", "--all", "--json")).stdout);
    expect(origins).toContainEqual({
      key: "TOKEN",
      value: "********",
      from: "server",
      isLive: true,
    });
    // As always, for those who read it with a script.
    expect(ok(board.ssh("config", "blog")).stdout).toContain("TOKEN=hush-hush\n");
  });

  story(
    "config:set --global changes one line of the host's ENV, says who takes it, and deploys nothing",
    () => {
      const file = `${board.pikuRoot}/ENV`;
      fs.appendFileSync(file, "\n# Where we are.\nexport  PLACE = 'here'   # or there\n");
      fs.chmodSync(file, 0o640);
      const before = read(file);
      const pid = get("/pid");
      ok(board.ssh("config:set", "early", "PLACE=elsewhere"));
      expect(ok(board.ssh("config:set", "--global", "PLACE=room 5 # left", "B=9")).stdout).toBe(
        [
          "Setting PLACE for all apps",
          "Setting B for all apps",
          "-----> This takes effect with the next deploy or restart of: blog, early",
          "       App 'blog' has its own B.",
          "       App 'early' has its own PLACE.",
          "",
        ].join("\n"),
      );
      expect(read(file)).toBe(`${before.replace("'here'", '"room 5 # left"')}B=9\n`);
      expect(fs.statSync(file).mode & 0o777).toBe(0o640);
      expect([get("/pid"), board.get("/env/PLACE", { host: "blog.test" }).status]).toEqual([
        pid,
        404,
      ]);
      ok(board.ssh("restart", "blog"));
      ok(board.ssh("restart", "early"));
      expect([
        get("/env/PLACE"),
        get("/env/B"),
        get("/env/PLACE", "early.test"),
        get("/env/B", "early.test"),
      ]).toEqual(["room 5 # left", "3", "elsewhere", "9"]);
      expect(
        fails(board.ssh("config:set", "--global", "PIKU_HTTP_PORT=eighty"), 1).stderr,
      ).toContain("PIKU_HTTP_PORT");
      fails(board.ssh("config:set", "--global", "blog", "A=1"), 2);
      ok(board.ssh("config:unset", "--global", "B", "PLACE"));
      expect(read(file)).toBe(before.replace(/export {2}PLACE.*\n/, ""));
    },
  );

  story("a mistyped or misplaced setting is told of, and refused nowhere", () => {
    const typo = "Warning: unknown setting NGINX_SERVERNAME; did you mean NGINX_SERVER_NAME?\n";
    app.commit("Typo", {
      ENV: "NGINX_SERVER_NAME=blog.test\nNGINX_SERVERNAME=x.test\nNGINX_INCLUDE_FILE=n.conf\nNGINX_GREETING=hi\n",
      "n.conf": "add_header X-Greeting $NGINX_GREETING;\n",
    });
    const { output } = ok(board.push(app, "blog"));
    expect(output.replace(/^remote: /gm, "").replace(/ +$/gm, "")).toContain(typo);
    expect(output).not.toContain("unknown setting NGINX_GREETING");
    for (const later of [[], ["--no-restart"]])
      expect(
        ok(board.ssh("config:set", "blog", "PIKU_NGINX=shared", "NGINX_LOG=maybe", ...later))
          .stdout,
      ).toMatch(
        /^Warning: PIKU_NGINX counts only in the board's ENV: .*\nWarning: NGINX_LOG is 'maybe', which counts as false; write true or false\n/m,
      );
    expect(ok(board.ssh("config:set", "unborn", "NGINX_SERVERNAME=y.test")).stdout).toContain(typo);
    // What scripts read is as it was.
    expect(ok(board.ssh("config:get", "blog", "NGINX_LOG")).output).toBe("maybe\n");
    expect(ok(board.ssh("config:live", "blog")).output).not.toContain("Warning");
    ok(board.ssh("config:unset", "blog", "PIKU_NGINX", "NGINX_LOG"));
    ok(board.ssh("destroy", "unborn"));

    const wrong = "Warning: unknown setting PIKU_HTTPPORT; did you mean PIKU_HTTP_PORT?\n";
    expect(ok(board.ssh("config:set", "--global", "PIKU_HTTPPORT=81")).stdout).toContain(wrong);
    const doctor = () =>
      JSON.parse(board.ssh("doctor", "--json").stdout).find(
        ({ check }: { check: string }) => check === "settings",
      );
    expect(doctor()).toMatchObject({
      ok: false,
      says: expect.stringContaining("did you mean PIKU_HTTP_PORT?"),
    });
    ok(board.ssh("config:unset", "--global", "PIKU_HTTPPORT"));
    expect(doctor()).toMatchObject({ ok: true });
  });
}, longOnAnyBoard);
