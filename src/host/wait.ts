import type { Host } from "./host.ts";

/** How long to wait for something, and what to do meanwhile. */
interface Waiting {
  /** Milliseconds between two looks. */
  every: number | (() => number);
  /** Milliseconds to wait in all; for ever unless it is given. */
  atMost?: number;
  /** Done after each look in vain; gets the milliseconds that have passed. */
  meanwhile?(passed: number): void;
  /** Says what is waited for: once, when it takes longer than two seconds. */
  tell?(): void;
}

const tellAfter = 2000;

/** Looks again and again until something holds. Gives whether it did in time. */
export function waitUntil(
  host: Host,
  holds: () => boolean,
  { every, atMost = Number.POSITIVE_INFINITY, meanwhile, tell }: Waiting,
): boolean {
  const start = host.ticks();
  let told = false;
  while (!holds()) {
    const passed = host.ticks() - start;
    if (passed >= atMost) return false;
    if (!told && passed > tellAfter) {
      told = true;
      tell?.();
    }
    meanwhile?.(passed);
    host.sleep(typeof every === "number" ? every : every());
  }
  return true;
}
