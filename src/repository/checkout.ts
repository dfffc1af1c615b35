import type { App } from "../app/app.ts";
import { releaseFiles, type TreeUndo } from "../app/releases.ts";
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

/** The app's second work tree, where it is built. */
export const buildTree = (app: App) => `${app.releases}/tree`;

/**
 * Checks the commit out into the build tree. The output of earlier builds stays, so that builds are
 * incremental.
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

// Enough for some hundred thousand names.
const maxListBytes = 64 * 1024 * 1024;

export const madeBy = (host: Host, app: App, release: number | undefined): Made[] =>
  release === undefined
    ? []
    : (JSON.parse(host.read(releaseFiles(app, release).made, maxListBytes) ?? "[]") as Made[]);

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
  // Status 1: a file changed while it was being read; the app is running.
  if (ran.status > 1) throw new PikuError(`tar failed: ${reasonOf(ran)}`);
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
  change?: Change;
}

interface Change {
  /** Files that the build made and that go live. */
  published: string[];
  /** Files that an earlier build made and this one did not. */
  gone: string[];
  /** Files that are there and will be overwritten, or removed. */
  replaced: string[];
  /** Tracked files that it will change. */
  modified: string[];
  /** Tracked files that the app has changed and that stay as they are. */
  left: string[];
  undo: TreeUndo;
}

// A name that is not valid UTF-8 does not survive being read, so shell scripts handle those files
// byte by byte.
const isReadable = (name: string) => !name.includes("\ufffd");

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
  commit: Commit,
  release: number,
  live: { number: number; commit?: string } | undefined,
  outputs: Outputs | undefined,
): Checkout {
  const { app } = commit;
  const shown = commitOf(host, app.tree);
  const typeOf = typesBelow(host, app.tree);
  const isThere = (name: string) => typeOf(name) !== undefined;
  const earlier = madeBy(host, app, live?.number);
  const publish = outputs ? madeToPublish(host, app, earlier, outputs) : [];
  const published = publish.map(({ name }) => name);
  const others = earlier.filter(({ name }) => !new Set(published).has(name));
  const isGone = ({ name }: Made) => outputs?.isOutput(name) === true && isThere(name);
  const gone = others.filter(isGone).map(({ name }) => name);
  // The rest of the earlier build output still counts as such.
  const made = [...others.filter(({ name }) => !gone.includes(name)), ...publish];
  const checkout = { commit, release, shown, made };
  if (shown === commit.id && live?.commit === commit.id && publish.length + gone.length === 0)
    return checkout;
  const { added, modified, deleted } = differenceOf(host, shown, commit);
  const coming = [...new Set([...added, ...published])].filter(isReadable);
  refuseTaken(host, app, coming, new Set(deleted), typeOf);
  const touched = new Set([...modified, ...deleted]);
  const changed = shown ? changedFiles(host, app.tree).filter(isReadable) : [];
  const overwritten = changed.filter((name) => touched.has(name));
  return {
    ...checkout,
    change: {
      published,
      gone: gone.filter((name) => !coming.includes(name)),
      replaced: [...new Set([...overwritten, ...coming.filter(isThere), ...gone])],
      modified,
      left: changed.filter((name) => !touched.has(name)),
      undo: {
        shown,
        added: coming.filter((name) => !isThere(name)),
        modified: [...touched].filter(isReadable),
      },
    },
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
  if (host.stat(app.tree) !== undefined)
    nonUtf8Files(host, app, release, keepStrange, {
      ...(incoming ? { GIT_ALTERNATE_OBJECT_DIRECTORIES: incoming } : {}),
      repo: app.repo,
      from: shown ?? "",
      to: id,
    });
}

type TypeOf = (name: string) => Entry["type"] | undefined;

/**
 * The types of files below a folder. Each is looked up once, and not at all if its folder does not
 * exist: there may be thousands.
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

/** Refuses a file where the app has created a folder, or below something that is not a folder. */
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

/** Checks the commit out into the app's work tree and copies the build output into it. */
export function applyCheckout(
  host: Host,
  { commit, release, shown }: Checkout,
  { published, gone, modified }: Change,
): void {
  const { app } = commit;
  ensureTree(host, app, app.tree);
  withNewTimestamps(host, app, modified, () =>
    moveTree(host, app.tree, shown, commit.id, commit.incoming),
  );
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
    for (const name of added) removeFile(host, app, name);
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
