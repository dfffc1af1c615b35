/**
 * A board of version 1, whose nginx is the distribution's, gets an nginx of its own from
 * install.sh, and goes back.
 */
import { afterAll, expect } from "bun:test";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { webProbe, wsgiProbe } from "../e2e/probe.ts";
import { type Files, ok } from "../e2e/sandbox.ts";
import { dist, machines } from "./machine.ts";

const root = path.resolve(import.meta.dir, "../..");
/** The last commit of version 1. */
const former = "ee4294b";
const hasFormer =
  spawnSync("git", ["cat-file", "-e", `${former}^{commit}`], { cwd: root }).status === 0;

/** The release of version 1, built somewhere else. */
function buildFormer(folder: string): string {
  const tree = `${folder}/tree`;
  const run = (command: string, ...words: string[]) => {
    const ran = spawnSync(command, words, {
      cwd: fs.existsSync(tree) ? tree : root,
      encoding: "utf8",
    });
    if (ran.status !== 0) throw new Error(`${command} ${words.join(" ")}: ${ran.stderr}`);
  };
  run("git", "clone", "-q", root, tree);
  run("git", "checkout", "-q", former);
  fs.symlinkSync(`${root}/node_modules`, `${tree}/node_modules`);
  run(process.execPath, "build.ts", "--target", "linux-x64-lite");
  run(
    "sh",
    "-c",
    "cp install.sh dist/ && cd dist && sha256sum install.sh piku-linux-x64-lite >SHA256SUMS",
  );
  return `${tree}/dist`;
}

machines(
  [{ arch: "amd64", suite: "bookworm", baked: true }],
  (machine, story) => {
    const folder = fs.mkdtempSync("/tmp/piku-former-");
    afterAll(() => fs.rmSync(folder, { recursive: true }));
    const install = "sh /root/release/install.sh --target linux-x64-lite";
    const cached = (files: Files): Files => ({
      ...files,
      ENV: "NGINX_SERVER_NAME=cached.test\nNGINX_CACHE_PREFIXES=/long\nNGINX_LOG=true\n",
    });
    const python: Files = { "requirements.txt": "" };
    const apps: Record<string, Files> = {
      cached: { ...cached(wsgiProbe("cached.test")), ...python },
      web: { ...webProbe("web.test"), Procfile: "release: true\nweb: exec python3 app.py\n" },
      wsgi: { ...wsgiProbe("wsgi.test"), ...python },
      ticker: { Procfile: "release: true\ncron: * * * * * echo tick\n" },
    };
    const sites = ["cached", "web", "wsgi"];
    const settled = async (name: string, wanted = "200 one") => {
      let answer = "";
      for (let i = 0; i < 150 && answer !== wanted; i++, await Bun.sleep(100))
        answer = await machine.get(`${name}.test`);
      expect([name, answer]).toEqual([name, wanted]);
    };
    const allAnswer = async () => {
      for (const name of sites) {
        await settled(name);
        expect(await machine.get(`${name}.test`, "https")).toBe("200 one");
      }
    };
    const shows = async (line: string) => ok(await machine.sh(line)).stdout.trim();
    const findings = async () => {
      const { stdout } = await machine.ssh("doctor --json");
      const wrong = (JSON.parse(stdout) as { check: string; ok: boolean; says: string }[]).filter(
        ({ ok }) => !ok,
      );
      // A machine in a container does not set its own clock.
      return wrong.filter(({ check }) => check !== "clock");
    };

    story("version 1 runs four apps", async () => {
      await machine.boot();
      fs.mkdirSync(`${machine.root}/root/former`);
      fs.cpSync(buildFormer(folder), `${machine.root}/root/former`, { recursive: true });
      await machine.release(fs.readdirSync(dist));
      ok(await machine.sh("sh /root/former/install.sh --key /root/id.pub"));
      // So that the first app answers for unknown names.
      ok(await machine.sh("rm /etc/nginx/sites-enabled/default && systemctl reload nginx"));
      for (const [name, files] of Object.entries(apps))
        ok(await machine.push(name, undefined, files));
      await allAnswer();
      expect(await machine.get("cached.test", "http", "/long")).toStartWith("200 long");
      expect(await shows("find /home/piku/.piku/logs/cached -user root")).toContain(
        "nginx.access.log",
      );
      expect(await machine.get("nobody.test")).toBe("200 one");
    });

    story(
      "sites that an nginx of piku's own refuses keep it shared, and it is said why",
      async () => {
        // Root's nginx may read this one.
        fs.writeFileSync(`${machine.root}/etc/nginx/secret.inc`, "# nothing\n", { mode: 0o600 });
        ok(
          await machine.sh(
            `su piku -s /bin/sh -c 'cd ~/.piku/nginx && sed -i "s,^}$,include /etc/nginx/secret.inc; }," web.conf'`,
          ),
        );
        ok(await machine.sh("systemctl reload nginx"));
        const ran = ok(await machine.sh(install));
        expect(ran.stdout).toContain("takes a release that nobody has signed");
        expect(ran.stderr).toContain(
          'nginx stays shared: piku\'s own nginx refuses the sites: open() "/etc/nginx/secret.inc" failed',
        );
        await allAnswer();
        expect(
          await shows(
            "systemctl is-active nginx piku-nginx.socket; systemctl is-active piku-web || :",
          ),
        ).toBe("active\nactive\ninactive");
        expect((await findings()).map(({ says }) => says).join()).toContain("secret.inc");
        ok(await machine.push("wsgi", undefined, apps.wsgi));
        await allAnswer();
        ok(
          await machine.sh(
            "su piku -s /bin/sh -c 'cd ~/.piku/nginx && sed -i s,include./etc/nginx/secret.inc.,, web.conf'",
          ),
        );
      },
    );

    story("it goes over: nobody waits longer than two seconds, no app stops", async () => {
      const pid = await shows("cat /home/piku/.piku/uwsgi/emperor.pid");
      let longest = 0;
      let last = performance.now();
      let ended = false;
      const watch = (async () => {
        while (!ended) {
          if ((await machine.get("web.test")) === "200 one") {
            longest = Math.max(longest, performance.now() - last);
            last = performance.now();
          }
        }
      })();
      const ran = ok(await machine.sh(install));
      await allAnswer();
      ended = true;
      await watch;
      console.log(`going over: nobody answered for at most ${Math.round(longest)} ms`);
      expect(longest).toBeLessThan(2000);
      expect(ran.stdout).toContain("-----> Giving piku an nginx of its own\n");
      expect(ran.stdout).toContain(
        "Moved aside, since another user owns it: /home/piku/.piku/logs/cached/nginx.access.log",
      );
      expect(await shows("cat /home/piku/.piku/uwsgi/emperor.pid")).toBe(pid);
      expect(
        await shows(
          "systemctl is-enabled nginx || systemctl is-active nginx piku-nginx.path piku-nginx.socket || systemctl is-active piku-web",
        ),
      ).toBe("disabled\ninactive\ninactive\ninactive\nactive");
      expect(await shows("id -Gn piku")).toBe("piku");
      expect(await shows("ls /etc/nginx/conf.d")).toBe("");
      expect(
        await shows(
          "find /home/piku -user root ! -name '*.old'; find /home/piku -type s ! -perm 600",
        ),
      ).toBe("");
    });

    story("the app that answered for unknown names goes on doing so", async () => {
      expect(await machine.get("nobody.test")).toBe("200 one");
      expect(await machine.get("nobody.test", "http", "/long")).toStartWith("200 long");
      ok(await machine.ssh("restart cached"));
      expect(await machine.get("nobody.test")).toBe("200 one");
    });

    story(
      "below the emperor from before, whose group is another, apps are pushed and restarted",
      async () => {
        for (const name of ["web", "wsgi"]) ok(await machine.push(name, undefined, apps[name]!));
        ok(await machine.ssh("restart ticker"));
        await allAnswer();
        expect(await findings()).toEqual([]);
      },
    );

    story("a worker whose file named its group did not start after a boot", async () => {
      await machine.stop();
      await machine.boot();
      await allAnswer();
      expect(await findings()).toEqual([]);
      expect(await shows("find /home/piku -type s ! -perm 600")).toBe("");
    });

    story("run again it leaves both services and all apps alone", async () => {
      const watches = sites.map((name) => machine.watch(`${name}.test`, "200 one"));
      const pids = "systemctl show -p MainPID --value piku-web uwsgi-piku";
      const before = await shows(pids);
      ok(await machine.sh(install));
      expect(await shows(pids)).toBe(before);
      for (const watch of watches) expect(await watch()).toEqual([]);
    });

    story(
      "--uninstall gives the distribution's nginx back, and nothing of ours is left",
      async () => {
        ok(await machine.sh(`${install} --uninstall`));
        expect(
          await shows(
            "systemctl is-enabled nginx; systemctl is-active nginx ssh; systemctl is-active piku-web uwsgi-piku || :",
          ),
        ).toBe("enabled\nactive\nactive\ninactive\ninactive");
        expect(
          await shows(
            "find /etc /usr/local/lib /run -name '*piku*' ! -name 'passwd*' ! -path '/run/systemd/*' ! -path '/run/user/*'",
          ),
        ).toBe("");
        expect(await shows("ls /home/piku/.piku/apps | tr '\\n' ' '")).toBe(
          "cached ticker web wsgi",
        );
      },
    );
  },
  hasFormer ? undefined : `this clone has no commit ${former}`,
);
