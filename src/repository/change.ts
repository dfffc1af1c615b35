import type { Took, TreeUndo } from "../app/releases.ts";
import type { Entry, Host } from "../host/host.ts";
import type { Made } from "./build-tree.ts";
import { type Commit, type Difference, differenceOf, entriesOf } from "./commit.ts";
import { modulesIn } from "./modules.ts";
import type { Choices } from "./own.ts";
import { isAsMade, isAsReleased, keptOf, planOwn, submoduleOf } from "./own.ts";
import { refuseTaken, type TypeOf } from "./taken.ts";
import { changedFiles } from "./worktree.ts";

/** What is to be checked out, over what, and how. */
export interface CheckoutRequest {
  commit: Commit;
  /** The number of the release. */
  release: number;
  live: { number: number; commit?: string } | undefined;
  /** Whose version stays where the app and the commit have both changed a file. */
  choices?: Choices;
  /** The number of the release that this goes back to. */
  back?: number;
  /** Whether a file is build output of the app's runtime. */
  isOutput?(name: string): boolean;
  /** The command that says whose version stays: `choice` is `keep` or `take`. */
  again(choice: string, files: string): string;
}

// A name that is not valid UTF-8 does not survive being read, so shell scripts handle those files
// byte by byte.
export const isUtf8Name = (name: string) => !name.includes("\ufffd");

/** What a checkout changes in the app's work tree. */
export interface TreeChange {
  /** Files that the build made and that go live. */
  published: string[];
  /** Files that an earlier build made and this one did not. */
  gone: string[];
  /** Files that are there and will be overwritten, or removed. */
  replaced: string[];
  /** The files in which the commit differs from what is there. */
  difference: Difference;
  /** Tracked files that it will change. */
  modified: string[];
  /** Tracked files that the app has changed and that stay as they are. */
  left: string[];
  /** Files that the app has written and that stay, though the commit has others or none. */
  stay: string[];
  /** Those among them that the commit removes. */
  removed: string[];
  /** Submodules that stay as they are. */
  still: string[];
  /** What the app has written and the commit replaces. */
  took?: Took;
  /** What the app had written before, and gets back: file -> release that replaced it. */
  restored: Map<string, number>;
  undo: TreeUndo;
}

/** What there is in the work tree, and what a build has made for it. */
interface TreeFacts {
  shown?: string;
  published: string[];
  gone: string[];
  earlier: readonly Made[];
  typeOf: TypeOf;
}

/** What the app has written into its tree, and what becomes of it. */
function ownOf(
  host: Host,
  wanted: CheckoutRequest,
  { shown, earlier, typeOf }: TreeFacts,
  difference: Difference,
) {
  const { commit, live } = wanted;
  const { app } = commit;
  const modules = shown ? submodules(host, commit, difference, typeOf) : [];
  const written = shown ? changedFiles(host, app.tree, modules) : [];
  const asMade = isAsMade(host, app, earlier);
  const asReleased = isAsReleased(host, app, live?.number);
  // A work tree whose git is damaged tells nothing of who wrote what.
  const tells = shown !== undefined || live === undefined;
  const present = difference.added.filter(
    (name) => tells && isUtf8Name(name) && isFile(typeOf(name)),
  );
  const isOutput = (name: string) =>
    wanted.isOutput?.(name) === true || asMade(name) || asReleased(name);
  const own = planOwn(host, {
    ...wanted,
    ...difference,
    shown,
    changed: written,
    modules,
    present,
    isOutput,
  });
  const isMoved = (module: string) =>
    difference.modified.includes(module) || difference.added.includes(module);
  const still = modules.filter(
    (module) =>
      own.stay.includes(module) ||
      (!isMoved(module) && written.some((name) => submoduleOf([module], name))),
  );
  return { own, modules, still, written };
}

export function planChange(host: Host, wanted: CheckoutRequest, facts: TreeFacts): TreeChange {
  const { shown, published, gone, typeOf } = facts;
  const { commit } = wanted;
  const isThere = (name: string) => typeOf(name) !== undefined;
  const difference = differenceOf(host, shown, commit);
  const { own, modules, still, written } = ownOf(host, wanted, facts, difference);
  const changed = written.filter(isUtf8Name);
  const stays = new Set(own.stay);
  const leaves = (name: string) => !stays.has(name);
  const modified = difference.modified;
  const deleted = difference.deleted.filter(leaves);
  const coming = [...new Set([...difference.added, ...published])]
    .filter(isUtf8Name)
    .filter(leaves);
  const expected = [...coming, ...modified].filter((name) => !modules.includes(name));
  refuseTaken(host, commit.app, expected, new Set(deleted), typeOf);
  const touched = [...modified.filter(leaves), ...deleted];
  const restored = toRestore(host, wanted, stays, (name) => changed.includes(name), touched);
  const replaced = new Set([...touched, ...own.taken, ...restored.keys()]);
  const overwritten = changed.filter((name) => replaced.has(name));
  return {
    published,
    gone: gone.filter((name) => !coming.includes(name)),
    replaced: [...new Set([...overwritten, ...coming.filter(isThere), ...gone])].filter(
      (name) => !modules.includes(name),
    ),
    difference,
    modified,
    left: [...new Set([...changed, ...own.stay])].filter(
      (name) => !replaced.has(name) && !own.removed.includes(name) && !modules.includes(name),
    ),
    stay: own.stay,
    still,
    removed: own.removed,
    took: shown && own.taken.length > 0 ? { over: shown, names: own.taken } : undefined,
    restored,
    undo: {
      shown,
      added: coming.filter((name) => !isThere(name)),
      modified: [...replaced].filter(
        (name) =>
          isUtf8Name(name) && !coming.includes(name) && submoduleOf(modules, name) === undefined,
      ),
    },
  };
}

/** The submodules of a work tree; also one that is still there and that the commit brings back. */
function submodules(host: Host, commit: Commit, { added }: Difference, typeOf: TypeOf): string[] {
  const { tree } = commit.app;
  const folders = added.filter(
    (name) => typeOf(name) === "directory" && host.stat(`${tree}/${name}/.git`),
  );
  const known = folders.length > 0 ? entriesOf(host, commit, "^160000 ") : [];
  return [
    ...modulesIn(host, tree),
    ...folders.filter((folder) => known.some(({ name }) => name === folder)),
  ];
}

/** What a rollback brings back of the app's own; what the app has written since stays. */
function toRestore(
  host: Host,
  { commit, back }: CheckoutRequest,
  stays: ReadonlySet<string>,
  isChanged: (name: string) => boolean,
  touched: readonly string[],
): Map<string, number> {
  if (back === undefined) return new Map();
  const goes = new Set(touched);
  return new Map(
    [...keptOf(host, commit, back)].filter(
      ([name]) => !stays.has(name) && (goes.has(name) || !isChanged(name)),
    ),
  );
}

const isFile = (type: Entry["type"] | undefined) => type === "file" || type === "link";
