/** The board itself: its executable, the emperor's file, the emperor. */
import { expect } from "bun:test";
import fs from "node:fs";
import { ok, read } from "./sandbox.ts";
import { stories } from "./story.ts";
import { running } from "./watch.ts";

stories((board, story) => {
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
