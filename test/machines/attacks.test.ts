/**
 * What attackers did to an installed board of version 1, and what a board with an nginx of its own
 * makes of it: by ssh and http from outside.
 */
import { expect } from "bun:test";
import fs from "node:fs";
import net from "node:net";
import { eventually, fails, list, ok, read } from "../e2e/board.ts";
import { webProbe, wsgiProbe } from "../e2e/probe.ts";
import { installedStories } from "../e2e/story.ts";

installedStories((board, story) => {
  const page = (name: string) => board.get("/", { host: `${name}.test` });
  const shell = (line: string) => board.asRoot(["sh", "-c", line]);
  /** What an app's push runs before it is built: whatever its pusher likes, as piku's user. */
  const attacker = (script: string) => ({
    Procfile: "preflight: sh attack.sh\nstatic: public\n",
    ENV: "NGINX_SERVER_NAME=ben.test\nNGINX_LOG=true\n",
    "attack.sh": script,
    "public/index.html": "ben\n",
  });
  const ben = board.repo.bind(board, undefined);
  const outside = () =>
    ok(
      shell(
        "find / -xdev -newer /root/release/SHA256SUMS -cnewer /srv/story/began ! -path '/home/piku/*' ! -path '/home/piku' ! -path '/srv/*' ! -path '/proc/*' ! -path '/var/log/*' ! -path '/tmp*' ! -path '/var/tmp*' ! -path '/run/*' ! -path '/root*' -type f",
      ),
    ).stdout;

  story("a bank, a library, and a stranger with a key for one app", () => {
    ok(board.push(board.repo(undefined, webProbe("bank.test", "bank")), "bank"));
    ok(board.ssh("config:set", "bank", "SECRET=topsecret123"));
    ok(board.push(board.repo(undefined, wsgiProbe("books.test", "books")), "books"));
    ok(shell("touch /srv/story/began && sleep 1 && touch /etc/control"));
    expect(outside()).toBe("/etc/control\n");
    ok(shell("rm /etc/control"));
  });

  story(
    "A2 (a): a push had root's nginx write a library that every program of root's loads",
    () => {
      const conf = [
        'log_format pwn escape=none "/home/piku/.piku/data/ben/e.so";',
        "server { listen 8099; access_log /etc/ld.so.preload pwn; location / { return 200 ok; } }",
      ];
      const script = `cat >~/.piku/nginx/zz.conf <<'END'\n${conf.join("\n")}\nEND\n`;
      const pushed = ok(board.push(ben(attacker(script)), "ben")).output;
      expect(pushed).toMatch(
        /nginx refuses the site of 'zz', which was set aside: open\(\) "\/etc\/ld\.so\.preload" failed/,
      );
      board.get("/", { port: 8099 });
      expect(ok(shell("ls /etc/ld.so.preload 2>/dev/null; id -u")).stdout).toBe("0\n");
      // At the next start of nginx neither.
      ok(board.asRoot(["systemctl", "restart", "piku-web"]));
      expect(ok(shell("ls /etc/ld.so.preload 2>/dev/null; true")).stdout).toBe("");
      eventually(() => expect(page("bank").body).toBe("bank"));
      expect(outside()).toBe("");
    },
  );

  story(
    "A2 (b): a visitor of an app's wrote a file of root's through a link in place of its log",
    () => {
      const link =
        "rm -f ~/.piku/logs/ben/nginx.access.log; ln -s /etc/profile.d/pwn.sh ~/.piku/logs/ben/nginx.access.log\n";
      const told = () =>
        board.get("/", { host: "ben.test", headers: { "User-Agent": "$(id>/PWNED-BY-LOG)" } }).body;
      const written = () =>
        ok(shell("ls /etc/profile.d/pwn.sh /PWNED-BY-LOG 2>/dev/null; true")).stdout;
      const repo = ben(attacker(link));
      ok(board.push(repo, "ben", "+main"));
      expect(told()).toBe("ben\n");
      expect(written()).toBe("");
      // Made anew once it is live, it is taken away at the next start of nginx, and stops none of
      // the others.
      ok(board.on(["sh", "-c", link]));
      ok(board.asRoot(["systemctl", "restart", "piku-web"]));
      eventually(() => expect(page("bank").body).toBe("bank"));
      expect(told()).toBe("ben\n");
      expect(written()).toBe("");
      expect(outside()).toBe("");
    },
  );

  story("A1: with settings alone root's nginx emptied any folder, and took it over", () => {
    ok(
      shell(
        "mkdir -p /etc/victim && echo theirs >/etc/victim/a.txt && mkdir -p /srv/photos && chown piku: /srv/photos && echo x >/srv/photos/b.jpg",
      ),
    );
    const before = ok(shell("ls -lan /etc/victim /srv/photos")).stdout;
    for (const folder of [
      "/etc/victim",
      "/srv/photos",
      `${board.inside(board.pikuRoot)}/data/bank`,
      "/home/piku/.piku",
    ])
      expect(
        fails(
          board.ssh(
            "config:set",
            "books",
            "NGINX_CACHE_PREFIXES=/thumbs",
            `NGINX_CACHE_PATH=${folder}`,
          ),
          1,
        ).output,
      ).toContain("NGINX_CACHE_PATH");
    expect(ok(shell("ls -lan /etc/victim /srv/photos")).stdout).toBe(before);
    ok(shell("rm -r /etc/victim /srv/photos"));
  });

  story("A3: thirty changes of the folder of sites in a moment ended all changes for good", () => {
    ok(
      board.on([
        "sh",
        "-c",
        "for i in $(seq 30); do touch ~/.piku/nginx/x$i && rm ~/.piku/nginx/x$i; done",
      ]),
    );
    for (let i = 0; i < 8; i++)
      ok(board.ssh("config:set", "ben", `NGINX_SERVER_NAME=ben${i}.test`));
    expect(page("ben7").body).toBe("ben\n");
    ok(board.ssh("config:set", "ben", "NGINX_SERVER_NAME=ben.test"));
  });

  story(
    "A4: whatever ran as www-data could have a wsgi app load its code, and read every secret",
    () => {
      ok(
        shell(
          'printf \'def application(e, s):\\n  s("200 OK", [])\\n  return [b"x"]\\n\' >/var/tmp/evil.py && chmod 644 /var/tmp/evil.py',
        ),
      );
      const ask = [
        "import socket, sys, struct",
        "s = socket.socket(socket.AF_UNIX)",
        "s.connect(sys.argv[1])",
        'v = b"".join(struct.pack("<H", len(w)) + w for p in [(b"UWSGI_FILE", b"/var/tmp/evil.py"), (b"SCRIPT_NAME", b"/p"), (b"REQUEST_METHOD", b"GET"), (b"PATH_INFO", b"/p")] for w in p)',
        's.sendall(struct.pack("<BHB", 0, len(v), 0) + v)',
        "print(s.recv(4096))",
      ].join("\n");
      fs.writeFileSync(`${board.folder}/ask.py`, ask);
      const socket = "/home/piku/.piku/sockets/books.1.sock";
      const as = (user: string) =>
        board.asRoot(["su", "-s", "/bin/sh", user, "-c", `python3 /srv/story/ask.py ${socket}`]);
      for (const user of ["www-data", "nobody"])
        expect(fails(as(user)).output).toContain("Permission denied");
      expect(
        ok(shell("stat -Lc %a:%U:%G /home/piku/.piku/sockets/books.1.sock; id -Gn piku")).stdout,
      ).toBe("600:piku:piku\npiku\n");
      expect(
        fails(board.asRoot(["su", "-s", "/bin/sh", "www-data", "-c", "ls /home/piku"])).output,
      ).toContain("Permission denied");
    },
  );

  story(
    "A13: 1,700 connections of one address, silent or slow, kept everybody out; more than 400 requests at once are one address's fault",
    async () => {
      const slow = `import os, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(3)
        self.send_response(200)
        self.end_headers()
ThreadingHTTPServer.request_queue_size = 1024
ThreadingHTTPServer((os.environ["BIND_ADDRESS"], int(os.environ["PORT"])), Page).serve_forever()
`;
      ok(board.push(board.repo(undefined, { ...webProbe("slow.test"), "app.py": slow }), "slow"));
      const connect = (says: string) => {
        const socket = net.connect(board.httpPort, board.address);
        let answer = "";
        socket.on("error", () => {});
        socket.on("data", (data) => (answer += data));
        if (says) socket.on("connect", () => socket.write(says));
        return { socket, status: () => answer.slice(9, 12) };
      };
      const idle = Array.from({ length: 1700 }, (_, i) =>
        connect(i % 2 ? "" : "GET / HTTP/1.1\r\nHost: bank.test\r\n"),
      );
      await Bun.sleep(1000);
      expect(page("bank").body).toBe("bank");
      for (const { socket } of idle) socket.destroy();
      const get = "GET / HTTP/1.1\r\nHost: slow.test\r\nConnection: close\r\n\r\n";
      // A class behind one address.
      const some = Array.from({ length: 200 }, () => connect(get));
      await Bun.sleep(8000);
      expect(some.filter(({ status }) => status() !== "200").map(({ status }) => status())).toEqual(
        [],
      );
      const many = Array.from({ length: 600 }, () => connect(get));
      await Bun.sleep(2000);
      expect(many.filter(({ status }) => status() === "429").length).toBeGreaterThan(100);
      for (const { socket } of [...some, ...many]) socket.destroy();
      expect(board.get("/", { host: "bank.test", local: true }).body).toBe("bank");
      ok(board.ssh("destroy", "slow", "--force"));
    },
  );

  story("A16: a name of 81 letters was taken by piku and refused by nginx", () => {
    const long = `${"a".repeat(60)}.${"b".repeat(60)}.${"c".repeat(60)}.test`;
    ok(board.ssh("config:set", "ben", `NGINX_SERVER_NAME=ben.test,${long}`));
    expect(board.get("/", { host: long }).body).toBe("ben\n");
  });

  story(
    "A18: an app gains no rights, and still starts a wall of its own below the hardened emperor",
    () => {
      const jail = `#!/bin/sh
[ "$JAILED" ] || JAILED=1 exec unshare --user --map-current-user --keep-caps --mount sh "$0" "$@"
set -e
new=$HOME/.piku/locks
mount -t tmpfs -o mode=755,size=1m tmpfs "$new"
for d in apps/jail envs/jail; do
  [ ! -d "$HOME/.piku/$d" ] || { mkdir -p "$new/.piku/$d" && mount --bind "$HOME/.piku/$d" "$new/.piku/$d"; }
done
mount --rbind "$new" "$HOME"
cd "$HOME/.piku/apps/jail"
exec setpriv --inh-caps=-all --ambient-caps=-all --no-new-privs "$@"
`;
      const source = `${read(
        `${board.repo(undefined, webProbe("jail.test")).folder}/app.py`,
      ).replace(
        'elif path == "/pid":',
        'elif path == "/seen":\n        body = " ".join(sorted(os.listdir(os.path.expanduser("~/.piku/apps")))).encode()\n    elif path == "/rights":\n        body = open("/proc/self/status").read().encode()\n    elif path == "/pid":',
      )}`;
      const files = {
        ...webProbe("jail.test"),
        Procfile: "web: sh jail.sh python3 app.py\n",
        "jail.sh": jail,
        "app.py": source,
      };
      ok(board.push(board.repo(undefined, files), "jail"));
      expect(board.get("/seen", { host: "jail.test" }).body).toBe("jail");
      expect(board.get("/rights", { host: "jail.test" }).body).toMatch(/^NoNewPrivs:\s+1$/m);
      ok(board.ssh("destroy", "jail", "--force"));
    },
  );

  story("a board full of an app's tricks starts, and so does each of the others", () => {
    const tricks = [
      "mkdir nginx/trick1.conf; mkfifo nginx/trick2.conf; ln -s /dev/zero nginx/trick3.conf; echo junk >nginx/trick4.conf",
      "echo 'log_format main $nothing;' >nginx/trick5.conf; echo 'server { listen 22; }' >nginx/trick6.conf",
      "rm -f releases/ben/journal.json envs/ben/LIVE_ENV; mkfifo releases/ben/journal.json envs/ben/LIVE_ENV uwsgi-enabled/a_b_c.1.ini",
      "echo 1 >web/nginx.pid; rm -f web/error.log; mkdir web/error.log; echo junk >web/nginx.conf",
    ].join("; ");
    ok(board.on(["sh", "-c", `cd ~/.piku && { ${tricks}; }`]));
    board.settles = false;
    ok(board.asRoot(["systemctl", "restart", "piku-web"]));
    eventually(
      () => expect([page("bank").body, page("books").body]).toEqual(["bank", "books"]),
      30,
    );
    board.reboot();
    eventually(
      () => expect([page("bank").body, page("books").body]).toEqual(["bank", "books"]),
      60,
    );
    ok(board.ssh("config:set", "bank", "A=1"));
    ok(board.ssh("config:set", "books", "NGINX_SERVER_NAME=books.test,more.test"));
    expect(board.get("/", { host: "more.test" }).body).toBe("books");
    ok(board.ssh("apps"));
    const found = JSON.parse(board.ssh("doctor", "--json").stdout) as { says: string }[];
    for (let i = 1; i <= 6; i++)
      expect(
        found.filter(({ says }) => says.startsWith(`the site of 'trick${i}' is set aside`)),
      ).toHaveLength(1);
    ok(
      board.on([
        "sh",
        "-c",
        "cd ~/.piku && rm -rf nginx/trick* uwsgi-enabled/a_b_c.1.ini releases/ben/journal.json envs/ben/LIVE_ENV",
      ]),
    );
    ok(board.ssh("deploy", "ben"));
  });

  story(
    "a pipe that an app's site names kept nginx waiting for ever, and all sites from changing",
    () => {
      const pipe = `${board.inside(board.pikuRoot)}/data/ben/pipe`;
      ok(board.on(["touch", pipe]));
      ok(
        board.push(
          ben({ ...attacker("true\n"), "extra.conf": `include ${pipe};\n` }),
          "ben",
          "+main",
        ),
      );
      ok(board.ssh("config:set", "ben", "NGINX_INCLUDE_FILE=extra.conf"));
      ok(board.on(["sh", "-c", `rm ${pipe} && mkfifo ${pipe}`]));
      expect(
        fails(board.ssh("config:set", "bank", "NGINX_SERVER_NAME=bank.test,late.test"), 1).output,
      ).toContain("nginx was stuck in its files");
      eventually(() => expect(page("bank").body).toBe("bank"), 60);
      ok(board.ssh("config:set", "bank", "NGINX_SERVER_NAME=bank.test,late.test"));
      expect(board.get("/", { host: "late.test" }).body).toBe("bank");
      expect(board.ssh("doctor").stdout).toContain("the site of 'ben' is set aside");
      ok(board.on(["sh", "-c", `rm ${pipe} && touch ${pipe}`]));
      ok(board.ssh("deploy", "ben"));
    },
  );

  story("nothing of all that is left, and doctor has nothing to say", () => {
    for (const name of list(`${board.pikuRoot}/nginx`))
      if (/^zz\./.test(name)) fs.rmSync(`${board.pikuRoot}/nginx/${name}`);
    const found = JSON.parse(board.ssh("doctor", "--json").stdout) as {
      check: string;
      ok: boolean;
    }[];
    // A machine in a container does not set its own clock.
    expect(found.filter(({ check, ok }) => !ok && check !== "clock")).toEqual([]);
    expect(page("bank").body).toBe("bank");
    expect(page("books").body).toBe("books");
  });
});
