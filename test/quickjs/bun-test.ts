/**
 * As much of `bun:test` as the unit tests use, for QuickJS. Tests that need more of the machine
 * than the host boundary offers (`machine.ts`) are skipped: Bun tells them.
 */
import { dequal } from "dequal";
import { Elsewhere } from "./machine.ts";

type Body = (...row: unknown[]) => unknown;

const collected: { name: string; body: () => unknown }[] = [];
const plain = (name: string, body: Body) => void collected.push({ name, body });
const skip = (name: string) =>
  plain(name, () => {
    throw new Elsewhere();
  });
const each = (rows: readonly unknown[]) => (name: string, body: Body) => {
  for (const [index, row] of rows.entries()) {
    const words = Array.isArray(row) ? row : [row];
    plain(`${name} [${index}]`, () => body(...words));
  }
};

export const test = Object.assign(plain, {
  each,
  skip,
  skipIf: (no: boolean) => Object.assign(no ? skip : plain, { each: no ? () => skip : each }),
});
export const [beforeAll, afterAll] = [() => {}, () => {}];

/** Runs what was collected: a line for each failure, and how many passed and were skipped. */
export async function runCollected(): Promise<{
  passed: number;
  skipped: number;
  failures: string[];
}> {
  const sum = { passed: 0, skipped: 0, failures: [] as string[] };
  for (const { name, body } of collected)
    try {
      await body();
      sum.passed++;
    } catch (error) {
      if (error instanceof Elsewhere) sum.skipped++;
      else sum.failures.push(`${name}: ${error instanceof Error ? error.message : error}`);
    }
  return sum;
}

/** A value of which only these members count. */
class Containing {
  constructor(readonly wanted: object) {}
}

/** What toEqual compares: without members that are undefined. */
function defined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(defined);
  if (
    typeof value !== "object" ||
    value === null ||
    Object.getPrototypeOf(value) !== Object.prototype
  )
    return value;
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(members.map(([name, member]) => [name, defined(member)]));
}

function equals(got: unknown, wanted: unknown): boolean {
  if (!(wanted instanceof Containing)) return dequal(defined(got), defined(wanted));
  return Object.entries(wanted.wanted).every(([name, member]) =>
    equals((got as Record<string, unknown>)[name], member),
  );
}

function complains(got: unknown, wanted: unknown): boolean {
  try {
    (got as () => unknown)();
    return false;
  } catch (error) {
    if (error instanceof Elsewhere) throw error;
    if (wanted === undefined) return true;
    if (wanted instanceof Containing) return equals(error, wanted);
    const { message } = error as Error;
    return wanted instanceof RegExp ? wanted.test(message) : message.includes(String(wanted));
  }
}

/** Whether all that is wanted is there, at any depth; lists have the same length. */
function matches(got: unknown, wanted: unknown): boolean {
  if (typeof wanted !== "object" || wanted === null) return Object.is(got, wanted);
  if (typeof got !== "object" || got === null) return false;
  if (Array.isArray(wanted) && (got as unknown[]).length !== wanted.length) return false;
  return Object.entries(wanted).every(([name, member]) =>
    matches((got as Record<string, unknown>)[name], member),
  );
}

const matchers: Record<string, (got: never, wanted: never) => boolean> = {
  toBe: Object.is,
  toEqual: equals,
  toMatchObject: matches,
  toBeUndefined: (got) => got === undefined,
  toBeGreaterThan: (got: number, wanted: number) => got > wanted,
  toBeLessThan: (got: number, wanted: number) => got < wanted,
  toContain: (got: unknown[], wanted: unknown) => got.includes(wanted),
  toStartWith: (got: string, wanted: string) => got.startsWith(wanted),
  toMatch: (got: string, wanted: RegExp) => wanted.test(got),
  toMatchInlineSnapshot: (got: string, wanted: string) => unindent(got) === unindent(wanted),
  toThrow: complains,
};

/**
 * A snapshot stands indented in its test, between two line breaks, and quoted when it is a string.
 */
const unindent = (text: string) =>
  text
    .split("\n")
    .map((line) => line.trim())
    .join("\n")
    .trim()
    .replace(/^"|"$/g, "")
    .trim();

export const expect = Object.assign(
  (got: unknown) => {
    const checks = (not: boolean) =>
      Object.fromEntries(
        Object.entries(matchers).map(([name, fits]) => [
          name,
          (wanted: unknown) => {
            if (fits(got as never, wanted as never) !== not) return;
            throw new Error(
              `${JSON.stringify(got)} ${not ? "not " : ""}${name} ${JSON.stringify(wanted)}`,
            );
          },
        ]),
      );
    return { ...checks(false), not: checks(true) };
  },
  { objectContaining: (wanted: object) => new Containing(wanted) },
);
