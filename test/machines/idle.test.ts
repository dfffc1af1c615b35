/**
 * Forty apps on a board of 512 MB, a quarter of them `web`: those that nobody asks for sleep
 * (PIKU_IDLE), and whoever asks gets an answer. Ten minutes of asking with PIKU_LONG, else two.
 *
 *   bun build.ts && PIKU_LONG=1 bun test --timeout 60000 ./test/machines/idle.test.ts
 */
import { expect } from "bun:test";
import fs from "node:fs";
import { webProbe, wsgiProbe } from "../e2e/probe.ts";
import { ok } from "../e2e/sandbox.ts";
import { dist, machines } from "./machine.ts";

const apps = Array.from({ length: 40 }, (_, i) => `app-${i + 1}`);
const seconds = process.env.PIKU_LONG ? 600 : 120;

machines(
  [{ arch: "amd64", suite: process.env.PIKU_SUITE ?? "bookworm", memory: "512M", baked: true }],
  (machine, story) => {
    const status = async () =>
      JSON.parse(ok(await machine.ssh("apps --json")).stdout) as { up: number; asleep?: number }[];

    /** Megabytes of all of piku's processes, each shared page once, and how many they are. */
    const used = async () => {
      const pids = "$(pgrep -u piku)";
      const each = ok(
        await machine.sh(`cat $(printf '/proc/%s/smaps_rollup ' ${pids}) 2>/dev/null; true`),
      );
      const kilobytes = [...each.stdout.matchAll(/^Pss: +(\d+)/gm)].map(([, size]) => Number(size));
      return {
        megabytes: kilobytes.reduce((sum, size) => sum + size, 0) / 1024,
        processes: kilobytes.length,
      };
    };

    story("forty apps are pushed, of which only the last few are in memory", async () => {
      await machine.boot();
      await machine.release(fs.readdirSync(dist));
      ok(
        await machine.sh(
          "sh /root/release/install.sh --key /root/id.pub --target linux-x64-lite >/root/said 2>&1",
        ),
      );
      ok(await machine.ssh("config:set --global PIKU_IDLE=15s"));
      for (const [i, app] of apps.entries()) {
        const probe = i % 4 === 3 ? webProbe : wsgiProbe;
        ok(await machine.push(app, undefined, probe(`${app}.test`, app)));
      }
      expect(await status()).toHaveLength(apps.length);
    });

    story("all of them asleep take at most 60 MB together", async () => {
      for (let i = 0; i < 60 && (await status()).some(({ asleep }) => !asleep); i++)
        await Bun.sleep(1000);
      expect((await status()).filter(({ up, asleep }) => up === 1 && asleep === 1)).toHaveLength(
        40,
      );
      const { megabytes, processes } = await used();
      console.log(`40 apps asleep: ${megabytes.toFixed(1)} MB in ${processes} processes`);
      expect(megabytes).toBeLessThanOrEqual(60);
      expect((await machine.ssh("doctor")).stdout).toContain("40 of 40 are up");
      expect((await status()).filter(({ asleep }) => asleep === 1)).toHaveLength(40);
    });

    story("a random one each second is answered each time", async () => {
      const wrong: string[] = [];
      const took: number[] = [];
      let most = 0;
      const waiting: Promise<void>[] = [];
      for (let i = 0; i < seconds; i++) {
        const app = apps[Math.floor(Math.random() * apps.length)]!;
        const began = performance.now();
        waiting.push(
          machine.get(`${app}.test`).then((answer) => {
            took.push(performance.now() - began);
            if (answer !== `200 ${app}`) wrong.push(`${app}: ${answer.slice(0, 200)}`);
          }),
        );
        if (i % 20 === 0) most = Math.max(most, (await used()).megabytes);
        await Bun.sleep(1000 - ((performance.now() - began) % 1000));
      }
      await Promise.all(waiting);
      took.sort((a, b) => a - b);
      const at = (share: number) => `${took[Math.floor(share * (took.length - 1))]!.toFixed(0)} ms`;
      console.log(
        `${took.length} requests: median ${at(0.5)}, 99% ${at(0.99)}, longest ${at(1)}; piku's processes at most ${most.toFixed(0)} MB, the machine ${await machine.mostMemory()} MB`,
      );
      expect(wrong).toEqual([]);
      expect((await status()).filter(({ up }) => up === 1)).toHaveLength(40);
      // None was counted as a restart, nor ended for lack of memory.
      const processes = JSON.parse(ok(await machine.ssh("ps --json")).stdout);
      expect(processes.filter(({ restarts }: { restarts: number }) => restarts > 0)).toEqual([]);
    });
  },
);
