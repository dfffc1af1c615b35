/**
 * A machine that was set up by the original's instructions, with two apps that run, becomes ours
 * and goes back.
 */
import { afterAll, expect } from "bun:test";
import fs from "node:fs";
import { blockWith } from "../e2e/docs.ts";
import { webProbe, wsgiProbe } from "../e2e/probe.ts";
import { type Files, ok } from "../e2e/sandbox.ts";
import { dist, installedFrom, machines, serveDist } from "./machine.ts";

const peer = process.env.PIKU_PEER?.split(" ").at(-1);

/**
 * The original's steps by hand: its user, its keys, the emperor by a unit, nginx by its default
 * site and a path unit.
 */
const original = `set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q -y --no-install-recommends install git openssh-server nginx uwsgi-core uwsgi-plugin-python3 python3-click python3-venv virtualenv curl openssl
useradd --create-home --gid www-data --shell /bin/bash piku
usermod --password '*' piku
install -o piku -g www-data -m 755 /root/piku.py /home/piku/piku.py
as() { su -s /bin/sh -c 'cd && exec "$@"' -- piku sh "$@"; }
as ./piku.py setup
cp /root/id.pub /tmp/id.pub
as ./piku.py setup:ssh /tmp/id.pub
cat >/etc/systemd/system/uwsgi-piku.service <<'UNIT'
[Unit]
Description=the former emperor
[Service]
ExecStart=/usr/bin/uwsgi-core --ini /home/piku/.piku/uwsgi/uwsgi.ini
User=piku
Group=www-data
Restart=always
KillSignal=SIGQUIT
Type=notify
NotifyAccess=all
[Install]
WantedBy=multi-user.target
UNIT
cat >/etc/systemd/system/piku-nginx.path <<'UNIT'
[Path]
PathChanged=/home/piku/.piku/nginx
[Install]
WantedBy=multi-user.target
UNIT
cat >/etc/systemd/system/piku-nginx.service <<'UNIT'
[Service]
ExecStart=/usr/bin/systemctl reload nginx
UNIT
cat >/etc/nginx/sites-available/default <<'SITE'
server {
  listen 80 default_server;
  root /var/www/html;
}
include /home/piku/.piku/nginx/*.conf;
SITE
chmod 755 /home/piku
systemctl daemon-reload
systemctl enable --now uwsgi-piku piku-nginx.path
systemctl restart nginx
`;

machines(
  [{ arch: "amd64", suite: "bookworm" }],
  (machine, story) => {
    // Without a manifest the original wants a release line.
    const app = (name: string, version = name): Files => ({
      ...webProbe(`${name}.test`, version),
      Procfile: "release: true\nweb: exec python3 app.py\n",
    });
    // Its cache is a folder that root's nginx has made nginx's own.
    const cached: Files = {
      ...wsgiProbe("cached.test", "cached"),
      ENV: "NGINX_SERVER_NAME=cached.test\nNGINX_CACHE_PREFIXES=/long\n",
      "requirements.txt": "",
    };
    const apps = ["old", "elder"];
    const sites = [...apps, "cached"];
    // The page says what is done here.
    const page = "docs/guides/moving-from-the-original.md";
    const server = serveDist(machine);
    afterAll(() => server.stop());
    const answers = async (name: string, body = name) => {
      let answer = "";
      for (let i = 0; i < 100 && answer !== `200 ${body}`; i++, await Bun.sleep(100))
        answer = await machine.get(`${name}.test`);
      expect(answer).toBe(`200 ${body}`);
    };
    const vassals = async () => ok(await machine.sh("ls /home/piku/.piku/uwsgi-enabled")).stdout;

    story("the original runs three apps", async () => {
      await machine.boot();
      await machine.release(fs.readdirSync(dist));
      fs.copyFileSync(peer!, `${machine.root}/root/piku.py`);
      ok(await machine.sh(original));
      for (const name of apps) ok(await machine.push(name, undefined, app(name)));
      ok(await machine.push("cached", undefined, cached));
      for (const name of sites) await answers(name);
      expect(await machine.get("cached.test", "http", "/long")).toStartWith("200 long");
    });

    story("they answer while install.sh takes the machine over", async () => {
      const watches = sites.map((name) => machine.watch(`${name}.test`, `200 ${name}`));
      ok(await machine.sh(blockWith(page, "tar -czf").text));
      const ran = ok(
        await machine.sh(installedFrom(blockWith(page, /install\.sh \| sh$/), server.address)),
      );
      machine.told("taken over in", ran);
      expect(ran.output).toContain("Keys taken over from the former piku: 1.");
      expect(ran.output).toContain(
        "so that no app stops; the new service takes over at the next boot\n",
      );
      expect(ran.output).toContain("the former piku's services go on until the next boot");
      expect(ran.output).toContain(
        "nginx includes piku's sites already, by /etc/nginx/sites-enabled/default",
      );
      expect(ran.output).toContain("The way back to the former piku: sh install.sh --uninstall");
      for (const watch of watches) expect(await watch()).toEqual([]);
      expect((await machine.ssh("help")).stdout).toContain("rollback");
      expect((await machine.ssh("apps")).stdout).toBe("*cached\n*elder\n*old\n");
      expect(ok(await machine.sh("readlink /home/piku/piku.py")).stdout).toBe("piku\n");
    });

    story(
      "under the original's emperor, still: a push deploys once, and the other app answers all the time",
      async () => {
        const watch = machine.watch("elder.test", "200 elder");
        const push = ok(await machine.push("old", undefined, app("old", "new")));
        expect(push.output.match(/-----> Deploying app/g)).toHaveLength(1);
        await answers("old", "new");
        expect(await watch()).toEqual([]);
      },
    );

    story("run again before that boot, it goes on waiting for it", async () => {
      const watch = machine.watch("elder.test", "200 elder");
      const ran = ok(
        await machine.sh(installedFrom(blockWith(page, /install\.sh \| sh$/), server.address)),
      );
      expect(ran.output).toContain("the former piku's services go on until the next boot");
      expect(await watch()).toEqual([]);
    });

    story("after a reboot our services run, nginx is piku's own, and all apps answer", async () => {
      await machine.stop();
      await machine.boot();
      for (const name of ["elder", "cached"]) await answers(name);
      expect(await machine.get("cached.test", "http", "/long")).toStartWith("200 long");
      const active = ok(
        await machine.sh(
          "systemctl is-active piku-web uwsgi-piku && systemctl is-active nginx piku-nginx.path || :",
        ),
      );
      expect(active.stdout).toBe("active\nactive\ninactive\ninactive\n");
      expect(
        ok(await machine.sh("id -Gn piku; ls /etc/systemd/system | grep go-over; true")).stdout,
      ).toBe("piku\n");
      const { stdout } = await machine.ssh("doctor --json");
      const wrong = (JSON.parse(stdout) as { check: string; ok: boolean }[]).filter(
        ({ ok }) => !ok,
      );
      // A machine in a container does not set its own clock.
      expect(wrong.filter(({ check }) => check !== "clock")).toEqual([]);
      const units = ok(await machine.sh("systemctl show -p Description --value uwsgi-piku")).stdout;
      expect(units).toBe("piku's uWSGI emperor\n");
      expect(ok(await machine.sh("pgrep -fc '[u]wsgi.*uwsgi/uwsgi.ini'")).stdout).toBe("1\n");
      ok(await machine.ssh("restart elder"));
      await answers("elder");
      expect(await vassals()).toContain("elder_web.1-");
    });

    story("apps of the original's time are isolated when the board says so", async () => {
      const seen = async (app: string) =>
        ok(await machine.ssh(`run ${app} -- ls /home/piku/.piku/apps`)).stdout;
      expect(await seen("elder")).toBe("cached\nelder\nold\n");
      ok(await machine.ssh("config:set --global PIKU_ISOLATION=true"));
      for (const name of ["elder", "cached"]) {
        ok(await machine.ssh(`restart ${name}`));
        await answers(name);
        expect(await seen(name)).toBe(`${name}\n`);
      }
      expect(await machine.get("cached.test", "http", "/long")).toStartWith("200 long");
      await machine.stop();
      await machine.boot();
      for (const name of ["elder", "cached"]) await answers(name);
      const seenByProcess = `for p in $(pgrep -u piku -f '^python3 app.py'); do case $(readlink /proc/$p/cwd) in
        */apps/elder) ls /proc/$p/root/home/piku/.piku/apps ;; esac; done`;
      expect(ok(await machine.sh(seenByProcess)).stdout).toBe("elder\n");
    });

    story(
      "the way back: the original has its apps again, and they answer but for a moment; also when it was cut off",
      async () => {
        const watch = machine.watch("elder.test", "200 elder");
        const cut = `sed 's/^  say "Taking away the services"$/  exit 9/' /root/release/install.sh | sh -s -- --uninstall`;
        expect((await machine.sh(cut)).status).toBe(9);
        ok(await machine.sh(installedFrom(blockWith(page, "--uninstall"), server.address)));
        const others = await watch();
        console.log(`the way back: ${others.length} requests found nobody`);
        // While one nginx ends and the other begins.
        expect([...new Set(others)].filter((answer) => answer !== "000 ")).toEqual([]);
        expect(others.length).toBeLessThan(150);
        for (const name of ["elder", "cached"]) await answers(name);
        expect(await machine.get("cached.test", "http", "/long")).toStartWith("200 long");
        expect(ok(await machine.sh("head -c 2 /home/piku/piku.py")).stdout).toBe("#!");
        expect(ok(await machine.ssh("apps")).stdout).toContain("*elder");
        ok(await machine.push("back", undefined, app("back")));
        await answers("back");
        ok(await machine.ssh("deploy elder"));
        await answers("elder");
        const { stdout } = ok(await machine.sh("systemctl show -p Description --value uwsgi-piku"));
        expect(stdout).toBe("the former emperor\n");
        expect(
          ok(await machine.sh("systemctl is-enabled nginx piku-nginx.path; id -Gn piku")).stdout,
        ).toBe("enabled\nenabled\nwww-data\n");
        await machine.stop();
        await machine.boot();
        for (const name of ["elder", "cached", "back"]) await answers(name);
      },
    );
  },
  peer ? undefined : "PIKU_PEER is not set",
);
