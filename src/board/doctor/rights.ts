import { folders, ownFolders, type Paths } from "../../app/paths.ts";
import type { Host } from "../../host/host.ts";
import { shellQuote } from "../../text/text.ts";
import { type Mode, modesOf } from "../rights.ts";
import { type Check, type Finding, findings } from "./check.ts";

/** Whether piku's folders are there, are piku's, and are closed to others. */
export const rights: Check = (host, { paths, apps }) => {
  const { root } = paths;
  const missing = [...folders, ...ownFolders]
    .map((name) => `${root}/${name}`)
    .filter((path) => !host.stat(path));
  return findings("as they should be", [
    ...missing.map((path) => ({ says: `${path} is missing`, remedy: "setup makes it" })),
    ...foreignPaths(host, paths).map((path) => ({
      says: `${path} belongs to another user`,
      remedy: `sudo chown -R --reference=${shellQuote(root)} ${shellQuote(path)}`,
    })),
    ...openToOthers(modesOf(host, paths, apps)),
  ]);
};

const maxShown = 5;

/** The first few paths that are another user's. What nginx keeps, tries and writes is nginx's. */
const foreignPaths = (host: Host, paths: Paths) =>
  host
    .capture([
      "find",
      ...[paths.root, "-maxdepth", "3", "-path", paths.cache, "-prune"],
      ...["-o", "!", "-user", String(host.uid), "!", "-name", "nginx.*.log*", "-print"],
    ])
    .stdout.split("\n")
    .filter((path) => path !== "")
    .slice(0, maxShown);

/**
 * One finding for all of them: a board of the original's has dozens, and one command closes them.
 */
function openToOthers(modes: readonly Mode[]): Finding[] {
  const open = modes.filter(({ mode, most }) => (mode & ~most) !== 0);
  const [first] = open;
  if (!first) return [];
  if (open.length > 1)
    return [
      {
        says: `${first.path} and ${open.length - 1} more are open to others`,
        remedy: "setup closes them",
      },
    ];
  return [
    {
      says: `${first.path} is open to others`,
      remedy: `chmod ${first.most.toString(8)} ${shellQuote(first.path)}`,
    },
  ];
}
