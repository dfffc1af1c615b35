import type { Runtime } from "./runtime.ts";

/** Anything else with a Procfile: it contains what it needs, or builds it in `release`. */
export const generic: Runtime = {
  name: "Generic",
  needs: [],
  detects: () => true,
  settings: () => ({}),
};
