import { expect } from "bun:test";
import { probeSource, webProbe } from "./probe.ts";
import { eventually, type Files, fails, ok } from "./sandbox.ts";
import { longOnAnyBoard, stories } from "./story.ts";

stories((board, story) => {
  const names = ["foo", "foo2", "foo_bar", "xfoo"];
  const pid = (name: string) => board.get("/pid", { host: `${name}.test` }).body;
  const pids = (but: string) =>
    Object.fromEntries(names.filter((name) => name !== but).map((name) => [name, pid(name)]));

  story("apps whose names begin alike never touch each other", () => {
    const apps = Object.fromEntries(
      names.map((name) => [name, board.repo(undefined, webProbe(`${name}.test`, name))]),
    );
    for (const name of names) ok(board.push(apps[name]!, name));
    for (const name of names) expect(board.get("/", { host: `${name}.test` }).body).toBe(name);
    const others = pids("foo");
    ok(board.ssh("ps:scale", "foo", "web=1"));
    apps.foo!.commit("Second", { "app.py": probeSource("foo again") });
    ok(board.push(apps.foo!, "foo"));
    ok(board.ssh("config:set", "foo", "A=1"));
    ok(board.ssh("restart", "foo"));
    expect(board.get("/", { host: "foo.test" }).body).toBe("foo again");
    ok(board.ssh("stop", "foo"));
    expect(pids("foo")).toEqual(others);
    ok(board.ssh("destroy", "foo"));
    Bun.sleepSync(1000);
    expect(pids("foo")).toEqual(others);
    const shown = ok(board.ssh("apps")).stdout.split("\n");
    expect(shown).toEqual(expect.arrayContaining(["*foo2", "*foo_bar", "*xfoo"]));
    expect(board.inventory().filter((name) => /\/foo$/.test(name))).toEqual(["data/foo"]);
    for (const name of ["foo2", "foo_bar"])
      expect(board.inventory()).toEqual(
        expect.arrayContaining([`apps/${name}`, `envs/${name}`, `repos/${name}`]),
      );
  });

  story("a kind whose file would be another app's is refused, naming that app", () => {
    const app = board.repo(undefined, {
      ...webProbe("foo.test", "foo"),
      Procfile: "web: exec python3 app.py\nbar_web: sleep 1000\n",
    });
    const before = pid("foo_bar");
    expect(fails(board.push(app, "foo"), 1).output).toContain("foo_bar");
    expect(pid("foo_bar")).toBe(before);
  });

  story("`foo.git` means `foo`, and a leading slash none", () => {
    const app = board.repo(undefined, webProbe("dotgit.test"));
    ok(board.push(app, "dotgit.git"));
    app.commit("Second", { "app.py": probeSource("two") });
    ok(board.run(["git", "push", "ssh://board/dotgit", "main"], { cwd: app.folder }));
    expect(board.get("/", { host: "dotgit.test" }).body).toBe("two");
    expect(board.inventory()).toContain("apps/dotgit");
    expect(board.inventory()).not.toContain("apps/dotgit.git");
  });

  story("names that cannot be are refused, and nothing is made", () => {
    const app = board.repo(undefined, webProbe("never.test"));
    const before = board.inventory();
    const bad = [
      "..",
      ".",
      "../x",
      "a/b",
      "./x",
      "a..b",
      ".hidden",
      "é",
      "name²",
      "a b",
      "a;b",
      "$(id)",
      "x".repeat(80),
      "a.lock",
      "_x",
    ];
    for (const name of bad) {
      const { output } = fails(board.push(app, `./${name}`.replace("./", "")));
      expect(`${name}: ${output}`).toMatch(/name/i);
    }
    for (const line of [
      "git-receive-pack '-x'",
      "git-receive-pack ''",
      "git-upload-pack '../foo2'",
      "git-receive-pack",
    ])
      fails(board.sshRaw(line), 2);
    for (const name of ["..", "a/b", "../foo2"]) {
      for (const command of ["config", "stop", "destroy", "restart", "ps", "logs", "deploy"])
        fails(board.ssh(command, name));
      fails(board.ssh("run", name, "pwd"));
      fails(board.ssh("config:set", name, "A=1"));
    }
    expect(board.inventory()).toEqual(before);
    expect(board.get("/", { host: "foo2.test" }).body).toBe("foo2");
  });

  story("a server name that another app has is refused", () => {
    const app = board.repo(undefined, webProbe("foo2.test", "thief"));
    expect(fails(board.push(app, "thief"), 1).output).toContain("foo2");
    expect(board.get("/", { host: "foo2.test" }).body).toBe("foo2");
    app.commit("Mine", { ENV: "NGINX_SERVER_NAME=thief.test\n" });
    ok(board.push(app, "thief"));
    expect(
      fails(board.ssh("config:set", "thief", "NGINX_SERVER_NAME=thief.test foo2.test"), 1).output,
    ).toContain("foo2");
    expect(board.get("/", { host: "thief.test" }).body).toBe("thief");
    expect(board.get("/", { host: "foo2.test" }).body).toBe("foo2");
  });

  story("a push of bad input is refused with file and line, and the old version stays", () => {
    const app = board.repo(undefined, webProbe("input.test"));
    ok(board.push(app, "input"));
    const before = pid("input");
    const web = "web: exec python3 app.py\n";
    const named = "NGINX_SERVER_NAME=input.test\n";
    const bad: [string, Files, RegExp][] = [
      ["no Procfile", { Procfile: null }, /Procfile/],
      ["empty Procfile", { Procfile: "" }, /Procfile/],
      ["comments only", { Procfile: "# web: later\n" }, /Procfile/],
      [
        "binary Procfile",
        { Procfile: new Uint8Array([0x7f, 0x45, 0x4c, 0x46, 0, 1, 0xff, 0xfe]) },
        /Procfile.*text/,
      ],
      ["huge Procfile", { Procfile: web + "#".repeat(100_000) }, /Procfile.*(64|large)/],
      ["bad line", { Procfile: `${web}\nthis is no worker\n` }, /Procfile.*3.*no worker/],
      ["bad kind", { Procfile: `${web}../x: sleep 1\n` }, /Procfile.*2/],
      ["bad cron hour", { Procfile: `${web}cron: 0 24 * * * date\n` }, /Procfile.*2.*24/],
      ["bad cron step", { Procfile: `${web}cron: */0 * * * * date\n` }, /Procfile.*2/],
      ["short cron", { Procfile: `${web}cron: * * * date\n` }, /Procfile.*2/],
      ["folder for a Procfile", { Procfile: null, "Procfile/x": "y" }, /Procfile/],
      ["bad ENV line", { ENV: `${named}\nno setting\n` }, /ENV.*3/],
      ["bad ENV name", { ENV: `${named}1A=x\n` }, /ENV.*2.*1A/],
      ["open quote", { ENV: `${named}A="never closed\n` }, /ENV.*2/],
      [
        "injection",
        { ENV: 'NGINX_SERVER_NAME="x; } location /etc { alias /etc/; } #"\n' },
        /NGINX_SERVER_NAME|server name/i,
      ],
      ["include outside", { ENV: `${named}NGINX_INCLUDE_FILE=../../ENV\n` }, /NGINX_INCLUDE_FILE/],
      ["include missing", { ENV: `${named}NGINX_INCLUDE_FILE=nothing.conf\n` }, /nothing\.conf/],
      ["bad port", { ENV: `${named}PORT=eighty\n` }, /PORT/],
    ];
    for (const [title, files, reason] of bad) {
      app.commit(title, { "app.py": probeSource(title), ...files });
      const { output } = fails(board.push(app, "input"), 1);
      expect(`${title}: ${output}`).toMatch(reason);
      expect([title, board.get("/", { host: "input.test" }).body, pid("input")]).toEqual([
        title,
        "one",
        before,
      ]);
      app.write({ Procfile: null }).write({ Procfile: web, ENV: named });
      ok(app.git("reset", "--quiet", "--hard", "HEAD~1"));
    }
    app.commit("Good", { "app.py": probeSource("good") });
    ok(board.push(app, "input"));
    eventually(() => expect(board.get("/", { host: "input.test" }).body).toBe("good"));
  });

  story("a Procfile of Windows, with a byte order mark, is fine", () => {
    const app = board.repo(undefined, {
      ...webProbe("windows.test"),
      Procfile: "\ufeffweb: exec python3 app.py\r\n",
    });
    ok(board.push(app, "windows"));
    expect(board.get("/", { host: "windows.test" }).body).toBe("one");
  });
}, longOnAnyBoard);
