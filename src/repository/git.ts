import type { Exec, Host, Ran } from "../host/host.ts";
import { must } from "../text/errors.ts";
import { guarded } from "./guard.ts";

/**
 * Options that make git safe on a repository filled by others: no hooks, no program that tells what
 * has changed, no local files as submodules.
 */
export const careful = [
  "-c",
  "core.hooksPath=/dev/null",
  "-c",
  "core.fsmonitor=false",
  "-c",
  "protocol.file.allow=never",
  "-c",
  "gc.auto=0",
  "-c",
  "advice.detachedHead=false",
];

/** A git command line on one repository. */
export const gitArgv = (dir: string, ...words: string[]) => [
  "git",
  ...careful,
  "-C",
  dir,
  ...words,
];

/**
 * A git command line on a repository or a work tree. In the live one of an isolated app git works
 * behind its wall; nobody else is in the build tree meanwhile.
 */
export const treeArgv = (host: Host, dir: string, ...words: string[]) =>
  /\/apps\/[^/]+$/.test(dir) ? guarded(host, dir, gitArgv(dir, ...words)) : gitArgv(dir, ...words);

/**
 * The environment for git. `incoming`: the quarantine folder with the objects of a push that is not
 * accepted yet.
 */
export function gitEnv(host: Host, incoming?: string): Record<string, string> {
  const env: Record<string, string> = {
    ...host.env(),
    // Otherwise `refs/replace/` could show piku another commit than the one that is deployed.
    GIT_NO_REPLACE_OBJECTS: "1",
    GIT_TERMINAL_PROMPT: "0",
    GIT_ALLOW_PROTOCOL: "https:http:ssh:git",
  };
  if (incoming) env.GIT_ALTERNATE_OBJECT_DIRECTORIES = incoming;
  return env;
}

// Enough for the names of the largest commit and its build output.
export const maxOutputBytes = 64 * 1024 * 1024;

/** Runs git and returns what it printed; throws with git's own message when it fails. */
export function git(
  host: Host,
  dir: string,
  words: string[],
  incoming?: string,
  how: Exec & { input?: string; most?: number } = {},
): Ran {
  const all = { env: gitEnv(host, incoming), most: maxOutputBytes, ...how };
  return must(host, treeArgv(host, dir, ...words), `git ${words[0]} failed`, all);
}

/**
 * What git says of objects and what they hold, one call for all (git-cat-file(1): --batch). An
 * object can hold anything that git could print between two of them, so after each one git is asked
 * for a random name, and its answer "missing" is the separator. Undefined where it did not tell all.
 */
export function readObjects(
  host: Host,
  repo: string,
  ids: readonly string[],
  incoming: string | undefined,
  most: number,
): string[] | undefined {
  const mark =
    host.read("/proc/sys/kernel/random/uuid")?.trim() ?? `piku-${host.pid}-${host.now()}`;
  const input = ids.map((id) => `${id}\n${mark}\n`).join("");
  const { stdout } = git(host, repo, ["cat-file", "--batch"], incoming, { input, most });
  const answers = stdout.split(`\n${mark} missing\n`).slice(0, -1);
  return answers.length === ids.length ? answers : undefined;
}

export const listed = (output: string) => output.split("\0").filter((name) => name !== "");
