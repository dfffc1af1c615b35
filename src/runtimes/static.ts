import type { Runtime } from "./runtime.ts";

/** Files that nginx serves by itself. */
export const statics: Runtime = {
  name: "Static",
  needs: [],
  detects: ({ workers }) => Object.keys(workers).every((kind) => kind === "static"),
  settings: () => ({}),
};
