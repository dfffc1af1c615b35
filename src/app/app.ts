import type { Host } from "../host/host.ts";
import { PikuError, usageError } from "../text/errors.ts";
import { nearest, printable } from "../text/text.ts";
import { type Paths, pathsOf } from "./paths.ts";

/** An app's name and its paths. */
export interface App {
  name: string;
  paths: Paths;
  /** The live work tree, updated in place. */
  tree: string;
  /** The bare repository that is pushed to. */
  repo: string;
  /** Its settings and dependencies. */
  envs: string;
  data: string;
  cache: string;
  logs: string;
  /** Release records, transcripts and the build tree. */
  releases: string;
  /** The nginx site. */
  site: string;
}

/** The paths of an app, whose name has been checked by `parseAppName`. */
export function appOf(paths: Paths, name: string): App {
  const below = (folder: string) => `${folder}/${name}`;
  return {
    name,
    paths,
    tree: below(paths.apps),
    repo: below(paths.repos),
    envs: below(paths.envs),
    data: below(paths.data),
    cache: below(paths.cache),
    logs: below(paths.logs),
    releases: below(paths.releases),
    site: `${paths.nginx}/${name}.conf`,
  };
}

const maxNameLength = 60;
const nameHint = `a name is letters, digits, '.', '_' and '-', begins with a letter or a digit, and has at most ${maxNameLength} characters`;

/** Whether this is a valid name for an app. */
export const isAppName = (name: string) =>
  /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name) &&
  name.length <= maxNameLength &&
  !name.includes("..") &&
  !/\.(lock|git)$|\.$/.test(name);

/**
 * Parses the name of an app as git and people write it: a leading `/` (of a URL) and a trailing
 * `.git` are removed. Invalid names are refused, not repaired: the original turned `a/b` into `ab`.
 * Throws a usage error.
 */
export function parseAppName(typed: string): string {
  const name = typed.replace(/^\//, "").replace(/\.git$/, "");
  if (!isAppName(name)) throw usageError(`'${printable(typed)}' cannot be an app's name`, nameHint);
  return name;
}

/** Finds an app. Throws if it does not exist. */
export function findApp(host: Host, typed: string): App {
  const paths = pathsOf(host);
  // Apps that the original created under a name that is invalid today can still be managed.
  const known = host.list(paths.apps).includes(typed) && !/[\n\r/]|^-/.test(typed);
  const app = appOf(paths, known ? typed : parseAppName(typed));
  if (host.stat(app.tree)?.type !== "directory") {
    // The transcripts of its deploys (releases.ts).
    const tried = host
      .list(app.releases)
      .flatMap((name) => /^(\d+)\.log$/.exec(name)?.[1] ?? [])
      .map(Number);
    if (tried.length > 0)
      throw new PikuError(
        `app '${app.name}' has never been live.`,
        `its last push: releases:output ${app.name} ${Math.max(...tried)}`,
      );
    const near = nearest(app.name, listApps(host, paths));
    throw new PikuError(
      `app '${app.name}' not found.`,
      near ? `did you mean '${near}'?` : "`apps` lists what is deployed",
    );
  }
  return app;
}

/** An app by its name, also before its first push: it may have settings already. */
export function namedApp(host: Host, typed: string): App {
  const paths = pathsOf(host);
  return host.list(paths.apps).includes(typed)
    ? findApp(host, typed)
    : appOf(paths, parseAppName(typed));
}

/** Whether anything of this name is on the board: an app, or what waits for its first push. */
export function isKnown(host: Host, name: string): boolean {
  if (!isAppName(name)) return false;
  const { tree, repo, envs } = appOf(pathsOf(host), name);
  return [tree, repo, envs].some((path) => host.stat(path));
}

/**
 * Finds an app of which anything is left, for example after a failed first push. Throws if there is
 * nothing.
 */
export function remainsOf(host: Host, typed: string): App {
  const app = namedApp(host, typed);
  const parts = [app.repo, app.envs, app.releases];
  return parts.some((path) => host.stat(path)) ? app : findApp(host, typed);
}

/**
 * The names of all apps, sorted. `known`: names that are known to be apps, which saves a check of
 * each.
 */
export const listApps = (host: Host, paths: Paths, known?: ReadonlySet<string>) =>
  host
    .list(paths.apps)
    .filter(
      (name) =>
        !name.startsWith(".") &&
        (known?.has(name) || host.stat(`${paths.apps}/${name}`)?.type === "directory"),
    );

/**
 * Reads a file of any app when all apps are examined: empty if it does not exist or cannot be read.
 * One app's damage must not affect the others.
 */
export function readOfAny(host: Host, path: string): string {
  try {
    return host.read(path) ?? "";
  } catch {
    return "";
  }
}

/**
 * Refuses a new name that differs from another app's only in case: nginx compares upstream names
 * case-insensitively.
 */
export function refuseTwin(host: Host, app: App): void {
  const twin = listApps(host, app.paths).find(
    (other) => other !== app.name && other.toLowerCase() === app.name.toLowerCase(),
  );
  if (twin)
    throw new PikuError(
      `app '${app.name}' differs from app '${twin}' only by case`,
      "choose another name",
    );
}
