import type { Host } from "../host/host.ts";
import { guard } from "../repository/guard.ts";
import { ensureWallScript, wallArgv } from "../workers/isolation.ts";
import type { Plan } from "./plan.ts";

/**
 * From now on the trees of an app that is to have a wall are touched behind it only, until a release
 * without one is live.
 */
export function guardTrees(host: Host, { app, wall }: Plan): void {
  if (!wall) return;
  ensureWallScript(host, app.paths);
  guard(host, app, wallArgv(app, "tree", []));
}
