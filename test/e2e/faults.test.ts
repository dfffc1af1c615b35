/**
 * A deploy to which something happens before any change that it makes leaves one whole release, the
 * old or the new one.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fs from "node:fs";
import { build } from "../../build.ts";
import { type Board, ok, type Ran, read, Sandbox, targets } from "./sandbox.ts";
import { skipped } from "./story.ts";
import { asking, sshing, watching } from "./watch.ts";
import { expectWhole, type Kind, type Witness, witness, witnessed } from "./whole.ts";

// A deploy makes about a hundred changes.
const changes = 100;

/**
 * Faults of a push: in how many steps the changes are gone through, what a push that fails of it
 * says, and how the board is mended then. `npm test` has a process killed at five places; the
 * others are for `npm run test:long`.
 */
interface Fault {
  title: string;
  steps: number;
  says?: RegExp;
  mend?(board: Board): Ran;
}

const isRoot = process.getuid?.() === 0;
const faults: Record<string, Fault> = {
  kill: { title: "that is killed", steps: 10 },
  term: { title: "that is told to end", steps: 4 },
  hup: { title: "whose terminal is closed", steps: 4 },
  full: {
    title: "on a disk that is full",
    steps: 5,
    says: /disk is full; make room and try again/,
  },
  ...(isRoot
    ? ({
        readonly: {
          title: "on a disk that can only be read",
          steps: 4,
          says: /EROFS|[Rr]ead-only file system/,
          mend: (board) => board.run(["umount", "--lazy", board.pikuRoot]),
        },
        inodes: {
          title: "on a disk that has no room for more files",
          steps: 4,
          says: /disk is full|No space left on device|room for only \d+ more files/,
          mend: (board) => board.run(["mount", "-o", "remount,nr_inodes=500k", board.folder]),
        },
      } satisfies Record<string, Fault>)
    : {}),
};

/**
 * The numbers of the changes at which a fault is tried: others for each executable, kind and fault,
 * and one that no deploy reaches.
 */
function placesFor(target: string, kind: Kind, fault: string): number[] {
  const isTold =
    process.env.PIKU_LONG || (kind === "web" && target.endsWith("-lite") && fault === "kill");
  if (!isTold) return [];
  const steps = process.env.PIKU_LONG ? faults[fault]!.steps : 5;
  const offset = targets.findIndex(({ name }) => name === target) * 5 + (kind === "web" ? 0 : 3);
  const first =
    1 + ((offset + 2 * Object.keys(faults).indexOf(fault)) % Math.floor(changes / steps));
  return [
    ...Array.from({ length: steps }, (_, i) => first + i * Math.floor(changes / steps)),
    10 * changes,
  ];
}

for (const target of targets)
  describe(target.name, () => {
    const folder = fs.mkdtempSync("/tmp/piku-faults-");
    const board = new Sandbox({ name: target.name, executable: `${folder}/piku` });
    beforeAll(async () => {
      await build(target.name, "test/faults/main.ts", `${folder}/piku`);
      board.start(isRoot ? 1024 : undefined);
    }, 120_000);
    afterAll(async () => {
      await board.stop();
      fs.rmSync(folder, { recursive: true });
    }, 60_000);

    const root = () => board.pikuRoot;
    const arm = (command: string, at: number | string, fault: string) =>
      fs.writeFileSync(`${root()}/fault`, `${command} ${at} ${fault}\n`);
    const disarm = () => fs.rmSync(`${root()}/fault`);
    const struck = () =>
      fs.existsSync(`${root()}/fault.log`) ? read(`${root()}/fault.log`).trim().split("\n") : [];

    for (const kind of ["web", "wsgi"] as const) {
      const name = `fault-${kind}`;
      const told = Object.keys(faults).filter(
        (fault) => placesFor(target.name, kind, fault).length > 0,
      );
      if (told.length === 0) {
        skipped(
          `a push of a ${kind} app that is killed`,
          "npm run test:long tells it of this executable and kind",
        );
        continue;
      }
      let deployed: Witness | undefined;
      let version = 0;
      const theApp = () => {
        deployed ??= witness(board, kind, name);
        return deployed.repo;
      };

      for (const fault of told) {
        const { title, says, mend } = faults[fault]!;
        test(`a push of a ${kind} app ${title} before any change that it makes, then one command`, async () => {
          const app = theApp();
          const watch = watching(board, `${name}.test`);
          let survived = 0;
          for (const [round, place] of placesFor(target.name, kind, fault).entries()) {
            const before = read(`${root()}/apps/${name}/v`);
            const next = String(++version);
            app.commit(next, witnessed(next));
            const sofar = struck().length;
            arm("git-hook", place, fault);
            const push = await board.pushing(app, name, "+main");
            const wasStruck = struck().length > sofar;
            if (wasStruck && mend) ok(mend(board));
            disarm();
            if (push.status === 0) survived++;
            if (fault === "kill" || !wasStruck) expect(push.status === 0).toBe(!wasStruck);
            if (push.status === 0) expect(push.output).toContain("is live");
            else if (says) expect(push.output).toMatch(says);
            ok(round % 2 === 0 ? board.piku("recover") : await sshing(board, "restart", name));
            try {
              const shown = await expectWhole(board, name, [before, next]);
              if (push.status === 0) expect(shown).toBe(next);
              // Who is told that a deploy failed, and is not only cut off, has the old one; git may
              // fail behind it, and the disk may not let it be undone: that is said.
              else if (says)
                expect(shown).toBe(
                  /is live, but|git has refused the push in the end/.test(push.output) &&
                    !/again as release/.test(push.output)
                    ? next
                    : before,
                );
            } catch (error) {
              console.error(`${struck().at(-1)}\n${push.output}\n${board.logs()}`);
              throw error;
            }
          }
          console.log(`${name}: ${struck().length} faults so far, ${survived} pushes went through`);
          expect((await watch()).failed).toEqual([]);
          // The places reach beyond the end of a deploy, or some of it was never tried.
          expect(survived).toBeGreaterThan(0);
          ok(board.push(app, name, "+main"));
          expect(board.get("/", { host: `${name}.test` }).body).toBe(String(version));
        }, 1_200_000);
      }

      if (faults.readonly)
        test(`a push of a ${kind} app that fails behind the point of no return is told as live, not as failed`, async () => {
          const app = theApp();
          const next = String(++version);
          app.commit(next, witnessed(next));
          arm("git-hook", "remove:journal.json", "readonly");
          const push = await board.pushing(app, name, "+main");
          ok(faults.readonly!.mend!(board));
          disarm();
          expect(push.output).toMatch(
            /Warning: release \d+ is live, but not all is cleared away: .*EROFS/,
          );
          expect(push.output).not.toMatch(/Error: (the server says|what was begun)/);
          ok(board.piku("recover"));
          await expectWhole(board, name, [next]);
          ok(board.push(app, name, "+main"));
        }, 60_000);

      test(`config:set of a ${kind} app that is killed before any change that it makes`, async () => {
        const get = (key: string) => board.ssh("config:get", name, key).stdout.trim();
        for (const place of placesFor(target.name, kind, "kill").filter((_, i) => i % 4 === 1)) {
          const before = get("ROUND");
          const sofar = struck().length;
          arm("config:set", place, "kill");
          const set = await sshing(board, "config:set", name, `ROUND=${place}`);
          disarm();
          expect(set.status === 0).toBe(struck().length === sofar);
          ok(board.piku("recover"));
          await expectWhole(board, name, [String(version)]);
          const now = get("ROUND");
          expect([before, String(place)]).toContain(now);
          const seen = await asking(board, `${name}.test`, "/env/ROUND");
          expect(seen).toBe(now === "" ? "404 " : `200 ${now}`);
          if (set.status === 0) expect(now).toBe(String(place));
        }
      }, 600_000);
    }
  });
