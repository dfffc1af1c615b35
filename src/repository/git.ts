import { type App, printable } from "../app/app.ts";
import type { Exec, Host, Ran } from "../host/host.ts";
import { commandLines } from "../host/processes.ts";
import { PikuError } from "../text/errors.ts";
import { shellQuote } from "../text/text.ts";

/** A commit's id: 40 or 64 hexadecimal digits. */
export const isCommit = (id: string) => /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(id);

/** A reference as a push names it: ids before and after, and its full name. */
export interface Update {
  before: string;
  after: string;
  reference: string;
}

/** Reads what git gives a pre-receive hook: `before after reference` a line (githooks(5)). */
export const parseUpdates = (input: string): Update[] =>
  input
    .split("\n")
    .map((line) => line.split(" "))
    .filter((words) => words.length === 3 && isCommit(words[0]!) && isCommit(words[1]!))
    .map(([before, after, reference]) => ({ before: before!, after: after!, reference: reference! }));

/** Bytes of a list of references that a push may have: some 10,000 of them. */
export const largestUpdates = 2 * 1024 * 1024;

const branchPrefix = "refs/heads/";

// Names that git reads otherwise wherever a revision may stand: its own files, ids, and the beginnings of full names.
const misleading = /^(@|([A-Z]+_)*HEAD|[0-9a-f]{40}|[0-9a-f]{64}|(refs|heads|tags|remotes)\/.*)$/s;

/**
 * Refuses references that are neither branches nor tags, and names by which git would find something else: a `refs/replace/`
 * would show piku another commit than is deployed. What is there already may be deleted.
 */
export function refuseReferences(updates: readonly Update[]): void {
  for (const { reference } of updates.filter(({ after }) => !/^0+$/.test(after))) {
    const name = /^refs\/(?:heads|tags)\/(.+)$/s.exec(reference)?.[1];
    if (name === undefined)
      throw new PikuError(
        `'${printable(reference)}' is neither a branch nor a tag`,
        "push only those, such as: git push piku main",
      );
    if (misleading.test(name))
      throw new PikuError(
        `no branch or tag can be called '${printable(name)}' here, since git takes that for something else`,
        "give it another name",
      );
  }
}

/** The branch of a push that is deployed: main, master, else the first; and the branches that are not. */
export function branchToDeploy(updates: readonly Update[]): { update?: Update; others: string[] } {
  const branches = updates.filter(({ after, reference }) => reference.startsWith(branchPrefix) && !/^0+$/.test(after));
  const named = (name: string) => branches.find(({ reference }) => reference === branchPrefix + name);
  const update = named("main") ?? named("master") ?? branches[0];
  return { update, others: branches.filter((other) => other !== update).map(({ reference }) => branchName(reference)) };
}

/** `refs/heads/main` without its prefix. */
export const branchName = (reference: string) => reference.replace(branchPrefix, "");

/** What makes every call safe on a repository that somebody else filled: no hooks, no files of this machine as submodules. */
const careful = [
  "-c",
  "core.hooksPath=/dev/null",
  "-c",
  "protocol.file.allow=never",
  "-c",
  "gc.auto=0",
  "-c",
  "advice.detachedHead=false",
];

/** A git command line on one repository or work tree. */
export const gitArgv = (dir: string, ...words: string[]) => ["git", ...careful, "-C", dir, ...words];

/**
 * The environment for git: `incoming` is the folder in which a push's objects wait to be accepted (git's quarantine).
 */
export function gitEnv(host: Host, incoming?: string): Record<string, string> {
  const env: Record<string, string> = {
    ...host.env(),
    // What is looked at must be what is deployed.
    GIT_NO_REPLACE_OBJECTS: "1",
    GIT_TERMINAL_PROMPT: "0",
    GIT_ALLOW_PROTOCOL: "https:http:ssh:git",
  };
  if (incoming) env.GIT_ALTERNATE_OBJECT_DIRECTORIES = incoming;
  return env;
}

// Names of as many files as a commit may have, and of as many that a build made.
const largestOutput = 64 * 1024 * 1024;

/** Runs git and gives what it printed; throws with its own words when it fails. */
function git(
  host: Host,
  dir: string,
  words: string[],
  incoming?: string,
  how: Exec & { input?: string; most?: number } = {},
): Ran {
  const ran = host.capture(gitArgv(dir, ...words), { env: gitEnv(host, incoming), most: largestOutput, ...how });
  if (ran.status !== 0)
    throw new PikuError(
      `git ${words[0]} failed: ${ran.stderr.trim().split("\n").at(-1) || `exit status ${ran.status}`}`,
    );
  return ran;
}

/** A pushed commit, readable before it is accepted. */
export interface Commit {
  id: string;
  app: App;
  incoming?: string;
}

/** The subject line of a commit. */
export const subjectOf = (host: Host, { app, id, incoming }: Commit) =>
  git(host, app.repo, ["log", "-1", "--format=%s", id, "--"], incoming).stdout.trim();

/**
 * The text of a file of a commit, or undefined when it has none. A link stands for the file of the commit that it leads
 * to. Throws for one that leads out of the commit, and for a file above `largest` bytes.
 */
export function fileOf(host: Host, { app, id, incoming }: Commit, name: string, largest = 65_536): string | undefined {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  const words = ["cat-file", "--batch-check", "--follow-symlinks"];
  const found = git(host, app.repo, words, incoming, { input: `${id}:${parts.join("/")}\n` }).stdout;
  if (/^(symlink|dangling|loop|notdir) /.test(found))
    throw new PikuError(
      `'${printable(name)}' is a link to something that is not in the commit`,
      "commit the file itself",
    );
  const [, blob, size] = /^([0-9a-f]+) blob (\d+)\n/.exec(found) ?? [];
  if (blob === undefined) return undefined;
  if (Number(size) > largest) throw new PikuError(`${printable(name)} is larger than ${largest / 1024} KB`);
  return git(host, app.repo, ["cat-file", "blob", blob], incoming).stdout;
}

/** Names at the top of a commit, folders with a `/` behind them. */
export const namesOf = (host: Host, { app, id, incoming }: Commit): string[] =>
  git(host, app.repo, ["ls-tree", "-z", id], incoming)
    .stdout.split("\0")
    .flatMap((entry) => {
      const [, kind, name] = /^\d+ (\w+) \S+\t([\s\S]*)$/.exec(entry) ?? [];
      return name === undefined ? [] : [kind === "tree" ? `${name}/` : name];
    });

// Counted as they come: a dozen objects of some bytes can be a million names, and all of them would have to be kept.
const countScript = `"$@" | head -c "$most" | tr '\\n\\0' '?\\n' | wc -lc`;
const usualName = 200;

/**
 * Refuses a commit of more than so many files and folders, before git or piku takes the memory for them. Folders count too:
 * git takes empty ones with a push, and they would take for ever.
 */
export function refuseManyNames(host: Host, { app, id, incoming }: Commit, most: number): void {
  const bytes = most * usualName;
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

const linksScript = `"$@" | LC_ALL=C grep -z '^120000 '`;

/** Symbolic links of a commit: name -> what it points to. */
export function linksOf(host: Host, { app, id, incoming }: Commit): Map<string, string> {
  const argv = gitArgv(app.repo, "ls-tree", "-r", "-z", id);
  const env = gitEnv(host, incoming);
  const entries = listed(host.capture(["sh", "-c", linksScript, "sh", ...argv], { env, most: largestOutput }).stdout);
  const links = entries.flatMap((entry) => {
    const [, blob, name] = /^120000 blob (\S+)\t([\s\S]*)$/.exec(entry) ?? [];
    return name === undefined ? [] : [{ blob: blob!, name }];
  });
  const texts = textsOf(host, app, incoming, [...new Set(links.map(({ blob }) => blob))]);
  return new Map(links.map(({ blob, name }) => [name, texts.get(blob) ?? ""]));
}

const largestLinks = 16 * 1024 * 1024;

/**
 * The texts of blobs, by one call of git. Behind each of them git says that it has nothing of a name which nobody can know
 * before: a blob may hold whatever else git could say.
 */
function textsOf(host: Host, app: App, incoming: string | undefined, blobs: readonly string[]): Map<string, string> {
  if (blobs.length === 0) return new Map();
  const mark = host.read("/proc/sys/kernel/random/uuid")?.trim() ?? `piku-${host.pid}-${host.now()}`;
  const input = blobs.map((blob) => `${blob}\n${mark}\n`).join("");
  const { stdout } = git(host, app.repo, ["cat-file", "--batch"], incoming, { input, most: largestLinks });
  const texts = stdout.split(`\n${mark} missing\n`).slice(0, -1);
  if (texts.length !== blobs.length) throw new PikuError("git cat-file did not give all symbolic links of the commit");
  return new Map(blobs.map((blob, i) => [blob, texts[i]!.slice(texts[i]!.indexOf("\n") + 1)]));
}

/** The id of whatever a revision names, or undefined. */
export function revision(host: Host, dir: string, name: string): string | undefined {
  const ran = host.capture(gitArgv(dir, "rev-parse", "--quiet", "--verify", `${name}^{commit}`), { env: gitEnv(host) });
  return ran.status === 0 ? ran.stdout.trim() : undefined;
}

/** The id that git gives this text: a hash for naming things by their content. */
export const contentHash = (host: Host, content: string) =>
  host.capture(["git", "hash-object", "--stdin"], { env: gitEnv(host), input: content }).stdout.trim();

/** The hook that deploys: `exec`s this executable without what would change its engine, and lets a push pass when it is gone. */
export const hookText = (host: Host, app: App) => `#!/bin/sh
# Written by piku at every push; changes are lost.
[ -x ${shellQuote(host.self)} ] || exit 0
PIKU_ROOT=${shellQuote(app.paths.root)} exec env -u BUN_OPTIONS -u BUN_BE_BUN -u SSH_ORIGINAL_COMMAND ${shellQuote(host.self)} git-hook ${app.name}
`;

/** Makes the bare repository when it is not there, and its hook ours: the original's post-receive would deploy again. */
export function ensureRepository(host: Host, app: App): void {
  if (!host.stat(`${app.repo}/HEAD`)) {
    host.mkdir(app.repo);
    git(host, app.repo, ["init", "--quiet", "--bare", "--template=", "."]);
  }
  const hook = `${app.repo}/hooks/pre-receive`;
  host.mkdir(`${app.repo}/hooks`);
  if (host.read(hook) !== hookText(host, app)) host.write(hook, hookText(host, app), 0o755);
  if (/ git-hook /.test(host.read(`${app.repo}/hooks/post-receive`) ?? ""))
    host.remove(`${app.repo}/hooks/post-receive`);
}

// Packing takes a core and much memory otherwise, and a small board has little of both.
const modest = ["-c", "pack.threads=1", "-c", "pack.windowMemory=32m"];

/** Removes what a power cut left of git's own locks. For those who hold the turn of pushing: nobody else moves a branch. */
export const dropStaleLocks = (host: Host, app: App) =>
  host.capture([
    "find",
    `${app.repo}/refs`,
    `${app.repo}/HEAD.lock`,
    `${app.repo}/packed-refs.lock`,
    "-name",
    "*.lock",
    "-delete",
  ]);

const idlePatience = 60_000;

/**
 * For somebody who waits for the turn of pushing: ends a push whose client has sent nothing for 60 seconds, unless it is
 * being deployed (`isDeploying`). To be called again and again.
 */
export function idlePushes(host: Host, app: App, isDeploying: () => boolean): () => void {
  let moved = host.ticks();
  let read = "";
  return () => {
    const pushes = commandLines(
      host,
      (title) => title.startsWith("git ") && title.endsWith(` receive-pack ${app.repo}`),
    );
    const readers = commandLines(host, (title) => /index-pack|unpack-objects/.test(title)).filter(({ parent }) =>
      pushes.some(({ pid }) => pid === parent),
    );
    const now = [...pushes, ...readers]
      .map(({ pid }) => `${pid} ${/rchar: \d+/.exec(host.read(`/proc/${pid}/io`) ?? "")}`)
      .join();
    if (now !== read || isDeploying()) moved = host.ticks();
    read = now;
    if (host.ticks() - moved > idlePatience) for (const { pid } of pushes) host.signal(pid, "TERM");
  };
}

/** Runs git's half of a push or a fetch on our own stdin and stdout; its exit status. `most`: the size of a push, as git-config(1) has it. */
export const serve = (host: Host, app: App, service: "receive-pack" | "upload-pack", most: string) =>
  host.run(
    [
      "git",
      "-c",
      "core.fsync=committed,reference",
      "-c",
      "transfer.hideRefs=refs/piku",
      "-c",
      `receive.maxInputSize=${most}`,
      // No receive.fsckObjects: it refuses what old versions of git have written, and with it the whole history of an old
      // repository. What it would find and could do harm here (names that lead out of a tree) is refused at a checkout.
      // A core.hooksPath in the user's own configuration would have pushes accepted and nothing deployed.
      "-c",
      `core.hooksPath=${app.repo}/hooks`,
      ...modest,
      service,
      app.repo,
    ],
    { env: { ...host.env(), GIT_NO_REPLACE_OBJECTS: "1" } },
  );

/** Makes a fresh clone show what was pushed last, whatever its branch is called. */
export function pointHead(host: Host, app: App, branch: string): void {
  if (!revision(host, app.repo, "HEAD")) git(host, app.repo, ["symbolic-ref", "HEAD", branchPrefix + branch]);
}

/** Keeps the commit of a release from git's housekeeping, or lets it go. */
export function holdCommit(host: Host, app: App, release: number, commit: string | undefined): void {
  git(
    host,
    app.repo,
    commit ? ["update-ref", `refs/piku/${release}`, commit] : ["update-ref", "-d", `refs/piku/${release}`],
  );
}

/** A work tree of the app's repository that borrows its objects for good; also one that the original cloned. */
export function ensureTree(host: Host, app: App, dir: string): void {
  if (!host.stat(`${dir}/.git`)) {
    host.mkdir(dir);
    git(host, dir, ["init", "--quiet", "--template=", "."]);
    git(host, dir, ["config", "core.logAllRefUpdates", "false"]);
  }
  const borrowed = `${dir}/.git/objects/info/alternates`;
  if (host.read(borrowed) !== `${app.repo}/objects\n`) {
    host.mkdir(`${dir}/.git/objects/info`);
    host.write(borrowed, `${app.repo}/objects\n`);
  }
  // What a power cut left; nobody else works in here, we hold the app's lock.
  for (const name of ["index.lock", "HEAD.lock"]) host.remove(`${dir}/.git/${name}`);
}

/** The commit that a work tree shows, or undefined. */
export const commitOf = (host: Host, dir: string) =>
  host.stat(`${dir}/.git`) ? revision(host, dir, "HEAD") : undefined;

/** Makes all tracked files of a work tree those of a commit, and its submodules with them. */
export function checkOut(host: Host, dir: string, id: string, incoming?: string): void {
  git(host, dir, ["checkout", "--quiet", "--force", "--detach", id, "--"], incoming);
  git(host, dir, ["reset", "--quiet", "--hard", id, "--"], incoming);
  if (host.stat(`${dir}/.gitmodules`)?.type === "file") updateSubmodules(host, dir, incoming);
}

const listed = (output: string) => output.split("\0").filter((name) => name !== "");

/** Files of a work tree that git does not track, ignored ones too. */
export const untracked = (host: Host, dir: string) => listed(git(host, dir, ["ls-files", "--others", "-z"]).stdout);

/** Tracked files of a work tree that were changed since they were checked out (and are still there). */
export const changedFiles = (host: Host, dir: string) =>
  listed(git(host, dir, ["diff-files", "--name-only", "--diff-filter=MT", "-z"]).stdout);

/** What a commit has, beside the one before: files that it adds, has otherwise, and has no more. */
export interface Difference {
  added: string[];
  modified: string[];
  deleted: string[];
}

/** The difference of a commit to the one before, or to nothing. Throws for a name that leads out of the tree. */
export function differenceOf(host: Host, before: string | undefined, { app, id, incoming }: Commit): Difference {
  if (before === undefined) {
    const added = listed(git(host, app.repo, ["ls-tree", "-r", "--name-only", "-z", id], incoming).stdout);
    return { added: checkedNames(added), modified: [], deleted: [] };
  }
  const words = ["diff-tree", "-r", "--name-status", "--no-renames", "-z", before, id, "--"];
  const fields = listed(git(host, app.repo, words, incoming).stdout);
  const names = (status: RegExp) => checkedNames(fields.filter((_, i) => i % 2 === 1 && status.test(fields[i - 1]!)));
  return { added: names(/^A/), modified: names(/^[MT]/), deleted: names(/^D/) };
}

/** git makes no such names itself and checks none out, but takes them with a push. */
function checkedNames(names: string[]): string[] {
  const bad = names.find((name) => /^\/|(^|\/)(\.|\.\.|\.git)?(\/|$)/i.test(name));
  if (bad !== undefined) throw new PikuError(`'${printable(bad)}' cannot be the name of a file in a commit`);
  return names;
}

// The lists of names go from git to git: a name need not be UTF-8, and would not come back from us as it was. Not as
// pathspecs of `git checkout`, which compares each with every file: thousands of files take seconds.
const moveScript = `
set -e
git() { command git ${careful.join(" ")} "$@"; }
list() {
  if [ -n "$from" ]; then git diff-tree -r --name-only --no-renames -z "--diff-filter=$1" "$from" "$to" --
  elif [ "$1" != D ]; then git ls-tree -r --name-only -z "$to"; fi
}
# Not through a pipe, at whose beginning nobody would see a failure.
names=$(git rev-parse --absolute-git-dir)/piku-names
list D >"$names"
xargs -0 -r rm -f -- <"$names" 2>/dev/null || :
LC_ALL=C sed -z -n 's|/[^/]*$||p' "$names" | LC_ALL=C sort -zu | xargs -0 -r rmdir -p --ignore-fail-on-non-empty -- 2>/dev/null || :
list AMT >"$names"
git read-tree --reset "$to"
git checkout-index --force --index -z --stdin <"$names"
rm "$names"
git update-ref --no-deref HEAD "$to"
`;

/**
 * Changes those files of a work tree in which two commits differ, and leaves all others as the app left them: it may
 * have written into a tracked file, such as a database that somebody committed. `from` undefined: all files of the commit.
 */
export function moveTree(host: Host, dir: string, from: string | undefined, to: string, incoming?: string): void {
  const env = { ...gitEnv(host, incoming), from: from ?? "", to };
  const ran = host.capture(["sh", "-c", moveScript], { cwd: dir, env });
  if (ran.status !== 0)
    throw new PikuError(`the files could not be checked out: ${ran.stderr.trim().split("\n").at(-1)}`);
  if (host.stat(`${dir}/.gitmodules`)?.type === "file") updateSubmodules(host, dir, incoming);
}

/**
 * Makes these files those of a commit again, and the index with them, after a change that was not finished: the other
 * commit's objects may be gone.
 */
export function revertFiles(host: Host, dir: string, id: string, names: readonly string[]): void {
  const input = names.map((name) => `${name}\0`).join("");
  host.remove(`${dir}/.git/index`);
  git(host, dir, ["read-tree", id]);
  git(host, dir, ["update-ref", "--no-deref", "HEAD", id]);
  git(host, dir, ["checkout-index", "--force", "--index", "-z", "--stdin"], undefined, { input });
  host.capture(gitArgv(dir, "update-index", "-q", "--refresh"), { env: gitEnv(host) });
}

/** Gives a work tree the files of a commit that it lacks, and leaves those that are there as they are. */
export function fillTree(host: Host, dir: string, id: string): void {
  git(host, dir, ["read-tree", id]);
  git(host, dir, ["update-ref", "--no-deref", "HEAD", id]);
  // It has a status of its own for files that are there.
  host.capture(gitArgv(dir, "checkout-index", "--all", "--quiet"), { env: gitEnv(host) });
  host.capture(gitArgv(dir, "update-index", "-q", "--refresh"), { env: gitEnv(host) });
  if (host.stat(`${dir}/.gitmodules`)?.type !== "file") return;
  // Git clones into no folder that has something in it.
  const aside = `${dir}/.git/aside`;
  const entries = listed(git(host, dir, ["ls-files", "--stage", "-z"]).stdout);
  const modules = entries.flatMap((entry) => /^160000 \S+ \d\t([\s\S]+)$/.exec(entry)?.[1] ?? []);
  for (const name of modules.filter((name) => host.realPath(`${dir}/${name}`) === `${host.realPath(dir)}/${name}`)) {
    host.mkdir(`${aside}/${name}`.replace(/\/[^/]*$/, ""));
    host.rename(`${dir}/${name}`, `${aside}/${name}`);
  }
  updateSubmodules(host, dir);
  const ran = host.stat(aside) ? host.capture(["cp", "-Rlf", `${aside}/.`, dir]) : undefined;
  if (ran && ran.status !== 0) throw new PikuError(`files of a submodule could not be put back: ${ran.stderr.trim()}`);
  host.remove(aside);
}

const updateSubmodules = (host: Host, dir: string, incoming?: string) =>
  git(host, dir, ["submodule", "--quiet", "update", "--init", "--recursive", "--force"], incoming);

/**
 * Makes the objects of a push that is not accepted yet part of the repository, and holds a release's commit there: it
 * must not vanish when git, or the machine, ends before the branch is moved.
 */
export function keepCommit(host: Host, { app, id, incoming }: Commit, release: number): void {
  if (incoming) {
    const ran = host.capture(["cp", "-Rlf", `${incoming}/.`, `${app.repo}/objects/`]);
    if (ran.status !== 0) throw new PikuError(`the push could not be kept: ${ran.stderr.trim().split("\n").at(-1)}`);
  }
  holdCommit(host, app, release, id);
}

/** Refuses a branch that git cannot make beside those that are there: `main/x` beside `main`. */
export function refuseBranch(host: Host, app: App, branch: string): void {
  const names = git(host, app.repo, ["for-each-ref", "--format=%(refname)", branchPrefix])
    .stdout.split("\n")
    .map(branchName);
  const rival = names.find((name) => name !== "" && (name.startsWith(`${branch}/`) || branch.startsWith(`${name}/`)));
  if (rival)
    throw new PikuError(
      `branch '${branch}' cannot be beside branch '${rival}'`,
      `delete that one first: git push ${app.name} :${rival}`,
    );
}
