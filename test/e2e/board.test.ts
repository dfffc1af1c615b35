/** The board itself: its executable, the emperor's file, the emperor. */
import { expect } from "bun:test";
import { createHash } from "node:crypto";
import fs from "node:fs";
import { fails, list, ok, read } from "./sandbox.ts";
import { stories } from "./story.ts";
import { running, sshing } from "./watch.ts";

stories((board, story) => {
  story(
    "update: a release that is not what its sums say, or does not run, changes nothing; a good one can be taken back",
    () => {
      const release = `${board.folder}/release`;
      const name = `piku-${board.target.name}`;
      fs.mkdirSync(release);
      const publish = (content: string | Uint8Array, sum?: string) => {
        fs.writeFileSync(`${release}/${name}`, content);
        const real = createHash("sha256").update(content).digest("hex");
        fs.writeFileSync(`${release}/SHA256SUMS`, `${sum ?? real}  ${name}\n`);
      };
      const before = fs.readFileSync(`${board.home}/piku`);
      const refused = (message: RegExp) => {
        expect(fails(board.ssh("update", "--from", release), 1).stderr).toMatch(message);
        expect(fs.readFileSync(`${board.home}/piku`).equals(before)).toBe(true);
        expect(list(board.home).filter((file) => file.startsWith("piku"))).toEqual(["piku"]);
      };
      fails(board.ssh("update", "--rollback"), 1);
      publish(before);
      const same = ok(board.ssh("update", "--from", release)).stdout;
      expect(same).toMatch(/^Updating piku\.\.\.\nThis is piku \d\S* already\.\n$/);
      publish(before.subarray(0, 10_000));
      fs.writeFileSync(`${release}/SHA256SUMS`, "");
      refused(/has no piku-/);
      publish(before, "0".repeat(64));
      refused(/checksum mismatch: piku-/);
      publish("#!/bin/sh\nexit 3\n");
      refused(/does not run here/);
      fails(board.ssh("update"), 1);
      // A script in the executable's place is as good as another version.
      publish("#!/bin/sh\necho piku 9.9\n");
      expect(ok(board.ssh("update", "--from", release)).stdout).toContain(
        "Update successful: piku 9.9",
      );
      expect(ok(board.ssh("apps")).stdout).toBe("piku 9.9\n");
      ok(board.run(["cp", `${board.home}/piku.old`, `${board.home}/piku.kept`]));
      ok(board.run(["mv", `${board.home}/piku.kept`, `${board.home}/piku`]));
      expect(ok(board.ssh("update", "--rollback")).stdout).toContain("Back again: piku 0.");
    },
  );

  /** A release of this target that is a script. */
  const releaseOf = (script: string) => {
    const release = fs.mkdtempSync(`${board.folder}/release-`);
    fs.writeFileSync(`${release}/piku-${board.target.name}`, script);
    const sum = createHash("sha256").update(script).digest("hex");
    fs.writeFileSync(`${release}/SHA256SUMS`, `${sum}  piku-${board.target.name}\n`);
    return release;
  };
  /** The executable that the board began with in its place again, and nothing beside it. */
  const asBefore = (executable: Buffer) => {
    for (const name of list(board.home).filter((file) => file.startsWith("piku")))
      fs.rmSync(`${board.home}/${name}`);
    fs.writeFileSync(`${board.home}/piku`, executable, { mode: 0o755 });
  };

  story(
    "update: where one that was cut off had left the earlier release, the next one was written into that",
    () => {
      const before = fs.readFileSync(`${board.home}/piku`);
      fs.writeFileSync(`${board.home}/piku.old`, "#!/bin/sh\necho piku 8.8\n", { mode: 0o755 });
      fs.linkSync(`${board.home}/piku.old`, `${board.home}/piku.new`);
      fails(board.ssh("update", "--from", releaseOf("#!/bin/sh\nexit 3\n")), 1);
      expect(ok(board.ssh("update", "--rollback")).stdout).toContain("Back again: piku 8.8");
      asBefore(before);
    },
  );

  story("update: two at once took each other's file away", async () => {
    const before = fs.readFileSync(`${board.home}/piku`);
    const release = releaseOf("#!/bin/sh\nsleep 1\necho piku 9.9\n");
    const both = await Promise.all([1, 2].map(() => sshing(board, "update", "--from", release)));
    // The second one finds a script in its own place, and has nothing to do.
    const said = both.map((ran) => ok(ran).stdout).join();
    expect(said).toContain("Update successful: piku 9.9");
    expect(said).toMatch(/This is piku \S+ already/);
    asBefore(before);
  });

  story("setup leaves an emperor's file alone that another service shares", () => {
    const file = `${board.pikuRoot}/uwsgi/uwsgi.ini`;
    const before = read(file);
    fs.linkSync(file, `${board.folder}/piku.ini`);
    fs.writeFileSync(file, "[uwsgi]\n");
    expect(ok(board.piku("setup")).output).toContain("is shared with another service");
    expect(read(`${board.folder}/piku.ini`)).toBe("[uwsgi]\n");
    fs.rmSync(`${board.folder}/piku.ini`);
    ok(board.piku("setup"));
    expect(read(file)).toBe(before);
  });

  story(
    "the emperor is one process of at most 8 MB, and its log is put aside once it has more than 1 MB",
    () => {
      const log = `${board.pikuRoot}/uwsgi/uwsgi.log`;
      const pid = read(`${board.pikuRoot}/uwsgi/emperor.pid`).trim();
      expect(running(board, "uwsgi --ini").map(String)).toEqual([pid]);
      expect(Number(/^VmRSS:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`))![1])).toBeLessThan(
        8 * 1024,
      );
      fs.appendFileSync(log, "x".repeat(1_100_000));
      ok(board.piku("daily", "--if-time"));
      expect(fs.statSync(log).size).toBeLessThan(100_000);
      expect(fs.statSync(`${board.pikuRoot}/uwsgi/uwsgi.old.log`).size).toBeGreaterThan(1_000_000);
    },
  );
});
