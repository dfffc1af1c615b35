import type { App } from "../app/app.ts";
import type { Entry, Host } from "../host/host.ts";
import { PikuError } from "../text/errors.ts";
import { printable } from "../text/text.ts";
import { untracked } from "./worktree.ts";

/** What a name in a work tree is; undefined when nothing is there. */
export type TypeOf = (name: string) => Entry["type"] | undefined;

/**
 * The types of files below a folder. Each is looked up once, and not at all if its folder does not
 * exist: there may be thousands.
 */
export function typesBelow(host: Host, folder: string): TypeOf {
  const seen = new Map<string, Entry["type"] | undefined>();
  const look: TypeOf = (name) => {
    const above = name.slice(0, Math.max(0, name.lastIndexOf("/")));
    const isNowhere = above !== "" && !["directory", "link"].includes(typeOf(above) ?? "");
    return isNowhere ? undefined : host.stat(`${folder}/${name}`)?.type;
  };
  const typeOf: TypeOf = (name) => {
    if (!seen.has(name)) seen.set(name, look(name));
    return seen.get(name);
  };
  return typeOf;
}

/** Refuses a file where the app has created a folder, or below something that is not a folder. */
export function refuseTaken(
  host: Host,
  app: App,
  coming: readonly string[],
  deleted: ReadonlySet<string>,
  typeOf: TypeOf,
): void {
  for (const name of coming) {
    const parts = name.split("/");
    const above = parts.slice(1).map((_, i) => parts.slice(0, i + 1).join("/"));
    const file = above.find(
      (path) => typeOf(path) !== undefined && typeOf(path) !== "directory" && !deleted.has(path),
    );
    const isOwn =
      typeOf(name) === "directory" &&
      untracked(host, app.tree).some((own) => own.startsWith(`${name}/`));
    const taken = file ?? (isOwn ? name : undefined);
    if (taken === undefined) continue;
    throw new PikuError(
      `the commit has '${printable(name)}', but on the server '${printable(taken)}' is something that the app wrote`,
      `rename one of them; to remove the app's: run ${app.name} -- rm -r '${printable(taken)}'`,
    );
  }
}
