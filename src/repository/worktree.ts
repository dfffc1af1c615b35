import type { App } from "../app/app.ts";
import type { Host } from "../host/host.ts";
import { explain, must } from "../text/errors.ts";
import { cleanTree } from "./clean.ts";
import { type Difference, revision } from "./commit.ts";
import { careful, git, gitArgv, gitEnv, listed, maxOutputBytes, treeArgv } from "./git.ts";
import { headOf, knownCommit } from "./glance.ts";
import { guarded, isGuardedIn } from "./guard.ts";
import { changedInModules, modulesIn, updateSubmodules } from "./modules.ts";
import moveScript from "./move.sh" with { type: "text" };

/**
 * Makes a folder a work tree that borrows the objects of the app's repository (git-clone(1):
 * alternates), also one that the original cloned. `incoming`: where a push's objects are until git
 * accepts them; what reads a repository without git (JGit, libgit2) finds them by this file only.
 */
export function ensureTree(host: Host, app: App, dir: string, incoming?: string): void {
  cleanTree(host, dir);
  // A power cut may have left these without what was in them, and git takes none of them so.
  for (const name of ["HEAD", "config", "index"])
    if (host.stat(`${dir}/.git/${name}`)?.size === 0) host.remove(`${dir}/.git/${name}`);
  if (["HEAD", "config"].some((name) => !host.stat(`${dir}/.git/${name}`))) {
    host.mkdir(dir);
    git(host, dir, ["init", "--quiet", "--template=", "."]);
    git(host, dir, ["config", "core.logAllRefUpdates", "false"]);
  }
  const borrowed = `${dir}/.git/objects/info/alternates`;
  const lenders = [`${app.repo}/objects`, ...(incoming === undefined ? [] : [incoming])]
    .map((folder) => `${folder}\n`)
    .join("");
  if (host.read(borrowed) !== lenders) {
    host.mkdir(`${dir}/.git/objects/info`);
    // It need not outlive a power cut: it is looked at before each use.
    host.remove(borrowed);
    host.append(borrowed, lenders, 0o644);
  }
  // Left by a power cut: we hold the app's lock, so nobody else works here.
  for (const name of ["index.lock", "HEAD.lock"]) host.remove(`${dir}/.git/${name}`);
}

/** The commit that a work tree has checked out, or undefined. */
export const commitOf = (host: Host, dir: string) =>
  host.stat(`${dir}/.git`) ? revision(host, dir, "HEAD") : undefined;

/** The same of an app's own work tree; git is asked only for what no glance has shown. */
export function shownIn(host: Host, { tree, repo }: App): string | undefined {
  const head = headOf(host, tree);
  return head !== undefined && knownCommit(host, repo, head) !== undefined
    ? head
    : commitOf(host, tree);
}

/** Makes all tracked files of a work tree, and its submodules, those of a commit. */
export function checkOut(host: Host, dir: string, id: string, incoming?: string): void {
  git(host, dir, ["checkout", "--quiet", "--force", "--detach", id, "--"], incoming);
  git(host, dir, ["reset", "--quiet", "--hard", id, "--"], incoming);
  updateSubmodules(host, dir, incoming);
}

/** What git lists of a work tree, for which it runs nothing and writes nothing. */
const listIn = (host: Host, dir: string, ...words: string[]) => {
  const how = { env: gitEnv(host), most: maxOutputBytes };
  return listed(must(host, gitArgv(dir, ...words, "-z"), `git ${words[0]} failed`, how).stdout);
};

/** Files of a work tree that git does not track, ignored ones too. */
export const untracked = (host: Host, dir: string) => listIn(host, dir, "ls-files", "--others");

/** Has git look again at files that were copied or given to another owner, and are the same. */
const refresh = (host: Host, dir: string) =>
  void host.capture(gitArgv(dir, "update-index", "-q", "--refresh"), { env: gitEnv(host) });

/**
 * Tracked files of a work tree that were changed since they were checked out (and are still there),
 * those of these submodules too.
 */
export const changedFiles = (
  host: Host,
  dir: string,
  modules: readonly string[] = modulesIn(host, dir),
): string[] => {
  const words = ["--name-only", "--ignore-submodules=all", "--diff-filter=MT"];
  const look = () => listIn(host, dir, "diff-files", ...words);
  // Most often nothing is changed, and there is no need to look again.
  const seen = look();
  if (seen.length > 0) refresh(host, dir);
  return [...(seen.length > 0 ? look() : []), ...changedInModules(host, dir, modules)];
};

/** How a work tree goes from one commit to another. */
export interface Move {
  /** Undefined: to all files of the commit. */
  from: string | undefined;
  to: string;
  /** The files in which the commits differ. */
  difference: Difference;
  /** Those among them that stay as they are. */
  keep: readonly string[];
  /** Submodules that stay as they are. */
  still: readonly string[];
}

/**
 * Changes the files in which two commits differ, and leaves all others alone, also those in `keep`:
 * the app may have written to a tracked file, such as a committed database.
 */
export function moveTree(host: Host, dir: string, move: Move, incoming?: string): void {
  const { added, modified, deleted } = move.difference;
  const isPlain = [...added, ...modified, ...deleted].every((name) => !name.includes("\ufffd"));
  // Behind a wall all of it is done at once.
  if (isPlain && deleted.length <= fewFiles && !isGuardedIn(host, dir))
    moveFiles(host, dir, move, incoming);
  else moveByScript(host, dir, move, incoming);
  if (host.stat(`${dir}/.gitmodules`)?.type === "file")
    updateSubmodules(host, dir, incoming, (module) => move.still.includes(module));
}

// More of them are removed by a program as well.
const fewFiles = 100;

/** Removes files, and the directories that become empty: not what an app puts there meanwhile. */
function removeFiles(host: Host, dir: string, names: readonly string[]): void {
  for (const name of names)
    if (host.stat(`${dir}/${name}`)?.type !== "directory") host.remove(`${dir}/${name}`);
  const parents = names.flatMap((name) => /^(.*)\//s.exec(name)?.[1] ?? []);
  const words = ["rmdir", "-p", "--ignore-fail-on-non-empty", "--", ...new Set(parents)];
  if (parents.length > 0) host.capture(words, { cwd: dir });
}

function moveFiles(
  host: Host,
  dir: string,
  { to, difference: { added, modified, deleted }, keep }: Move,
  incoming: string | undefined,
): void {
  const stays = new Set(keep);
  const moves = (name: string) => !stays.has(name);
  removeFiles(host, dir, deleted.filter(moves));
  const comes = [...added, ...modified].filter(moves);
  const isSame = added.length + modified.length + deleted.length === 0;
  if (!isSame || !host.stat(`${dir}/.git/index`))
    git(host, dir, ["read-tree", "--reset", to], incoming);
  if (comes.length > 0)
    git(host, dir, ["checkout-index", "--force", "--index", "-z", "--stdin"], incoming, {
      input: comes.map((name) => `${name}\0`).join(""),
    });
  pointAt(host, dir, to, incoming);
}

/** Lets HEAD name a commit. */
function pointAt(host: Host, dir: string, id: string, incoming: string | undefined): void {
  if (headOf(host, dir) === undefined)
    git(host, dir, ["update-ref", "--no-deref", "HEAD", id], incoming);
  else host.note(`${dir}/.git/HEAD`, `${id}\n`);
}

/** The same for names that only git can carry from one of its commands to the next. */
function moveByScript(
  host: Host,
  dir: string,
  { from, to, keep }: Move,
  incoming: string | undefined,
): void {
  const kept = `${dir}/.git/piku-kept`;
  host.write(kept, keep.map((name) => `${name}\0`).join(""), 0o600);
  const env = { ...gitEnv(host, incoming), careful: careful.join(" "), from: from ?? "", to, kept };
  const argv = guarded(host, dir, ["sh", "-c", moveScript]);
  must(host, argv, "the files could not be checked out", { cwd: dir, env });
}

/**
 * Restores these files and the index to those of a commit after an unfinished change: the other
 * commit's objects may be gone.
 */
export function revertFiles(host: Host, dir: string, id: string, names: readonly string[]): void {
  const input = names.map((name) => `${name}\0`).join("");
  host.remove(`${dir}/.git/index`);
  git(host, dir, ["read-tree", id]);
  git(host, dir, ["update-ref", "--no-deref", "HEAD", id]);
  git(host, dir, ["checkout-index", "--force", "--index", "-z", "--stdin"], undefined, { input });
  refresh(host, dir);
  try {
    updateSubmodules(host, dir, undefined, (module) => !names.includes(module));
  } catch (error) {
    // All else must be undone nevertheless; the next deploy checks them out.
    host.sayError(`Warning: not all submodules are as they were: ${explain(error).message}`);
  }
}

/** Adds the files of a commit that a work tree lacks, and leaves existing ones alone. */
export function fillTree(host: Host, dir: string, id: string): void {
  git(host, dir, ["read-tree", id]);
  git(host, dir, ["update-ref", "--no-deref", "HEAD", id]);
  // Its exit status is not 0 when files exist already.
  host.capture(treeArgv(host, dir, "checkout-index", "--all", "--quiet"), { env: gitEnv(host) });
  refresh(host, dir);
  if (host.stat(`${dir}/.gitmodules`)?.type !== "file") return;
  // git does not clone into a folder that is not empty.
  const aside = `${dir}/.git/aside`;
  for (const name of modulesIn(host, dir).filter(
    (name) => host.realPath(`${dir}/${name}`) === `${host.realPath(dir)}/${name}`,
  )) {
    host.mkdir(`${aside}/${name}`.replace(/\/[^/]*$/, ""));
    host.rename(`${dir}/${name}`, `${aside}/${name}`);
  }
  updateSubmodules(host, dir);
  if (host.stat(aside))
    must(
      host,
      guarded(host, dir, ["cp", "-Rlf", `${aside}/.`, dir]),
      "files of a submodule could not be put back",
    );
  host.remove(aside);
}
