import type { App } from "../app/app.ts";
import type { Host } from "../host/host.ts";
import { commandLines } from "../host/processes.ts";
import { must, PikuError } from "../text/errors.ts";
import { printable, shellQuote } from "../text/text.ts";
import { type Commit, isCommit, revision } from "./commit.ts";
import { git, gitEnv } from "./git.ts";

/** A reference as a push names it: ids before and after, and its full name. */
export interface Update {
  before: string;
  after: string;
  reference: string;
}

/** Parses the input of a pre-receive hook: a line `before after reference` each (githooks(5)). */
export const parseUpdates = (input: string): Update[] =>
  input
    .split("\n")
    .map((line) => line.split(" "))
    .filter((words) => words.length === 3 && isCommit(words[0]!) && isCommit(words[1]!))
    .map(([before, after, reference]) => ({
      before: before!,
      after: after!,
      reference: reference!,
    }));

/** The largest list of references in a push, in bytes: some 10,000 of them. */
export const maxUpdatesBytes = 2 * 1024 * 1024;

/** What git tells its hook in the environment (git-receive-pack(1), githooks(5)). */
export interface Push {
  /** Where it keeps the objects until it accepts them. */
  incoming?: string;
  /** What `git push -o` was given. */
  options: readonly string[];
}

const maxOptions = 1000;

export const pushOf = (env: Readonly<Record<string, string>>): Push => ({
  incoming: env.GIT_QUARANTINE_PATH,
  options: Array.from(
    { length: Math.min(maxOptions, Number(env.GIT_PUSH_OPTION_COUNT) || 0) },
    (_, i) => env[`GIT_PUSH_OPTION_${i}`] ?? "",
  ),
});

/** Whether a push deletes this reference. */
export const isDeletion = ({ after }: Update) => /^0+$/.test(after);

const branchPrefix = "refs/heads/";

// Names that git interprets differently where a revision is expected: its own files, ids, and
// prefixes of full names.
const misleading = /^(@|([A-Z]+_)*HEAD|[0-9a-f]{40}|[0-9a-f]{64}|(refs|heads|tags|remotes)\/.*)$/s;

/**
 * Refuses references other than branches and tags, and ambiguous names: with a `refs/replace/` git
 * would show piku another commit than the one that is deployed. Existing ones may be deleted.
 */
export function refuseReferences(updates: readonly Update[]): void {
  for (const { reference } of updates.filter((update) => !isDeletion(update))) {
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

/**
 * Which branch of a push is deployed: `wanted` (PIKU_BRANCH) and no other; unless given main,
 * master, else the first; and the others, which are not.
 */
export function branchToDeploy(
  updates: readonly Update[],
  wanted?: string,
): { update?: Update; others: string[] } {
  const branches = updates.filter(
    (update) => update.reference.startsWith(branchPrefix) && !isDeletion(update),
  );
  const named = (name: string) =>
    branches.find(({ reference }) => reference === branchPrefix + name);
  const update = wanted ? named(wanted) : (named("main") ?? named("master") ?? branches[0]);
  return {
    update,
    others: branches
      .filter((other) => other !== update)
      .map(({ reference }) => branchName(reference)),
  };
}

/** `refs/heads/main` without its prefix. */
export const branchName = (reference: string) => reference.replace(branchPrefix, "");

/**
 * The pre-receive hook. It runs this executable without variables that would change its engine, and
 * accepts the push if the executable is gone.
 */
export const hookText = (host: Host, app: App) => `#!/bin/sh
# Written by piku at every push; changes are lost.
[ -x ${shellQuote(host.self)} ] || exit 0
unset BUN_OPTIONS BUN_BE_BUN SSH_ORIGINAL_COMMAND
export PIKU_ROOT=${shellQuote(app.paths.root)}
exec ${shellQuote(host.self)} git-hook ${app.name}
`;

/**
 * Creates the bare repository if necessary and installs the hook; removes the original's
 * post-receive, which would deploy a second time.
 */
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

// Otherwise packing takes a whole core and much memory, and a small board has little of either.
const modest = ["-c", "pack.threads=1", "-c", "pack.windowMemory=32m"];

/**
 * Removes git's own lock files, left by a power cut. The caller holds the push lock, so nobody else
 * moves a branch.
 */
export function dropStaleLocks(host: Host, { repo }: App): void {
  for (const path of [`${repo}/HEAD.lock`, `${repo}/packed-refs.lock`]) host.remove(path);
  const clear = (folder: string) => {
    for (const name of host.list(folder)) {
      const path = `${folder}/${name}`;
      if (host.stat(path)?.type === "directory") clear(path);
      else if (name.endsWith(".lock")) host.remove(path);
    }
  };
  clear(`${repo}/refs`);
}

const idleTimeout = 60_000;

/**
 * What to do while waiting for the push lock: ends a push whose client has sent nothing for 60
 * seconds, unless it is being deployed (`isDeploying`). The returned function is called once a
 * second.
 */
export function idlePushes(host: Host, app: App, isDeploying: () => boolean): () => void {
  let moved = host.ticks();
  let read = "";
  return () => {
    const pushes = commandLines(
      host,
      (title) => title.startsWith("git ") && title.endsWith(` receive-pack ${app.repo}`),
    );
    const readers = commandLines(host, (title) => /index-pack|unpack-objects/.test(title)).filter(
      ({ parent }) => pushes.some(({ pid }) => pid === parent),
    );
    const now = [...pushes, ...readers]
      .map(({ pid }) => `${pid} ${/rchar: \d+/.exec(host.read(`/proc/${pid}/io`) ?? "")}`)
      .join();
    if (now !== read || isDeploying()) moved = host.ticks();
    read = now;
    if (host.ticks() - moved > idleTimeout) for (const { pid } of pushes) host.signal(pid, "TERM");
  };
}

// What git would refuse after its hook, when the release is live, and what does not matter to a
// repository that is only pushed to. Later values win over those of the user and the repository.
const rules = [
  "receive.denyCurrentBranch=ignore",
  "receive.denyDeleteCurrent=ignore",
  "receive.shallowUpdate=false",
  "receive.advertisePushOptions=true",
  // The daily job does it: nobody waits for that.
  "receive.autogc=false",
  "transfer.hideRefs=!refs/heads",
  "transfer.hideRefs=!refs/tags",
  "transfer.hideRefs=refs/piku",
].flatMap((rule) => ["-c", rule]);

/**
 * Runs git's side of a push or a fetch on our stdin and stdout. Returns its exit status. `most`:
 * the largest push in bytes, 0 for any.
 */
export const serve = (
  host: Host,
  app: App,
  service: "receive-pack" | "upload-pack",
  most: number,
) =>
  host.run(
    [
      "git",
      "-c",
      "core.fsync=committed,reference",
      ...rules,
      "-c",
      `receive.maxInputSize=${most}`,
      // receive.fsckObjects is off: it refuses objects written by old versions of git, and with
      // them the whole history of an old repository. What could do harm here (names that lead out
      // of a tree) is refused at checkout. core.hooksPath in the user's own configuration would
      // accept pushes without deploying them.
      "-c",
      `core.hooksPath=${app.repo}/hooks`,
      ...modest,
      service,
      app.repo,
    ],
    { env: { ...host.env(), GIT_NO_REPLACE_OBJECTS: "1" } },
  );

/** The commit of a branch; git is asked for it only when it has packed it (git-pack-refs(1)). */
export const branchTip = (host: Host, { repo }: App, branch: string): string | undefined => {
  const file = `${repo}/${branchPrefix}${branch}`;
  const loose = host.stat(file)?.type === "file" ? (host.read(file)?.trim() ?? "") : "";
  return isCommit(loose) ? loose : revision(host, repo, branchPrefix + branch);
};

/** Has git pack what has come together in a repository, if it thinks that is worth it (git-gc(1)). */
export const tidyRepository = (host: Host, { repo }: App): void => {
  const words = ["-c", "gc.autoDetach=false", ...modest, "gc", "--auto", "--quiet"];
  must(host, ["git", "-C", repo, ...words], "git gc failed", { env: gitEnv(host) });
};

/** Makes a fresh clone check out the branch pushed last, whatever its name. */
export function pointHead(host: Host, app: App, branch: string): void {
  const named = /^ref: refs\/heads\/(.+)\n$/.exec(host.read(`${app.repo}/HEAD`) ?? "")?.[1];
  if (!(named ? branchTip(host, app, named) : revision(host, app.repo, "HEAD")))
    git(host, app.repo, ["symbolic-ref", "HEAD", branchPrefix + branch]);
}

/** Protects the commit of a release from git's garbage collection, or stops protecting it. */
export function holdCommit(
  host: Host,
  app: App,
  release: number,
  commit: string | undefined,
): void {
  git(
    host,
    app.repo,
    commit
      ? ["update-ref", `refs/piku/${release}`, commit]
      : ["update-ref", "-d", `refs/piku/${release}`],
  );
}

/**
 * Copies the objects of a push that is not accepted yet into the repository and protects the
 * release's commit: it must not vanish if git or the board is stopped before the branch has moved.
 */
export function keepCommit(host: Host, { app, id, incoming }: Commit, release: number): void {
  if (incoming) {
    const argv = ["cp", "-Rlf", `${incoming}/.`, `${app.repo}/objects/`];
    must(host, argv, "the push could not be kept");
  }
  holdCommit(host, app, release, id);
}

/** The names of an app's branches; `most`: only so many, those committed to last first. */
export const branchesOf = (host: Host, app: App, most?: number): string[] =>
  git(host, app.repo, [
    ...["for-each-ref", "--format=%(refname)"],
    ...(most === undefined ? [] : ["--sort=-committerdate", `--count=${most}`]),
    branchPrefix,
  ])
    .stdout.split("\n")
    .filter((line) => line !== "")
    .map(branchName);

/** Refuses a branch that git cannot create beside the existing ones: `main/x` beside `main`. */
export function refuseBranch(host: Host, app: App, branch: string): void {
  if (host.stat(`${app.repo}/${branchPrefix}${branch}`)?.type === "file") return;
  const rival = branchesOf(host, app).find(
    (name) => name.startsWith(`${branch}/`) || branch.startsWith(`${name}/`),
  );
  if (rival)
    throw new PikuError(
      `branch '${branch}' cannot be beside branch '${rival}'`,
      `delete that one first: git push ${app.name} :${rival}`,
    );
}
