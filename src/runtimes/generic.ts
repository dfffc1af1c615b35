import type { Runtime } from "./runtime.ts";

/** Whatever else has a Procfile: it brings what it needs, or builds it in `release`. */
export const generic: Runtime = {
  name: "Generic",
  needs: [],
  detects: () => true,
  settings: () => ({}),
};
