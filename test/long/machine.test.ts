/**
 * As production does it, on a fresh Debian machine: an ordinary user `piku`, nginx's master as root on 80 and 443 reloaded
 * by a path unit, the emperor as a service. PIKU_MACHINE names the command that makes such a machine:
 * `create NAME`, `boot NAME`, `exec NAME COMMAND...`, `copy NAME FILE... FOLDER`, `stop NAME`, `destroy NAME`; the machine
 * shares this one's network.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { probeSource, wsgiProbe } from "../e2e/probe.ts";
import { eventually, examples, ok, type Ran, targets } from "../e2e/sandbox.ts";
import { skipped } from "../e2e/story.ts";

const command = process.env.PIKU_MACHINE;
const packages = "git openssh-server nginx-light uwsgi-core uwsgi-plugin-python3 python3-venv openssl curl";

/** What an installer sets up: the user, the units, nginx's way in. */
const install = `set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -q >/dev/null
apt-get install -q -y --no-install-recommends ${packages} >/dev/null
useradd --create-home --shell /bin/bash --gid www-data piku
install -o piku -g www-data -m 755 /root/piku /home/piku/piku
chmod 755 /home/piku
runuser -u piku -- env HOME=/home/piku /home/piku/piku setup
cat >/etc/systemd/system/piku-emperor.service <<'UNIT'
[Unit]
Description=uWSGI emperor for piku
After=network.target
[Service]
User=piku
Group=www-data
ExecStart=/usr/bin/uwsgi --ini /home/piku/.piku/uwsgi/uwsgi.ini
KillSignal=SIGINT
Restart=always
[Install]
WantedBy=multi-user.target
UNIT
cat >/etc/systemd/system/piku-nginx.service <<'UNIT'
[Service]
Type=oneshot
ExecStart=/bin/systemctl reload nginx
UNIT
cat >/etc/systemd/system/piku-nginx.path <<'UNIT'
[Path]
PathChanged=/home/piku/.piku/nginx
[Install]
WantedBy=multi-user.target
UNIT
echo 'include /home/piku/.piku/nginx/*.conf;' >/etc/nginx/conf.d/piku.conf
systemctl daemon-reload
systemctl enable --now piku-emperor.service piku-nginx.path
systemctl restart nginx ssh
`;

if (!command) skipped("a fresh machine, as in production", "PIKU_MACHINE is not set: a command that makes one");
else if (process.getuid?.() !== 0) skipped("a fresh machine, as in production", "needs root");
else
  for (const target of targets)
    describe(target.name, () => {
      const name = `piku-${process.pid}`;
      const folder = fs.mkdtempSync("/tmp/piku-");
      const run = (argv: string[], how: { input?: string; cwd?: string } = {}): Ran => {
        const began = performance.now();
        const env = { ...process.env, GIT_SSH_COMMAND: ssh.join(" "), GIT_CONFIG_GLOBAL: `${folder}/gitconfig` };
        const ran = spawnSync(argv[0]!, argv.slice(1), {
          ...how,
          env,
          encoding: "utf8",
          timeout: 600_000,
          maxBuffer: 64 << 20,
        });
        const [stdout, stderr] = [ran.stdout ?? "", (ran.stderr ?? "") + (ran.error?.message ?? "")];
        return {
          command: argv.join(" "),
          status: ran.status ?? 128,
          stdout,
          stderr,
          output: stdout + stderr,
          ms: performance.now() - began,
        };
      };
      const machine = (...words: string[]) => ok(run([command, ...words]));
      const ssh = [
        "ssh",
        "-F",
        "none",
        "-i",
        `${folder}/id`,
        "-o",
        "BatchMode=yes",
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        `UserKnownHostsFile=${folder}/known_hosts`,
      ];
      const board = (line: string) => ok(run([...ssh, "piku@127.0.0.1", line]));
      const get = (url: string) =>
        run([
          "curl",
          "-sk",
          "--noproxy",
          "*",
          "--max-time",
          "20",
          "--resolve",
          "hello.test:80:127.0.0.1",
          "--resolve",
          "hello.test:443:127.0.0.1",
          url,
        ]).stdout;
      const repo = `${folder}/repo`;
      const git = (...words: string[]) => run(["git", ...words], { cwd: repo });
      const commit = (message: string) => {
        ok(git("add", "--all"));
        ok(git("commit", "--quiet", "-m", message));
      };

      beforeAll(() => {
        fs.writeFileSync(`${folder}/gitconfig`, "[user]\n  name = A Pupil\n  email = pupil@example.test\n");
        ok(run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", `${folder}/id`]));
        fs.copyFileSync(target.executable, `${folder}/piku`);
        fs.chmodSync(`${folder}/piku`, 0o755);
        machine("create", name);
        machine("boot", name);
        machine("copy", name, `${folder}/piku`, "/root");
        machine("exec", name, "sh", "-c", install);
        const key = fs.readFileSync(`${folder}/id.pub`, "utf8");
        machine(
          "exec",
          name,
          "sh",
          "-c",
          `printf %s '${key}' | runuser -u piku -- env HOME=/home/piku /home/piku/piku setup:ssh -`,
        );
      }, 900_000);

      afterAll(() => {
        run([command, "destroy", name]);
        fs.rmSync(folder, { recursive: true, force: true });
      }, 120_000);

      test("push from outside, http on 80, https on 443, a second push, a server name of its own", () => {
        fs.cpSync(`${examples}/python-wsgi`, repo, { recursive: true });
        ok(git("init", "--quiet", "--initial-branch=main"));
        commit("First");
        expect(ok(git("push", "piku@127.0.0.1:hello", "main")).output).toMatch(/http:\/\/hello\.test\/?\s/);
        expect(get("http://hello.test/")).toBe("Hello from hello\n");
        expect(get("https://hello.test/")).toBe("Hello from hello\n");

        for (const [file, content] of Object.entries(wsgiProbe("hello.test", "two")))
          fs.writeFileSync(`${repo}/${file}`, String(content));
        commit("Second");
        ok(git("push", "piku@127.0.0.1:hello", "main"));
        expect(get("http://hello.test/")).toBe("two");
        board("config:set hello COLOUR=green");
        expect(get("https://hello.test/env/COLOUR")).toBe("green");

        fs.writeFileSync(`${repo}/app.py`, "def app(:\n");
        commit("Broken");
        expect(git("push", "piku@127.0.0.1:hello", "main").status).toBe(1);
        expect(get("http://hello.test/")).toBe("two");
        fs.writeFileSync(`${repo}/app.py`, probeSource("three"));
        commit("Mended");
        ok(git("push", "piku@127.0.0.1:hello", "main"));
        expect(get("http://hello.test/")).toBe("three");

        machine("exec", name, "systemctl", "restart", "piku-emperor", "nginx");
        eventually(() => expect(get("http://hello.test/")).toBe("three"), 30);
        board("destroy hello");
        expect(get("http://hello.test/")).not.toContain("three");
      }, 900_000);
    });
