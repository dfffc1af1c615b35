/**
 * attacks A5: whatever an app puts where install.sh reads and writes in piku's home, root neither
 * follows nor waits for it.
 */
import { expect } from "bun:test";
import fs from "node:fs";
import { ok } from "../e2e/sandbox.ts";
import { dist, machines } from "./machine.ts";

machines([{ arch: "amd64", suite: "bookworm", baked: true }], (machine, story) => {
  const install = "timeout 400 sh /root/release/install.sh --target linux-x64-lite";
  /**
   * A file of root's that nothing may change, give away or show; piku can tell that it is there.
   */
  const victim = "/etc/victim";
  const asPiku = (line: string) => machine.sh(`su piku -s /bin/sh -c '${line}'`);
  const victims = async () =>
    ok(
      await machine.sh(
        `stat -c '%U %G %a %s' ${victim} /etc/folder; cat ${victim}; ls -A /etc/folder`,
      ),
    ).stdout;
  const untouched = "root root 600 7\nroot root 755 4096\nsecret\n";

  /** Each name in piku's home that install.sh has to do with. */
  const names = [
    ".piku.new",
    ".piku.py.new",
    "piku.py",
    "piku.py.original",
    "piku.py.original.new",
    "piku.original",
    "piku.original.new",
    "piku.old",
    ".piku/ENV",
    ".piku/ENV.new",
    ".piku/web/nginx.conf",
    ".piku/uwsgi/uwsgi.ini",
    ".piku/uwsgi-enabled/x_web.1.ini",
    ".piku/uwsgi-enabled/x_web.1.ini.new",
    ".piku/sockets/x.sock",
    ".piku/nginx/x.sock",
    ".ssh/authorized_keys",
  ];
  const plants: [what: string, make: (name: string) => string][] = [
    ["a link to a file of root's", (name) => `ln -s ${victim} ${name}`],
    ["a link to a folder of root's", (name) => `ln -s /etc/folder ${name}`],
    ["a link without an end", (name) => `ln -s /dev/zero ${name}`],
    ["a pipe", (name) => `mkfifo ${name}`],
    ["a script", (name) => `printf "#!/bin/sh\\n" >${name}`],
  ];

  story("a board with one of its own and an app", async () => {
    await machine.boot();
    await machine.release(fs.readdirSync(dist));
    ok(await machine.sh(`echo secret >${victim} && chmod 600 ${victim} && mkdir /etc/folder`));
    ok(await machine.sh(`${install} --key /root/id.pub`));
    ok(await machine.push("static", "static"));
  });

  for (const [what, make] of plants)
    story(`${what} at every name: an upgrade`, async () => {
      // A file of ours stays beside, to be put back: the board is to live on.
      for (const name of names)
        await asPiku(`cd && { [ ! -e ${name} ] || mv ${name} ${name}.kept; }; ${make(name)}`);
      const ran = await machine.sh(install);
      // timeout(1) says 124: it waited.
      expect([what, ran.status === 124]).toEqual([what, false]);
      expect(await victims()).toBe(untouched);
      for (const name of names)
        await asPiku(`cd && rm -rf ${name}; [ ! -e ${name}.kept ] || mv ${name}.kept ${name}`);
      ok(await machine.sh(`${install} --key /root/id.pub`));
      expect(await machine.get("static.test")).toStartWith("200 ");
      expect(ok(await machine.sh("find /home/piku ! -user piku")).stdout).toBe("");
    });

  for (const [what, make] of plants)
    story(`${what} at every name: --uninstall, and installed again`, async () => {
      for (const name of names)
        await asPiku(`cd && { [ ! -e ${name} ] || mv ${name} ${name}.kept; }; ${make(name)}`);
      const ran = await machine.sh(`${install} --uninstall`);
      expect([what, ran.status === 124]).toEqual([what, false]);
      expect(await victims()).toBe(untouched);
      for (const name of names)
        await asPiku(`cd && rm -rf ${name}; [ ! -e ${name}.kept ] || mv ${name}.kept ${name}`);
      ok(await machine.sh(`${install} --key /root/id.pub`));
      expect(await machine.get("static.test")).toStartWith("200 ");
    });

  story("an executable that an app put there was run by root", async () => {
    ok(
      await asPiku(
        `cd && printf "#!/bin/sh\\nid -u >>/tmp/ran\\nexit 0\\n" >evil && chmod 755 evil && rm piku && mv evil piku`,
      ),
    );
    await machine.sh(`${install} --uninstall`);
    await machine.sh(install);
    expect(ok(await machine.sh("cat /tmp/ran 2>/dev/null | grep -x 0; true")).stdout).toBe("");
  });
});
