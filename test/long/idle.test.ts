/** Clients that are connected and do nothing: what they hold is given back after two minutes. */
import { expect } from "bun:test";
import { spawn } from "node:child_process";
import fs from "node:fs";
import { webProbe } from "../e2e/probe.ts";
import { eventually, list, ok } from "../e2e/sandbox.ts";
import { stories } from "../e2e/story.ts";

const patience = 250_000;

stories((board, story) => {
  /** How a client ended that neither sends nor reads anything; what it said. */
  const idle = (...words: string[]) => {
    const client = spawn("ssh", ["board", ...words], {
      env: { ...process.env, ...board.clientEnv() },
    });
    let said = "";
    client.stderr.on("data", (data) => {
      said += data;
    });
    client.stdout.pause();
    const ended = new Promise<string>((resolve) =>
      client.once("exit", (status) => resolve(`${status} ${said}`)),
    );
    return { client, ended };
  };

  story(
    "a restore without a sender, and a backup without a reader, ended with their connections",
    async () => {
      ok(board.push(board.repo(undefined, webProbe("idle.test")), "idle"));
      const bytes = crypto.getRandomValues(new Uint8Array(65_536));
      for (let i = 0; i < 400; i++)
        fs.appendFileSync(`${board.pikuRoot}/data/idle/large`, bytes.toReversed().with(0, i % 256));
      const both = [idle("restore", "idle"), idle("backup", "idle")];
      const stages = () => list(`${board.pikuRoot}/.backup`).length;
      eventually(() => expect(stages()).toBe(2));
      try {
        const said = await Promise.race([
          both[0]!.ended,
          Bun.sleep(patience).then(() => "nothing"),
        ]);
        expect(said).toContain("1 Error: the other end has sent nothing for 120 seconds");
        // The ssh of a client that reads nothing has more than it can give away, and does not end
        // by itself.
        for (const end = Date.now() + patience; stages() > 0 && Date.now() < end; )
          await Bun.sleep(1000);
        expect(stages()).toBe(0);
      } finally {
        for (const { client } of both) client.kill();
      }
    },
  );
});
