import type { App } from "./app.ts";
import { PikuError } from "./errors.ts";
import { type Commit, changedFiles, changesOf, checkOut, commitOf, ensureTree, untracked } from "./git.ts";
import type { Entry, Host } from "./host/host.ts";
import { releaseFiles } from "./releases.ts";

/** The second work tree of an app, in which it is built. */
export const buildTree = (app: App) => `${app.releases}/tree`;

/** Shows the commit in the build tree. What earlier builds made there stays, so that building again is quick. */
export function prepareBuildTree(host: Host, commit: Commit): void {
  const dir = buildTree(commit.app);
  ensureTree(host, commit.app, dir);
  checkOut(host, dir, commit.id, commit.incoming);
}

/** A file that a build made, as it was when it was put into the app's work tree. */
interface Made {
  name: string;
  size: number;
  modified: number;
}

const madeBy = (host: Host, app: App, release: number | undefined): Made[] =>
  release === undefined ? [] : (JSON.parse(host.read(releaseFiles(app, release).made) ?? "[]") as Made[]);

/**
 * Files of the build tree to be put into the app's: new ones, and those that an earlier build put there and the app
 * has not changed since. A file of the app's own is never replaced by one of the build's.
 */
function madeToPublish(host: Host, app: App, live: number | undefined, goesLive: (name: string) => boolean): Made[] {
  const earlier = new Map(madeBy(host, app, live).map((made) => [made.name, made]));
  const files = untracked(host, buildTree(app)).filter(goesLive);
  return files.flatMap((name) => {
    const entry = host.stat(`${buildTree(app)}/${name}`);
    if (!entry || entry.type === "directory") return [];
    const there = host.stat(`${app.tree}/${name}`);
    const was = earlier.get(name);
    // A link holds nothing of the app's: the original made node_modules, which leads to what it installed.
    const links = there?.type === "link" && entry.type === "link";
    const ours =
      !there || links || (was !== undefined && there.size === was.size && sameSecond(there.modified, was.modified));
    return ours ? [{ name, size: entry.size, modified: entry.modified }] : [];
  });
}

// tar keeps whole seconds.
const sameSecond = (a: number, b: number) => Math.floor(a / 1000) === Math.floor(b / 1000);

function tar(host: Host, words: string[], names?: readonly string[]): void {
  const input = names?.map((name) => `${name}\0`).join("");
  const ran = host.capture(
    ["tar", ...words, ...(names ? ["--null", "--no-recursion", "--verbatim-files-from", "-T", "-"] : [])],
    { input },
  );
  if (ran.status !== 0) throw new PikuError(`tar failed: ${ran.stderr.trim().split("\n").at(-1)}`);
}

/** What a checkout will do to the app's work tree. */
export interface Change {
  commit: Commit;
  release: number;
  made: Made[];
  /** Tracked files that it will change. */
  modified: string[];
}

/**
 * Keeps what a checkout is going to overwrite, and the names of what it is going to add, so that `restoreTree` can
 * go back. Nothing is changed yet. Gives the change, or undefined when there is none.
 */
export function planTree(
  host: Host,
  commit: Commit,
  release: number,
  live: { number: number; commit?: string } | undefined,
  /** Which files of the build go live; undefined when nothing was built. */
  goesLive: ((name: string) => boolean) | undefined,
): Change | undefined {
  const { app } = commit;
  const shown = commitOf(host, app.tree);
  const made = goesLive ? madeToPublish(host, app, live?.number, goesLive) : [];
  if (shown === commit.id && live?.commit === commit.id && made.length === 0) return undefined;
  const files = releaseFiles(app, release);
  const { added, modified } = changesOf(host, shown, commit);
  const coming = [...new Set([...added, ...made.map(({ name }) => name)])];
  const isThere = (name: string) => host.stat(`${app.tree}/${name}`) !== undefined;
  const replaced = [...new Set([...(shown ? changedFiles(host, app.tree) : []), ...coming.filter(isThere)])];
  if (replaced.length > 0) tar(host, ["-C", app.tree, "-cf", files.before], replaced);
  host.write(files.added, JSON.stringify(coming.filter((name) => !isThere(name))), 0o600);
  return { commit, release, made, modified };
}

/** Shows the commit in the app's work tree, and puts what the build made into it. */
export function applyTree(host: Host, { commit, release, made, modified }: Change): void {
  const { app } = commit;
  ensureTree(host, app, app.tree);
  const before = modified.map((name) => host.stat(`${app.tree}/${name}`));
  checkOut(host, app.tree, commit.id, commit.incoming);
  const alike = modified.filter((name, i) => looksUnchanged(host.stat(`${app.tree}/${name}`), before[i]));
  if (alike.length > 0) touch(host, app, alike);
  if (made.length > 0) {
    const bundle = `${releaseFiles(app, release).made}.tar`;
    tar(
      host,
      ["-C", buildTree(app), "-cf", bundle],
      made.map(({ name }) => name),
    );
    tar(host, ["-C", app.tree, "--unlink-first", "-xf", bundle]);
    host.remove(bundle);
  }
  host.write(releaseFiles(app, release).made, JSON.stringify(made), 0o600);
}

/** Python, make and others take a file for unchanged by its size and the second of its time: two quick deploys can agree in both. */
const looksUnchanged = (now: Entry | undefined, before: Entry | undefined) =>
  now !== undefined && before !== undefined && now.size === before.size && sameSecond(now.modified, before.modified);

function touch(host: Host, app: App, names: readonly string[]): void {
  host.sleep(1000);
  const ran = host.capture(["xargs", "-0", "touch", "-c", "-h", "--"], {
    cwd: app.tree,
    input: names.map((name) => `${name}\0`).join(""),
  });
  if (ran.status !== 0) throw new PikuError(`touch failed: ${ran.stderr.trim()}`);
}

/** Goes back to the commit from before a checkout that was made, or begun, for a release that did not go live. */
export function restoreTree(host: Host, app: App, release: number, commit: string | undefined): void {
  const files = releaseFiles(app, release);
  if (commit) {
    ensureTree(host, app, app.tree);
    checkOut(host, app.tree, commit);
  }
  for (const name of JSON.parse(host.read(files.added) ?? "[]") as string[]) host.remove(`${app.tree}/${name}`);
  if (host.stat(files.before)) tar(host, ["-C", app.tree, "--unlink-first", "-xf", files.before]);
}
