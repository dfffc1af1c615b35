import { minFree } from "../../deploy/space.ts";
import { type Check, findings, when } from "./check.ts";

/** Whether the disk has room for a deploy. */
export const disk: Check = (host, { paths: { root, home } }) => {
  const { bytes, inodes } = host.free(host.stat(root) ? root : home);
  const free = `${Math.floor(bytes / 1024 / 1024)} MB free`;
  const remedy = "`destroy` an app that is not needed, or make room";
  return findings(`${free}${Number.isFinite(inodes) ? `, ${inodes} more files` : ""}`, [
    ...when(bytes < minFree.doctor.bytes, `only ${free}`, remedy),
    ...when(inodes < minFree.doctor.inodes, `room for only ${inodes} more files`, remedy),
  ]);
};
