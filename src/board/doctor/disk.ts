import { type Check, findings, when } from "./check.ts";

const minBytes = 250 * 1024 * 1024;
const minInodes = 2000;

/** Whether the disk has room for a deploy. */
export const disk: Check = (host, { paths: { root, home } }) => {
  const { bytes, inodes } = host.free(host.stat(root) ? root : home);
  const free = `${Math.floor(bytes / 1024 / 1024)} MB free`;
  const remedy = "`destroy` an app that is not needed, or make room";
  return findings(`${free}${Number.isFinite(inodes) ? `, ${inodes} more files` : ""}`, [
    ...when(bytes < minBytes, `only ${free}`, remedy),
    ...when(inodes < minInodes, `room for only ${inodes} more files`, remedy),
  ]);
};
