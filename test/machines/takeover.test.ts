/** A machine that was set up by the original's instructions, with two apps that run, becomes ours and goes back. */
import { afterAll, expect } from "bun:test";
import fs from "node:fs";
import { blockWith } from "../e2e/docs.ts";
import { webProbe } from "../e2e/probe.ts";
import { type Files, ok } from "../e2e/sandbox.ts";
import { dist, installedFrom, machines, serveDist } from "./machine.ts";

const peer = process.env.PIKU_PEER?.split(" ").at(-1);

/** The original's steps by hand: its user, its keys, the emperor by a unit, nginx by its default site and a path unit. */
const original = `set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q -y --no-install-recommends install git openssh-server nginx uwsgi-core uwsgi-plugin-python3 python3-click python3-venv curl openssl
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
    const apps = ["old", "elder"];
    // The page says what is done here.
    const page = "docs/moving-from-the-original.md";
    const server = serveDist(machine);
    afterAll(() => server.stop());
    const answers = async (name: string, body = name) => {
      let answer = "";
      for (let i = 0; i < 100 && answer !== `200 ${body}`; i++, await Bun.sleep(100))
        answer = await machine.get(`${name}.test`);
      expect(answer).toBe(`200 ${body}`);
    };
    const vassals = async () => ok(await machine.sh("ls /home/piku/.piku/uwsgi-enabled")).stdout;

    story("the original runs two apps", async () => {
      await machine.boot();
      await machine.release(fs.readdirSync(dist));
      fs.copyFileSync(peer!, `${machine.root}/root/piku.py`);
      ok(await machine.sh(original));
      for (const name of apps) ok(await machine.push(name, undefined, app(name)));
      for (const name of apps) await answers(name);
    });

    story("they answer while install.sh takes the machine over", async () => {
      const watches = apps.map((name) => machine.watch(`${name}.test`, `200 ${name}`));
      ok(await machine.sh(blockWith(page, "tar -czf").text));
      const ran = ok(await machine.sh(installedFrom(blockWith(page, /install\.sh \| sh$/), server.address)));
      machine.told("taken over in", ran);
      expect(ran.output).toContain("Keys of the former piku that are this one's now: 1.");
      expect(ran.output).toContain("so that no app stops; the new service takes over at the next boot\n");
      expect(ran.output).toContain("nginx includes piku's sites already, by /etc/nginx/sites-enabled/default");
      expect(ran.output).toContain("The way back to the former piku: sh install.sh --uninstall");
      for (const watch of watches) expect(await watch()).toEqual([]);
      expect((await machine.ssh("help")).stdout).toContain("rollback");
      expect((await machine.ssh("apps")).stdout).toBe("*elder\n*old\n");
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

    story("after a reboot our services run, and both apps answer", async () => {
      await machine.stop();
      await machine.boot();
      await answers("elder");
      const units = ok(await machine.sh("systemctl show -p Description --value uwsgi-piku")).stdout;
      expect(units).toBe("piku's uWSGI emperor\n");
      expect(ok(await machine.sh("pgrep -fc '[u]wsgi.*uwsgi/uwsgi.ini'")).stdout).toBe("1\n");
      ok(await machine.ssh("restart elder"));
      await answers("elder");
      expect(await vassals()).toContain("elder_web.1-");
    });

    story(
      "the way back: the original has its apps again, and they answer all the time; also when it was cut off",
      async () => {
        const watch = machine.watch("elder.test", "200 elder");
        const cut = `sed 's/^  say "Taking away the services"$/  exit 9/' /root/release/install.sh | sh -s -- --uninstall`;
        expect((await machine.sh(cut)).status).toBe(9);
        ok(await machine.sh(installedFrom(blockWith(page, "--uninstall"), server.address)));
        expect(await watch()).toEqual([]);
        expect(ok(await machine.sh("head -c 2 /home/piku/piku.py")).stdout).toBe("#!");
        expect(ok(await machine.ssh("apps")).stdout).toContain("*elder");
        ok(await machine.push("back", undefined, app("back")));
        await answers("back");
        ok(await machine.ssh("deploy elder"));
        await answers("elder");
        const { stdout } = ok(await machine.sh("systemctl show -p Description --value uwsgi-piku"));
        expect(stdout).toBe("the former emperor\n");
      },
    );
  },
  peer ? undefined : "PIKU_PEER is not set",
);
