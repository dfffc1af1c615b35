import { afterAll, beforeAll, describe, test } from "bun:test";
import { Sandbox, type Target, targets } from "./sandbox.ts";

type Tell = (name: string, body: () => void | Promise<void>) => void;

/**
 * Tells the stories of one file for each executable, on one board each; a story that fails shows the board's logs.
 * `unless` gives the reason why they are not told of a target.
 */
export function stories(
  tell: (board: Sandbox, story: Tell) => void,
  unless: (target: Target) => string | undefined = () => undefined,
) {
  for (const target of targets)
    describe(target.name, () => {
      const reason = unless(target);
      if (reason) return skipped("these stories", reason);
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

/** For stories that take long: `npm test` tells them of the quicker executable, `npm run test:long` of both. */
export const unlessLong = ({ name }: Target) =>
  process.env.PIKU_LONG || name.endsWith("-lite") ? undefined : "npm run test:long tells them of this executable";
