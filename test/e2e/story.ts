import { afterAll, beforeAll, describe, test } from "bun:test";
import { Sandbox, targets } from "./sandbox.ts";

type Tell = (name: string, body: () => void | Promise<void>) => void;

/** Tells the stories of one file for each executable, on one board each; a story that fails shows the board's logs. */
export function stories(tell: (board: Sandbox, story: Tell) => void) {
  for (const target of targets)
    describe(target.name, () => {
      const board = new Sandbox(target);
      beforeAll(() => void board.start(), 60_000);
      afterAll(() => board.stop(), 60_000);
      tell(board, (name, body) =>
        test(name, async () => {
          try {
            await body();
          } catch (error) {
            console.error(board.logs());
            throw error;
          }
        }, 300_000),
      );
    });
}

/** A story that this machine cannot tell; the reason is shown with its name. */
export function skipped(name: string, reason: string) {
  test.skip(`${name} [${reason}]`, () => {});
}
