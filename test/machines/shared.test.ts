/** Machines whose web server, or whose user piku, is somebody's already. */
import { expect } from "bun:test";
import fs from "node:fs";
import { wsgiProbe } from "../e2e/probe.ts";
import { ok } from "../e2e/sandbox.ts";
import { dist, type Machine, machines } from "./machine.ts";

const kinds = [{ arch: "amd64", suite: "bookworm", baked: true }];
const install = "sh /root/release/install.sh --target linux-x64-lite --key /root/id.pub";
const wsgi = { ...wsgiProbe("wsgi.test"), "requirements.txt": "" };
const askForReload =
  "su piku -s /bin/sh -c 'curl -s -w %{http_code} --unix-socket /run/piku/nginx.sock http://localhost/'";
const site = (machine: Machine, text: string) =>
  machine.run(["sh", "-c", 'cat >"$1"/srv/pikuhome/.piku/nginx/zz.conf', "sh", machine.root], {
    input: text,
  });
const shows = async (machine: Machine, line: string) => ok(await machine.sh(line)).stdout.trim();
const wrong = async (machine: Machine) => {
  const { stdout } = await machine.ssh("doctor --json");
  // A machine in a container does not set its own clock.
  return (JSON.parse(stdout) as { check: string; ok: boolean }[]).filter(
    ({ ok, check }) => !ok && check !== "clock",
  );
};

machines(kinds, (machine, story) => {
  story("another site in the distribution's nginx, with logs of its own", async () => {
    await machine.boot();
    await machine.release(fs.readdirSync(dist));
    ok(await machine.sh("mkdir -p /srv/www /srv/logs && echo theirs >/srv/www/index.html"));
    fs.writeFileSync(
      `${machine.root}/etc/nginx/conf.d/other.conf`,
      "server {\n  listen 80;\n  server_name other.test;\n  root /srv/www;\n  access_log /srv/logs/other.log;\n}\n",
    );
    ok(await machine.sh("systemctl restart nginx"));
    expect(await machine.get("other.test")).toBe("200 theirs\n");
  });

  // As adduser and the Raspberry Pi's imager make it.
  story(
    "boards F2: a user piku with a group and a home of its own got 502 from its wsgi apps",
    async () => {
      ok(
        await machine.sh(
          "useradd --user-group --create-home --home-dir /srv/pikuhome --shell /bin/bash piku && chmod 700 /srv/pikuhome",
        ),
      );
      const ran = ok(await machine.sh(install));
      expect(ran.stdout).toContain(
        "nginx has other sites than piku's: /etc/nginx/conf.d/other.conf",
      );
      ok(await machine.push("wsgi", undefined, wsgi));
      ok(await machine.push("static", "static"));
      expect(await machine.get("wsgi.test")).toBe("200 one");
      expect(await machine.get("static.test")).toStartWith("200 ");
      expect(await machine.get("other.test")).toBe("200 theirs\n");
      expect(
        await shows(
          machine,
          "id -gn piku; stat -Lc '%a %G' /srv/pikuhome/.piku/sockets/wsgi.1.sock",
        ),
      ).toBe("piku\n660 www-data");
      expect(await wrong(machine)).toEqual([]);
    },
  );

  story("nginx answers for each reload, with its own words when it refuses", async () => {
    expect(await shows(machine, askForReload)).toBe("200");
    ok(await site(machine, "no_such_directive;\n"));
    expect(await shows(machine, askForReload)).toMatch(
      /\[emerg\].*unknown directive "no_such_directive".*500$/s,
    );
    ok(await machine.sh("rm /srv/pikuhome/.piku/nginx/zz.conf"));
    expect((await machine.sh(askForReload.replace("su piku", "su nobody"))).status).not.toBe(0);
  });

  story(
    "the board's page is there if asked for, and takes nothing from the other site",
    async () => {
      const name = await shows(machine, "hostname");
      const welcome = "Welcome to nginx";
      const away = "mkdir /root/away && mv conf.d/other.conf sites-enabled/default /root/away";
      const back = "mv /root/away/other.conf conf.d && mv /root/away/default sites-enabled";
      expect(await machine.get(`${name}.local`)).toContain(welcome);
      ok(await machine.ssh("config:set --global PIKU_PAGE=true"));
      for (const named of [name, `${name}.local`]) {
        const shown = await machine.get(named);
        expect(shown).toStartWith("200 <!doctype html>");
        expect(shown).toContain(">static</a>");
        expect(shown).toContain(`git remote add piku piku@${named.toLowerCase()}:APP`);
      }
      expect(await machine.get("other.test")).toBe("200 theirs\n");
      expect(await machine.get(machine.address)).toContain(welcome);
      ok(await machine.sh(`cd /etc/nginx && ${away} && systemctl restart nginx`));
      ok(await machine.ssh("restart static"));
      expect(await machine.get(machine.address)).toContain(">static</a>");
      ok(await machine.sh(`cd /etc/nginx && ${back} && systemctl restart nginx`));
      ok(await machine.ssh("restart static"));
      expect(await machine.get(machine.address)).toContain(welcome);
      ok(await machine.ssh("config:unset --global PIKU_PAGE"));
      expect(await machine.get(name)).toContain(welcome);
      expect(await wrong(machine)).toEqual([]);
    },
  );

  story("attacks A3: some reloads in ten seconds ended the unit for good", async () => {
    const many = `for i in 1 2 3 4 5 6 7 8 9 10 11 12; do ${askForReload} & done; wait`;
    expect(await shows(machine, many)).toBe("200".repeat(12));
    for (let i = 0; i < 12; i++)
      ok(await machine.ssh(`config:set static NGINX_SERVER_NAME=s${i}.test`));
    expect(await machine.get("s11.test")).toStartWith("200 ");
    expect(await shows(machine, "systemctl is-active piku-nginx.socket")).toBe("active");
  });

  const attacks: [title: string, site: string, file: string][] = [
    [
      "a log",
      'log_format pwn escape=none "x"; server { listen 8099; access_log /etc/ld.so.preload pwn; }\n',
      "/etc/ld.so.preload",
    ],
    [
      "a unit",
      "server { listen 8099; access_log /run/systemd/system/x.service; }\n",
      "/run/systemd/system/x.service",
    ],
    ["a cache", "proxy_cache_path /etc/victim keys_zone=v:1m;\n", "/etc/victim/made"],
  ];
  for (const [title, text, file] of attacks)
    story(`attacks A2: ${title} that root's nginx made outside of piku's home`, async () => {
      ok(await machine.sh("mkdir -p /etc/victim && touch /etc/victim/theirs"));
      ok(await site(machine, text));
      expect(await shows(machine, askForReload)).toMatch(/Read-only file system.*500$/s);
      expect(
        await shows(machine, `ls ${file} 2>/dev/null; stat -c %U /etc/victim; ls /etc/victim`),
      ).toBe("root\ntheirs");
      // Run again, install.sh has nginx read its files as well.
      const again = await machine.sh(install);
      expect([again.status, again.stderr]).toEqual([
        1,
        expect.stringMatching(/refuses.*Read-only file system/),
      ]);
      expect(await shows(machine, `ls ${file} 2>/dev/null; ls /etc/victim`)).toBe("theirs");
      ok(await machine.sh("rm /srv/pikuhome/.piku/nginx/zz.conf"));
      expect(await shows(machine, askForReload)).toBe("200");
    });

  story(
    "attacks A2: a link in place of the folder of logs opened the folder behind it to root's nginx",
    async () => {
      const folder = "/srv/pikuhome/.piku";
      ok(await site(machine, "server { listen 8099; access_log /etc/victim/pwned.log; }\n"));
      const swap = `cd ${folder} && mv logs kept && ln -s /etc/victim logs`;
      ok(await machine.sh(`su piku -s /bin/sh -c '${swap}'`));
      await machine.sh(askForReload);
      await machine.sh("systemctl restart nginx");
      expect(await shows(machine, "ls /etc/victim")).toBe("theirs");
      // Run again, install.sh has nginx read its files as well.
      await machine.sh(install);
      expect(await shows(machine, "ls /etc/victim")).toBe("theirs");
      ok(
        await machine.sh(
          `su piku -s /bin/sh -c 'cd ${folder} && rm logs nginx/zz.conf && mv kept logs' && systemctl restart nginx`,
        ),
      );
      expect(await machine.get("other.test")).toBe("200 theirs\n");
    },
  );

  story("both serve after a boot; walls are what systemd says", async () => {
    await machine.stop();
    await machine.boot();
    for (let i = 0; i < 100 && (await machine.get("wsgi.test")) !== "200 one"; i++)
      await Bun.sleep(100);
    expect(await machine.get("wsgi.test")).toBe("200 one");
    expect(await machine.get("other.test")).toBe("200 theirs\n");
    const score = await shows(
      machine,
      "systemd-analyze security --no-pager nginx | sed -n 's/.*service: \\([0-9.]*\\).*/\\1/p'",
    );
    expect(Number(score)).toBeLessThan(5);
  });

  story(
    "PIKU_NGINX=own: piku has one of its own, on other ports, and the other site goes on",
    async () => {
      const watch = machine.watch("other.test", "200 theirs\n");
      ok(await machine.ssh("config:set --global PIKU_NGINX=own"));
      const ran = ok(await machine.sh(install));
      expect(ran.stdout).toMatch(
        /Port 80 is taken by nginx \(pid \d+\), so sites are at port 8080/,
      );
      expect(await watch()).toEqual([]);
      ok(await machine.push("wsgi", undefined, wsgi));
      const { stdout } = await machine.run([
        "curl",
        "-s",
        "--noproxy",
        "*",
        "-H",
        "Host: wsgi.test",
        `http://${machine.address}:8080/`,
      ]);
      expect(stdout).toBe("one");
      expect(await shows(machine, "systemctl is-active nginx piku-web; id -Gn piku")).toBe(
        "active\nactive\npiku",
      );
    },
  );

  story("--uninstall leaves the other site, and takes the walls away", async () => {
    const watch = machine.watch("other.test", "200 theirs\n");
    ok(await machine.sh(`${install} --uninstall`));
    expect(await watch()).toEqual([]);
    expect(
      await shows(
        machine,
        "ls -d /etc/systemd/system/nginx.service.d /usr/local/lib/piku /etc/nginx/conf.d/piku.conf 2>/dev/null || :",
      ),
    ).toBe("");
    expect(await shows(machine, "id -Gn piku; systemctl is-enabled nginx")).toBe("piku\nenabled");
  });
});

machines(kinds, (machine, story) => {
  const over = async (port: number) => {
    const words = ["-sk", "--noproxy", "*", "--resolve", `wsgi.test:${port}:${machine.address}`];
    return (
      await machine.run(["curl", ...words, `http${port === 8443 ? "s" : ""}://wsgi.test:${port}/`])
    ).stdout;
  };

  story(
    "boards F1: with Apache on port 80 it ended without a word; sites are on 8080",
    async () => {
      await machine.boot();
      await machine.release(fs.readdirSync(dist));
      ok(
        await machine.sh(
          "systemctl stop nginx; apt-get -q update && apt-get -q -y --no-install-recommends install apache2",
        ),
      );
      ok(await machine.sh("echo apache >/var/www/html/index.html && systemctl start apache2"));
      const ran = ok(await machine.sh(install));
      expect(ran.stdout).toMatch(
        /Port 80 is taken by apache2 \(pid \d+\), so sites are at port 8080 \(PIKU_HTTP_PORT in \/home\/piku\/\.piku\/ENV\): http:\/\/\S+:8080\//,
      );
      ok(await machine.push("wsgi", undefined, wsgi));
      expect(await over(8080)).toBe("one");
      expect(await over(443)).not.toBe("apache");
      expect(await machine.get("wsgi.test")).toBe("200 apache\n");
      expect(await wrong(machine)).toEqual([]);
    },
  );

  story("both have their ports after a boot", async () => {
    await machine.stop();
    await machine.boot();
    for (let i = 0; i < 100 && (await over(8080)) !== "one"; i++) await Bun.sleep(100);
    expect(await over(8080)).toBe("one");
    expect(await machine.get("wsgi.test")).toBe("200 apache\n");
    expect(
      await shows(machine, "systemctl is-active apache2 piku-web; systemctl is-active nginx || :"),
    ).toBe("active\nactive\ninactive");
    ok(await machine.sh(install));
    expect(await over(8080)).toBe("one");
    ok(await machine.sh(`${install} --uninstall`));
    expect(await machine.get("wsgi.test")).toBe("200 apache\n");
  });
});
