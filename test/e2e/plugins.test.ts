/** Kinds that run inside uWSGI by a plugin other than Python's. */
import { expect } from "bun:test";
import fs from "node:fs";
import { probeSource, wsgiProbe } from "./probe.ts";
import { eventually, fails, ok, read } from "./sandbox.ts";
import { skipped, stories, unlessLong } from "./story.ts";
import { recorded, recording, standIn } from "./toolchains.ts";
import { hasPlugin } from "./tools.ts";

stories((board, story) => {
  /**
   * The processes of uWSGI that answer requests of an app, by their titles: these take the place of
   * their environment.
   */
  const workers = (app: string) =>
    fs.readdirSync("/proc").filter((pid) => {
      try {
        const isOurs = fs.readlinkSync(`/proc/${pid}/cwd`).startsWith(`${board.folder}/`);
        return (
          isOurs &&
          fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith(`${app}:wsgi:uWSGI worker`)
        );
      } catch {
        return false;
      }
    });

  story("an app that is idle has no workers, and has them again for the next request", () => {
    const app = board.repo(undefined, wsgiProbe("idle.test"));
    app.commit("Idle", { ENV: "NGINX_SERVER_NAME=idle.test\nUWSGI_IDLE=2\n" });
    ok(board.push(app, "idle"));
    expect(workers("idle")).toEqual([]);
    for (let round = 0; round < 2; round++) {
      expect(board.get("/", { host: "idle.test" }).body).toBe("one");
      // A process has its title a moment after it was made.
      eventually(() => expect(workers("idle").length).toBe(2), 1);
      eventually(() => expect(workers("idle")).toEqual([]), 20);
    }
    const before = board.get("/pid", { host: "idle.test" }).body;
    app.commit("Second", { "app.py": probeSource("two") });
    ok(board.push(app, "idle"));
    expect(board.get("/", { host: "idle.test" }).body).toBe("two");
    expect(board.get("/pid", { host: "idle.test" }).body).not.toBe(before);
    app.commit("Broken", { "app.py": "import nowhere\n" });
    fails(board.push(app, "idle"), 1);
    eventually(() => expect(workers("idle")).toEqual([]), 20);
    expect(board.get("/", { host: "idle.test" }).body).toBe("two");
  });

  story("options of the app's own reach uWSGI, and those that are piku's are refused", () => {
    const app = board.repo(undefined, wsgiProbe("options.test"));
    app.commit("Options", {
      ENV: "NGINX_SERVER_NAME=options.test\nUWSGI_INCLUDE_FILE=conf/uwsgi.conf\n",
      "conf/uwsgi.conf": "# mine\nharakiri = 30\nenv = WHO=%(project)\n",
    });
    ok(board.push(app, "options"));
    expect(board.get("/env/WHO", { host: "options.test" }).body).toBe("options");
    app.commit("Socket", { "conf/uwsgi.conf": "harakiri = 30\nhttp = :8000\n" });
    expect(fails(board.push(app, "options"), 1).output).toContain(
      "conf/uwsgi.conf line 2: 'http' cannot be set here",
    );
    for (const name of ["/etc/passwd", "../../x", "nowhere"])
      expect(
        fails(board.ssh("config:set", "options", `UWSGI_INCLUDE_FILE=${name}`), 1).output,
      ).toContain(`UWSGI_INCLUDE_FILE: `);
    expect(board.get("/env/WHO", { host: "options.test" }).body).toBe("options");
  });

  for (const [setting, plugin] of [
    ["UWSGI_GEVENT", "gevent_python3"],
    ["UWSGI_ASYNCIO", "asyncio_python3"],
  ] as const) {
    const name = `${setting} serves, and is refused where it is no number`;
    if (!hasPlugin(plugin))
      skipped(name, `uwsgi-plugin-${plugin.replace("_", "-")} is not installed`);
    else
      story(name, () => {
        const app = board.repo(undefined, wsgiProbe("many.test"));
        app.commit("Many", { ENV: `NGINX_SERVER_NAME=many.test\n${setting}=10\n` });
        ok(board.push(app, "many"));
        expect(board.get("/", { host: "many.test" }).body).toBe("one");
        const refused = fails(board.ssh("config:set", "many", `${setting}=lots`), 1);
        expect(refused.output).toContain(`${setting}: invalid number 'lots'`);
        expect(board.get("/", { host: "many.test" }).body).toBe("one");
        ok(board.ssh("destroy", "many"));
      });
  }

  const php =
    "a php app is served, changed, and neither its settings nor its source can be asked for";
  if (!hasPlugin("php")) skipped(php, "uwsgi-plugin-php is not installed");
  else
    story(php, () => {
      const app = board.repo("php");
      ok(board.push(app, "php"));
      expect(board.get("/", { host: "php.test" }).body).toBe("Hello from PHP\n");
      app.commit("Second", {
        "public/index.php": '<?php echo "second";',
        "public/a.txt": "a file\n",
        "public/.x": "hidden",
      });
      ok(board.push(app, "php"));
      expect(board.get("/", { host: "php.test" }).body).toBe("second");
      expect(board.get("/index.php", { host: "php.test" }).body).toBe("second");
      expect(board.get("/a.txt", { host: "php.test" }).body).toBe("a file\n");
      for (const url of ["/.x", "/../ENV", "/..%2fENV", "/.git/config"])
        expect(board.get(url, { host: "php.test" }).body).not.toMatch(
          /hidden|GREETING|repositoryformat/,
        );
      app.commit("Everything", { Procfile: "php: /\n", "index.php": "<?php echo 'root';" });
      ok(board.push(app, "php"));
      expect(board.get("/", { host: "php.test" }).body).toBe("root");
      for (const url of ["/ENV", "/Procfile", "/.git/config"])
        expect(board.get(url, { host: "php.test" }).status).toBe(404);
      app.commit("Out", { Procfile: "php: ../..\n" });
      expect(fails(board.push(app, "php"), 1).output).toContain("../..");
      expect(board.get("/", { host: "php.test" }).body).toBe("root");
    });

  const composer =
    "a php app with packages, which composer puts into its vendor folder [composer is a recording stand-in]";
  if (!hasPlugin("php")) skipped(composer, "uwsgi-plugin-php is not installed");
  else
    story(composer, () => {
      const page =
        "<?php @include '../vendor/autoload.php'; echo function_exists('greet') ? greet() : 'bare';";
      const app = board.repo("php", {
        ENV: "NGINX_SERVER_NAME=vendor.test\n",
        "public/index.php": page,
      });
      const body = () => board.get("/", { host: "vendor.test" }).body;
      app.commit("Packages", { "composer.json": '{"require": {"a/greeting": "1"}}\n' });
      expect(ok(board.push(app, "vendor")).output).toContain("the server has no composer");
      expect(body()).toBe("bare");
      standIn(
        board,
        "composer",
        recording(
          '[ -s composer.json ] || { echo "composer.json is empty"; exit 1; }\n' +
            "mkdir -p vendor\nrm -f vendor/only-*\n: >vendor/only-$(wc -c <composer.json)\n" +
            "echo '<?php function greet() { return \"packed\"; }' >vendor/autoload.php\n",
        ),
      );
      app.commit("Again");
      ok(board.push(app, "vendor"));
      expect(recorded(board)).toEqual(["composer install --no-dev --no-interaction --no-progress"]);
      expect(body()).toBe("packed");
      // What a package has no more goes from the app too.
      app.commit("Another", { "composer.json": '{"require": {}}\n' });
      ok(board.push(app, "vendor"));
      const vendor = () => fs.readdirSync(`${board.pikuRoot}/apps/vendor/vendor`).sort();
      expect(vendor()).toEqual(["autoload.php", "only-16"]);
      app.commit("Broken", { "composer.json": "" });
      expect(fails(board.push(app, "vendor"), 1).output).toContain("composer.json is empty");
      expect(body()).toBe("packed");
      expect(vendor()).toEqual(["autoload.php", "only-16"]);
    });

  const jwsgi =
    "a jwsgi app is served, changed, sleeps when it is idle, and what is no class is refused";
  if (!hasPlugin("jwsgi") || !hasPlugin("jvm"))
    skipped(jwsgi, "uwsgi-plugin-jwsgi-openjdk-17 is not installed");
  else if (!Bun.which("javac")) skipped(jwsgi, "javac is not installed");
  else
    story(jwsgi, () => {
      const get = () => board.get("/there", { host: "jwsgi.test" });
      const app = board.repo("java-jwsgi");
      ok(board.push(app, "jwsgi"));
      expect(get().body).toBe("Hello from JWSGI, at /there\n");
      const source = "src/Hello.java";
      const changed = fs
        .readFileSync(`${app.folder}/${source}`, "utf8")
        .replace("from", "again from");
      app.commit("Second", { [source]: changed });
      ok(board.push(app, "jwsgi"));
      expect(get().body).toBe("Hello again from JWSGI, at /there\n");
      app.commit("Broken", { Procfile: "jwsgi: Nowhere\n" });
      expect(fails(board.push(app, "jwsgi"), 1).output).toMatch(
        /ClassNotFound(.*\n)*.*could not be loaded/,
      );
      app.commit("Jar", { Procfile: "jwsgi: java -jar app.jar\n" });
      const refused = fails(board.push(app, "jwsgi"), 1).output;
      expect(refused).toMatch(/is not the name of a class(.*\n)*.*web: java -jar app.jar/);
      expect(get().body).toBe("Hello again from JWSGI, at /there\n");
      ok(board.ssh("config:set", "jwsgi", "UWSGI_IDLE=60"));
      expect(get().body).toBe("Hello again from JWSGI, at /there\n");
    });

  const rack = "a rack app is served, changed, and a broken one is refused";
  if (!hasPlugin("rack")) skipped(rack, "uwsgi-plugin-rack-ruby3.1 is not installed");
  else
    story(rack, () => {
      const app = board.repo("ruby-rack");
      ok(board.push(app, "rack"));
      expect(board.get("/", { host: "rack.test" }).body).toBe("Hello from Rack\n");
      const changed = read(`${app.folder}/config.ru`).replace("Hello", "Hello again");
      app.commit("Second", { "config.ru": changed });
      ok(board.push(app, "rack"));
      expect(board.get("/", { host: "rack.test" }).body).toBe("Hello again from Rack\n");
      app.commit("Broken", { "config.ru": "run )\n" });
      fails(board.push(app, "rack"), 1);
      expect(board.get("/", { host: "rack.test" }).body).toBe("Hello again from Rack\n");
    });
}, unlessLong);
