/** A deploy that is killed before any change that it makes leaves one whole release, the old or the new one. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fs from "node:fs";
import { build } from "../../build.ts";
import { probeSource, webProbe, wsgiProbe } from "./probe.ts";
import { list, ok, type Repo, read, Sandbox, targets } from "./sandbox.ts";
import { skipped } from "./story.ts";
import { asking, live, sshing, watching } from "./watch.ts";

// A deploy makes about a hundred changes.
const changes = 100;

/**
 * The places to be killed at: every fifth change, others for each executable and kind, and one that no deploy reaches. For
 * `npm test` one kind of app, on the quicker executable, is killed five times.
 */
function placesFor(target: string, kind: string): number[] {
  const first = 1 + targets.findIndex(({ name }) => name === target) * 2 + (kind === "web" ? 0 : 1);
  const step = process.env.PIKU_LONG ? 5 : 20;
  const isTold = process.env.PIKU_LONG || (kind === "web" && target.endsWith("-lite"));
  return isTold ? [...Array.from({ length: changes / step }, (_, i) => first + i * step), 10 * changes] : [];
}

for (const target of targets)
  describe(target.name, () => {
    const folder = fs.mkdtempSync("/tmp/piku-faults-");
    const board = new Sandbox({ name: target.name, executable: `${folder}/piku` });
    beforeAll(async () => {
      await build(target.name, "test/faults/main.ts", `${folder}/piku`);
      board.start();
    }, 120_000);
    afterAll(async () => {
      await board.stop();
      fs.rmSync(folder, { recursive: true });
    }, 60_000);

    const root = () => board.pikuRoot;
    const arm = (command: string, at: number, fault = "kill") =>
      fs.writeFileSync(`${root()}/fault`, `${command} ${at} ${fault}\n`);
    const disarm = () => fs.rmSync(`${root()}/fault`);
    const struck = () => (fs.existsSync(`${root()}/fault.log`) ? read(`${root()}/fault.log`).trim().split("\n") : []);

    /** What there is of an app after a fault and one command: everything must be of one release. */
    async function expectWhole(name: string, versions: readonly string[]): Promise<string> {
      const release = live(board, name);
      const files = `${root()}/releases/${name}`;
      const tree = `${root()}/apps/${name}`;
      const shown = read(`${tree}/v`);
      expect(versions).toContain(shown);
      const state = {
        served: await asking(board, `${name}.test`, "/"),
        source: read(`${tree}/app.py`) === probeSource(shown),
        built: read(`${tree}/built`),
        head: ok(board.run(["git", "-C", tree, "rev-parse", "HEAD"])).stdout.trim(),
        environment: read(`${root()}/envs/${name}/LIVE_ENV`) === read(`${files}/${release.number}.LIVE_ENV`),
        site: read(`${root()}/nginx/${name}.conf`) === read(`${files}/${release.number}.conf`),
        upload: read(`${tree}/uploads/photo`),
        left: list(files).filter((file) => /^(journal\.json|cancel)$/.test(file)),
      };
      expect(state).toEqual({
        served: `200 ${shown}`,
        source: true,
        built: `made ${shown}\n`,
        head: release.commit,
        environment: true,
        site: true,
        upload: "precious",
        left: [],
      });
      const vassals = () => list(`${root()}/uwsgi-enabled`).filter((file) => file.startsWith(`${name}_`));
      // The last generation may still be on its way out.
      for (let i = 0; i < 400 && String(vassals()) !== String([...release.vassals].sort()); i++) await Bun.sleep(100);
      expect(vassals()).toEqual([...release.vassals].sort());
      expect(list(`${root()}/uwsgi-enabled`).filter((file) => file.endsWith(".tmp"))).toEqual([]);
      return shown;
    }

    for (const [kind, probe] of [
      ["web", webProbe],
      ["wsgi", wsgiProbe],
    ] as const) {
      const name = `fault-${kind}`;
      const places = placesFor(target.name, kind);
      if (places.length === 0) {
        skipped(`a push of a ${kind} app that is killed`, "npm run test:long tells it of this executable and kind");
        continue;
      }
      let deployed: Repo | undefined;
      let version = 0;

      const theApp = (): Repo => {
        if (deployed) return deployed;
        const files = probe(`${name}.test`, "0");
        const app = board.repo(undefined, {
          ...files,
          Procfile: `preflight: echo made $(cat v) >built\nrelease: true\n${files.Procfile}worker: exec sleep 5000\n`,
          ".gitignore": "built\nuploads\n",
          v: "0",
        });
        ok(board.push(app, name));
        fs.mkdirSync(`${root()}/apps/${name}/uploads`);
        fs.writeFileSync(`${root()}/apps/${name}/uploads/photo`, "precious");
        deployed = app;
        return app;
      };

      test(`a push of a ${kind} app that is killed before any change that it makes, then one command`, async () => {
        const app = theApp();
        const watch = watching(board, `${name}.test`);
        let survived = 0;
        for (const [round, place] of places.entries()) {
          const before = read(`${root()}/apps/${name}/v`);
          const next = String(++version);
          app.commit(next, { "app.py": probeSource(next), v: next });
          const sofar = struck().length;
          arm("git-hook", place);
          const push = await board.pushing(app, name, "+main");
          disarm();
          const wasKilled = struck().length > sofar;
          if (!wasKilled) survived++;
          expect(push.status === 0).toBe(!wasKilled);
          if (round % 2 === 0) ok(board.piku("recover"));
          else ok(await sshing(board, "restart", name));
          const shown = await expectWhole(name, [before, next]);
          if (push.status === 0) expect(shown).toBe(next);
        }
        console.log(`${name}: ${struck().length} kills so far, ${survived} pushes went through`);
        expect((await watch()).failed).toEqual([]);
        // The places reach beyond the end of a deploy, or some of it was never tried.
        expect(survived).toBeGreaterThan(0);
        ok(board.push(app, name, "+main"));
        expect(board.get("/", { host: `${name}.test` }).body).toBe(String(version));
      }, 1_200_000);

      test(`a push of a ${kind} app on a disk that is full from any of its changes on, then one command`, async () => {
        const app = theApp();
        const watch = watching(board, `${name}.test`);
        for (const place of places.filter((_, i) => i % 2 === 0)) {
          const before = read(`${root()}/apps/${name}/v`);
          const next = String(++version);
          app.commit(next, { "app.py": probeSource(next), v: next });
          const sofar = struck().length;
          arm("git-hook", place, "full");
          const push = await board.pushing(app, name, "+main");
          disarm();
          const wasFull = struck().length > sofar;
          if (push.status !== 0) expect(push.output).toMatch(/its disk is full; make room and try again/);
          else if (wasFull) expect(push.output).toContain("is live");
          ok(board.piku("recover"));
          const shown = await expectWhole(name, [before, next]);
          expect(shown).toBe(push.status === 0 ? next : before);
        }
        expect((await watch()).failed).toEqual([]);
        version++;
        app.commit(String(version), { "app.py": probeSource(String(version)), v: String(version) });
        ok(board.push(app, name, "+main"));
      }, 1_200_000);

      test(`config:set of a ${kind} app that is killed before any change that it makes`, async () => {
        const get = (key: string) => board.ssh("config:get", name, key).stdout.trim();
        for (const place of places.filter((_, i) => i % 4 === 1)) {
          const before = get("ROUND");
          const sofar = struck().length;
          arm("config:set", place);
          const set = await sshing(board, "config:set", name, `ROUND=${place}`);
          disarm();
          expect(set.status === 0).toBe(struck().length === sofar);
          ok(board.piku("recover"));
          await expectWhole(name, [String(version)]);
          const now = get("ROUND");
          expect([before, String(place)]).toContain(now);
          const seen = await asking(board, `${name}.test`, "/env/ROUND");
          expect(seen).toBe(now === "" ? "404 " : `200 ${now}`);
          if (set.status === 0) expect(now).toBe(String(place));
        }
      }, 600_000);
    }
  });
