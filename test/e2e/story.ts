import { afterAll, beforeAll, describe, test } from "bun:test";
import { noMachines } from "../machines/command.ts";
import { InstalledBoard } from "../machines/installed.ts";
import { writeExports } from "./exports.ts";
import { type Board, Sandbox, type Target, targets } from "./sandbox.ts";

type Tell = (name: string, body: () => void | Promise<void>) => void;

const sorts = { sandbox: Sandbox, installed: InstalledBoard };
type Sort = keyof typeof sorts;

interface Told {
  /** The sorts of board that they can be told on. */
  on?: readonly Sort[];
  /** Why they are not told of a target. */
  unless?: (target: Target) => string | undefined;
}

/** For stories that can be told on a board of either sort. */
export const anyBoard: Told = { on: ["sandbox", "installed"] };

/**
 * The sort of board that is asked for; else it is the first of those that the stories can be told
 * on.
 */
const wanted = process.env.PIKU_BOARD as Sort | undefined;

/**
 * Tells the stories of one file for each executable, on one board each; a story that fails shows
 * the board's logs.
 */
export function stories(
  tell: (board: Board, story: Tell) => void,
  { on = ["sandbox"], unless }: Told = {},
) {
  const sort = wanted ?? on[0]!;
  const impossible = on.includes(sort)
    ? sort === "installed" && noMachines()
    : `not told on a board that is ${sort}`;
  tellOf(
    (target): Board => new sorts[sort](target),
    tell,
    (target) => impossible || unless?.(target),
  );
}

/** The same for stories that only an installed board has. */
export function installedStories(tell: (board: InstalledBoard, story: Tell) => void) {
  tellOf(
    (target) => new InstalledBoard(target),
    tell,
    () => noMachines(),
  );
}

function tellOf<B extends Board>(
  make: (target: Target) => B,
  tell: (board: B, story: Tell) => void,
  unless: (target: Target) => string | undefined,
) {
  for (const target of targets)
    describe(target.name, () => {
      const reason = unless(target);
      if (reason) return skipped("these stories", reason);
      const board = make(target);
      beforeAll(() => void board.start(), 600_000);
      const exports = process.env.PIKU_EXPORTS;
      if (exports) afterAll(() => writeExports(board, `${exports}/${board.target.name}`), 600_000);
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

/**
 * For stories that take long: `npm test` tells them of the quicker executable, `npm run test:long`
 * of both.
 */
export const unlessLong: Told = {
  unless: ({ name }) =>
    process.env.PIKU_LONG || name.endsWith("-lite")
      ? undefined
      : "npm run test:long tells them of this executable",
};

/** Tells a story that takes half a minute or more in the longer proofs only. */
export const onlyLong =
  (story: Tell): Tell =>
  (name, body) =>
    process.env.PIKU_LONG ? story(name, body) : skipped(name, "npm run test:long tells it");

/** Such stories that can be told on a board of either sort. */
export const longOnAnyBoard: Told = { ...anyBoard, ...unlessLong };
