import type { App } from "../app/app.ts";
import { releaseFiles } from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import type { Commit } from "./commit.ts";
import { checkOut, ensureTree, untracked } from "./worktree.ts";

/** The app's second work tree, where it is built. */
export const buildTree = (app: App) => `${app.releases}/tree`;

/**
 * Checks the commit out into the build tree. The output of earlier builds stays, so that builds are
 * incremental.
 */
export function prepareBuildTree(host: Host, commit: Commit): void {
  const dir = buildTree(commit.app);
  ensureTree(host, commit.app, dir, commit.incoming);
  checkOut(host, dir, commit.id, commit.incoming);
}

/** A file that a build made, as it was when it was put into the app's work tree. */
export interface Made {
  name: string;
  size: number;
  modified: number;
}

// Enough for some hundred thousand names.
const maxListBytes = 64 * 1024 * 1024;

/** A list of files that a release has kept: what its build made, or its release line changed. */
export const keptList = (
  host: Host,
  app: App,
  release: number | undefined,
  which: "made" | "outputs",
): Made[] =>
  release === undefined
    ? []
    : (JSON.parse(host.read(releaseFiles(app, release)[which], maxListBytes) ?? "[]") as Made[]);

export const madeBy = (host: Host, app: App, release: number | undefined): Made[] =>
  keptList(host, app, release, "made");

/**
 * Which files of the build tree go live, and which of them are build output: the runtime decides.
 */
export interface Outputs {
  goesLive(name: string): boolean;
  isOutput(name: string): boolean;
}

/**
 * Files of the build tree that go into the app's work tree: new ones, and those from an earlier
 * build that the app has not changed since. A file that the app wrote is never replaced.
 */
export function madeToPublish(
  host: Host,
  app: App,
  earlierMade: readonly Made[],
  { goesLive, isOutput }: Outputs,
): Made[] {
  const earlier = new Map(earlierMade.map((made) => [made.name, made]));
  const files = untracked(host, buildTree(app)).filter(goesLive);
  return files.flatMap((name) => {
    const entry = host.stat(`${buildTree(app)}/${name}`);
    if (!entry || entry.type === "directory") return [];
    const there = host.stat(`${app.tree}/${name}`);
    const was = earlier.get(name);
    // A link holds no data of the app's: the original linked node_modules to what it had installed.
    const links = there?.type === "link" && entry.type === "link";
    const ours =
      !there ||
      links ||
      isOutput(name) ||
      (was !== undefined && there.size === was.size && sameSecond(there.modified, was.modified));
    return ours ? [{ name, size: entry.size, modified: entry.modified }] : [];
  });
}

// tar keeps whole seconds.
export const sameSecond = (a: number, b: number) => Math.floor(a / 1000) === Math.floor(b / 1000);
