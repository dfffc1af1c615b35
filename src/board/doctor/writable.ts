import type { Check } from "./check.ts";

/** Whether the file system of piku's folder can be written. */
export const writable: Check = (host, { paths: { root } }) => {
  const mount = mountOf(host.read("/proc/mounts") ?? "", root);
  if (!mount?.options.includes("ro")) return [{ says: `${mount?.folder ?? "/"} is writable` }];
  return [
    {
      says: `${mount.folder} is read-only`,
      remedy:
        "the kernel does that to a card with errors (dmesg tells): make a backup, then check or replace it",
    },
  ];
};

/**
 * The file system that a path is on, from the text of /proc/mounts: the deepest one, and of those
 * the last.
 */
export function mountOf(
  mounts: string,
  path: string,
): { folder: string; options: string[] } | undefined {
  const all = mounts.split("\n").flatMap((line) => {
    const [, folder, , options] = line.split(" ");
    return folder && options ? [{ folder, options: options.split(",") }] : [];
  });
  const holds = ({ folder }: { folder: string }) =>
    `${path}/`.startsWith(folder === "/" ? "/" : `${folder}/`);
  return all
    .filter(holds)
    .reduce<(typeof all)[number] | undefined>(
      (best, one) => (best && best.folder.length > one.folder.length ? best : one),
      undefined,
    );
}
