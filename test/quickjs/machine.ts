/**
 * In the place of Bun's and Node's modules: nothing is there, and a test that wants it is skipped.
 */
export class Elsewhere extends Error {}

let running = false;
/** From now on whoever uses the machine is in a test. */
export function begin() {
  running = true;
}

function elsewhere(): never {
  if (running) throw new Elsewhere("needs the machine");
  return "" as never;
}

export const [readFileSync, writeFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, chmodSync] =
  Array(7).fill(elsewhere) as (() => never)[];
/** croner needs `Intl`. */
export const Cron = elsewhere;
export const tmpdir = () => "/tmp";
export const join = (...words: string[]) => words.join("/");
export const dirname = (path: string) => path.replace(/\/[^/]*$/, "");

Object.assign(globalThis, {
  Bun: { which: () => null, spawnSync: elsewhere },
  process: { env: {}, getuid: elsewhere },
});
