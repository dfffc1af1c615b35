import type { App } from "../app/app.ts";
import { releaseFiles } from "../app/releases.ts";
import type { Entry, Host } from "../host/host.ts";
import { must, PikuError, reasonOf } from "../text/errors.ts";
import { printable } from "../text/text.ts";
import { type Commit, differenceOf } from "./commit.ts";
import { gitEnv } from "./git.ts";
import keepStrange from "./keep-strange.sh" with { type: "text" };
import {
  changedFiles,
  checkOut,
  commitOf,
  ensureTree,
  moveTree,
  revertFiles,
  untracked,
} from "./worktree.ts";

/** The second work tree of an app, in which it is built. */
export const buildTree = (app: App) => `${app.releases}/tree`;

/**
 * Shows the commit in the build tree. What earlier builds made there stays, so that building again
 * is quick.
 */
export function prepareBuildTree(host: Host, commit: Commit): void {
  const dir = buildTree(commit.app);
  ensureTree(host, commit.app, dir);
  checkOut(host, dir, commit.id, commit.incoming);
}

/** A file that a build made, as it was when it was put into the app's work tree. */
export interface Made {
  name: string;
  size: number;
  modified: number;
}

// Of some hundred thousand names.
const largestList = 64 * 1024 * 1024;

export const madeBy = (host: Host, app: App, release: number | undefined): Made[] =>
  release === undefined
    ? []
    : (JSON.parse(host.read(releaseFiles(app, release).made, largestList) ?? "[]") as Made[]);

/**
 * Which files of the build tree go live, and which of them only a build makes: a runtime's row
 * says.
 */
export interface Outputs {
  goesLive(name: string): boolean;
  isOutput(name: string): boolean;
}

/**
 * Files of the build tree to be put into the app's: new ones, and those that an earlier build put
 * there and the app has not changed since. A file of the app's own is never replaced by one of the
 * build's.
 */
function madeToPublish(
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
    // A link holds nothing of the app's: the original made node_modules, which leads to what it
    // installed.
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
const sameSecond = (a: number, b: number) => Math.floor(a / 1000) === Math.floor(b / 1000);

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
  // 1: a file changed while it was read, which is the app's own doing.
  if (ran.status > 1) throw new PikuError(`tar failed: ${reasonOf(ran)}`);
}

/** What a checkout will do to the app's work tree. */
export interface Change {
  commit: Commit;
  /** The commit that the tree shows now. */
  shown?: string;
  release: number;
  made: Made[];
  /** Files that an earlier build made and this one did not. */
  gone: string[];
  /** Tracked files that it will change. */
  modified: string[];
}

// A name that is no UTF-8 would not be found under what we have read, so those files are kept by
// programs that take names as they are.
const isReadable = (name: string) => !name.includes("\ufffd");

const restoreStrange = 'xargs -0 rm -f -- < "$names" && tar --unlink-first -xf "$kept"';

/** Keeps, or puts back, the files with names that are no UTF-8 in which two commits differ. */
function strangeFiles(
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
 * Says what is to change in the app's work tree, and keeps what will be overwritten and the names
 * of what will be added, so that `restoreTree` can go back. Nothing is changed yet. Throws where a
 * commit wants the place of something that the app wrote. Gives undefined when there is nothing to
 * change.
 */
export function planTree(
  host: Host,
  commit: Commit,
  release: number,
  live: { number: number; commit?: string } | undefined,
  /** Undefined when nothing was built. */
  outputs: Outputs | undefined,
): Change | undefined {
  const { app } = commit;
  const files = releaseFiles(app, release);
  const shown = commitOf(host, app.tree);
  const earlier = madeBy(host, app, live?.number);
  const made = outputs ? madeToPublish(host, app, earlier, outputs) : [];
  const names = new Set(made.map(({ name }) => name));
  const others = earlier.filter(({ name }) => !names.has(name));
  const hasTree = host.stat(app.tree) !== undefined;
  const typeOf = typesBelow(host, app.tree);
  const isThere = (name: string) => typeOf(name) !== undefined;
  const isGone = ({ name }: Made) => outputs?.isOutput(name) === true && isThere(name);
  const gone = others.filter(isGone).map(({ name }) => name);
  // What else earlier builds made is still theirs.
  const still = others.filter(({ name }) => !gone.includes(name));
  host.write(files.made, JSON.stringify([...still, ...made]), 0o600);
  if (shown === commit.id && live?.commit === commit.id && made.length + gone.length === 0)
    return undefined;
  const { added, modified, deleted } = differenceOf(host, shown, commit);
  const coming = [...new Set([...added, ...names])].filter(isReadable);
  refuseTaken(host, app, coming, new Set(deleted), typeOf);
  const touched = new Set([...modified, ...deleted]);
  const changed = shown ? changedFiles(host, app.tree).filter(isReadable) : [];
  tellKept(
    host,
    changed.filter((name) => !touched.has(name)),
  );
  const replaced = [
    ...new Set([
      ...changed.filter((name) => touched.has(name)),
      ...coming.filter(isThere),
      ...gone,
    ]),
  ];
  if (replaced.length > 0) tar(host, ["-C", app.tree, "-cf", files.before], replaced);
  const incoming: Record<string, string> = commit.incoming
    ? { GIT_ALTERNATE_OBJECT_DIRECTORIES: commit.incoming }
    : {};
  if (hasTree)
    strangeFiles(host, app, release, keepStrange, {
      ...incoming,
      repo: app.repo,
      from: shown ?? "",
      to: commit.id,
    });
  host.write(files.added, JSON.stringify(coming.filter((name) => !isThere(name))), 0o600);
  host.write(files.shown, shown ?? "");
  host.write(files.modified, JSON.stringify([...touched].filter(isReadable)), 0o600);
  return {
    commit,
    shown,
    release,
    made,
    gone: gone.filter((name) => !coming.includes(name)),
    modified,
  };
}

const fewNames = 5;

/** Says which tracked files stay as the app has changed them. */
function tellKept(host: Host, names: readonly string[]): void {
  if (names.length === 0) return;
  const more = names.length > fewNames ? ` and ${names.length - fewNames} more` : "";
  host.say(`-----> Left as the app has changed it: ${names.slice(0, fewNames).join(", ")}${more}`);
}

type TypeOf = (name: string) => Entry["type"] | undefined;

/**
 * What is below a folder by these names. Each is looked at once, and none where there is no folder
 * for it: there may be thousands.
 */
function typesBelow(host: Host, folder: string): TypeOf {
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

/**
 * Refuses a file where the app has a folder of its own, or below something that is not a folder.
 */
function refuseTaken(
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

/** Shows the commit in the app's work tree, and puts what the build made into it. */
export function applyTree(
  host: Host,
  { commit, shown, release, made, gone, modified }: Change,
): void {
  const { app } = commit;
  ensureTree(host, app, app.tree);
  freshly(host, app, modified, () => moveTree(host, app.tree, shown, commit.id, commit.incoming));
  for (const name of gone) removeFile(host, app, name);
  if (made.length === 0) return;
  const bundle = `${releaseFiles(app, release).made}.tar`;
  tar(
    host,
    ["-C", buildTree(app), "-cf", bundle],
    made.map(({ name }) => name),
  );
  tar(host, ["-C", app.tree, "--unlink-first", "-xf", bundle]);
  host.remove(bundle);
}

/**
 * Changes files, and sees to it that whoever knew them notices: Python, make and others take a file
 * for unchanged by its size and the second of its time, and two quick deploys can agree in both.
 */
function freshly(host: Host, app: App, names: readonly string[], change: () => void): void {
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

/**
 * Goes back to the commit from before a checkout that was made, or begun, for a release that did
 * not go live.
 */
export function restoreTree(host: Host, app: App, release: number): void {
  const files = releaseFiles(app, release);
  const shown = host.read(files.shown) || undefined;
  const names = (file: string) => JSON.parse(host.read(file, largestList) ?? "[]") as string[];
  freshly(host, app, names(files.modified), () => {
    for (const name of names(files.added)) removeFile(host, app, name);
    if (host.stat(files.strange)) strangeFiles(host, app, release, restoreStrange);
    if (shown) {
      ensureTree(host, app, app.tree);
      revertFiles(host, app.tree, shown, names(files.modified));
    }
    if (host.stat(files.before)) tar(host, ["-C", app.tree, "--unlink-first", "-xf", files.before]);
  });
}

/** Removes a file of the app's work tree, and the folders above it that it leaves empty. */
function removeFile(host: Host, app: App, name: string): void {
  if (host.stat(`${app.tree}/${name}`)?.type === "directory") return;
  host.remove(`${app.tree}/${name}`);
  const parts = name.split("/").slice(0, -1);
  while (parts.length > 0 && host.list(`${app.tree}/${parts.join("/")}`).length === 0) {
    host.remove(`${app.tree}/${parts.join("/")}`);
    parts.pop();
  }
}
