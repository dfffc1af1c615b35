/**
 * A hostile app on an installed board, behind its wall (PIKU_ISOLATION): what hostile.ts lists, as
 * each kind of process, as a step of a build and by `run`, and the doors that are outside of walls.
 */
import { expect } from "bun:test";
import { eventually, type Files, fails, list, ok, type Repo, read } from "../e2e/board.ts";
import { underLoad } from "../e2e/load.ts";
import { webProbe, wsgiProbe } from "../e2e/probe.ts";
import { installedStories } from "../e2e/story.ts";
import { attack, attempts } from "./hostile.ts";

installedStories((board, story) => {
  const shell = (line: string) => board.asRoot(["sh", "-c", line]);
  const root = () => board.pikuRoot;
  const page = (name: string, url = "/") => board.get(url, { host: `${name}.test` });
  const held = attempts.map(([what]) => `held ${what}`);
  const tried = (app: string, kind: string) =>
    read(`${root()}/data/${app}/tried.${kind}`).trim().split("\n");
  /** What must never be seen outside of the app's own folders. */
  const marks = () =>
    shell(
      "grep -rl PWNED /home/piku /tmp /var/tmp /etc/cron* /var/spool 2>/dev/null | grep -v '/\\(apps\\|repos\\|releases/mallory/\\(tree\\|wall\\)\\|data\\|logs\\)/'; true",
    ).stdout;
  const hostile = {
    Procfile:
      "preflight: sh attack.sh build\nrelease: sh attack.sh release\nwsgi: app:app\nworker: sh attack.sh worker; exec sleep 10000\ncron: * * * * * sh attack.sh cron\n",
    ENV: "NGINX_SERVER_NAME=mallory.test\nNGINX_LOG=true\nNGINX_STATIC_PATHS=/s:public\n",
    "attack.sh": attack,
    "public/index.html": "mallory\n",
    "app.py": `import subprocess
subprocess.run(["sh", "attack.sh", "wsgi"])
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"mallory"]
`,
  };
  const eve = {
    Procfile: "web: sh attack.sh web; exec python3 app.py\n",
    ENV: "NGINX_SERVER_NAME=eve.test\n",
    "attack.sh": attack,
    "app.py": webProbe("eve.test", "eve")["app.py"]!,
  };
  let app: Repo;

  story("a bank, and a board that isolates all apps", () => {
    // A container hides parts of /proc, which no real board does.
    ok(
      shell(
        "awk '$2 ~ \"^/proc/\" { print $2 }' /proc/mounts | sort -r | xargs -n 1 umount -l; true",
      ),
    );
    ok(board.ssh("config:set", "--global", "PIKU_ISOLATION=true"));
    ok(board.push(board.repo(undefined, wsgiProbe("bank.test", "bank")), "bank"));
    ok(board.ssh("config:set", "bank", "SECRET=topsecret123"));
    const secret =
      "echo topsecret123 >/tmp/bank-secret; cp /tmp/bank-secret /var/tmp; cp /tmp/bank-secret $DATA_ROOT/ledger";
    ok(board.ssh("run", "bank", "--", "sh", "-c", secret));
    expect(read(`${root()}/data/bank/ledger`)).toBe("topsecret123\n");
    expect(page("bank").body).toBe("bank");
    app = board.repo(undefined, hostile);
  });

  const victim = () => read(`${root()}/releases/bank/run-2/wsgi.1.pid`).trim();
  const secretsIn = (text: string) => text.includes("topsecret123");
  const inside = (line: string) =>
    board.ssh("run", "mallory", "--", "sh", "-c", line.replaceAll("$P", "/home/piku/.piku"));

  story(`the hostile app tries ${attempts.length} things, and gets through with none`, () => {
    const pid = victim();
    expect(ok(shell(`cat /proc/${pid}/cmdline`)).stdout).toContain("bank:wsgi:uWSGI master");
    ok(board.ssh("config:set", "mallory", `V=${pid}`, "PIKU_HEALTHCHECK_TIMEOUT=300"));
    ok(board.ssh("config:set", "eve", `V=${pid}`, "PIKU_HEALTHCHECK_TIMEOUT=300"));
    ok(board.push(app, "mallory"));
    ok(board.push(board.repo(undefined, eve), "eve"));
    ok(board.ssh("run", "mallory", "--", "sh", "attack.sh", "run"));
    for (const kind of ["build", "release", "wsgi", "run"])
      expect([kind, ...tried("mallory", kind)]).toEqual([kind, ...held]);
    expect(tried("eve", "web")).toEqual(held);
    eventually(() => expect(list(`${root()}/data/mallory`)).toContain("tried.worker"), 60);
    expect(tried("mallory", "worker")).toEqual(held);
    eventually(() => expect(list(`${root()}/data/mallory`)).toContain("tried.cron"), 120);
    expect(tried("mallory", "cron")).toEqual(held);
    expect(marks()).toBe("");
    expect(page("bank").body).toBe("bank");
    expect(page("mallory").body).toBe("mallory");
  });

  /** The kinds whose uWSGI plugins a board does not have before somebody installs them. */
  const plugged: [kind: string, packages: string[], files: Files][] = [
    [
      "php",
      ["uwsgi-plugin-php"],
      {
        Procfile: "php: public\n",
        "public/index.php": "<?php passthru('sh ../attack.sh php 2>&1'); echo 'php';",
      },
    ],
    [
      "rwsgi",
      ["uwsgi-plugin-rack-ruby3.1", "ruby-rack"],
      {
        Procfile: "rwsgi: config.ru\n",
        "config.ru":
          'system "sh attack.sh rwsgi"\nrun ->(env) { [200, { "content-type" => "text/plain" }, ["rwsgi"]] }\n',
      },
    ],
    [
      "jwsgi",
      ["uwsgi-plugin-jwsgi-openjdk-17", "openjdk-17-jdk-headless"],
      {
        Procfile: "release: javac -d . src/Hello.java\njwsgi: Hello\n",
        "src/Hello.java": `import java.util.HashMap;

public class Hello {
  static {
    try {
      new ProcessBuilder("sh", "attack.sh", "jwsgi").inheritIO().start().waitFor();
    } catch (Exception error) {
      throw new RuntimeException(error);
    }
  }

  public static Object[] application(HashMap<String, Object> env) {
    return new Object[] { 200, new HashMap<String, Object>(), "jwsgi" };
  }
}
`,
      },
    ],
  ];
  for (const [kind, packages, files] of plugged)
    story(`a ${kind} app is behind its wall as well`, () => {
      const get = ["apt-get", "-qq", "-y", "--no-install-recommends", "install", ...packages];
      ok(board.asRoot(["apt-get", "-qq", "update"], { limit: 300 }));
      ok(board.asRoot(get, { limit: 600 }));
      const own = { ENV: `NGINX_SERVER_NAME=${kind}.test\n`, "attack.sh": attack };
      // Each process of a JVM loads the app, and would try it all at once with the others.
      const settings = ["UWSGI_PROCESSES=1", "PIKU_HEALTHCHECK=false"];
      ok(board.ssh("config:set", kind, `V=${victim()}`, ...settings));
      ok(board.push(board.repo(undefined, { ...files, ...own }), kind));
      eventually(() => expect(page(kind).body).toEndWith(kind), 60);
      eventually(() => expect(list(`${root()}/data/${kind}`)).toContain(`tried.${kind}`), 60);
      expect(tried(kind, kind)).toEqual(held);
    });

  story("while an app eats memory and forks, the neighbour answers 5,000 requests", async () => {
    const greedy = `import os, sys, time
# By then it is live.
time.sleep(5)
if sys.argv[1] == "eat":
    kept = []
    while True:
        kept.append(b"x" * (1 << 20))
while True:
    try:
        if os.fork() == 0:
            time.sleep(6000)
    except OSError:
        time.sleep(0.01)
`;
    const files = {
      Procfile: "worker: exec python3 app.py eat\nfork: exec python3 app.py fork\n",
      ENV: "PIKU_MEMORY=100M\nPIKU_PROCESSES=40\n",
      "app.py": greedy,
    };
    const forked = "ps -eo args | grep -c '^python3 app.py for[k]'";
    const { asked, failed } = await underLoad(board, "bank.test", 5000, async () => {
      ok(board.push(board.repo(undefined, files), "greedy"));
      for (let i = 0; i < 300 && Number(shell(forked).stdout) < 20; i++) await Bun.sleep(200);
      expect(Number(shell(forked).stdout)).toBeGreaterThan(20);
      await Bun.sleep(5000);
    });
    console.log(`the neighbour answered ${asked - failed.length} of ${asked}`);
    expect(failed).toEqual([]);
    expect(asked).toBeGreaterThanOrEqual(5000);
    expect(Number(shell(forked).stdout)).toBeLessThan(60);
    ok(board.ssh("destroy", "greedy", "--purge"));
    expect(Number(shell(forked).stdout)).toBe(0);
  });

  story("what it ends are its own processes only", () => {
    const all = () => ok(shell("pgrep -f 'uWSGI (master|worker)' | sort")).stdout;
    const before = all();
    inside("kill -9 -1; true");
    expect(all()).toBe(before);
    expect(page("bank").body).toBe("bank");
  });

  story("nginx follows no link out, nor does `logs`", () => {
    ok(inside("ln -s $P/envs/bank/ENV public/x && ln -s $P/data/bank public/d"));
    for (const url of ["/s/x", "/s/d/ledger"]) {
      expect(page("mallory", url).status).toBeGreaterThanOrEqual(403);
      expect(secretsIn(page("mallory", url).body)).toBe(false);
    }
    ok(inside("mv public hidden && ln -s $P/envs/bank public"));
    expect(page("mallory", "/s/ENV").status).toBeGreaterThanOrEqual(403);
    ok(inside("rm public && mv hidden public && rm public/x public/d"));
    expect(page("mallory", "/s/").body).toBe("mallory\n");
    ok(inside("cd $P/logs/mallory && ln -sf $P/envs/bank/ENV worker.1.log"));
    ok(inside("cd $P/logs/mallory && ln -sf $P/envs/bank/ENV nginx.access.log"));
    for (const words of [
      ["logs", "mallory", "--no-follow"],
      ["logs", "mallory", "--no-follow", "--all"],
    ])
      expect(secretsIn(ok(board.ssh(...words)).output)).toBe(false);
    page("mallory", "/?who-asks");
    ok(shell("kill -USR1 $(cat /home/piku/.piku/web/nginx.pid)"));
    expect(read(`${root()}/logs/mallory~/nginx.access.log`)).toContain("/?who-asks");
    ok(inside("rm $P/logs/mallory/nginx.access.log"));
  });

  story("a push writes through no link in the app's files", () => {
    ok(inside("ln -s $P/uwsgi-enabled sub && ln -s $P/nginx public/nginx"));
    app.commit("Through a link", {
      "sub/pwned_web.1.ini": "PWNED\n",
      "public/nginx/pwned.conf": "PWNED\n",
    });
    board.push(app, "mallory");
    expect(list(`${root()}/uwsgi-enabled`)).not.toContain("pwned_web.1.ini");
    expect(list(`${root()}/nginx`)).not.toContain("pwned.conf");
    ok(inside("rm -r sub public/nginx"));
    app.commit("Without", { "sub/pwned_web.1.ini": null, "public/nginx/pwned.conf": null });
    ok(board.push(app, "mallory"));
  });

  story("what it had left in git's configuration is not run", () => {
    const tree = `${root()}/apps/mallory`;
    const set = (...words: string[]) => ok(board.on(["git", "-C", tree, "config", ...words]));
    set("core.fsmonitor", "touch /tmp/PWNED; false");
    set("filter.bad.clean", "touch /tmp/PWNED; cat");
    set("filter.bad.smudge", "touch /tmp/PWNED; cat");
    app.commit("Filtered", { ".gitattributes": "* filter=bad\n", "new.txt": "new\n" });
    ok(board.push(app, "mallory"));
    expect(shell("ls /tmp/PWNED").status).not.toBe(0);
  });

  story("its settings name no program that is run outside", () => {
    const fake = "#!/bin/sh\necho PWNED >/home/piku/.piku/nginx/pwned.conf\nexit 1\n";
    const names = ["unshare", "mount", "setpriv", "mkdir", "sh", "nice", "git", "env"];
    const bin = Object.fromEntries(names.map((name) => [`bin/${name}`, fake]));
    const PATH =
      "PATH=/home/piku/.piku/apps/mallory/bin:/home/piku/.piku/releases/mallory/tree/bin:/usr/bin\n";
    app.commit("Its own programs", { ...bin, ENV: hostile.ENV + PATH });
    ok(board.run(["git", "update-index", "--chmod=+x", ...Object.keys(bin)], { cwd: app.folder }));
    app.commit("May be run", {});
    board.push(app, "mallory");
    expect(list(`${root()}/nginx`)).not.toContain("pwned.conf");
    app.commit("Not its own", { ENV: hostile.ENV });
    ok(board.push(app, "mallory"));
    expect(marks()).not.toContain("pwned");
  });

  story("directives that lead out are refused, and the board's word holds", () => {
    const include = { ENV: `${hostile.ENV}NGINX_INCLUDE_FILE=n.conf\n` };
    app.commit("Alias", {
      ...include,
      "n.conf": "location /e/ { alias /home/piku/.piku/envs/; }\n",
    });
    expect(fails(board.push(app, "mallory"), 1).output).toContain(
      "is not allowed in an isolated app",
    );
    ok(app.git("reset", "--quiet", "--hard", "HEAD~1"));
    const key = read(`${board.folder}/ssh/other.pub`);
    ok(board.sshRaw("keys:add mallory --apps mallory", { input: key }));
    const loosened = ok(board.sshRaw("config:set mallory PIKU_ISOLATION=false", { host: "other" }));
    expect(loosened.output).toContain("PIKU_ISOLATION=false has no effect");
    expect(ok(inside("ls $P/apps")).stdout).toBe("mallory\n");
  });

  story(
    "a board for a class says what it turned on, and its walls have a /proc of their own",
    () => {
      ok(board.ssh("config:unset", "--global", "PIKU_ISOLATION"));
      const said = ok(board.install("--class")).output;
      expect(said).toContain("For a class: PIKU_ISOLATION=true, for all apps");
      expect(said).toMatch(/For a class: PIKU_MEMORY=\d+M, for all apps/);
      expect(board.settings).toContain("PIKU_ISOLATION=true\n");
      expect(ok(board.install("--class")).output).not.toContain("For a class");
      ok(
        board.ssh("config:unset", "--global", "PIKU_MEMORY", "PIKU_MEMORY_BUILD", "PIKU_PROCESSES"),
      );
      ok(shell("systemctl daemon-reload && systemctl restart uwsgi-piku"));
      eventually(() => expect(page("mallory").body).toBe("mallory"), 60);
      const numbers =
        "import os\ndef app(e, s):\n  s('200 OK', [])\n  return [str([os.getppid(), os.path.exists('/proc/%d' % os.getpid()), len([n for n in os.listdir('/proc') if n.isdigit()]) < 9]).encode()]\n";
      const own = {
        Procfile: "wsgi: app:app\n",
        ENV: "NGINX_SERVER_NAME=own.test\n",
        "app.py": numbers,
      };
      ok(board.push(board.repo(undefined, own), "own"));
      expect(page("own").body).toBe("[1, True, True]");
    },
  );

  story("killed, restarted and rolled back it is still behind its wall", () => {
    const result = `${root()}/data/mallory/tried.wsgi`;
    const again = (act: () => void) => {
      ok(shell(`rm -f ${board.inside(result)}`));
      act();
      eventually(() => expect(tried("mallory", "wsgi")).toEqual(held), 60);
    };
    again(() => ok(shell("kill -9 $(pgrep -f '^mallory:wsgi:uWSGI master')")));
    again(() => ok(board.ssh("restart", "mallory")));
    again(() => ok(board.ssh("rollback", "mallory")));
    again(() => board.reboot());
    expect(page("bank").body).toBe("bank");
  });

  story("--uninstall leaves nothing of --class among the units, and it comes back", () => {
    const units = "find /etc/systemd /usr/lib/systemd -path '*uwsgi-piku*' -o -name 'piku-web*'";
    expect(ok(shell(units)).stdout).toContain("uwsgi-piku.service.d/z-class.conf");
    ok(board.install("--uninstall"));
    expect(ok(shell(units)).stdout).toBe("");
    expect(list(`${root()}/data/bank`)).toContain("ledger");
    ok(board.install());
    eventually(() => expect(page("bank").body).toBe("bank"), 60);
    // Its keys went as well.
    const ls = ["run", "mallory", "--", "ls", "/home/piku/.piku/apps"];
    expect(ok(board.piku(...ls)).stdout).toBe("mallory\n");
  });
});
