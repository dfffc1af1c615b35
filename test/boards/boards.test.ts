/**
 * 32-bit boards as a whole, in qemu (board.sh): from a prepared card to apps that survive a power
 * cut, and beside the original in the same machine. An hour: `npm run test:boards`, as root.
 */
import { afterAll, describe, expect, test } from "bun:test";
import fs from "node:fs";
import path from "node:path";
import { ok, systemPath } from "../e2e/board.ts";
import { wsgiProbe } from "../e2e/probe.ts";
import { skipped } from "../e2e/story.ts";
import { noMachines } from "../machines/command.ts";
import { Whole } from "../machines/virtual.ts";

const peer = process.env.PIKU_PEER?.split(" ").at(-1);
const boards = [
  { name: "armv7", what: "Cortex-A7, 512 MB (qemu's virt), Debian 12 armhf" },
  { name: "armv6", what: "Raspberry Pi A+ (ARM1176, 512 MB), Debian 12 armel" },
];

/** Why no board can be emulated here; undefined where one can. */
function noBoards(): string | undefined {
  const lacking = ["qemu-system-arm", "mke2fs", "fdtput"].filter(
    (name) => !Bun.which(name, { PATH: systemPath }),
  );
  return (
    noMachines("armhf") ??
    (lacking.length > 0 ? `${lacking.join(", ")} missing: sh test/setup.sh boards` : undefined)
  );
}

/** The original for a user of its own, with its keys and its emperor; it shares no more than uWSGI. */
const original = `set -eu
useradd --create-home --gid www-data --shell /bin/bash peer
usermod --password '*' peer
install -o peer -g www-data -m 755 /root/piku.py /home/peer/piku.py
as() { su -s /bin/sh -c 'cd && exec "$@"' -- peer sh "$@"; }
as ./piku.py setup
cp /root/.ssh/authorized_keys /tmp/id.pub
as ./piku.py setup:ssh /tmp/id.pub
systemd-run --quiet --uid=peer --gid=www-data uwsgi-core --ini /home/peer/.piku/uwsgi/uwsgi.ini`;

const median = (samples: number[]) =>
  samples.toSorted((a, b) => a - b)[Math.floor(samples.length / 2)]!;

const page = {
  Procfile: "static: .\n",
  ENV: "NGINX_SERVER_NAME=page.test\n",
  "index.html": "a page\n",
};

for (const { name, what } of boards)
  describe(`${name}: ${what}`, () => {
    const reason = noBoards();
    if (reason) return skipped("a board", reason);
    const board = new Whole(path.join(import.meta.dir, "board.sh"), 120);
    afterAll(() => board.destroy(), 60_000);
    const story = (title: string, body: () => Promise<void>) =>
      test(title, async () => {
        try {
          await body();
        } catch (error) {
          console.error(board.console.slice(-4000));
          throw error;
        }
      }, 3_600_000);
    /** Seconds since the board was turned on, as it counts them. */
    const uptime = () =>
      Math.round(Number(ok(board.on("root", "cat /proc/uptime")).stdout.split(" ")[0]));
    const told = (line: string) => console.log(`${name}: ${line}`);
    const answers = async (host: string, body: string) => {
      let answer = "";
      // It may be booting, on a machine that is busy.
      const until = Date.now() + 1_200_000;
      while (!answer.startsWith(`200 ${body}`) && Date.now() < until) {
        answer = await board.page(host);
        await Bun.sleep(1000);
      }
      expect(answer).toStartWith(`200 ${body}`);
    };
    const answerAll = async (version: string) => {
      await answers("page.test", "a page");
      await answers("app.test", version);
    };
    const isWell = () => {
      const { stdout } = board.on("piku", "doctor --json");
      const wrong = (JSON.parse(stdout) as { check: string; ok: boolean }[]).filter(
        ({ ok }) => !ok,
      );
      // No time server can be reached from here.
      expect(wrong.filter(({ check }) => check !== "clock")).toEqual([]);
    };

    story("its card is prepared, and its first boot does the rest", async () => {
      if (peer) fs.copyFileSync(peer, `${board.folder}/piku.py`);
      const made = board.make(["linux-armv7", "linux-armv6"], name);
      expect(made.stdout).toContain("-----> Done. Put the card into the board");
      board.turnOn();
      const until = Date.now() + 3_000_000;
      while (!board.console.includes("-----> Done.") && Date.now() < until) await Bun.sleep(2000);
      expect(board.console).toContain("-----> Done. On your machine: git remote add piku piku@");
      await board.isUp();
      told(`${uptime()} s from power to done`);
      expect(
        ok(board.on("root", "su -s /bin/sh piku -c '/home/piku/piku --version'")).stdout,
      ).toContain(`(linux-${name}, quickjs`);
      expect(ok(board.on("root", "uname -n")).stdout).toBe("board\n");
    });

    story("a static app and one of Python are pushed and seen", async () => {
      const pushed = (app: string, files: typeof page | ReturnType<typeof wsgiProbe>) => {
        const began = uptime();
        ok(board.push(app, files));
        told(`${app} pushed in ${uptime() - began} s`);
      };
      pushed("page", page);
      pushed("app", { ...wsgiProbe("app.test"), "requirements.txt": "" });
      await answerAll("one");
      isWell();
      const free = `free -m | awk 'NR == 2 { print $3 " MB of memory used, of " $2 }'`;
      told(ok(board.on("root", free)).stdout.trim());
    });

    story("they are there again after a reboot", async () => {
      await board.end("systemctl reboot");
      board.turnOn();
      await answerAll("one");
      await board.isUp();
      isWell();
    });

    story(
      "the power goes amid a push: what was live is, and the next push goes through",
      async () => {
        const { argv, cwd } = board.commit("app", wsgiProbe("app.test", "two"), "piku");
        const push = Bun.spawn(argv, { cwd, stdout: "ignore", stderr: "pipe" });
        let said = "";
        for await (const part of push.stderr.pipeThrough(new TextDecoderStream())) {
          said += part;
          if (said.includes("-----> Deploying app 'app'")) board.stop();
        }
        expect(await push.exited).not.toBe(0);
        board.turnOn();
        await answerAll("one");
        await board.isUp();
        ok(board.push("app", wsgiProbe("app.test", "three")));
        await answerAll("three");
        isWell();
      },
    );

    if (!peer) skipped("beside the original", "PIKU_PEER is not set");
    else
      story(
        "beside the original: at most a tenth of `apps`, and seven tenths of a push",
        async () => {
          ok(board.on("root", original));
          const measure = fs.readFileSync(`${import.meta.dir}/measure.py`, "utf8");
          const spent = (user: string, command: string) =>
            Number(
              ok(board.on("root", `python3 - ${user} 7 ${command}`, { input: measure })).stdout,
            );
          const apps = {
            ours: spent("piku", "/home/piku/piku apps"),
            theirs: spent("peer", "/home/peer/piku.py apps"),
          };
          told(`apps: ${apps.ours} ms, the original ${apps.theirs} ms`);
          // All that the machine does until it is idle, in hundredths of a second.
          const busy = "awk '/^cpu / { print $2 + $3 + $4 + $7 + $8 }' /proc/stat";
          const took = (user: string) => {
            const before = Number(ok(board.on("root", `sleep 5; ${busy}`)).stdout);
            ok(board.push("app", {}, user));
            return (Number(ok(board.on("root", `sleep 15; ${busy}`)).stdout) - before) / 100;
          };
          ok(board.push("app", {}, "peer"));
          const pushes = Array.from({ length: 3 }, () => ({
            ours: took("piku"),
            theirs: took("peer"),
          }));
          const push = {
            ours: median(pushes.map(({ ours }) => ours)),
            theirs: median(pushes.map(({ theirs }) => theirs)),
          };
          told(`an empty push: ${push.ours} s of the processor, the original ${push.theirs} s`);
          expect(ok(board.on("root", "pgrep -c -u peer uwsgi")).stdout.trim()).not.toBe("1");
          await answerAll("three");
          expect(apps.ours / apps.theirs).toBeLessThanOrEqual(0.1);
          expect(push.ours / push.theirs).toBeLessThanOrEqual(0.7);
        },
      );
  });
