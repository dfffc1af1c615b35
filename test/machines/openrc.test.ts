/** A board whose init is OpenRC, as Alpine's is: Debian's packages, started by openrc-init. */
import { expect } from "bun:test";
import fs from "node:fs";
import { ok } from "../e2e/sandbox.ts";
import { dist, machines } from "./machine.ts";

machines([{ arch: "amd64", suite: "bookworm", openrc: true }], (machine, story) => {
  const services = ["piku-web", "uwsgi-piku"];
  const running = async () =>
    (await machine.sh(`for s in ${services.join(" ")}; do rc-service $s status; done 2>&1`)).stdout;
  /** Asks for the app until it answers, for ten seconds. */
  const answers = async () => {
    let answer = "";
    for (let i = 0; i < 50 && !answer.startsWith("200 "); i++) {
      answer = await machine.get("flask.test");
      await Bun.sleep(200);
    }
    expect(answer).toBe("200 Hello from Flask\n");
  };
  const page = { ENV: "NGINX_SERVER_NAME=page.test\n" };

  story("is installed, with two services that start at boot", async () => {
    await machine.boot();
    await machine.release(fs.readdirSync(dist));
    const ran = ok(await machine.sh("sh /root/release/install.sh --key /root/id.pub"));
    machine.told("installed in", ran);
    // Debian's own scripts want services that only systemd's predecessor had.
    expect(ran.stderr.replace(/^Service `\S+' needs non existent service .*\n/gm, "")).toBe("");
    expect((await running()).match(/started/g)).toHaveLength(2);
    const atBoot = ok(await machine.sh("rc-update show default")).stdout;
    for (const name of services) expect(atBoot).toContain(name);
  });

  story("nginx is piku's, on ports 80 and 443", async () => {
    expect(ok(await machine.sh("ps -o user= -C nginx | sort -u")).stdout.trim()).toBe("piku");
    expect(await machine.get("nobody.test")).toMatch(/^404 [\s\S]*There is no site of this name/);
  });

  story("an app and a page are pushed and answer", async () => {
    ok(await machine.push("flask", "python-flask", { ENV: "NGINX_SERVER_NAME=flask.test\n" }));
    ok(await machine.push("page", "static", page));
    expect(await machine.get("flask.test")).toBe("200 Hello from Flask\n");
    expect(await machine.get("page.test", "https")).toStartWith("200 ");
  });

  story("its name changes four times, and each is served at once", async () => {
    for (const name of ["one", "two", "three", "four"]) {
      ok(await machine.ssh(`config:set page NGINX_SERVER_NAME=${name}.test`));
      expect(await machine.get(`${name}.test`)).toStartWith("200 ");
    }
    expect(await machine.get("page.test")).toStartWith("404 ");
  });

  story(
    "a site that nginx refuses is set aside when nginx starts, and the others are served",
    async () => {
      ok(await machine.sh("echo junk >/home/piku/.piku/nginx/junk.conf"));
      ok(await machine.sh("rc-service piku-web restart"));
      await answers();
      expect((await machine.ssh("doctor")).stdout).toContain("junk");
      ok(await machine.sh("rm -f /home/piku/.piku/nginx/junk.*"));
    },
  );

  story("everything is back after a reboot", async () => {
    await machine.stop();
    await machine.boot();
    await answers();
    expect(await machine.get("four.test")).toStartWith("200 ");
    expect((await running()).match(/started/g)).toHaveLength(2);
  });

  story(
    "is uninstalled: its services and nginx's changes are gone, its apps' files stay",
    async () => {
      ok(await machine.sh("sh /root/release/install.sh --uninstall"));
      const left = await machine.sh("ls /etc/init.d | grep -E 'piku'; rc-update show | grep piku");
      expect(left.stdout).toBe("");
      expect(await machine.get("flask.test")).not.toContain("Flask");
      expect(ok(await machine.sh("ls /home/piku/.piku/apps")).stdout).toBe("flask\npage\n");
    },
  );
});
