import type { Host } from "../host/host.ts";
import { PikuError, usageError } from "../text/errors.ts";
import { nearest, printable } from "../text/text.ts";
import { type Paths, pathsOf } from "./paths.ts";

/** An app's name and where its parts lie. */
export interface App {
  name: string;
  paths: Paths;
  /** The work tree that runs, updated in place. */
  tree: string;
  /** The bare repository that is pushed to. */
  repo: string;
  /** Settings, and the dependencies' environments. */
  envs: string;
  data: string;
  cache: string;
  logs: string;
  /** Release records, transcripts and the build tree. */
  releases: string;
  /** The nginx site. */
  site: string;
}

/** The paths of one app; its name has been checked by `parseAppName`. */
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

const longestName = 60;
const nameHint = `a name is letters, digits, '.', '_' and '-', begins with a letter or a digit, and has at most ${longestName} characters`;

/** Whether an app can be called so. */
export const isAppName = (name: string) =>
  /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name) &&
  name.length <= longestName &&
  !name.includes("..") &&
  !/\.(lock|git)$|\.$/.test(name);

/**
 * The name of an app as git and people write it: one leading `/` (a path in a URL) and one trailing
 * `.git` are taken off. Refuses rather than mends: the original made `ab` of `a/b`. Throws a usage
 * error.
 */
export function parseAppName(typed: string): string {
  const name = typed.replace(/^\//, "").replace(/\.git$/, "");
  if (!isAppName(name)) throw usageError(`'${printable(typed)}' cannot be an app's name`, nameHint);
  return name;
}

/** The app of this name, which must be there. Throws when it is not. */
export function findApp(host: Host, typed: string): App {
  const paths = pathsOf(host);
  // Apps that the original made under a name that is refused today can still be looked after.
  const known = host.list(paths.apps).includes(typed) && !/[\n\r/]|^-/.test(typed);
  const app = appOf(paths, known ? typed : parseAppName(typed));
  if (host.stat(app.tree)?.type !== "directory") {
    const near = nearest(app.name, listApps(host, paths));
    throw new PikuError(
      `app '${app.name}' not found.`,
      near ? `did you mean '${near}'?` : "`apps` lists what is deployed",
    );
  }
  return app;
}

/** The app of this name, also before its first push: it may have settings already. */
export function namedApp(host: Host, typed: string): App {
  const paths = pathsOf(host);
  return host.list(paths.apps).includes(typed)
    ? findApp(host, typed)
    : appOf(paths, parseAppName(typed));
}

/**
 * The app of this name of which anything is left, also after a first push that failed. Throws when
 * there is nothing.
 */
export function remainsOf(host: Host, typed: string): App {
  const app = namedApp(host, typed);
  const parts = [app.repo, app.envs, app.releases];
  return parts.some((path) => host.stat(path)) ? app : findApp(host, typed);
}

/**
 * Names of the apps on this machine, sorted. `known`: names of which it is known already, which
 * saves a look at each.
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
 * The text of a file of any app's, for a look at all of them: nothing where it is not there or
 * cannot be read. What one app has done to its own must not keep the others from theirs.
 */
export function readOfAny(host: Host, path: string): string {
  try {
    return host.read(path) ?? "";
  } catch {
    return "";
  }
}

/**
 * Refuses a new name that another app has in other letters: nginx compares upstream names without
 * case.
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
