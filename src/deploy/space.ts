import type { App } from "../app/app.ts";
import type { Host } from "../host/host.ts";
import { memoryLeft } from "../host/space.ts";
import { buildTree } from "../repository/checkout.ts";
import { PikuError } from "../text/errors.ts";
import { expireKept } from "./kept.ts";

const megabyte = 1024 * 1024;

/** What must be free on the server's disk for a deploy, and below what `doctor` warns before. */
export const minFree = {
  deploy: { bytes: 100 * megabyte, inodes: 500 },
  doctor: { bytes: 250 * megabyte, inodes: 2000 },
};

/** Megabytes of free memory below which a build may fail. */
export const minMemory = 64;

/**
 * Refuses a deploy when the disk is nearly full, also without what is kept of destroyed apps.
 */
export function refuseFullDisk(host: Host, app: App): void {
  expireKept(host, app.paths, minFree.deploy);
  const { bytes, inodes } = host.free(app.paths.root);
  if (bytes < minFree.deploy.bytes)
    throw new PikuError(
      `the server's disk has only ${Math.floor(bytes / megabyte)} MB left`,
      "a deploy needs 100 MB; `destroy` an app that is not needed, or make room",
    );
  if (inodes < minFree.deploy.inodes)
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
  return megabytes !== undefined && megabytes < minMemory
    ? `the server has only ${megabytes} MB of memory left; a build that needs more is ended.`
    : undefined;
}
