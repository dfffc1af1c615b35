/** A disk that fills up in the middle of a deploy: a real one, small. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fs from "node:fs";
import { probeSource, webProbe } from "../e2e/probe.ts";
import { fails, ok, read, Sandbox, targets } from "../e2e/sandbox.ts";
import { skipped } from "../e2e/story.ts";
import { watching } from "../e2e/watch.ts";

// Room for the executable, and for a deploy to begin (it wants 100 MB).
const megabytes = (executable: string) => Math.ceil(fs.statSync(executable).size / 2 ** 20) + 130;
const fill = "cat /dev/zero >filler; true";

for (const target of targets)
  describe(target.name, () => {
    if (process.getuid?.() !== 0)
      return skipped("a disk that fills up", "needs root, to mount a small disk");
    const board = new Sandbox(target);
    beforeAll(() => void board.start(megabytes(target.executable)), 60_000);
    afterAll(() => board.stop(), 60_000);

    for (const step of ["preflight", "release"])
      test(`a push whose ${step} fills the disk is rejected, the app goes on, and the next push goes live`, async () => {
        const name = `full-${step}`;
        const host = `${name}.test`;
        const files = webProbe(host);
        const app = board.repo(undefined, { ...files, ".gitignore": "filler\n" });
        ok(board.push(app, name));
        const watch = watching(board, host);
        app.commit("Fills", {
          Procfile: `${step}: ${fill}\n${files.Procfile}`,
          "app.py": probeSource("two"),
        });
        const push = fails(await board.pushing(app, name), 1);
        expect(push.output).toMatch(/Error: .*disk is full/);
        expect(board.get("/", { host }).body).toBe("one");
        // What a release step wrote is the app's own, and stays.
        fs.rmSync(`${board.pikuRoot}/apps/${name}/filler`, { force: true });
        ok(board.piku("recover"));
        expect(read(`${board.pikuRoot}/apps/${name}/app.py`)).toBe(probeSource("one"));
        app.commit("Mended", { Procfile: files.Procfile!, "app.py": probeSource("three") });
        ok(await board.pushing(app, name));
        expect((await watch()).failed).toEqual([]);
        expect(board.get("/", { host }).body).toBe("three");
      }, 120_000);
  });
