/**
 * Limits by control groups, in a whole virtual machine: the machines at hand share this one's
 * kernel, which may have none. By hand:
 *
 *   bun build.ts --target linux-x64-lite && bun test --timeout 60000 ./test/machines/limits.test.ts
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { fails, ok } from "../e2e/board.ts";
import { skipped } from "../e2e/story.ts";
import { noVirtual, Virtual } from "./virtual.ts";

const source = `import os, time

kept = []


def app(environ, start_response):
    path = environ["PATH_INFO"]
    for _ in range(int(path[5:]) if path.startswith("/eat/") else 0):
        kept.append(b"x" * (1 << 20))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"still here"]


def fork():
    children = 0
    try:
        while True:
            if os.fork() == 0:
                time.sleep(6000)
            children += 1
    except OSError as error:
        print("after", children, "of them:", error, flush=True)
    time.sleep(6000)


def spin():
    while True:
        pass


if "EAT" in os.environ:
    app({"PATH_INFO": "/eat/300"}, lambda *words: None)

if __name__ == "__main__":
    import sys

    {"fork": fork, "spin": spin}[sys.argv[1]]()
`;
// The machine is an emulated one.
const slow = "PIKU_HEALTHCHECK_TIMEOUT=400\n";
const wsgi = (name: string, env = "") => ({
  Procfile: "wsgi: app:app\n",
  ENV: `NGINX_SERVER_NAME=${name}\nUWSGI_PROCESSES=1\n${slow}${env}`,
  "app.py": source,
});
const unit = "/sys/fs/cgroup/system.slice/uwsgi-piku.service";

const reason = noVirtual();
if (reason) skipped("limits in a virtual machine", reason);
else
  describe("limits in a virtual machine", () => {
    const board = new Virtual();
    const story = (name: string, body: () => Promise<void>) => test(name, body, 1_800_000);
    const root = (line: string) => ok(board.on("root", line)).stdout;
    const piku = (line: string) => ok(board.on("piku", line)).output;
    const ps = (app: string) => JSON.parse(ok(board.on("piku", `ps ${app} --json`)).stdout);
    /** Asks the neighbour all the while, which nothing must disturb. */
    const beside = async (body: () => Promise<void>) => {
      const ended = board.watch("neighbour.test");
      await body();
      const { asked, failed } = await ended();
      console.log(`the neighbour answered ${asked - failed.length} of ${asked}`);
      expect(failed).toEqual([]);
      expect(asked).toBeGreaterThan(5);
    };

    beforeAll(async () => {
      board.create("linux-x64-lite");
      await board.boot();
      ok(board.push("neighbour", wsgi("neighbour.test")));
    }, 1_800_000);
    afterAll(() => board.destroy(), 60_000);

    story("without a limit nothing has moved into a group of its own", async () => {
      expect(root(`ls ${unit}`)).not.toContain("emperor");
      expect(board.on("piku", "doctor").stdout).toMatch(/^ok +limits +none are asked for$/m);
    });

    story("PIKU_MEMORY=80M and 300 MB eaten: that process ends alone", async () => {
      ok(board.push("hungry", wsgi("hungry.test", "PIKU_MEMORY=80M\n")));
      expect(
        root(`cat ${unit}/hungry-1/memory.max ${unit}/hungry-1/memory.swap.max || true`),
      ).toMatch(/^83886080\n/);
      await beside(async () => {
        expect(await board.get("hungry.test")).toBe(200);
        expect(await board.get("hungry.test", "/eat/300")).toBe(502);
        expect(await board.get("hungry.test")).toBe(200);
      });
      expect(piku("ps hungry")).toMatch(
        /^wsgi\.1 {2}up .* \d+ of 80 MB .* 1 ended over the memory limit$/m,
      );
      const [hungry] = ps("hungry");
      expect(hungry).toMatchObject({ memoryLimit: 80 << 20, endedForMemory: 1, restarts: 0 });
      expect(hungry.memory).toBeLessThan(80 << 20);
      expect(piku("logs hungry --no-follow")).toMatch(
        /wsgi\.1 \| piku: a process was ended, since more memory was needed than PIKU_MEMORY=80M\n$/,
      );
    });

    story("a push that does not start within its memory is refused, and says why", async () => {
      const limits = "PIKU_MEMORY_WSGI=70M\nPIKU_MEMORY=80M\nEAT=1\n";
      const refused = fails(board.push("hungry", wsgi("hungry.test", limits))).output;
      expect(refused).toContain("it needs more memory than PIKU_MEMORY_WSGI=70M allows (wsgi.1");
      expect(refused).toContain("Hint: config:set hungry PIKU_MEMORY_WSGI=…");
      expect(await board.get("hungry.test")).toBe(200);
      // The group of what was undone.
      expect(root(`ls ${unit}`)).not.toContain("hungry-2");
    });

    story("PIKU_PROCESSES and a fork bomb; PIKU_CPU and a loop without an end", async () => {
      await beside(async () => {
        const pushed = board.push("bomb", {
          Procfile: "worker: python3 app.py fork\nspin: python3 app.py spin\n",
          ENV: `${slow}PIKU_PROCESSES_WORKER=30\nPIKU_CPU_SPIN=20%\n`,
          "app.py": source,
        });
        expect(ok(pushed).output).toContain("Release 1 of app 'bomb' is live");
        await Bun.sleep(5000);
      });
      expect(piku("ps bomb")).toMatch(/^worker\.1 .* 30 of 30 processes$/m);
      expect(piku("ps bomb")).toMatch(/^spin\.1 .* s CPU, at most 20%$/m);
      expect(piku("logs bomb --no-follow")).toMatch(
        /worker\.1 \| after 2\d of them: .*Resource temporarily unavailable/,
      );
      // Of two processors: 0.4 s of each second.
      const used = `sed -n 's/^usage_usec //p' ${unit}/bomb-1/spin.1/cpu.stat; date +%s%6N`;
      const [before, from, after, to] = root(`${used}; sleep 10; ${used}`)
        .trim()
        .split("\n")
        .map(Number);
      const share = (after! - before!) / (to! - from!);
      console.log(`PIKU_CPU=20% of two processors: ${share.toFixed(2)} s a second`);
      expect(share).toBeLessThan(0.45);
      expect(share).toBeGreaterThan(0.2);
      piku("destroy bomb");
      expect(root(`ls ${unit}`)).not.toContain("bomb");
    });

    story("the board's limits hold for an app that asks for more", async () => {
      piku("config:set --global PIKU_MEMORY=60M");
      expect(piku("config:set hungry PIKU_MEMORY=900M")).toContain("60M counts");
      const [release] = root(`ls ${unit}`).match(/hungry-\d+/)!;
      expect(root(`cat ${unit}/${release}/memory.max`)).toBe(`${60 << 20}\n`);
      expect(ps("hungry")[0].memoryLimit).toBe(60 << 20);
      piku("config:unset --global PIKU_MEMORY");
      piku("config:set hungry PIKU_MEMORY=80M");
    });

    story(
      "the emperor killed, and the board booted anew: each worker has its limits again",
      async () => {
        const isLimited = () =>
          root(`cat ${unit}/hungry-*/memory.max; cat ${unit}/hungry-*/wsgi.1/cgroup.procs | wc -l`);
        root("systemctl kill --signal=KILL uwsgi-piku; sleep 20");
        expect(isLimited()).toBe(`${80 << 20}\n2\n`);
        await board.shutDown();
        await board.boot();
        expect(await board.get("hungry.test")).toBe(200);
        expect(isLimited()).toBe(`${80 << 20}\n2\n`);
      },
    );

    story("without the controllers, as on Raspberry Pi OS: each process by itself", async () => {
      await board.shutDown();
      await board.boot("cgroup_disable=memory,pids,cpu");
      expect(await board.get("hungry.test")).toBe(200);
      expect(await board.get("hungry.test", "/eat/300")).toBe(502);
      expect(piku("logs hungry --no-follow")).toMatch(
        /MemoryError[\s\S]*piku: more memory was needed than PIKU_MEMORY=80M\n$/,
      );
      expect(board.on("piku", "doctor").stdout).toMatch(
        /^wrong +limits +PIKU_MEMORY goes for each process by itself: the server's kernel has its 'memory' controller off\. To do: add cgroup_enable=memory to /m,
      );
      const refused = fails(board.on("piku", "config:set hungry PIKU_CPU=20%")).output;
      expect(refused).toContain(
        "PIKU_CPU=20% cannot be kept: the server's kernel has its 'cpu' controller off",
      );
      await beside(async () => {
        for (const app of ["bomb", "second"])
          ok(
            board.push(app, {
              Procfile: "worker: python3 app.py fork\n",
              ENV: `${slow}PIKU_PROCESSES=30\n`,
              "app.py": source,
            }),
          );
        await Bun.sleep(5000);
      });
      for (const app of ["bomb", "second"])
        expect(piku(`logs ${app} --no-follow`)).toMatch(/worker\.1 \| after 2\d of them: /);
      expect(ps("bomb")[0]).toMatchObject({ up: true, processLimit: 30 });
    });
  });
