/** `APP.local` by mDNS, as another machine on the board's network resolves it. */
import { expect } from "bun:test";
import fs from "node:fs";
import { ok } from "../e2e/board.ts";
import { dist, machines } from "./machine.ts";

/**
 * Asks for a name by multicast on the interface with this address (RFC 6762), as a laptop does: the
 * addresses that are answered within some seconds.
 */
const query = `import socket, struct, sys, time
name, here = sys.argv[1:]
asked = struct.pack(">6H", 0, 0, 1, 0, 0, 0) + b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\\0" + struct.pack(">HH", 1, 1)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((here, 0))
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(here))
s.settimeout(1)
def skip(d, i):
    while d[i] and d[i] < 192: i += d[i] + 1
    return i + (2 if d[i] >= 192 else 1)
for _ in range(3):
    s.sendto(asked, ("224.0.0.251", 5353))
    try: d = s.recv(9000)
    except TimeoutError: continue
    q, a, n, x = struct.unpack(">4H", d[4:12])
    i = 12
    for _ in range(q): i = skip(d, i) + 4
    for _ in range(a + n + x):
        i = skip(d, i)
        kind, _, _, size = struct.unpack(">HHIH", d[i:i + 10])
        if kind == 1: print(socket.inet_ntoa(d[i + 10:i + 14]))
        i += 10 + size
    break
`;

machines([{ arch: "amd64", suite: "trixie", baked: true }], (machine, story) => {
  const resolve = async (name: string) =>
    (await machine.run(["python3", "-c", query, name, machine.gateway])).stdout.trim().split("\n");
  /** Asks until the answer is this one, for some seconds. */
  const resolves = async (name: string, address: string) => {
    let found: string[] = [];
    for (let i = 0; i < 20 && !found.includes(address); i++) {
      found = await resolve(name);
      if (!found.includes(address)) await Bun.sleep(500);
    }
    if (!found.includes(address))
      console.log((await machine.sh("tail -n 5 /home/piku/.piku/uwsgi/daily.log")).output);
    expect([name, ...found]).toEqual([name, address]);
  };

  story("with avahi and PIKU_DOMAIN=local a pushed app is found by its name", async () => {
    await machine.boot();
    await machine.release(fs.readdirSync(dist));
    ok(
      await machine.sh(
        "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends avahi-daemon dbus && systemctl start dbus avahi-daemon",
      ),
    );
    const installed = ok(
      await machine.sh("sh /root/release/install.sh --key /root/id.pub --hostname board"),
    );
    expect(installed.output).toContain("config:set --global PIKU_DOMAIN=local");
    expect(installed.output).toContain(
      `Done. On your machine: git remote add piku piku@board.local:APP && git push piku main   (or ${machine.address} in place of board.local)`,
    );
    await resolves("board.local", machine.address);
    const { output } = ok(await machine.push("early", "static", { ENV: "" }));
    const early = "http://board.local:8001/";
    expect(output).toContain(`-----> http://${machine.address}:8001/ and ${early}`);
    const page = [
      "curl",
      "-s",
      "--noproxy",
      "*",
      "--resolve",
      `board.local:8001:${machine.address}`,
    ];
    expect((await machine.run([...page, early])).stdout).toContain("Hello from a file");
    ok(await machine.ssh("destroy early --force"));
    ok(await machine.ssh("config:set --global PIKU_DOMAIN=local"));
    ok(await machine.push("flask", "python-flask", { ENV: "" }));
    await resolves("flask.local", machine.address);
    expect(await machine.get("flask.local")).toBe("200 Hello from Flask\n");
  });

  story("the next app's name is published too, and a destroyed one's no more", async () => {
    ok(await machine.push("page", "static", { ENV: "" }));
    await resolves("page.local", machine.address);
    ok(await machine.ssh("destroy page --force"));
    await resolves("page.local", "");
    await resolves("flask.local", machine.address);
  });

  story("names come back after avahi was started anew, and after a reboot", async () => {
    ok(await machine.sh("systemctl restart avahi-daemon"));
    await resolves("flask.local", machine.address);
    await machine.stop();
    await machine.boot();
    for (let i = 0; i < 60 && !(await resolve("flask.local")).includes(machine.address); i++)
      await Bun.sleep(500);
    await resolves("flask.local", machine.address);
  });

  story("the publisher is small, and runs as piku's user without root", async () => {
    const shown = ok(
      await machine.sh(
        'id=$(pgrep -f uwsgi/mdns.py | head -n 1); stat -c %U /proc/$id; grep -E "^(Rss|Pss|Private_Dirty):" /proc/$id/smaps_rollup',
      ),
    ).stdout;
    expect(shown).toStartWith("piku\n");
    machine.told(`the publisher: ${shown.replace(/\s+/g, " ")}`, { ms: 0 });
    expect(Number(/^Rss: +(\d+)/m.exec(shown)?.[1])).toBeLessThan(13_000);
  });

  story("the board announces itself, which `piku init` looks for", async () => {
    const found = await machine.sh(
      "apt-get install -y -qq avahi-utils >/dev/null && avahi-browse -rptk _piku._tcp",
    );
    expect(found.stdout).toContain(";board.local;");
  });
});
