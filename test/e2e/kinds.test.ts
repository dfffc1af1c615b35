/** Kinds of processes whose health is told in another way than by loading or listening. */
import { expect } from "bun:test";
import { slowSource, webProbe } from "./probe.ts";
import { type Files, fails, ok } from "./sandbox.ts";
import { onlyLong, skipped, stories, unlessLong } from "./story.ts";
import { hasPlugin, provide, standIn, withdraw } from "./tools.ts";

stories((board, story) => {
  const page = (host: string) => board.get("/", { host });

  const parses = "a php page that cannot be parsed does not take a good one's place";
  if (!hasPlugin("php")) skipped(parses, "uwsgi-plugin-php is not installed");
  else
    story(parses, () => {
      const host = "parse.test";
      const good: Files = {
        Procfile: "php: public\n",
        ENV: `NGINX_SERVER_NAME=${host}\n`,
        "public/index.php": "<?php\nrequire __DIR__ . '/../lib/greet.php';\necho greet();\n",
        "lib/greet.php": '<?php\nfunction greet() { return "one"; }\n',
      };
      const broken = { "public/index.php": "<?php\necho 'two'\necho 'three';\n" };
      const app = board.repo(undefined, { ...good, ...broken });
      const first = fails(board.push(app, "parse"), 1).stderr;
      expect(first).toMatch(/public\/index\.php line 3: syntax error, unexpected token "echo"/);
      expect(first).toContain("Nothing of app 'parse' is live");
      app.commit("Good", good);
      ok(board.push(app, "parse"));
      expect(page(host).body).toBe("one");
      const slips: [Files, RegExp][] = [
        [broken, /public\/index\.php line 3: /],
        [
          { "lib/greet.php": "<?php\nfunction greet() { return 'two' }\n" },
          /lib\/greet\.php line 2: /,
        ],
        [
          { "lib/greet.php": "<?php\nfunction greet() {}\nfunction greet() {}\n" },
          /lib\/greet\.php line 3: Cannot redeclare/,
        ],
      ];
      for (const [files, reason] of slips) {
        app.commit("Slip", { ...good, ...files });
        const { stderr } = fails(board.push(app, "parse"), 1);
        expect(stderr).toMatch(reason);
        expect(stderr.trimEnd().split("\n").slice(-8).join("\n")).toContain("visitors still see");
        expect(page(host).body).toBe("one");
      }
      app.commit("Elsewhere", { ...good, "public/other.php": "<?php\nfoo(;\n" });
      expect(ok(board.push(app, "parse")).stderr).toMatch(
        /Warning: public\/other\.php line 2: syntax error/,
      );
      app.commit("Thrown", {
        "lib/greet.php": "<?php function greet() { throw new Error('no'); }",
      });
      expect(ok(board.push(app, "parse")).stderr).toMatch(
        /answers with an error of its own \(500\)/,
      );
      ok(board.ssh("rollback", "parse"));
      expect(page(host).body).toBe("one");
    });

  story(
    "children of a Bun cluster that cannot be loaded did not take a good release's place",
    () => {
      provide(board, "bun");
      const spawned =
        'Bun.spawn(["bun", "child.js"], { stdio: ["inherit", "inherit", "inherit"] });\n';
      const child =
        'Bun.serve({ hostname: process.env.BIND_ADDRESS, port: process.env.PORT, reusePort: true, fetch: () => new Response("one") });\n';
      const app = board.repo(undefined, {
        Procfile: "web: exec bun cluster.js\n",
        ENV: "NGINX_SERVER_NAME=cluster.test\nPIKU_HEALTHCHECK_TIMEOUT=3\n",
        "cluster.js": `${spawned}${spawned}setInterval(() => {}, 1000);\n`,
        "child.js": child,
      });
      ok(board.push(app, "cluster"));
      for (const [broken, reason] of [
        [`import "./nowhere.js";\n${child}`, "there is no 'nowhere.js' in this commit"],
        [
          `${child}setTimeout(() => process.exit(1), 700);\n`,
          "within a second it no longer listens",
        ],
      ] as const) {
        app.commit("Broken", { "child.js": broken });
        expect(fails(board.push(app, "cluster"), 1).stderr).toContain(reason);
        expect(page("cluster.test").body).toBe("one");
      }
    },
  );

  const rack = "a config.ru that cannot be loaded does not take a good one's place";
  if (!hasPlugin("rack")) skipped(rack, "uwsgi-plugin-rack is not installed");
  else
    onlyLong(story)(rack, () => {
      const good = {
        Procfile: "rwsgi: config.ru\n",
        ENV: "NGINX_SERVER_NAME=rack.test\n",
        "config.ru": 'run ->(env) { [200, {"content-type" => "text/plain"}, ["one"]] }\n',
      };
      const app = board.repo(undefined, good);
      ok(board.push(app, "rack"));
      for (const [files, reason] of [
        [{ "config.ru": "run ->(env) { [200, {}, []\n" }, "config.ru line 1: syntax error"],
        [{ "config.ru": 'raise "no database"\n' }, "RuntimeError: no database"],
        [{ Procfile: "rwsgi: nowhere.ru\n" }, "there is no file 'nowhere.ru'"],
      ] as const) {
        app.commit("Broken", { ...good, ...files });
        expect(fails(board.push(app, "rack"), 1).stderr).toContain(reason);
        expect(page("rack.test").body).toBe("one");
      }
    });

  onlyLong(story)("uvicorn's processes that cannot load the app, which it starts for ever", () => {
    const source = `async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one"})
`;
    const app = board.repo(undefined, {
      Procfile: "web: uvicorn main:app --workers 2 --host $BIND_ADDRESS --port $PORT\n",
      ENV: "NGINX_SERVER_NAME=uvicorn.test\nPIKU_HEALTHCHECK_TIMEOUT=10\n",
      "requirements.txt": "uvicorn\n",
      "main.py": source,
    });
    ok(board.push(app, "uvicorn"));
    for (const [broken, reason] of [
      [`import nowhere\n${source}`, "'nowhere' is not installed"],
      [`import time\ntime.sleep(2)\nimport nowhere\n${source}`, "'nowhere' is not installed"],
      ["x = 1\n", "main.py has no 'app'"],
    ] as const) {
      app.commit("Broken", { "main.py": broken });
      expect(fails(board.push(app, "uvicorn"), 1).stderr).toContain(reason);
      expect(page("uvicorn.test").body).toBe("one");
    }
  });

  onlyLong(story)(
    "a push that waits for the last requests of the release before says so",
    async () => {
      const files = { ...webProbe("drain.test"), "app.py": slowSource };
      const app = board.repo(undefined, files);
      ok(board.push(app, "drain"));
      const words = [
        "-sS",
        "--noproxy",
        "*",
        "-H",
        "Host: drain.test",
        board.url("127.0.0.1", "/25"),
      ];
      const answer = Bun.spawn(["curl", ...words], { stdout: "pipe" });
      await Bun.sleep(300);
      app.commit("Second", { note: "2" });
      ok(board.push(app, "drain"));
      app.commit("Third", { note: "3" });
      expect(ok(board.push(app, "drain")).stderr).toContain(
        "Waiting up to 30 s for the last requests of the former processes",
      );
      expect(await new Response(answer.stdout).text()).toBe("done");
    },
  );

  onlyLong(story)("a certificate that takes long is told of every 30 seconds", () => {
    standIn(board, "dehydrated", 'case "$*" in *--cron*) sleep 70 ;; esac\n');
    const app = board.repo(undefined, webProbe("slow.example.com"));
    const { stderr } = ok(board.push(app, "slow"));
    expect(stderr).toMatch(/still at it: getting a certificate for slow\.example\.com.*\(\d+ s\)/);
    expect(stderr).toMatch(/still at it: getting a certificate for slow\.example\.com.*\(1 min\)/);
    withdraw(board, "dehydrated");
  });
}, unlessLong);
