import type { App } from "../app/app.ts";
import { releaseFiles, type TreeUndo } from "../app/releases.ts";
import type { Entry, Host } from "../host/host.ts";
import { failedRun, must } from "../text/errors.ts";
import {
  buildTree,
  type Made,
  madeBy,
  madeToPublish,
  type Outputs,
  sameSecond,
} from "./build-tree.ts";
import { type CheckoutRequest, isUtf8Name, planChange, type TreeChange } from "./change.ts";
import { cleanTree } from "./clean.ts";
import type { Commit } from "./commit.ts";
import { gitEnv } from "./git.ts";
import { guarded } from "./guard.ts";
import keepStrange from "./keep-strange.sh" with { type: "text" };
import removeScript from "./remove.sh" with { type: "text" };
import { typesBelow } from "./taken.ts";
import { ensureTree, moveTree, revertFiles, shownIn } from "./worktree.ts";

/** Runs tar in a work tree, on an archive of piku's. */
function tar(
  host: Host,
  dir: string,
  words: readonly string[],
  archive: string,
  names?: readonly string[],
): void {
  const input = names?.map((name) => `${name}\0`).join("");
  const list = names ? ["--null", "--no-recursion", "--verbatim-files-from", "-T", "-"] : [];
  const argv = ["tar", "-C", dir, ...words, archive, ...list];
  const isBuilt = dir.endsWith("/tree");
  const ran = host.capture(isBuilt ? argv : guarded(host, dir, argv, [archive]), { input });
  // Status 1: a file changed while it was being read; the app is running.
  if (ran.status > 1) throw failedRun("tar failed", ran);
}

const unpacking = ["--unlink-first", "-xf"];

/** What a checkout will do to the app's work tree, and how to undo it. */
export interface Checkout {
  commit: Commit;
  release: number;
  /** The commit that the tree shows now. */
  shown?: string;
  /** Files that builds made, up to this release. */
  made: Made[];
  /** Undefined when there is nothing to change. */
  change?: TreeChange;
}

const restoreStrange = 'xargs -0 rm -f -- < "$names" && tar --unlink-first -xf "$kept"';

/** Saves or restores the changed files whose names are not valid UTF-8. */
function nonUtf8Files(
  host: Host,
  app: App,
  release: number,
  script: string,
  env: Record<string, string> = {},
): void {
  const { strange: names, strangeKept: kept } = releaseFiles(app, release);
  const argv = guarded(host, app.tree, ["sh", "-c", script], [names, kept]);
  must(host, argv, "files could not be kept", {
    cwd: app.tree,
    env: { ...gitEnv(host), ...env, names, kept },
  });
  // Behind a wall they cannot be removed.
  for (const file of [names, kept]) if (host.stat(file)?.size === 0) host.remove(file);
}

/**
 * Decides what to change in the app's work tree; changes nothing. Throws where the commit would
 * replace something that the app wrote. `outputs`: undefined when nothing was built.
 */
export function planCheckout(
  host: Host,
  wanted: CheckoutRequest,
  outputs: Outputs | undefined,
): Checkout {
  const { commit, release, live } = wanted;
  const { app } = commit;
  cleanTree(host, app.tree);
  const shown = shownIn(host, app);
  const typeOf = typesBelow(host, app.tree);
  const earlier = madeBy(host, app, live?.number);
  const publish = outputs ? madeToPublish(host, app, earlier, outputs) : [];
  const published = publish.map(({ name }) => name);
  const others = earlier.filter(({ name }) => !new Set(published).has(name));
  const isGone = ({ name }: Made) => outputs?.isOutput(name) === true && typeOf(name) !== undefined;
  const gone = others.filter(isGone).map(({ name }) => name);
  // The rest of the earlier build output still counts as such.
  const made = [...others.filter(({ name }) => !gone.includes(name)), ...publish];
  const checkout = { commit, release, shown, made };
  const isSame = shown === commit.id && live?.commit === commit.id;
  return isSame && publish.length + gone.length === 0
    ? checkout
    : {
        ...checkout,
        change: planChange(host, wanted, { shown, published, gone, earlier, typeOf }),
      };
}

/**
 * Saves what a checkout will overwrite, and the list of build output, beside the release's record.
 * Gives whether there was something to save.
 */
export function keepReplaced(
  host: Host,
  { commit, release, shown, made, change }: Checkout,
): boolean {
  const { app, id, incoming } = commit;
  const files = releaseFiles(app, release);
  host.note(files.made, JSON.stringify(made), 0o600);
  if (!change) return false;
  if (change.replaced.length > 0) tar(host, app.tree, ["-cf"], files.before, change.replaced);
  if (change.took) tar(host, app.tree, ["-cf"], files.own, change.took.names);
  const { added, modified, deleted } = change.difference;
  const isStrange = ![...added, ...modified, ...deleted].every(isUtf8Name);
  if (isStrange && host.stat(app.tree) !== undefined)
    nonUtf8Files(host, app, release, keepStrange, {
      ...(incoming ? { GIT_ALTERNATE_OBJECT_DIRECTORIES: incoming } : {}),
      repo: app.repo,
      from: shown ?? "",
      to: id,
    });
  return isStrange || change.replaced.length > 0 || change.took !== undefined;
}

/** Checks the commit out into the app's work tree and copies the build output into it. */
export function applyCheckout(
  host: Host,
  { commit, release, shown }: Checkout,
  { published, gone, difference, modified, stay, still, restored }: TreeChange,
): void {
  const { app } = commit;
  ensureTree(host, app, app.tree);
  withNewTimestamps(host, app, modified, () =>
    moveTree(
      host,
      app.tree,
      { from: shown, to: commit.id, difference, keep: stay, still },
      commit.incoming,
    ),
  );
  for (const [name, number] of restored)
    tar(host, app.tree, unpacking, releaseFiles(app, number).own, [name]);
  removeFiles(host, app, gone);
  if (published.length === 0) return;
  const bundle = `${releaseFiles(app, release).made}.tar`;
  tar(host, buildTree(app), ["-cf"], bundle, published);
  tar(host, app.tree, unpacking, bundle);
  host.remove(bundle);
}

/**
 * Changes files such that others notice: Python, make and others consider a file unchanged if its
 * size and the second of its modification are the same, which happens when deploys follow quickly.
 */
function withNewTimestamps(
  host: Host,
  app: App,
  names: readonly string[],
  change: () => void,
): void {
  const look = () => names.map((name) => host.stat(`${app.tree}/${name}`));
  const before = look();
  change();
  const after = look();
  const alike = names.filter((_, i) => looksUnchanged(after[i], before[i]));
  if (alike.length === 0) return;
  host.sleep(1000);
  const input = alike.map((name) => `${name}\0`).join("");
  const argv = guarded(host, app.tree, ["xargs", "-0", "touch", "-c", "-h", "--"]);
  must(host, argv, "touch failed", { cwd: app.tree, input });
}

const looksUnchanged = (now: Entry | undefined, before: Entry | undefined) =>
  now !== undefined &&
  before !== undefined &&
  now.size === before.size &&
  sameSecond(now.modified, before.modified);

/** Undoes a checkout, complete or not, of a release that did not go live. */
export function restoreTree(
  host: Host,
  app: App,
  release: number,
  { shown, added, modified }: TreeUndo,
): void {
  const files = releaseFiles(app, release);
  withNewTimestamps(host, app, modified, () => {
    removeFiles(host, app, added, "modules");
    if (host.stat(files.strange)) nonUtf8Files(host, app, release, restoreStrange);
    if (shown) {
      ensureTree(host, app, app.tree);
      revertFiles(host, app.tree, shown, modified);
    }
    if (host.stat(files.before)) tar(host, app.tree, unpacking, files.before);
  });
}

/**
 * Removes files of the app's work tree, and the folders that become empty; with `modules` also
 * submodules.
 */
function removeFiles(
  host: Host,
  app: App,
  names: readonly string[],
  what: "files" | "modules" = "files",
): void {
  if (names.length === 0 || !host.stat(app.tree)) return;
  const argv = guarded(host, app.tree, ["sh", "-c", removeScript, "sh", what]);
  const input = names.map((name) => `${name}\0`).join("");
  must(host, argv, "files could not be removed", { cwd: app.tree, input });
}
