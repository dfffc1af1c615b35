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
import { type CheckoutRequest, planChange, type TreeChange } from "./change.ts";
import type { Commit } from "./commit.ts";
import { gitEnv } from "./git.ts";
import keepStrange from "./keep-strange.sh" with { type: "text" };
import { typesBelow } from "./taken.ts";
import { commitOf, ensureTree, moveTree, revertFiles } from "./worktree.ts";

function tar(host: Host, words: string[], names?: readonly string[]): void {
  const input = names?.map((name) => `${name}\0`).join("");
  const ran = host.capture(
    [
      "tar",
      ...words,
      ...(names ? ["--null", "--no-recursion", "--verbatim-files-from", "-T", "-"] : []),
    ],
    { input },
  );
  // Status 1: a file changed while it was being read; the app is running.
  if (ran.status > 1) throw failedRun("tar failed", ran);
}

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
  must(host, ["sh", "-c", script], "files could not be kept", {
    cwd: app.tree,
    env: { ...gitEnv(host), ...env, names, kept },
  });
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
  const shown = commitOf(host, app.tree);
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
 */
export function keepReplaced(host: Host, { commit, release, shown, made, change }: Checkout): void {
  const { app, id, incoming } = commit;
  const files = releaseFiles(app, release);
  host.write(files.made, JSON.stringify(made), 0o600);
  if (!change) return;
  if (change.replaced.length > 0) tar(host, ["-C", app.tree, "-cf", files.before], change.replaced);
  if (change.took) tar(host, ["-C", app.tree, "-cf", files.own], change.took.names);
  if (host.stat(app.tree) !== undefined)
    nonUtf8Files(host, app, release, keepStrange, {
      ...(incoming ? { GIT_ALTERNATE_OBJECT_DIRECTORIES: incoming } : {}),
      repo: app.repo,
      from: shown ?? "",
      to: id,
    });
}

/** Checks the commit out into the app's work tree and copies the build output into it. */
export function applyCheckout(
  host: Host,
  { commit, release, shown }: Checkout,
  { published, gone, modified, stay, still, restored }: TreeChange,
): void {
  const { app } = commit;
  ensureTree(host, app, app.tree);
  withNewTimestamps(host, app, modified, () =>
    moveTree(host, app.tree, { from: shown, to: commit.id, keep: stay, still }, commit.incoming),
  );
  for (const [name, number] of restored)
    tar(host, ["-C", app.tree, "--unlink-first", "-xf", releaseFiles(app, number).own], [name]);
  for (const name of gone) removeFile(host, app, name);
  if (published.length === 0) return;
  const bundle = `${releaseFiles(app, release).made}.tar`;
  tar(host, ["-C", buildTree(app), "-cf", bundle], published);
  tar(host, ["-C", app.tree, "--unlink-first", "-xf", bundle]);
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
  const argv = ["xargs", "-0", "touch", "-c", "-h", "--"];
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
    for (const name of added) {
      // A submodule that the release has brought.
      if (host.stat(`${app.tree}/${name}/.git`)) host.remove(`${app.tree}/${name}`);
      removeFile(host, app, name);
    }
    if (host.stat(files.strange)) nonUtf8Files(host, app, release, restoreStrange);
    if (shown) {
      ensureTree(host, app, app.tree);
      revertFiles(host, app.tree, shown, modified);
    }
    if (host.stat(files.before)) tar(host, ["-C", app.tree, "--unlink-first", "-xf", files.before]);
  });
}

/** Removes a file of the app's work tree, and the folders that become empty. */
function removeFile(host: Host, app: App, name: string): void {
  if (host.stat(`${app.tree}/${name}`)?.type === "directory") return;
  host.remove(`${app.tree}/${name}`);
  const parts = name.split("/").slice(0, -1);
  while (parts.length > 0 && host.list(`${app.tree}/${parts.join("/")}`).length === 0) {
    host.remove(`${app.tree}/${parts.join("/")}`);
    parts.pop();
  }
}
