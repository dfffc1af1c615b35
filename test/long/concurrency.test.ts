/** Many commands at once: whatever comes of them is what would have come of one after the other. */
import { expect } from "bun:test";
import { type Board, eventually, list, ok, type Ran, read } from "../e2e/sandbox.ts";
import { randomBelow, seedOf } from "../e2e/seed.ts";
import { stories } from "../e2e/story.ts";
import { live, sshing, watching } from "../e2e/watch.ts";
import { expectWhole, type Kind, witness, witnessed } from "../e2e/whole.ts";

/** Two minutes for both executables. */
const seconds = 60;

stories((board, story) => {
  story("8 apps pushed at once: each is whole, on a port of its own", async () => {
    const kinds: Kind[] = ["web", "wsgi"];
    const apps = Array.from({ length: 8 }, (_, i) => witness(board, kinds[i % 2]!, `eight-${i}`));
    for (const round of ["1", "2"]) {
      for (const { repo } of apps) repo.commit(round, witnessed(round));
      for (const push of await Promise.all(apps.map(({ name, repo }) => board.pushing(repo, name))))
        ok(push);
      for (const { name } of apps) await expectWhole(board, name, [round]);
      const ports = apps.flatMap(({ name }) => portsOf(board, name));
      expect(new Set(ports).size).toBe(ports.length);
    }
    for (const ran of await Promise.all(apps.map(({ name }) => sshing(board, "destroy", name))))
      ok(ran);
    expect(
      board.inventory().filter((name) => /eight-/.test(name) && !name.startsWith("data/")),
    ).toEqual([]);
  });

  story(
    "pushes, config:set, ps:scale, restart, rollback, destroy and its undoing of one app at random: the end is whole, and is one of theirs",
    async () => {
      const below = randomBelow(seedOf("concurrency"));
      const name = "busy";
      const host = `${name}.test`;
      const app = witness(board, "web", name);
      const clones = Array.from({ length: 3 }, (_, i) => app.repo.copy(String(i)));
      const versions = ["0"];
      const settings = new Set<string>();
      const counts: Record<string, number> = {};
      const commands: [string, number, (worker: number) => Promise<Ran>][] = [
        [
          "push",
          4,
          (worker) => {
            const version = `${worker}.${versions.length}`;
            versions.push(version);
            clones[worker]!.commit(version, witnessed(version));
            return board.pushing(clones[worker]!, name, "+main");
          },
        ],
        [
          "config:set",
          4,
          () => {
            const value = String(settings.size + 1);
            settings.add(value);
            return sshing(board, "config:set", name, `ROUND=${value}`);
          },
        ],
        ["ps:scale", 3, () => sshing(board, "ps:scale", name, `web=${1 + below(2)}`)],
        ["restart", 2, () => sshing(board, "restart", name)],
        ["rollback", 1, () => sshing(board, "rollback", name)],
        ["stop", 1, () => sshing(board, "stop", name)],
        ["deploy:cancel", 1, () => sshing(board, "deploy:cancel", name)],
        ["destroy", 1, () => sshing(board, "destroy", name, "--force")],
        ["destroy --undo", 2, () => sshing(board, "destroy", "--undo", name)],
      ];
      const bag = commands.flatMap((command) => Array.from({ length: command[1] }, () => command));
      const end = performance.now() + seconds * 1000;
      const work = async (worker: number) => {
        while (performance.now() < end) {
          const [title, , command] = bag[below(bag.length)]!;
          const ran = await command(worker);
          counts[`${title} ${ran.status === 0 ? "done" : "refused"}`] ??= 0;
          counts[`${title} ${ran.status === 0 ? "done" : "refused"}`]!++;
          if (/fault of piku's own|could not be put back|\bat .*:\d+:\d+/.test(ran.output))
            throw new Error(`${ran.command}\n${ran.output}`);
        }
      };
      await Promise.all(clones.map((_, worker) => work(worker)));
      console.log(`concurrency: ${JSON.stringify(counts)}`);
      const isThere = ok(board.ssh("apps"))
        .stdout.split("\n")
        .some((line) => line.slice(1) === name);
      const vassals = () =>
        list(`${board.pikuRoot}/uwsgi-enabled`).filter((file) => file.startsWith(`${name}_`));
      if (!isThere) {
        // Destroyed last, or since then no push went through.
        eventually(() => expect(vassals()).toEqual([]));
        const left = board
          .inventory()
          .filter((file) => new RegExp(`/${name}\\b`).test(file) && !file.startsWith("data/"));
        // A config:set behind the last destroy is kept for the next first push.
        const waits = [`envs/${name}`];
        if (left.length > 0)
          expect([left, list(`${board.pikuRoot}/envs/${name}`)]).toEqual([waits, ["ENV"]]);
      } else {
        ok(board.ssh("restart", name));
        await expectWhole(board, name, versions, { upload: undefined });
        const wanted = /^web:(\d+)$/m.exec(read(`${board.pikuRoot}/envs/${name}/SCALING`))?.[1];
        expect(vassals().filter((file) => file.includes("_web."))).toHaveLength(Number(wanted));
        const set = board.ssh("config:get", name, "ROUND");
        if (set.status === 0) expect(settings).toContain(set.stdout.trim());
        expect(board.get("/env/ROUND", { host }).body).toBe(
          set.status === 0 ? set.stdout.trim() : "",
        );
      }
      // And the next one goes live.
      const watch = isThere ? watching(board, host) : undefined;
      app.repo.commit("Last", witnessed("last"));
      ok(board.push(app.repo, name, "+main"));
      expect(await expectWhole(board, name, ["last"], { upload: undefined })).toBe("last");
      expect((await watch?.())?.failed ?? []).toEqual([]);
      expect(live(board, name).commit).toBe(app.repo.head());
    },
  );
});

/** The ports that a web app's workers were given. */
const portsOf = (board: Board, name: string): string[] =>
  live(board, name).vassals.flatMap((file) => {
    const [, kind, ordinal, release] = /_(\w+)\.(\d+)-(\d+)\.ini$/.exec(file)!;
    if (kind !== "web") return [];
    const launcher = read(
      `${board.pikuRoot}/releases/${name}/run-${release}/${kind}.${ordinal}.sh`,
    );
    return /^export PORT='(\d+)'$/m.exec(launcher)?.[1] ?? [];
  });
