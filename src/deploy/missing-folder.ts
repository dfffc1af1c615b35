import type { App } from "../app/app.ts";
import type { Workers } from "../app/procfile.ts";
import type { Host } from "../host/host.ts";
import type { Mapping } from "../site/static.ts";
import { PikuError } from "../text/errors.ts";
import { printable } from "../text/text.ts";

/**
 * Refuses a folder of the static or the php worker that is not there by now, with the build and
 * `release` done: every page would be a 404. Another worker may be there to make it.
 */
export function refuseMissingFolder(
  host: Host,
  { tree }: App,
  workers: Workers,
  statics: readonly Mapping[],
): void {
  const others = Object.keys(workers).filter((kind) => kind !== "static" && kind !== "php");
  const root = workers.static === undefined ? undefined : statics[0]?.folder;
  const folders = { php: workers.php && `${tree}/${workers.php}`, static: root };
  for (const [kind, folder] of Object.entries(folders)) {
    if (folder === undefined || others.length > 0) continue;
    if (host.stat(host.realPath(folder) ?? folder)?.type === "directory") continue;
    throw new PikuError(
      `Procfile: the folder '${printable(workers[kind]!)}' of '${kind}' is neither in the repository nor made by its build`,
      folderHint(host, tree, kind),
    );
  }
}

/** The folders that the app has, or how to name its own. */
function folderHint(host: Host, tree: string, kind: string): string {
  const folders = host
    .list(tree)
    .filter((name) => !name.startsWith(".") && host.stat(`${tree}/${name}`)?.type === "directory");
  const other = folders.length > 0 ? `; it has ${folders.slice(0, 5).join(", ")}` : "";
  return `git has no empty folders; for the files at the top write ${kind}: .${other}`;
}
