import type { Host } from "../host/host.ts";
import { PikuError, reasonOf } from "../text/errors.ts";
import { printable } from "../text/text.ts";
import { git, gitArgv, gitEnv, listed, maxOutputBytes } from "./git.ts";
import { guarded } from "./guard.ts";

/** A submodule as `.gitmodules` describes it. */
export interface Module {
  path: string;
  url: string;
}

/** Reads `.gitmodules` (gitmodules(5)). What is written in another way is left out. */
export const parseModules = (text: string): Module[] =>
  text
    .split(/^[ \t]*\[/m)
    .map((section) => ({ path: keyOf(section, "path"), url: keyOf(section, "url") }))
    .filter((module): module is Module => module.path !== undefined)
    .map(({ path, url = "" }) => ({ path, url }));

const keyOf = (section: string, key: string) =>
  new RegExp(`^[ \\t]*${key}[ \\t]*=[ \\t]*"?([^"\\r\\n]*?)"?[ \\t\\r]*$`, "im").exec(section)?.[1];

// Lines of git's that say nothing of the reason.
const noise =
  /^$|^Cloning into |^Submodule path |^Please make sure |^and the repository exists|^fatal: Could not read from remote|^warning: |^hint: |^remote: *$/;

/** What to do about a submodule that could not be fetched: by its address, and by git's reason. */
const submoduleRemedies: readonly [pattern: RegExp, remedy: string][] = [
  [
    /^\.{0,2}\/|^file:/,
    "the board fetches submodules itself: in .gitmodules, give it an https address that the board can reach",
  ],
  [
    /No url found/,
    "it has a .git of its own, which is not pushed: remove that, then git rm --cached and git add its folder",
  ],
  [
    /did not contain|not our ref|upload-pack: not/,
    "its commit is not there: push it from inside the submodule first",
  ],
  [
    /^(ssh:|[^/:\s]+@[^/:\s]+:)/,
    "the board fetches submodules itself, without your keys: in .gitmodules, give it an https address that the board can reach",
  ],
  [
    /could not read Username|Authentication failed|terminal prompts disabled/,
    "the board cannot log in there: put its files into the app itself, or make it public",
  ],
];
const usualRemedy = "in .gitmodules, look at its address: the board fetches submodules itself";

// A token in an address is nobody's to read.
const withoutSecret = (text: string) => text.replace(/(:\/\/)[^@/\s']*@/g, "$1");

/**
 * The error for submodules that could not be fetched: which, from where, and git's own reason.
 * `said`: what git wrote; `modules`: the text of `.gitmodules`; `dir`: the work tree.
 */
export function moduleError(said: string, modules: string, dir: string): PikuError {
  const lines = said.split("\n").map((line) => line.trim());
  const [, from, where] = /clone of '(.*)' into submodule path '(.*)' failed/.exec(said) ?? [];
  const folder = where ?? /submodule path '(.*?)'/.exec(said)?.[1] ?? "";
  const path = folder.startsWith(`${dir}/`) ? folder.slice(dir.length + 1) : folder;
  const url = parseModules(modules).find((module) => module.path === path)?.url || from || "";
  const reason = (lines.find((line) => !noise.test(line)) ?? "")
    .replace(/^(fatal|error): /, "")
    .replace(/\p{Cc}/gu, "?");
  const [, remedy] =
    submoduleRemedies.find(([pattern]) => pattern.test(url) || pattern.test(said)) ?? [];
  return new PikuError(
    withoutSecret(
      `submodule '${printable(path)}' could not be fetched${url && ` from ${printable(url)}`}: ${reason.slice(0, 300)}`,
    ),
    remedy ?? usualRemedy,
  );
}

/** The paths of the submodules that the index of a work tree has. */
export const modulesIn = (host: Host, dir: string): string[] =>
  host.stat(`${dir}/.gitmodules`)?.type === "file"
    ? listed(git(host, dir, ["ls-files", "--stage", "-z"]).stdout).flatMap(
        (entry) => /^160000 \S+ \d\t([\s\S]+)$/.exec(entry)?.[1] ?? [],
      )
    : [];

const deepest = 4;

/**
 * Tracked files of submodules that hold something else than what was checked out, with their paths
 * in the work tree; of submodules in submodules too.
 */
export const changedInModules = (
  host: Host,
  dir: string,
  modules: readonly string[],
  depth = deepest,
): string[] =>
  modules
    .filter((module) => host.stat(`${dir}/${module}/.git`))
    .flatMap((module) => {
      const inner = `${dir}/${module}`;
      const words = ["--name-only", "--no-ext-diff", "--ignore-submodules=all"];
      // What it is to run its own files tell, which are the app's.
      const argv = guarded(host, inner, gitArgv(inner, "diff", ...words, "--diff-filter=MT", "-z"));
      const names = listed(host.capture(argv, { env: gitEnv(host), most: maxOutputBytes }).stdout);
      const deeper =
        depth > 0 ? changedInModules(host, inner, modulesIn(host, inner), depth - 1) : [];
      return [...names, ...deeper].map((name) => `${module}/${name}`);
    });

/**
 * Fetches the submodules of a work tree and checks them out, those but that are left as they are.
 * Throws when one cannot be had.
 */
export function updateSubmodules(
  host: Host,
  dir: string,
  incoming?: string,
  isLeft: (module: string) => boolean = () => false,
): void {
  const all = modulesIn(host, dir);
  const wanted = all.filter((module) => !isLeft(module));
  if (wanted.length === 0) return;
  // An address that was mended since git has written it down.
  host.capture(guarded(host, dir, gitArgv(dir, "submodule", "--quiet", "sync", "--recursive")), {
    env: gitEnv(host, incoming),
  });
  const words = ["submodule", "--quiet", "update", "--init", "--recursive", "--force"];
  const paths = wanted.length < all.length ? ["--", ...wanted] : [];
  const ran = host.capture(guarded(host, dir, gitArgv(dir, ...words, ...paths)), {
    env: { ...gitEnv(host, incoming), GIT_LITERAL_PATHSPECS: "1" },
    most: maxOutputBytes,
  });
  if (ran.status === 0) return;
  throw moduleError(ran.stderr || reasonOf(ran), host.read(`${dir}/.gitmodules`) ?? "", dir);
}
