import { expect } from "bun:test";
import fs from "node:fs";
import { webProbe, wsgiProbe } from "./probe.ts";
import { fails, ok, read } from "./sandbox.ts";
import { longOnAnyBoard, stories } from "./story.ts";

stories((board, story) => {
  /** What must reach the app byte for byte. `@CANARY@` is a file that nothing may make. */
  const values: Record<string, string> = {
    PLAIN: "plain",
    EMPTY: "",
    BLANKS: "two  blanks   three",
    LEADING: "   leading",
    TRAILING: "trailing  ",
    DOUBLE: '"quoted" and 5" long',
    SINGLE: "it's 'quoted'",
    HASH: "red # not a comment",
    SEMICOLON: "a;b;c",
    BACKSLASH: "C:\\new\\table\\",
    EQUALS: "a=b=c",
    PERCENT: "100%d %n %% %(uid) %(project) %k",
    EXEC: "@(exec://touch @CANARY@)",
    FILE: "user@(/etc/hostname)",
    SUBSHELL: "`touch @CANARY@` $(touch @CANARY@)",
    UWSGI: "$(HOME) $(PATH)",
    BCRYPT: "$2b$10$N9qo8uLOickgx2ZMRZoMye",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: as the user writes it
    UNKNOWN: "$no_such_variable ${nor_this_one}",
    STARS: "* ? [a-z] /etc/host*",
    UNICODE: "grüße – 日本",
    JSON: '{"a": [1, "b c"], "d": "$"}',
    URL: "postgres://me:p%40ss@127.0.0.1:5432/db?sslmode=off&x=y",
    TABS: "a\tb",
  };

  for (const [kind, probe] of [
    ["web", webProbe],
    ["wsgi", wsgiProbe],
  ] as const)
    story(
      `every value comes back from config:get as config:set got it, and reaches a ${kind} app so`,
      () => {
        const name = `exact-${kind}`;
        const app = board.repo(undefined, probe(`${name}.test`));
        ok(board.push(app, name));
        const canary = `${board.home}/canary-${kind}`;
        const set = Object.entries(values).map(
          ([key, value]) => [key, value.replaceAll("@CANARY@", canary)] as const,
        );
        ok(board.ssh("config:set", name, ...set.map(([key, value]) => `${key}=${value}`)));
        const got = set.map(([key]) => [
          key,
          ok(board.ssh("config:get", name, key)).stdout.replace(/\n$/, ""),
        ]);
        expect(Object.fromEntries(got)).toEqual(Object.fromEntries(set));
        const seen = set.map(([key]) => [
          key,
          board.get(`/env/${key}`, { host: `${name}.test` }).body,
        ]);
        expect(Object.fromEntries(seen)).toEqual(Object.fromEntries(set));
        // Setting one does not change the others: nothing is expanded or trimmed on the way
        // through.
        ok(board.ssh("config:set", name, "MORE=1"));
        for (const key of ["TRAILING", "BCRYPT", "PERCENT"])
          expect(ok(board.ssh("config:get", name, key)).stdout).toBe(
            `${Object.fromEntries(set)[key]}\n`,
          );
        expect(fs.existsSync(canary)).toBe(false);
      },
    );

  story("config:set takes effect at once, config:unset goes back", () => {
    const app = board.repo(undefined, {
      ...webProbe("conf.test"),
      ENV: "NGINX_SERVER_NAME=conf.test\nCOLOUR=green\n",
    });
    ok(board.push(app, "conf"));
    const colour = () => board.get("/env/COLOUR", { host: "conf.test" });
    expect(colour().body).toBe("green");
    ok(board.ssh("config:set", "conf", "COLOUR=red", "SIZE=large"));
    expect(colour().body).toBe("red");
    expect(ok(board.ssh("config", "conf")).stdout).toMatch(/COLOUR=red\n(.*\n)*SIZE=large/);
    expect(ok(board.ssh("config:get", "conf", "COLOUR")).stdout).toBe("red\n");
    expect(ok(board.ssh("config:live", "conf")).stdout).toContain("COLOUR=red\n");
    ok(board.ssh("config:unset", "conf", "COLOUR", "SIZE"));
    expect(colour().body).toBe("green");
    expect(board.get("/env/SIZE", { host: "conf.test" }).status).toBe(404);
    expect(ok(board.ssh("config", "conf")).stdout).not.toContain("COLOUR");
  });

  story(
    "settings stay over a push, and survive a value with the quotes of the caller's shell",
    () => {
      const app = board.repo(undefined, webProbe("stay.test"));
      ok(board.push(app, "stay"));
      ok(board.sshRaw(`config:set stay "A=b  c" B='d  e' C=f`));
      app.commit("Second");
      ok(board.push(app, "stay"));
      expect(board.get("/env/A", { host: "stay.test" }).body).toBe("b  c");
      expect(board.get("/env/B", { host: "stay.test" }).body).toBe("d  e");
      expect(fails(board.sshRaw(`config:set stay "A=never closed`), 2).output).toMatch(/quot/i);
      expect(ok(board.ssh("config:get", "stay", "A")).stdout).toBe("b  c\n");
    },
  );

  story("the repository's ENV: comments, quotes, export, CRLF, and what refers to what", () => {
    const env = [
      "# a comment",
      "",
      "NGINX_SERVER_NAME=grammar.test",
      "BASE=/srv",
      "export EXPORTED=yes",
      'QUOTED="two  words"  # and a comment',
      "SINGLE='$BASE stays'",
      // biome-ignore lint/suspicious/noTemplateCurlyInString: as the user writes it
      "PATHS=$BASE/a:${BASE}/b",
      "ESCAPED=\\$BASE",
      "HASHED=$2b$10$abcdef",
      "CRLF=windows\r",
      "  # an indented comment",
      "TAIL=red # blue",
      "",
    ].join("\n");
    const app = board.repo(undefined, { ...webProbe("grammar.test"), ENV: env });
    ok(board.push(app, "grammar"));
    const expected = {
      EXPORTED: "yes",
      QUOTED: "two  words",
      SINGLE: "$BASE stays",
      PATHS: "/srv/a:/srv/b",
      ESCAPED: "$BASE",
      HASHED: "$2b$10$abcdef",
      CRLF: "windows",
      TAIL: "red",
    };
    const seen = Object.keys(expected).map((key) => [
      key,
      board.get(`/env/${key}`, { host: "grammar.test" }).body,
    ]);
    expect(Object.fromEntries(seen)).toEqual(expected);
  });

  story("the app gets what the original gave it", () => {
    const names = board.get("/names", { host: "conf.test" }).body.split("\n");
    for (const name of [
      "APP",
      "LOG_ROOT",
      "DATA_ROOT",
      "HOME",
      "USER",
      "PATH",
      "PWD",
      "PORT",
      "BIND_ADDRESS",
      "PROC_TYPE",
    ])
      expect(names).toContain(name);
    expect(board.get("/env/APP", { host: "conf.test" }).body).toBe("conf");
    expect(names.filter((name) => /^(GIT_(?!SSL)|SSH_|BUN_|UWSGI_EMPEROR)/.test(name))).toEqual([]);
  });

  story("settings can be made before the first push, which then has them", () => {
    ok(board.ssh("config:set", "early", "SECRET=known from the start"));
    ok(board.push(board.repo(undefined, webProbe("early.test")), "early"));
    expect(board.get("/env/SECRET", { host: "early.test" }).body).toBe("known from the start");
  });

  story("files with settings in them are for their owner only", () => {
    const files = ["envs/conf/ENV", "envs/conf/LIVE_ENV"].map(
      (name) => `${board.pikuRoot}/${name}`,
    );
    for (const file of files) expect(fs.statSync(file).mode & 0o077).toBe(0);
    expect(read(files[1]!)).toContain("COLOUR=green");
  });

  story("what cannot be a setting is refused and changes nothing", () => {
    const before = ok(board.ssh("config", "conf")).stdout;
    const bad: [string, RegExp, number][] = [
      ["A=one\rB=two", /carriage return/, 1],
      ["NGINX_SERVER_NAME=one\ntwo", /NGINX_SERVER_NAME.*line break/, 1],
      ["1A=x", /1A/, 2],
      ["A B=x", /A B/, 2],
      ["=x", /name/, 2],
      ["NOVALUE", /KEY=value/i, 2],
      [`BIG=${"x".repeat(100_001)}`, /100|large|size/i, 1],
    ];
    for (const [word, message, status] of bad) {
      expect(fails(board.ssh("config:set", "conf", word), status).stderr).toMatch(message);
      expect(fails(board.ssh("config:set", "conf", "GOOD=1", word)).status).toBe(status);
    }
    expect(ok(board.ssh("config", "conf")).stdout).toBe(before);
    fails(board.ssh("config:get", "conf", "NOT_THERE"), 1);
  });
}, longOnAnyBoard);
