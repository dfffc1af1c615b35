import { appOf } from "../../../src/app/app.ts";
import { pathsOf } from "../../../src/app/paths.ts";
import type { Worker } from "../../../src/workers/worker.ts";
import { memoryHost } from "../../host/memory.ts";

/** An app on a board whose root is this folder. */
export const appBelow = (root: string, name = "blog") =>
  appOf(pathsOf(memoryHost({ env: { HOME: "/home/piku", PIKU_ROOT: root } })), name);

/** A web worker of release 7, or what it is said to be. */
export const workerOf = (worker: Partial<Worker>): Worker => ({
  kind: "web",
  ordinal: 1,
  command: "a",
  release: 7,
  settings: {},
  ...worker,
});
