/** From nothing to an app that answers, over a reboot and an upgrade, and away again. */
import { expect } from "bun:test";
import fs from "node:fs";
import { blockWith } from "../e2e/docs.ts";
import { ok } from "../e2e/sandbox.ts";
import { dist, installedFrom, machines, serveDist } from "./machine.ts";

const kinds = [
  { arch: "amd64", suite: "bookworm" },
  { arch: "amd64", suite: "trixie" },
  { arch: "amd64", suite: "forky" },
  { arch: "armhf", suite: "bookworm", memory: "512M" },
];

machines(kinds, (machine, story) => {
  const install = "sh /root/release/install.sh";
  const isEmulated = machine.kind.arch !== "amd64";
  // An emulated process keeps the title that it began with, so that piku does not see nginx there,
  // nor wait for it.
  const nginxTook = async () => {
    if (isEmulated) await Bun.sleep(3000);
  };
  const answers = async () => {
    await nginxTook();
    for (const scheme of ["http", "https"] as const) {
      expect(await machine.get("flask.test", scheme)).toBe("200 Hello from Flask\n");
      expect(await machine.get("static.test", scheme)).toContain("200 ");
    }
  };

  story("is installed, and says each step", async () => {
    await machine.boot();
    await machine.release(fs.readdirSync(dist));
    // boards D: it was given the executable for systems that are made of it.
    if (machine.kind.suite === "trixie")
      ok(await machine.sh("apt-get -q update && apt-get -q -y install musl"));
    const ran = ok(await machine.sh(`${install} --key /root/id.pub`));
    machine.told("installed in", ran);
    expect(ran.stdout).not.toContain("-musl ");
    expect(ran.stdout.match(/^-----> .*/gm)!.join("\n")).toMatch(
      /Getting piku-linux-\S+ from .*\n.*Installing packages: .*\n.*Making the user piku\n.*Putting piku into \/home\/piku: piku \S+ \(linux-.*\n.*Giving piku an nginx of its own\n.*Writing the services\n.*Pushing a small app, to see that it works\n.*Done\. .*git remote add piku piku@[0-9.]+:APP /,
    );
    expect(ran.stderr).toBe("");
    // Nothing is left of the app that proved it, nor of its key.
    const left =
      "find /home/piku /tmp -name '*piku-check*'; grep -c . /home/piku/.ssh/authorized_keys";
    expect(ok(await machine.sh(left)).stdout).toBe("1\n");
    expect(ok(await machine.sh("grep ^piku: /etc/shadow")).stdout).toStartWith("piku:*:");
  });

  story("the whole platform, idle, is one process of at most 8 MB beside nginx", async () => {
    const running = async () =>
      ok(await machine.sh("ps -o rss=,args= -u piku | grep -vE ' nginx: |/sbin/nginx '"))
        .stdout.trim()
        .split("\n")
        .map((line) => line.trim());
    let lines = await running();
    // The emperor still buries what proved the board.
    for (let i = 0; i < 50 && lines.length > 1; i++, lines = await running()) await Bun.sleep(100);
    console.log(`idle: ${lines.join("; ")}`);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain("/usr/bin/uwsgi --ini /home/piku/.piku/uwsgi/uwsgi.ini");
    // Under emulation the emulator's own memory counts too.
    if (machine.kind.arch === "amd64")
      expect(Number(lines[0]!.split(" ")[0])).toBeLessThanOrEqual(8 * 1024);
  });

  story("a name that is none gets a word over http, and nothing over https", async () => {
    expect(await machine.get("nobody.test")).toMatch(/^404 [\s\S]*There is no site of this name/);
    expect(await machine.get("nobody.test", "https")).toBe("000 ");
  });

  story(
    "nginx and the emperor are piku's, each within walls; nothing in its home is root's",
    async () => {
      const lines = ok(
        await machine.sh("systemd-analyze security --no-pager piku-web uwsgi-piku"),
      ).stdout;
      const scores = [...lines.matchAll(/^(\S+)\.service +([\d.]+) OK/gm)].map(
        ([, unit, score]) => [unit, Number(score)],
      );
      expect(scores.map(([unit]) => unit)).toEqual(["piku-web", "uwsgi-piku"]);
      expect(scores[0]![1]).toBeLessThanOrEqual(2.4);
      expect(scores[1]![1]).toBeLessThanOrEqual(4);
      expect(
        ok(
          await machine.sh(
            "id -Gn piku; systemctl is-active nginx; find /home/piku ! -user piku; true",
          ),
        ).stdout,
      ).toBe("piku\ninactive\n");
    },
  );

  story(
    "sshd takes a class at once, and no passwords for piku; for others it is as it was",
    async () => {
      const asked = async (name: string) =>
        ok(
          await machine.sh(
            `sshd -T -C user=${name},host=x,addr=127.0.0.1 | grep -iE '^(maxstartups|passwordauth)' | sort`,
          ),
        ).stdout.toLowerCase();
      expect(await asked("piku")).toBe("maxstartups 100:30:200\npasswordauthentication no\n");
      expect(await asked("root")).toBe("maxstartups 100:30:200\npasswordauthentication yes\n");
    },
  );

  story("a Flask app with packages and a static one are pushed and answer", async () => {
    const flask = ok(await machine.push("flask", "python-flask"));
    machine.told("Flask pushed in", flask);
    expect(flask.output).toContain("http://flask.test/ and https://flask.test/");
    machine.told("static site pushed in", ok(await machine.push("static", "static")));
    await answers();
    if (machine.kind.memory)
      console.log(`at most ${await machine.mostMemory()} MB of memory were used, files included`);
    expect((await machine.ssh("apps")).stdout).toBe("*flask\n*static\n");
  });

  story("piku is in the board's PATH: for its user, whom others are told to become", async () => {
    const as = (user: string) => machine.sh(`su -s /bin/sh ${user} -c 'piku apps'`);
    expect(ok(await as("piku")).stdout).toBe("*flask\n*static\n");
    for (const user of ["root", "nobody"])
      expect(await as(user)).toMatchObject({
        status: 1,
        stderr: "Error: piku runs as its user; type: sudo -u piku piku apps\n",
      });
    expect(ok(await machine.sh("stat -c %U:%a /usr/local/bin/piku")).stdout).toBe("root:755\n");
  });

  story("doctor finds nothing wrong, and a closed app is closed", async () => {
    const { stdout } = await machine.ssh("doctor --json");
    const wrong = (JSON.parse(stdout) as { check: string; ok: boolean }[]).filter(({ ok }) => !ok);
    // A machine in a container does not set its own clock.
    const blind = isEmulated ? ["clock", "nginx", "processes"] : ["clock"];
    expect(wrong.filter(({ check }) => !blind.includes(check))).toEqual([]);
    ok(await machine.ssh("maintenance:on static"));
    expect(await machine.get("static.test")).toStartWith("503 ");
    ok(await machine.ssh("maintenance:off static"));
    ok(await machine.ssh("config:set static NGINX_LOG=true"));
    await nginxTook();
    expect(await machine.get("static.test")).toStartWith("200 ");
    expect(ok(await machine.ssh("logs static --nginx --no-follow")).stdout).toContain(
      '"GET / HTTP/1.1" 200',
    );
  });

  story("they answer after a reboot", async () => {
    await machine.stop();
    const began = performance.now();
    await machine.boot();
    for (let i = 0; i < 200 && (await machine.get("flask.test")) !== "200 Hello from Flask\n"; i++)
      await Bun.sleep(100);
    machine.told("booted, and answered, in", { ms: performance.now() - began });
    await answers();
  });

  story("an upgrade from a web server leaves apps alone", async () => {
    const server = serveDist(machine);
    const watch = machine.watch("flask.test", "200 Hello from Flask\n");
    const pid = ok(await machine.sh("cat /home/piku/.piku/uwsgi/emperor.pid")).stdout;
    const line = installedFrom(blockWith("README.md", "install.sh | sh"), server.address);
    const ran = ok(await machine.sh(`cd /root && cp id.pub id_ed25519.pub && ${line}`));
    machine.told("upgraded in", ran);
    expect(ran.stdout).toContain("The emperor that runs goes on, so that no app stops\n");
    expect(ran.stdout).not.toContain("Installing packages");
    expect(await watch()).toEqual([]);
    expect(ok(await machine.sh("cat /home/piku/.piku/uwsgi/emperor.pid")).stdout).toBe(pid);
    const update = ok(await machine.ssh("update"));
    machine.told("piku update took", update);
    // It is what was just installed; e2e/update.test.ts goes from one release to another.
    expect(update.stdout).toContain("already.");
    server.stop();
    expect((await machine.ssh("update --rollback")).stderr).toContain("no earlier release");
    expect((await machine.ssh("update --from /root/release")).status).toBe(1);
    await answers();
  });

  story("apps may gain privileges again by the line that the documents give", async () => {
    const walled = async () =>
      ok(
        await machine.sh("grep NoNewPrivs: /proc/$(cat /home/piku/.piku/uwsgi/emperor.pid)/status"),
      ).stdout.trim();
    const page = fs.readFileSync(`${import.meta.dir}/../../SECURITY.md`, "utf8");
    const [, line] = /`(mkdir -p \S+uwsgi-piku\.service\.d && ln -s [^`]*) && reboot`/.exec(page)!;
    const again = "systemctl daemon-reload && systemctl restart uwsgi-piku";
    expect(await walled()).toMatch(/\t1$/);
    ok(await machine.sh(`${line} && ${again}`));
    expect(await walled()).toMatch(/\t0$/);
    ok(await machine.sh(`rm -r /etc/systemd/system/uwsgi-piku.service.d && ${again}`));
    expect(await walled()).toMatch(/\t1$/);
  });

  story("--uninstall takes away what was put there, and leaves apps and data", async () => {
    const ran = ok(await machine.sh(`${install} --uninstall`));
    expect(ran.output).toContain("The apps and their data are left in /home/piku/.piku");
    const left = ok(
      await machine.sh(
        "ls /home/piku /etc/systemd/system /etc/nginx/conf.d /etc/ssh/sshd_config.d /usr/local/lib /usr/local/bin; cat /home/piku/.ssh/authorized_keys; ls /home/piku/.piku/repos/*/hooks; ps -o args= -u piku; true",
      ),
    ).stdout;
    expect(left).not.toMatch(/uwsgi|piku-|piku\.conf|pre-receive|ssh-ed25519|^piku/m);
    // The distribution's own is back.
    expect(await machine.get("flask.test")).toContain("Welcome to nginx!");
    expect(ok(await machine.sh("ls /home/piku/.piku/apps")).stdout).toBe("flask\nstatic\n");
    expect((await machine.ssh("apps")).status).toBe(255);
  });

  story("installed again, the apps answer again", async () => {
    ok(await machine.sh(`${install} --key /root/id.pub`));
    for (let i = 0; i < 100 && (await machine.get("flask.test")) !== "200 Hello from Flask\n"; i++)
      await Bun.sleep(100);
    await answers();
  });
});
