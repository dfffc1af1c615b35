// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are hostile values.
/**
 * How a law is tried: with many hostile values, the same ones for the same PIKU_SEED, on both
 * engines.
 */
import "./globals.ts";
import { test } from "bun:test";
import fc from "fast-check";
import { host } from "#host";
import { PikuError } from "../../src/text/errors.ts";

export { fc };

const { PIKU_SEED, PIKU_LONG } = host.env();

/** PIKU_SEED, or a new one each time. */
export const seed = Number(PIKU_SEED ?? Date.now() % 1_000_000_007);
const runs = PIKU_LONG ? 20_000 : 200;
const mostMilliseconds = 1000;

/** What hostile values are made of: everything that means something to somebody on the way. */
export const fragments = [
  ...[
    "'",
    '"',
    "\\",
    "$",
    "${",
    "}",
    "{",
    "(",
    ")",
    "`",
    ";",
    "&",
    "|",
    "<",
    ">",
    "*",
    "?",
    "[",
    "]",
    "~",
    "#",
    "=",
    ":",
  ],
  ...[
    ",",
    "%",
    "%d",
    "%%",
    "%(",
    "%(uid)",
    "@(exec://id)",
    "@(/etc/passwd)",
    "$(HOME)",
    "$HOME",
    "${HOME}",
    "$A",
    "\\$A",
  ],
  ...[
    "..",
    "../",
    "/",
    "/../",
    "//",
    "/./",
    ".",
    "-",
    "--",
    "-f",
    "--help",
    "_",
    "+",
    "@",
    "!",
    "^",
    "\n",
    "\r\n",
    "\r",
    "\t",
  ],
  ...[
    " ",
    "  ",
    "\u0001",
    "\u001b[2J",
    "\u007f",
    "\u0085",
    "\u00a0",
    "é",
    "²",
    "\u2028",
    "\u202e",
    "\ufeff",
    "😀",
    "\ufffd",
  ],
  ...[
    "__proto__",
    "constructor",
    "toString",
    "hasOwnProperty",
    "web",
    "wsgi",
    "static",
    "cron",
    "run",
    "apps",
    "blog",
  ],
  ...[
    "git-receive-pack",
    ".git",
    ".lock",
    "ENV",
    "export ",
    "A=",
    "web: ",
    "# ",
    "* * * * * ",
    "0",
    "1",
    "59",
    "a",
    "b",
    "Z",
  ],
];

/**
 * A text of a few fragments and other characters; now and then a very long one, of one fragment
 * again and again.
 */
export function hostile(longest: number, more: readonly string[] = []): fc.Arbitrary<string> {
  const fragment = fc.constantFrom(...fragments, ...more);
  const word = fc.string({ unit: fc.constantFrom(..."abcXYZ019._-"), maxLength: 6 });
  const piece = fc.oneof(
    { weight: 5, arbitrary: fragment },
    { weight: 3, arbitrary: word },
    { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 4 }) },
  );
  const short = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(""));
  const long = fc
    .tuple(short, fragment, short, fc.constantFrom(1, 0.7, 0.2, 0.02))
    .map(([head, one, tail, share]) => {
      const room = Math.max(0, longest - head.length - tail.length);
      return head + one.repeat(Math.floor((room * share) / one.length)) + tail;
    });
  return fc
    .oneof({ weight: 60, arbitrary: short }, { weight: 1, arbitrary: long })
    .map((text) => text.slice(0, longest));
}

/**
 * What work gives, or undefined when it was refused as it should be: by a sentence that is shown as
 * it was written.
 */
export function unlessRefused<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof PikuError)) throw error;
    const told = `${error.message}${error.hint ?? ""}`;
    if (/[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/.test(told))
      throw new Error(`a refusal with control characters: ${JSON.stringify(told)}`);
    if (told.length > 1000)
      throw new Error(`a refusal of ${told.length} characters: ${told.slice(0, 200)}`);
    return undefined;
  }
}

/** Throws unless a thing is so. */
export function demand(isSo: boolean, what: string, ...values: unknown[]): void {
  if (!isSo)
    throw new Error(
      `${what}: ${values.map((value) => JSON.stringify(value)?.slice(0, 500)).join(" ")}`,
    );
}

/** A test that a law holds for every value, and that none takes longer than a second. */
export function hold<T>(name: string, values: fc.Arbitrary<T>, law: (value: T) => void): void {
  const within = (value: T) => {
    const start = host.ticks();
    law(value);
    return host.ticks() - start;
  };
  let shrinking = 0;
  const property = fc.property(values, (value) => {
    // Making a value that hangs smaller would take for ever.
    if (shrinking > 10) return;
    // The machine may have stood still the first time.
    const taken = within(value) > mostMilliseconds ? within(value) : 0;
    if (taken < mostMilliseconds) return;
    shrinking++;
    throw new Error(`it took ${Math.round(taken)} ms`);
  });
  test(name, () => {
    const { failed, counterexample, errorInstance } = fc.check(property, { seed, numRuns: runs });
    if (failed)
      throw new Error(
        `PIKU_SEED=${seed}: ${errorInstance}\n${JSON.stringify(counterexample)?.slice(0, 2000)}`,
      );
  });
}
