import type { App } from "../app/app.ts";
import type { Host } from "../host/host.ts";
import { PikuError } from "../text/errors.ts";
import { printable } from "../text/text.ts";
import { git, gitArgv, gitEnv, listed, maxOutputBytes, readObjects } from "./git.ts";
import { type Glance, glanceAt, knownCommit } from "./glance.ts";

/** A commit's id: 40 or 64 hexadecimal digits. */
export const isCommit = (id: string) => /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(id);

/** A pushed commit, readable before it is accepted. */
export interface Commit {
  id: string;
  app: App;
  incoming?: string;
}

/** The subject line of a commit: its first paragraph. */
export function subjectOf(host: Host, { app, id, incoming }: Commit): string {
  const known = knownCommit(host, app.repo, id);
  const [head = "", message] = known?.split(/\n\n([\s\S]*)/) ?? [];
  // git converts what was written in another encoding, and nobody knows that of a damaged text.
  if (message === undefined || /^encoding /m.test(head) || message.includes("\ufffd"))
    return git(host, app.repo, ["log", "-1", "--format=%s", id, "--"], incoming).stdout.trim();
  return (message.trim().split(/\n[ \t]*\n/)[0] ?? "")
    .split("\n")
    .map((line) => line.trim())
    .join(" ");
}

/**
 * The text of a file of a commit, or undefined if there is none. Links within the commit are
 * followed. Throws for a link that leads out of the commit, and for a file larger than `largest`
 * bytes.
 */
export function fileOfCommit(
  host: Host,
  { app, id, incoming }: Commit,
  name: string,
  largest = 65_536,
): string | undefined {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  const glance = glanceAt(host, { app, id, incoming });
  const text = glance?.texts.get(parts.join("/"));
  if (text !== undefined) return text;
  if (glance && isNowhere(glance, parts)) return undefined;
  const words = ["cat-file", "--batch-check", "--follow-symlinks"];
  const found = git(host, app.repo, words, incoming, {
    input: `${id}:${parts.join("/")}\n`,
  }).stdout;
  if (/^(symlink|dangling|loop|notdir) /.test(found))
    throw new PikuError(
      `'${printable(name)}' is a link to something that is not in the commit`,
      "commit the file itself",
    );
  const [, blob, size] = /^([0-9a-f]+) blob (\d+)\n/.exec(found) ?? [];
  if (blob === undefined) return undefined;
  if (Number(size) > largest)
    throw new PikuError(`${printable(name)} is larger than ${largest / 1024} KB`);
  return git(host, app.repo, ["cat-file", "blob", blob], incoming).stdout;
}

/** Whether a commit has neither this path nor a link on the way to it. */
function isNowhere({ byName }: Glance, parts: readonly string[]): boolean {
  const met = parts.flatMap((_, i) => byName.get(parts.slice(0, i + 1).join("/")) ?? []);
  return (
    met.length < parts.length && !parts.includes("..") && met.every(({ mode }) => mode === "040000")
  );
}

/** Names at the top of a commit, folders with a `/` behind them. */
export function namesOf(host: Host, { app, id, incoming }: Commit): string[] {
  const glance = glanceAt(host, { app, id, incoming });
  if (glance)
    return glance.entries
      .filter(({ name }) => !name.includes("/"))
      .map(({ kind, name }) => (kind === "tree" ? `${name}/` : name));
  return git(host, app.repo, ["ls-tree", "-z", id], incoming)
    .stdout.split("\0")
    .flatMap((entry) => {
      const [, kind, name] = /^\d+ (\w+) \S+\t([\s\S]*)$/.exec(entry) ?? [];
      return name === undefined ? [] : [kind === "tree" ? `${name}/` : name];
    });
}

/** Every file of a commit: its path -> its mode and the id of its blob. */
export function filesOfCommit(host: Host, { app, id, incoming }: Commit): Map<string, string> {
  const glance = glanceAt(host, { app, id, incoming });
  if (glance)
    return new Map(
      glance.entries
        .filter(({ kind }) => kind !== "tree")
        .map(({ mode, kind, id, name }) => [name, `${mode} ${kind} ${id}`]),
    );
  const entries = listed(git(host, app.repo, ["ls-tree", "-r", "-z", id], incoming).stdout);
  return new Map(
    entries.map((entry) => {
      const tab = entry.indexOf("\t");
      return [entry.slice(tab + 1), entry.slice(0, tab)];
    }),
  );
}

// Counted in a stream: a dozen small objects can stand for a million names, too many to hold in
// memory.
const countScript = `"$@" | head -c "$most" | tr '\\n\\0' '?\\n' | wc -lc`;
const averageNameBytes = 200;

/**
 * Refuses a commit with more than `most` files and folders before git or piku needs memory for
 * them. Folders count as well: a push may contain any number of empty ones.
 */
export function refuseManyNames(host: Host, { app, id, incoming }: Commit, most: number): void {
  const bytes = most * averageNameBytes;
  const glance = glanceAt(host, { app, id, incoming });
  const units = glance?.entries.reduce((sum, { name }) => sum + name.length + 1, 0) ?? bytes;
  // Each of which has at most three bytes.
  if (glance && glance.entries.length <= most && 3 * units < bytes) return;
  const argv = gitArgv(app.repo, "ls-tree", "-r", "-t", "-z", "--name-only", id);
  const env = { ...gitEnv(host, incoming), LC_ALL: "C", most: String(bytes) };
  const counted = host
    .capture(["sh", "-c", countScript, "sh", ...argv], { env })
    .stdout.trim()
    .split(/\s+/)
    .map(Number);
  const [names = 0, length = 0] = counted;
  if (names <= most && length < bytes) return;
  throw new PikuError(
    names > most
      ? `the commit has more than ${most} files and folders`
      : `the names of the commit's files and folders are together longer than ${Math.round(bytes / 1_000_000)} MB`,
    "leave out what a build makes (.gitignore), or on the server: set PIKU_MAX_FILES in ~/.piku/ENV",
  );
}

const entriesScript = '"$@" | LC_ALL=C grep -zE "$pattern"';

/** An entry of a commit: its mode, the id of its blob, and its full name. */
export interface TreeEntry {
  mode: string;
  id: string;
  name: string;
}

/**
 * The entries of a commit, at any depth, whose line of git-ls-tree(1) matches an extended regular
 * expression: mode, type, id, a tab, name. `option`: `-l` for their sizes before the tab, which
 * takes longer.
 */
export function entriesOf(
  host: Host,
  { app, id, incoming }: Commit,
  pattern: string,
  ...option: "-l"[]
): TreeEntry[] {
  const argv = gitArgv(app.repo, "ls-tree", "-r", "-z", ...option, id);
  const env = { ...gitEnv(host, incoming), pattern };
  const how = { env, most: maxOutputBytes };
  return listed(host.capture(["sh", "-c", entriesScript, "sh", ...argv], how).stdout).flatMap(
    (entry) => {
      const [, mode, id, name] = /^(\d+) \w+ (\S+)[ \d-]*\t([\s\S]*)$/.exec(entry) ?? [];
      return name === undefined ? [] : [{ mode: mode!, id: id!, name }];
    },
  );
}

/** Symbolic links of a commit: name -> what it points to. */
export function linksOf(host: Host, commit: Commit): Map<string, string> {
  const isLink = ({ mode }: TreeEntry) => mode === "120000";
  const links =
    glanceAt(host, commit)?.entries.filter(isLink) ?? entriesOf(host, commit, "^120000 ");
  const texts = textsOf(host, commit, [...new Set(links.map(({ id }) => id))]);
  return new Map(links.map(({ id, name }) => [name, texts.get(id) ?? ""]));
}

const maxLinksBytes = 16 * 1024 * 1024;

/** The texts of blobs, by one call of git. */
export function textsOf(
  host: Host,
  { app, incoming }: Commit,
  blobs: readonly string[],
): Map<string, string> {
  if (blobs.length === 0) return new Map();
  const texts = readObjects(host, app.repo, blobs, incoming, maxLinksBytes);
  if (!texts)
    throw new PikuError("git cat-file did not give all files of the commit that were asked for");
  return new Map(blobs.map((blob, i) => [blob, texts[i]!.slice(texts[i]!.indexOf("\n") + 1)]));
}

/** The commit id of a revision, or undefined. */
export function revision(host: Host, dir: string, name: string): string | undefined {
  const ran = host.capture(gitArgv(dir, "rev-parse", "--quiet", "--verify", `${name}^{commit}`), {
    env: gitEnv(host),
  });
  return ran.status === 0 ? ran.stdout.trim() : undefined;
}

/** The blob id of a text: a hash to name things by their content. */
export const contentHash = (host: Host, content: string) =>
  host
    .capture(["git", "hash-object", "--stdin"], { env: gitEnv(host), input: content })
    .stdout.trim();

/** How a commit differs from the previous one. */
export interface Difference {
  added: string[];
  modified: string[];
  deleted: string[];
}

/**
 * The difference between a commit and the previous one, or none. Throws for a name that leads out
 * of the tree.
 */
export function differenceOf(
  host: Host,
  before: string | undefined,
  { app, id, incoming }: Commit,
): Difference {
  if (before !== undefined && treeOf(host, app, before) === treeOf(host, app, id, id))
    return { added: [], modified: [], deleted: [] };
  if (before === undefined) {
    const added = listed(
      git(host, app.repo, ["ls-tree", "-r", "--name-only", "-z", id], incoming).stdout,
    );
    return { added: checkedNames(added), modified: [], deleted: [] };
  }
  const words = ["diff-tree", "-r", "--name-status", "--no-renames", "-z", before, id, "--"];
  const fields = listed(git(host, app.repo, words, incoming).stdout);
  const names = (status: RegExp) =>
    checkedNames(fields.filter((_, i) => i % 2 === 1 && status.test(fields[i - 1]!)));
  return { added: names(/^A/), modified: names(/^[MT]/), deleted: names(/^D/) };
}

/** The id of a commit's tree, as far as it is known without git; else `unknown`. */
const treeOf = (host: Host, { repo }: App, id: string, unknown?: string) =>
  /^tree ([0-9a-f]+)\n/.exec(knownCommit(host, repo, id) ?? "")?.[1] ?? unknown;

/** git never creates or checks out such names, but accepts them in a push. */
function checkedNames(names: string[]): string[] {
  const bad = names.find((name) => /^\/|(^|\/)(\.|\.\.|\.git)?(\/|$)/i.test(name));
  if (bad !== undefined)
    throw new PikuError(`'${printable(bad)}' cannot be the name of a file in a commit`);
  return names;
}
