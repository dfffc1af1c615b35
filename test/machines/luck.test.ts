/**
 * install.sh when something goes wrong: one clear line, nothing half done, and it works the next
 * time.
 */
import { expect } from "bun:test";
import fs from "node:fs";
import { sign } from "../e2e/publish.ts";
import { ok, type Ran } from "../e2e/sandbox.ts";
import { machines } from "./machine.ts";

const kinds = [
  { arch: "amd64", suite: "bookworm" },
  { arch: "amd64", suite: "trixie" },
  { arch: "armhf", suite: "bookworm" },
];

machines(kinds, (machine, story) => {
  const { arch, suite } = machine.kind;
  const isEmulated = arch !== "amd64";
  /** What it is installed from, the best first; the megabytes that the first may need. */
  const [targets, megabytes] = isEmulated
    ? [["linux-armv7", "linux-armv6"], 10]
    : [["linux-x64", "linux-x64-lite"], 130];
  const executable = `piku-${targets[0]}`;
  const release = () => `${machine.root}/root/release`;
  const install = "sh /root/release/install.sh";
  const error = (ran: Ran) => {
    expect(ran.status).toBe(1);
    return ran.stderr.trim();
  };
  /** What an installation would have left. */
  const traces = async () =>
    (
      await machine.sh(
        "ls -d /home/piku /etc/systemd/system/*piku* /etc/nginx /usr/bin/uwsgi /tmp/tmp.* 2>/dev/null; grep -c ^piku: /etc/passwd; true",
      )
    ).stdout;

  const luck: [title: string, before: string, command: string, after: string, message: RegExp][] = [
    [
      "nobody's root",
      "",
      `cat /root/release/install.sh | su -s /bin/sh nobody -c sh`,
      "",
      /^Error: this must run as root\nHint: sudo sh install.sh \.\.\.$/,
    ],
    [
      "an option that is none",
      "",
      `${install} --froom x`,
      "",
      /^Error: there is no option '--froom'\nHint: /,
    ],
    ["an option without its value", "", `${install} --key`, "", /^Error: --key needs a value\n/],
    [
      "a key file that is not there",
      "",
      `${install} --key /root/none`,
      "",
      /^Error: there is no key file '\/root\/none'$/,
    ],
    [
      "a folder that is not there",
      "",
      `${install} --from /root/none`,
      "",
      /^Error: there is no folder '\/root\/none'$/,
    ],
    [
      "plain http from the internet",
      "",
      `${install} --from http://example.org/x`,
      "",
      /^Error: http:\/\/example\.org\/x is not an address of a private network.*\nHint: use https/,
    ],
    [
      "a sum that does not fit",
      `cd /root/release; cp ${executable} kept; printf x >>${executable}`,
      install,
      `cd /root/release; mv kept ${executable}`,
      /^Error: checksum mismatch: piku-linux-\w+\nHint: .*run this again$/,
    ],
    [
      "an executable that was cut short",
      `cd /root/release; cp ${executable} kept; truncate -s 1000000 ${executable}`,
      install,
      `cd /root/release; mv kept ${executable}`,
      /^Error: checksum mismatch: piku-linux-/,
    ],
    [
      "sums that were cut short",
      "cd /root/release; cp SHA256SUMS kept; truncate -s 60 SHA256SUMS",
      install,
      "cd /root/release; mv kept SHA256SUMS",
      /^Error: the release at \/root\/release is not signed with a key that this install\.sh knows: .*\nHint: run this again/,
    ],
    [
      "an executable that does not run here",
      "",
      `${install} --target linux-odd`,
      "",
      /^Warning: piku-linux-odd does not run here: no such thing\nError: the release .* has no executable that runs here \(tried: linux-odd\)/,
    ],
    [
      "a target that is none",
      "",
      `${install} --target linux-riscv`,
      "",
      /^Error: the release .* has no executable that runs here \(tried: linux-riscv\)/,
    ],
    [
      "a distribution that is not known",
      "mv /etc/os-release /etc/kept; echo ID=plan9 >/etc/os-release",
      install,
      "rm /etc/os-release; mv /etc/kept /etc/os-release",
      /^Error: there are no package names for this distribution \(plan9 \)/,
    ],
    [
      "a processor that is not known",
      "mkdir -p /root/card/etc /root/card/usr/bin /root/card/usr/lib/systemd; cp /etc/os-release /root/card/etc; : >/root/card/usr/lib/systemd/systemd; { head -c 18 /bin/dash; printf '\\363\\000'; } >/root/card/usr/bin/dash; ln -s dash /root/card/usr/bin/sh",
      `${install} --root /root/card`,
      "rm -r /root/card",
      /Error: there is no piku for this processor/,
    ],
    [
      "a card that is none",
      "",
      `${install} --root /root/release`,
      "",
      /^Error: '\/root\/release' is not the root of a system\nHint: /,
    ],
    [
      "no room for the download",
      "mount -t tmpfs -o size=5m none /tmp",
      install,
      "umount /tmp",
      new RegExp(
        `^Error: /tmp has only 5 MB left, and ${megabytes} MB are needed\nHint: make room, then run this again$`,
      ),
    ],
    [
      "packages that cannot be got",
      `mv /etc/apt/sources.list /root/; echo 'deb http://127.0.0.1:9/debian ${suite} main' >/etc/apt/sources.list; rm -rf /var/lib/apt/lists`,
      install,
      "mv /root/sources.list /etc/apt/",
      /^Error: the packages could not be installed: .*\nHint: all of it is in \/var\/log\/piku-install.log; then run this again$/,
    ],
  ];

  story("a machine", async () => {
    await machine.boot();
    await machine.release(["install.sh", ...targets.map((name) => `piku-${name}`)]);
    const odd = "#!/bin/sh\necho no such thing >&2; exit 3\n";
    fs.writeFileSync(`${release()}/piku-linux-odd`, odd);
    sign(release());
    expect(await traces()).toBe("0\n");
  });

  for (const [title, before, command, after, message] of luck)
    story(`${title}: a clear line, and nothing was done`, async () => {
      ok(await machine.sh(before || "true"));
      const ran = await machine.sh(command);
      ok(await machine.sh(after || "true"));
      expect(error(ran)).toMatch(message);
      expect(await traces()).toBe("0\n");
    });

  story("no web server there: which file from where, and why", async () => {
    ok(await machine.sh("apt-get -q update && apt-get -q -y --no-install-recommends install curl"));
    const ran = await machine.sh(`${install} --from http://127.0.0.1:9/piku`);
    expect(error(ran)).toMatch(
      /^Warning: plain http can be read and changed on the way; .*\nError: could not download SHA256SUMS from http:\/\/127.0.0.1:9\/piku: curl: .*\nHint: look at the network/,
    );
    expect(await traces()).toBe("0\n");
  });

  story("killed at any moment and run again, it is whole", async () => {
    for (const seconds of [0.3, 1, 2.5, 5, 7, 9]) {
      await machine.sh(
        `setsid timeout -s KILL ${isEmulated ? 12 * seconds : seconds} ${install} --key /root/id.pub >/dev/null 2>&1; pkill -KILL apt-get; pkill -KILL dpkg; true`,
      );
    }
    ok(await machine.sh(`${install} --key /root/id.pub`));
    ok(await machine.push("static", "static"));
    expect(await machine.get("static.test")).toContain("200 ");
  });

  story(
    "a key file that holds none; the distribution's nginx, which is broken, is nothing to piku",
    async () => {
      expect(error(await machine.sh(`${install} --key /root/release/SHA256SUMS`))).toContain(
        "Error: /root/release/SHA256SUMS does not contain a valid public key",
      );
      fs.writeFileSync(`${machine.root}/etc/nginx/conf.d/other.conf`, "no_such_directive;\n");
      ok(await machine.sh(install));
      expect(await machine.get("static.test")).toContain("200 ");
      fs.rmSync(`${machine.root}/etc/nginx/conf.d/other.conf`);
    },
  );

  const config = "/etc/ssh/sshd_config";
  const keptOut: [title: string, line: string, message: string][] = [
    ["AllowUsers", "AllowUsers pi root", "AllowUsers does not name piku"],
    ["DenyUsers", "DenyUsers pik*", "DenyUsers names piku"],
    ["AllowGroups", "AllowGroups ssh", "AllowGroups names no group of piku"],
    ["PubkeyAuthentication", "PubkeyAuthentication no", "PubkeyAuthentication is no"],
  ];
  for (const [title, line, message] of keptOut)
    story(`boards F6: it was done although sshd lets no key in (${title})`, async () => {
      ok(
        await machine.sh(`cp ${config} /root/kept; { cat /root/kept; echo '${line}'; } >${config}`),
      );
      const ran = await machine.sh(install);
      ok(await machine.sh(`mv /root/kept ${config}`));
      expect(ran.stderr).toContain(`no key can let anybody in as piku: ${message}`);
      expect(ran.stdout).toContain("-----> Done.");
    });

  story("boards F6: it was done although no pushed app came up", async () => {
    const left =
      "ls /home/piku/.piku/repos | grep check; grep -c check /home/piku/.ssh/authorized_keys";
    ok(
      await machine.sh(`cp ${config} /root/kept; echo 'AuthorizedKeysFile /etc/none' >>${config}`),
    );
    const ran = await machine.sh(install);
    ok(await machine.sh(`mv /root/kept ${config}; systemctl reload ssh`));
    expect(ran).toMatchObject({ status: 1 });
    expect(ran.stderr).toContain("Permission denied (publickey)");
    expect(ran.stderr).toMatch(
      /\nError: piku is installed, but a small app .* did not come up: its push failed\nHint: .*sudo -u piku piku doctor; then run this again, or with --no-check\n$/,
    );
    expect((await machine.sh(left)).stdout).toBe("0\n");
    expect(ok(await machine.sh(`${install} --no-check`)).stdout).not.toContain("Pushing");
  });

  story(
    "boards F6: the last line named the usual port of ssh where it is another one",
    async () => {
      ok(await machine.sh(`cp ${config} /root/kept; echo 'Port 2200' >>${config}`));
      const ran = await machine.sh(install);
      ok(await machine.sh(`mv /root/kept ${config}; systemctl restart ssh`));
      expect(ran.stdout).toMatch(/git remote add piku ssh:\/\/piku@[0-9.]+:2200\/APP /);
    },
  );

  story("what sshd refuses, or does not read, is left as it was", async () => {
    const file = "/etc/ssh/sshd_config.d/piku.conf";
    ok(await machine.sh(`rm ${file}; echo NoSuchWord >/etc/ssh/sshd_config.d/z.conf`));
    const refused = ok(await machine.sh(install));
    expect(refused.stderr).toContain(`sshd refuses ${file}, so it is away again: `);
    ok(
      await machine.sh(
        `rm /etc/ssh/sshd_config.d/z.conf; cp ${config} /root/kept; sed -i /^Include/d ${config}`,
      ),
    );
    const passed = ok(await machine.sh(install));
    ok(await machine.sh(`mv /root/kept ${config}`));
    expect(passed.stdout).toContain("sshd_config does not include sshd_config.d");
    expect(fs.existsSync(`${machine.root}${file}`)).toBe(false);
    ok(await machine.sh(`${install} && systemctl is-active ssh`));
    ok(await machine.ssh("apps"));
  });

  story("no room for piku's home", async () => {
    ok(await machine.sh("mount -t tmpfs -o size=5m none /home/piku"));
    const ran = await machine.sh(install);
    ok(await machine.sh("umount /home/piku"));
    expect(error(ran)).toMatch(/^Error: \/home\/piku has only \d+ MB left/);
    expect(await machine.get("static.test")).toContain("200 ");
    expect(fs.existsSync(release())).toBe(true);
  });
});
