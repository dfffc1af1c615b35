import type { Paths } from "../../app/paths.ts";
import type { Host } from "../../host/host.ts";
import { certificates } from "./certificates.ts";
import { type Check, type Finding, readBoard } from "./check.ts";
import { clock } from "./clock.ts";
import { disk } from "./disk.ts";
import { emperor } from "./emperor.ts";
import { history } from "./history.ts";
import { isolation } from "./isolation.ts";
import { loginKeys } from "./keys.ts";
import { leftovers } from "./leftovers.ts";
import { limits } from "./limits.ts";
import { memory } from "./memory.ts";
import { nginx } from "./nginx.ts";
import { power } from "./power.ts";
import { processes } from "./processes.ts";
import { release } from "./release.ts";
import { rights } from "./rights.ts";
import { settings } from "./settings.ts";
import { sites } from "./sites.ts";
import { tools } from "./tools.ts";
import { writable } from "./writable.ts";

/**
 * The checks, in the order in which they are shown. A new one is a file of its own and a row here.
 */
export const checks: Record<string, Check> = {
  release,
  tools,
  settings,
  emperor,
  nginx,
  sites,
  processes,
  certificates,
  disk,
  memory,
  isolation,
  limits,
  clock,
  power,
  writable,
  keys: loginKeys,
  rights,
  history,
  leftovers,
};

/** All that the checks find on this board; `ok`: nothing is wrong there. */
export function examineBoard(
  host: Host,
  paths: Paths,
): ({ check: string; ok: boolean } & Finding)[] {
  const board = readBoard(host, paths);
  return Object.entries(checks).flatMap(([check, look]) =>
    look(host, board).map((finding) => ({ check, ok: finding.remedy === undefined, ...finding })),
  );
}
