/** The seed of a test that does something at random: PIKU_SEED, or a new one, which is printed. */
export function seedOf(name: string): number {
  const seed = Number(process.env.PIKU_SEED || Date.now() % 1_000_000);
  console.log(`${name}: PIKU_SEED=${seed}`);
  return seed;
}

/** Whole numbers from 0 to below a limit, the same for the same seed (mulberry32). */
export function randomBelow(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}
