import type { App } from "../app/app.ts";
import type { Host } from "../host/host.ts";
import { memoryLeft } from "../host/space.ts";
import { buildTree } from "../repository/checkout.ts";
import { PikuError } from "../text/errors.ts";

const leastBytes = 100 * 1024 * 1024;
const leastInodes = 500;
const littleMemory = 64;

/** Refuses a deploy when the disk is nearly full. */
export function refuseFullDisk(host: Host, app: App): void {
  const { bytes, inodes } = host.free(app.paths.root);
  if (bytes < leastBytes)
    throw new PikuError(
      `the server's disk has only ${Math.floor(bytes / 1024 / 1024)} MB left`,
      "a deploy needs 100 MB; `destroy` an app that is not needed, or make room",
    );
  if (inodes < leastInodes)
    throw new PikuError(
      `the server's disk has room for only ${inodes} more files`,
      "a deploy needs 500; make room",
    );
}

/**
 * Frees the space that a failed deploy has taken if the disk is too full for the next one. The
 * build tree can be made again.
 */
export function makeRoom(host: Host, app: App): void {
  try {
    refuseFullDisk(host, app);
  } catch {
    host.remove(buildTree(app));
  }
}

/** The warning before a build that may run out of memory, or undefined. */
export function memoryWarning(host: Host): string | undefined {
  const megabytes = memoryLeft(host);
  return megabytes !== undefined && megabytes < littleMemory
    ? `the server has only ${megabytes} MB of memory left; a build that needs more is ended.`
    : undefined;
}
