/** An SD card: a Debian root that was prepared with --root comes up by itself and takes pushes. */
import { expect } from "bun:test";
import fs from "node:fs";
import { ok } from "../e2e/sandbox.ts";
import { dist, machines } from "./machine.ts";

machines([{ arch: "armhf", suite: "bookworm" }], (machine, story) => {
  story("a card is prepared without running any of its programs", async () => {
    const key = `${machine.folder}/id.pub`;
    const words = [
      "--root",
      machine.root,
      "--key",
      key,
      "--hostname",
      "classroom",
      "--domain",
      "school.test",
    ];
    const ran = ok(await machine.run(["sh", `${dist}/install.sh`, ...words]));
    machine.told("card prepared in", ran);
    expect(ran.stdout).toContain("Getting piku-linux-armv6");
    expect(fs.readdirSync(`${machine.root}/usr/local/lib/piku`).sort()).toEqual([
      "SHA256SUMS",
      "SHA256SUMS.sig",
      "first-boot",
      "install.sh",
      "key.pub",
      "piku-linux-armv6",
      "piku-linux-armv7",
    ]);
    expect(fs.readFileSync(`${machine.root}/etc/hostname`, "utf8")).toBe("classroom\n");
    ok(await machine.run(["sh", `${dist}/install.sh`, ...words]));
  });

  story(
    "it installs the rest at its first boot, shows it on the console, and takes a push",
    async () => {
      const began = performance.now();
      await machine.boot();
      const done = `${machine.root}/usr/local/lib/piku/first-boot`;
      for (let i = 0; i < 1200 && fs.existsSync(done); i++) await Bun.sleep(1000);
      machine.told("first boot, all in, took", { ms: performance.now() - began });
      const said = ok(
        await machine.sh("journalctl -b -u piku-first-boot -o cat --no-pager"),
      ).stdout;
      expect(said).toContain("-----> Done.");
      expect(ok(await machine.sh("/home/piku/piku --version")).stdout).toContain(
        "(linux-armv7, quickjs",
      );
      expect(ok(await machine.sh("uname -n")).stdout).toBe("classroom\n");
      ok(await machine.push("hello", "static", { ENV: "" }));
      expect(await machine.get("hello.school.test")).toContain("200 ");
    },
  );

  story("the second boot installs nothing, and the app answers", async () => {
    await machine.stop();
    await machine.boot();
    expect(
      ok(await machine.sh("systemctl show -p ConditionResult --value piku-first-boot")).stdout,
    ).toBe("no\n");
    for (let i = 0; i < 300 && !(await machine.get("hello.school.test")).startsWith("200 "); i++)
      await Bun.sleep(100);
    expect(await machine.get("hello.school.test")).toContain("200 ");
  });
});
