/**
 * A power cut at any change of a deploy, and behind it, on a file system that may lose whatever was
 * not synced, in any combination: what is live is whole, and is the new release where the push has
 * said so. Nothing is lost that was on the disk before.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fs from "node:fs";
import { build } from "../../build.ts";
import { lose } from "../faults/lose.ts";
import { eventually, kill, ok, read, Sandbox, targets } from "./sandbox.ts";
import { randomBelow, seedOf } from "./seed.ts";
import { skipped } from "./story.ts";
import { commandOf } from "./watch.ts";
import { expectWhole, witness, witnessed } from "./whole.ts";

// A deploy makes some ninety changes.
const changes = 96;

/**
 * Where the power goes: numbers of changes, changes by name, and one that no deploy reaches, that
 * is when it has ended. Other numbers in each run of the longer proofs.
 */
function places(steps: number, below: (limit: number) => number): (number | string)[] {
  if (!process.env.PIKU_LONG) return ["write:live", never];
  const step = Math.floor(changes / steps);
  const first = 1 + below(step);
  const numbers = Array.from({ length: steps }, (_, i) => first + i * step);
  return ["write:live", "remove:journal.json", never, ...numbers, never];
}

const never = 10 * changes;

for (const target of targets)
  describe(target.name, () => {
    if (!process.env.PIKU_LONG && !target.name.endsWith("-lite"))
      return skipped("a power cut", "npm run test:long tells it of this executable");
    const folder = fs.mkdtempSync("/tmp/piku-power-");
    const board = new Sandbox({ name: target.name, executable: `${folder}/piku` });
    beforeAll(async () => {
      await build(target.name, "test/faults/main.ts", `${folder}/piku`);
      board.start();
    }, 120_000);
    afterAll(async () => {
      await board.stop();
      fs.rmSync(folder, { recursive: true });
    }, 60_000);

    /** Ends all that runs but the servers that hold no files of an app's, and what is not on the disk. */
    async function cutPower(below: (limit: number) => number): Promise<string[]> {
      await board.killEmperor();
      const isServer = (pid: number) =>
        /^(nginx|sshd|strace|setpriv|\/usr\/sbin\/sshd)/.test(commandOf(pid));
      eventually(() => {
        const left = board.processes().filter((pid) => !isServer(pid));
        for (const pid of left) kill(pid, "SIGKILL");
        expect(left).toEqual([]);
      });
      return lose(board.pikuRoot, `${board.pikuRoot}.durable`, below);
    }

    for (const kind of process.env.PIKU_LONG ? (["web", "wsgi"] as const) : (["wsgi"] as const))
      for (const command of process.env.PIKU_LONG
        ? (["git-hook", "config:set"] as const)
        : (["git-hook"] as const))
        test(`${command} of a ${kind} app, the power gone before any change that it makes`, async () => {
          const name = `power-${kind}-${command.length}`;
          const app = witness(board, kind, name).repo;
          const seed = seedOf(name);
          const below = randomBelow(seed);
          let version = 0;
          for (const place of places(command === "git-hook" ? 12 : 4, below)) {
            const before = String(version);
            const next = String(++version);
            if (command === "git-hook") app.commit(next, witnessed(next));
            const was = board.ssh("config:get", name, "ROUND").stdout.trim();
            fs.writeFileSync(`${board.pikuRoot}/fault`, `${command} ${place} power\n`);
            const ran =
              command === "git-hook"
                ? board.push(app, name, "+main")
                : board.ssh("config:set", name, `ROUND=${next}`);
            fs.rmSync(`${board.pikuRoot}/fault`);
            const lost = await cutPower(below);
            const recover = board.piku("recover");
            board.startEmperor();
            try {
              ok(recover);
              eventually(
                () => expect(board.get("/", { host: `${name}.test` }).status).toBe(200),
                20,
              );
              const versions =
                command === "git-hook" ? (ran.status === 0 ? [next] : [before, next]) : ["0"];
              const shown = await expectWhole(board, name, versions);
              if (command === "git-hook") version = Number(shown);
              const round = board.ssh("config:get", name, "ROUND").stdout.trim();
              if (command === "config:set")
                expect(ran.status === 0 ? [next] : [was, next]).toContain(round);
              expect(board.get("/env/ROUND", { host: `${name}.test` }).body).toBe(round);
            } catch (error) {
              console.error(
                `${place}: ${read(`${board.pikuRoot}/fault.log`)}\n${ran.output}\n${recover.output}\n${lost.join("\n")}\n${board.logs()}`,
              );
              throw error;
            }
          }
          if (command === "git-hook") ok(board.push(app, name, "+main"));
          else ok(board.ssh("config:set", name, "ROUND=last"));
        }, 1_200_000);
  });
