/** What made an app of anybody's root, or opened it to others, on a board that install.sh made; each does no harm. */
import { expect } from "bun:test";
import { eventually, fails, ok } from "../e2e/board.ts";
import { webProbe, wsgiProbe } from "../e2e/probe.ts";
import { installedStories } from "../e2e/story.ts";

installedStories((board, story) => {
  const sh = (line: string) => board.asRoot(["sh", "-c", line]);
  const page = (name: string) => board.get("/", { host: `${name}.test` }).body;
  /** What has changed outside of piku's home since the mark was made. */
  const changed = () =>
    ok(sh("find / -xdev -newer /mark -type f ! -path '/home/piku/*' ! -path '/var/log/*' ! -path '/srv/story/*'"))
      .stdout;

  story("A2: a site that an app wrote by hand had root's nginx write a file of its choice", () => {
    ok(board.push(board.repo(undefined, webProbe("calm.test")), "calm"));
    ok(sh("touch /mark && sleep 1"));
    const conf = [
      "log_format pwn escape=none '/home/piku/.piku/data/ben/e.so';",
      "server { listen 8099; access_log /etc/ld.so.preload pwn; location / { return 200 ok; } }",
      "",
    ].join("\n");
    const app = board.repo(undefined, {
      ...webProbe("ben.test"),
      "zz.conf": conf,
      Procfile: "preflight: cp zz.conf ~/.piku/nginx/zz.conf\nweb: exec python3 app.py\n",
    });
    board.push(app, "ben");
    ok(board.ssh("config:set", "calm", "NGINX_SERVER_NAME=calm.test,other.test"));
    for (let i = 0; i < 5; i++) board.get("/", { port: 8099 });
    ok(board.asRoot(["systemctl", "restart", "piku-web"]));
    board.get("/", { port: 8099 });
    expect(changed()).toBe("");
    eventually(() => expect([page("calm"), page("other")]).toEqual(["one", "one"]));
    // As whom the app may do that: only as itself.
    expect(ok(sh("ps -o user= -C nginx | sort -u")).stdout).toBe("piku\n");
    ok(board.on(["rm", "-f", `${board.pikuRoot}/nginx/zz.conf`]));
  });

  story("A2: a log that an app had made a link let a visitor write a file of root's", () => {
    ok(sh("touch /mark && sleep 1"));
    const app = board.repo(undefined, {
      ...webProbe("ben.test"),
      ENV: "NGINX_SERVER_NAME=ben.test\nNGINX_LOG=true\n",
      Procfile:
        "preflight: mkdir -p ~/.piku/logs/ben; ln -sf /etc/profile.d/pwn.sh ~/.piku/logs/ben/nginx.access.log\nweb: exec python3 app.py\n",
    });
    board.push(app, "ben");
    board.get("/", { host: "ben.test", headers: { "User-Agent": "$(id >/PWNED-BY-LOG)" } });
    ok(board.asRoot(["systemctl", "restart", "piku-web"]));
    board.get("/", { host: "ben.test", headers: { "User-Agent": "$(id >/PWNED-BY-LOG)" } });
    expect(changed()).toBe("");
    eventually(() => expect(page("calm")).toBe("one"));
    ok(board.ssh("destroy", "ben", "--force"));
  });

  story("A3: an app that touches the folder of sites 30 times stopped every site's change", () => {
    const app = board.repo(undefined, {
      ...webProbe("touch.test"),
      Procfile:
        "preflight: for i in $(seq 30); do touch ~/.piku/nginx ~/.piku/nginx/touched; sleep 0.1; done\nweb: exec python3 app.py\n",
    });
    ok(board.push(app, "touch"));
    for (const name of ["first", "second"]) {
      ok(board.ssh("config:set", "touch", `NGINX_SERVER_NAME=${name}.test`));
      expect(page(name)).toBe("one");
    }
    ok(board.ssh("destroy", "touch", "--force"));
  });

  story("A4: whatever runs as www-data had the apps inside uWSGI load its code", () => {
    ok(board.push(board.repo(undefined, wsgiProbe("books.test")), "books"));
    expect(page("books")).toBe("one");
    const socket = ok(board.on(["sh", "-c", "ls ~/.piku/sockets/*books*.sock | head -n 1"])).stdout.trim();
    const connect = ["python3", "-c", "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])", socket];
    const stranger = ["setpriv", "--reuid=www-data", "--regid=www-data", "--clear-groups"];
    ok(board.on(connect));
    expect(fails(board.asRoot([...stranger, ...connect])).stderr).toContain("Permission denied");
    for (const folder of ["apps/books", "data/books", "envs/books", "logs/books"])
      fails(board.asRoot([...stranger, "ls", `/home/piku/.piku/${folder}`]));
    // Nor is piku one of them, who would read what the web's other services keep.
    expect(ok(board.on(["id", "-Gn"])).stdout).toBe("piku\n");
  });

  story("A16: a name of 81 characters was taken, and then stopped nginx", () => {
    const name = `${"a".repeat(40)}.${"b".repeat(35)}.test`;
    ok(board.ssh("config:set", "calm", `NGINX_SERVER_NAME=${name}`));
    expect(board.get("/", { host: name }).body).toBe("one");
    ok(board.asRoot(["systemctl", "restart", "piku-web"]));
    eventually(() => expect(board.get("/", { host: name }).body).toBe("one"));
  });

  story("A18: an app has no way to more rights, and a build of it none to other people's folders", () => {
    const app = board.repo(undefined, {
      Procfile:
        "worker: for f in /etc/x /usr/x /home/x; do touch $f; done; grep -i nonewprivs /proc/self/status; exec sleep 1000\n",
    });
    ok(board.push(app, "rights"));
    expect(ok(board.ssh("logs", "rights", "--no-follow")).stdout).toMatch(/NoNewPrivs:\s+1/);
    expect(ok(sh("ls /etc /usr /home")).stdout).not.toMatch(/^x$/m);
  });
});
