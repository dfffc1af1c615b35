import type { App } from "../app/app.ts";
import type { Host } from "../host/host.ts";
import { must } from "../text/errors.ts";
import { gitArgv, gitEnv, listed, readObjects } from "./git.ts";

/** A commit of an app's, pushed or being pushed. */
interface CommitAsked {
  id: string;
  app: App;
  incoming?: string;
}

/** A file or folder of a commit: its mode, kind and id, and its full name (git-ls-tree(1)). */
interface GlanceEntry {
  mode: string;
  kind: string;
  id: string;
  name: string;
}

/** What two calls of git tell of a commit of usual size, which so need not be asked for again. */
export interface Glance {
  /** Its files and folders, at any depth. */
  entries: readonly GlanceEntry[];
  byName: ReadonlyMap<string, GlanceEntry>;
  /** The texts of the files at its top that are read in most deploys: name -> text. */
  texts: Map<string, string>;
}

/** Commits that git has shown, as git has them: no deploy changes one. */
interface Seen {
  glances: Map<string, Glance | undefined>;
  commits: Map<string, string>;
}

// By the way in which it is read: hosts that only speak otherwise have it in common.
const seenBy = new WeakMap<Host["read"], Map<string, Seen>>();

/** What has been seen of a repository. */
function seenOf(host: Host, repo: string): Seen {
  const repositories = seenBy.get(host.read) ?? new Map<string, Seen>();
  const seen = repositories.get(repo) ?? { glances: new Map(), commits: new Map() };
  seenBy.set(host.read, repositories.set(repo, seen));
  return seen;
}

/**
 * The commit that a work tree shows, as its HEAD says; undefined where that names a branch, as in
 * a clone of the original's. Whether there is such a commit is not known by it.
 */
export const headOf = (host: Host, dir: string): string | undefined =>
  /^[0-9a-f]{40,64}$/.exec(host.read(`${dir}/.git/HEAD`)?.trim() ?? "")?.[0];

/** The text of a commit that a glance has found in a repository (git-commit-tree(1)). */
export const knownCommit = (host: Host, repo: string, id: string): string | undefined =>
  seenBy.get(host.read)?.get(repo)?.commits.get(id);

// Some 40,000 names; of larger commits each question is put to git by itself.
const maxListBytes = 4 * 1024 * 1024;
const maxTextsBytes = 512 * 1024;
const maxTextLength = 65_536;

const usual: ReadonlySet<string> = new Set([
  ...["Procfile", "ENV", ".gitmodules", ".gitattributes"],
  ...["requirements.txt", "pyproject.toml", "package.json", "Gemfile", "go.mod", "composer.json"],
]);

/** A commit at a glance; undefined for one that is large, or that git does not show whole. */
export function glanceAt(host: Host, commit: CommitAsked): Glance | undefined {
  const { glances } = seenOf(host, commit.app.repo);
  if (!glances.has(commit.id)) glances.set(commit.id, look(host, commit));
  return glances.get(commit.id);
}

function look(host: Host, commit: CommitAsked): Glance | undefined {
  try {
    const entries = entriesIn(host, commit);
    // Words that are compared: a pattern takes QuickJS a thousand times as long, and there are many.
    const read = entries.filter(
      ({ mode, name }) =>
        mode.startsWith("100") && (usual.has(name) || name.endsWith("/.gitattributes")),
    );
    const texts = textsIn(host, commit, read);
    return {
      entries,
      byName: new Map(entries.map((entry) => [entry.name, entry])),
      texts: new Map(read.map(({ id, name }) => [name, texts.get(id)!])),
    };
  } catch {
    // Whoever asks the same of git again gets its reason.
    return undefined;
  }
}

function entriesIn(host: Host, { app, id, incoming }: CommitAsked): GlanceEntry[] {
  const argv = gitArgv(app.repo, "ls-tree", "-r", "-t", "-z", id);
  const how = { env: gitEnv(host, incoming), most: maxListBytes };
  return listed(must(host, argv, "git ls-tree failed", how).stdout).map((line) => {
    const tab = line.indexOf("\t");
    const [mode = "", kind = "", object = ""] = line.slice(0, tab).split(" ");
    return { mode, kind, id: object, name: line.slice(tab + 1) };
  });
}

/** The texts of these files, and in `commits` of the commit and of the one that the work tree shows. */
function textsIn(
  host: Host,
  { app, id, incoming }: CommitAsked,
  files: readonly GlanceEntry[],
): Map<string, string> {
  const former = headOf(host, app.tree);
  const asked = [id, ...(former === undefined ? [] : [former]), ...files.map((file) => file.id)];
  const answers = readObjects(host, app.repo, asked, incoming, maxTextsBytes);
  if (!answers) throw new Error("git cat-file did not tell all");
  const { commits } = seenOf(host, app.repo);
  const texts = new Map<string, string>();
  for (const [i, one] of asked.entries()) {
    const answer = answers[i]!;
    const [header, kind, size] = /^[0-9a-f]+ (\w+) (\d+)\n/.exec(answer) ?? [];
    if (header === undefined) continue;
    const text = answer.slice(header.length);
    if (kind === "commit") commits.set(one, text);
    else if (Number(size) <= maxTextLength) texts.set(one, text);
  }
  return texts;
}
