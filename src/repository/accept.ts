import type { App } from "../app/app.ts";
import type { Host, Ran } from "../host/host.ts";
import { isExecutable } from "../host/tools.ts";
import { failedRun, PikuError, reasonOf } from "../text/errors.ts";
import { printable, shellQuote } from "../text/text.ts";
import { git, gitArgv, gitEnv } from "./git.ts";
import largestScript from "./largest.sh" with { type: "text" };
import { branchName, isDeletion, type Update } from "./push.ts";

/**
 * Refuses a push that git would refuse once its hook has ended, when its release would be live
 * already: git goes through most of its reasons only then (git-receive-pack(1)). Changes nothing.
 */
export function refuseUnacceptable(
  host: Host,
  app: App,
  updates: readonly Update[],
  incoming: string | undefined,
): void {
  const comes = updates.filter((update) => !isDeletion(update));
  refuseIncomplete(host, app, comes, incoming);
  refuseByRules(host, app, updates, incoming);
  refuseByHook(host, app, updates, incoming);
  rehearse(host, app, updates, incoming);
}

/**
 * Refuses commits whose parents neither the push nor the repository has. git has looked for holes
 * itself by now, and leaves those of a shallow clone, which it notes in such a file meanwhile
 * (setup_temporary_shallow in git's shallow.c).
 */
function refuseIncomplete(
  host: Host,
  app: App,
  updates: readonly Update[],
  incoming: string | undefined,
): void {
  if (!host.list(app.repo).some((name) => name.startsWith("shallow"))) return;
  const ids = updates.map(({ after }) => after);
  const argv = gitArgv(app.repo, "rev-list", "--quiet", "--stdin", "--not", "--all");
  const input = ids.map((id) => `${id}\n`).join("");
  const ran = host.capture(argv, { env: gitEnv(host, incoming), input });
  if (ran.status === 0) return;
  if (!hasHole(ran)) throw failedRun("git rev-list failed", ran);
  throw new PikuError(
    "this push lacks earlier commits: it comes from a shallow clone, which has only the last ones",
    "in GitHub Actions, give actions/checkout `fetch-depth: 0`; elsewhere: git fetch --unshallow",
  );
}

const hasHole = ({ status, stderr }: Ran) =>
  status === 128 && /traverse parents|Could not read [0-9a-f]{40}|bad object/.test(stderr);

/** Whether branches or releases of a repository have parents that it does not have. */
export const missesCommits = (host: Host, app: App): boolean =>
  hasHole(host.capture(gitArgv(app.repo, "rev-list", "--quiet", "--all"), { env: gitEnv(host) }));

/** Refuses what somebody forbade in git's configuration: of the repository, the user, the system. */
function refuseByRules(
  host: Host,
  app: App,
  updates: readonly Update[],
  incoming: string | undefined,
): void {
  if (!mayForbid(host, app)) return;
  const env = gitEnv(host, incoming);
  const words = [
    "config",
    "--type=bool",
    "--get-regexp",
    "^receive\\.deny(deletes|nonfastforwards)$",
  ];
  const rules = host.capture(gitArgv(app.repo, ...words), { env }).stdout.split("\n");
  const isOn = (rule: string) =>
    rules
      .filter((line) => line.startsWith(rule))
      .at(-1)
      ?.endsWith(" true");
  const deleted = updates.find(isDeletion);
  if (deleted && isOn("receive.denydeletes "))
    throw new PikuError(
      `'${printable(branchName(deleted.reference))}' cannot be deleted on this board (receive.denyDeletes)`,
      "push the others alone",
    );
  if (!isOn("receive.denynonfastforwards ")) return;
  const rewound = updates.find(
    ({ before, after, reference }) =>
      reference.startsWith("refs/heads/") &&
      ![before, after].some(isNothing) &&
      host.capture(gitArgv(app.repo, "merge-base", "--is-ancestor", before, after), { env })
        .status !== 0,
  );
  if (rewound)
    throw new PikuError(
      `the push would drop commits of branch '${printable(branchName(rewound.reference))}', which this board does not allow (receive.denyNonFastForwards)`,
      "take them in first: git pull",
    );
}

/** Whether a file of git's configuration could have such a rule, by itself or by another file. */
const mayForbid = (host: Host, { repo, paths: { home } }: App): boolean =>
  [`${repo}/config`, `${home}/.gitconfig`, `${home}/.config/git/config`, "/etc/gitconfig"].some(
    (file) => /deny|include/i.test(host.read(file) ?? ""),
  );

const isNothing = (id: string) => /^0+$/.test(id);

/** Asks an `update` hook that somebody put into the repository; git asks it again. */
function refuseByHook(
  host: Host,
  app: App,
  updates: readonly Update[],
  incoming: string | undefined,
): void {
  const hook = `${app.repo}/hooks/update`;
  if (!isExecutable(host, hook)) return;
  const env = { ...gitEnv(host, incoming), GIT_DIR: "." };
  for (const { reference, before, after } of updates)
    if (host.run([hook, reference, before, after], { cwd: app.repo, env }) !== 0)
      throw new PikuError(
        `the repository's own hook does not allow '${printable(branchName(reference))}'`,
        "what it said stands above",
      );
}

/** What to do about a reason of git's. */
const gitRemedies: [RegExp, string][] = [
  [/exists; cannot create|at the same time/, "give the branch another name"],
  [/but expected|already exists/, "somebody else has moved it; try again"],
  [/aborted by|reference-transaction/, "ask who put that hook into the repository on the server"],
];

const maxReasonLines = 20;

/**
 * Has git prepare the change of all references, up to its locks and hook, and drops it again:
 * another branch in the way, a lock or rights of the directory, a full disk.
 */
function rehearse(
  host: Host,
  app: App,
  updates: readonly Update[],
  incoming: string | undefined,
): void {
  const changes = updates.flatMap(({ reference, before, after }) => {
    if (!isNothing(after)) return [`update ${reference} ${after} ${before}`];
    return isNothing(before) ? [] : [`delete ${reference} ${before}`];
  });
  const ran = host.capture(
    [
      ...gitArgv(app.repo, "-c", `core.hooksPath=${app.repo}/hooks`),
      ...["-c", "core.logAllRefUpdates=false", "update-ref", "--stdin"],
    ],
    {
      env: gitEnv(host, incoming),
      input: ["start", ...changes, "prepare", "abort", ""].join("\n"),
    },
  );
  // git before 2.27 cannot prepare a change; what it refuses is undone afterwards.
  if (ran.status === 0 || /unknown command/.test(ran.stderr)) return;
  // What a hook of the repository's own has said of it.
  for (const line of ran.stderr.trim().split("\n").slice(-maxReasonLines, -1))
    host.sayError(printable(line));
  const reason = reasonOf(ran).replace(/^(fatal: )?(prepare: )?/, "");
  throw new PikuError(
    `git cannot take this push: ${printable(reason).replaceAll("refs/heads/", "")}`,
    gitRemedies.find(([pattern]) => pattern.test(reason))?.[1] ??
      `on the server, look at ${app.repo}/refs, its owner and its disk`,
  );
}

const factors: Record<string, number> = { k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** The bytes of a size as git-config(1) writes it. */
export const parseSize = (size: string): number =>
  Number.parseInt(size, 10) * (factors[size.slice(-1).toLowerCase()] ?? 1);

const megabytes = (bytes: number) => `${Math.max(1, Math.round(bytes / factors.m!))} MB`;

/**
 * How many bytes git takes before it gives up: up to twice the limit, as far as there is room, so
 * that the hook can name the file that is too large. 0: any number.
 */
export const mostReceived = (limit: number, free: number): number =>
  limit === 0 ? 0 : Math.max(limit, Math.floor(Math.min(2 * limit, limit + free / 4)));

const sizeBelow = (host: Host, path: string): number => {
  const entry = host.stat(path);
  return entry?.type === "directory"
    ? host.list(path).reduce((sum, name) => sum + sizeBelow(host, `${path}/${name}`), 0)
    : (entry?.size ?? 0);
};

/** Refuses a push of more than `limit` bytes (0: any number), and names its largest file. */
export function refuseLarge(
  host: Host,
  app: App,
  { before, after }: Update,
  incoming: string | undefined,
  limit: number,
): void {
  if (!incoming || limit === 0) return;
  const size = sizeBelow(host, incoming);
  if (size <= limit) return;
  const env = { ...gitEnv(host, incoming), LC_ALL: "C", repo: app.repo, after };
  const found = host.capture(["sh", "-c", largestScript], { env }).stdout;
  const [, bytes = size, name = "the push"] = /^(\d+) \S+ (.+)\n/.exec(found) ?? [];
  const added = git(host, app.repo, ["rev-list", "--count", after, "--not", "--all"], incoming);
  const drop = `git rm --cached ${shellQuote(name)}`;
  throw new PikuError(
    `${printable(name)} is ${megabytes(Number(bytes))}, with all else ${megabytes(size)}; this board takes ${megabytes(limit)} a push (PIKU_MAX_PUSH)`,
    added.stdout.trim() === "1"
      ? `write its name into .gitignore, then: ${drop} && git commit --amend`
      : `take it out of the commits: git filter-branch --index-filter ${shellQuote(`git rm --cached --ignore-unmatch ${shellQuote(name)}`)} ${isNothing(before) ? "HEAD" : `${before.slice(0, 12)}..HEAD`}`,
  );
}
