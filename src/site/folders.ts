import { type App, appOf } from "../app/app.ts";
import type { Host } from "../host/host.ts";
import { PikuError } from "../text/errors.ts";
import { printable } from "../text/text.ts";
import { cacheFoldersIn } from "./directives.ts";

/**
 * Whether a path is this folder or below it. Both are absolute, without `.`, `..` and a trailing
 * `/`.
 */
export const isBelow = (path: string, folder: string) =>
  `${path}/`.startsWith(`${folder}/`.replace(/^\/+$/, "/"));

/** What below `envs/<app>` are dependencies and not settings (runtimes/dependencies.ts). */
const dependencies = /^(\.[0-9a-f]{16}|bin|lib|include|node_modules)(\/|$)/;

/**
 * Whether nginx may serve a folder for an app: one of its tree, its dependencies or its data, or
 * one that the board allows (PIKU_FOLDERS). An entry that contains all of piku allows nothing, and
 * piku's own files are never served: only another app's tree or data, if an entry names it.
 */
export function mayServe(app: App, folder: string, allowed: readonly string[]): boolean {
  const { root, apps } = app.paths;
  if ([app.tree, app.data].some((own) => isBelow(folder, own))) return true;
  if (isBelow(folder, app.envs)) return dependencies.test(folder.slice(app.envs.length + 1));
  if (holdsOurs(app, folder)) return false;
  const isOurs = isBelow(folder, root);
  return allowed.some(
    (entry) =>
      isBelow(folder, entry) &&
      !isBelow(root, entry) &&
      (!isOurs || (entry !== apps && isBelow(entry, root))),
  );
}

/**
 * Whether a folder contains, or is, one of piku's own: everything below its root but apps' trees
 * and data.
 */
export function holdsOurs({ paths: { root, apps, data } }: App, folder: string): boolean {
  const isShown = [apps, data].some((shown) => folder !== shown && isBelow(folder, shown));
  return isBelow(root, folder) || (isBelow(folder, root) && !isShown);
}

/**
 * Whether nginx may cache an app's responses in a folder: one below its own cache, or one that the
 * board allows and that is not piku's.
 */
export function mayCache(app: App, folder: string, allowed: readonly string[]): boolean {
  const { root } = app.paths;
  if (isBelow(folder, app.cache)) return true;
  if (isBelow(folder, root) || isBelow(root, folder)) return false;
  return allowed.some((entry) => isBelow(folder, entry) && !isBelow(root, entry));
}

/** How to allow a folder. */
const allowing = (folder: string, allowed: readonly string[]) =>
  `the board's administrator allows it with: config:set --global PIKU_FOLDERS=${[...allowed, printable(folder)].join(":")}`;

/**
 * The hint for a folder that may not be served. `folder`: the one that PIKU_FOLDERS would have to
 * name.
 */
export const servedHint = (app: App, folder: string, allowed: readonly string[]) =>
  `take a folder of the app, or one below ${app.data}; for another one ${allowing(folder, allowed)}`;

/** The same for a cache: piku's own nginx may only write below piku's folder. */
export const cacheHint = (app: App, folder: string, allowed: readonly string[]) =>
  `leave it out, or take a folder below ${app.cache}; for another one ${allowing(folder, allowed)}, and, where nginx runs as piku-web.service, root lets it write there: systemctl edit piku-web (two lines: [Service] and ReadWritePaths=${printable(folder)}), then systemctl restart piku-web`;

/** The real path, also of something that does not exist yet. Undefined behind a dangling link. */
function leadsTo(host: Host, path: string): string | undefined {
  if (path === "") return "";
  const real = host.realPath(path);
  if (real !== undefined) return real;
  if (host.stat(path)) return undefined;
  const at = path.lastIndexOf("/");
  const parent = leadsTo(host, path.slice(0, at));
  return parent === undefined ? undefined : `${parent === "/" ? "" : parent}${path.slice(at)}`;
}

/** The app's real paths: an administrator may have linked them to another disk. */
function behindLinks(host: Host, app: App): App {
  const { paths } = app;
  const real = (path: string) => leadsTo(host, path) ?? path;
  const [root, apps, data, envs, cache] = [
    paths.root,
    paths.apps,
    paths.data,
    paths.envs,
    paths.cache,
  ].map(real);
  const found = appOf(
    { ...paths, root: root!, apps: apps!, data: data!, envs: envs!, cache: cache! },
    app.name,
  );
  const own = real(app.data);
  // It may be on a disk of its own, but never another app's folder.
  return isBelow(own, root!) || isBelow(own, data!) || isBelow(root!, own)
    ? found
    : { ...found, data: own };
}

/** The folders that the board allows, as written and as real paths. */
const withAims = (host: Host, allowed: readonly string[]) =>
  allowed.flatMap((entry) => [entry, leadsTo(host, entry) ?? entry]);

/**
 * Refuses a folder of static files that leads, through a link, to something that may not be served.
 */
export function refuseServedLinks(
  host: Host,
  app: App,
  folders: readonly string[],
  allowed: readonly string[],
): void {
  if (folders.length === 0) return;
  const real = behindLinks(host, app);
  const entries = withAims(host, allowed);
  for (const folder of folders) {
    const aim = leadsTo(host, folder);
    if (aim !== undefined && mayServe(real, aim, entries)) continue;
    const where = aim === undefined ? "nowhere" : `'${printable(aim)}', out of the app`;
    throw new PikuError(
      `the static folder '${printable(folder)}' leads to ${where}`,
      servedHint(app, aim ?? folder, allowed),
    );
  }
}

/**
 * Refuses a cache folder that contains anything else: nginx deletes unknown files there (and, as
 * root, gives the folder to its own user). `sites`: the text of each app's site.
 */
export function refuseCacheFolder(
  host: Host,
  app: App,
  folder: string,
  allowed: readonly string[],
  sites: ReadonlyMap<string, string>,
): void {
  const what = `the cache folder '${printable(folder)}' (NGINX_CACHE_PATH)`;
  const real = behindLinks(host, app);
  const entries = withAims(host, allowed);
  const aim = leadsTo(host, folder);
  if (aim === undefined || !mayCache(real, aim, entries)) {
    const where = aim === undefined ? "nowhere" : `'${printable(aim)}'`;
    throw new PikuError(`${what} leads to ${where}`, cacheHint(app, aim ?? folder, allowed));
  }
  const caches = [...sites].map(
    ([name, site]) => [name, cacheFoldersIn(site).map((one) => leadsTo(host, one))] as const,
  );
  const isNear = (one: string | undefined) =>
    one !== undefined && (isBelow(one, aim) || isBelow(aim, one));
  const owner =
    caches.find(([name, theirs]) => name !== app.name && theirs.some(isNear))?.[0] ??
    (isBelow(aim, real.cache) ? undefined : ownerOf(host, app, isNear));
  if (owner !== undefined)
    throw new PikuError(`${what} belongs to app '${owner}'`, "take another one, or leave it out");
  const isKnown = caches.some(([name, own]) => name === app.name && own.includes(aim));
  const stranger = strangerIn(host, aim);
  if (stranger === undefined || (stranger.unreadable && isKnown)) return;
  throw new PikuError(
    stranger.unreadable
      ? `${what} cannot be looked into: it is another user's`
      : `${what} holds something else, which nginx would remove: '${printable(stranger.path)}'`,
    "take a folder that is empty, or not there yet",
  );
}

/** The app that one of these folders belongs to, whether directly or through links. */
function ownerOf(
  host: Host,
  { paths }: App,
  isIt: (path: string | undefined) => boolean,
): string | undefined {
  const { apps, data, envs, repos, logs, releases, cache } = paths;
  for (const kind of [apps, data, envs, repos, logs, releases, cache])
    for (const name of host.list(kind)) if (isIt(host.realPath(`${kind}/${name}`))) return name;
  return undefined;
}

/**
 * A file in a folder that does not belong to an nginx cache of `levels=1:2`; undefined if there is
 * none.
 */
function strangerIn(
  host: Host,
  folder: string,
): { path: string; unreadable?: boolean } | undefined {
  if (host.stat(folder) === undefined) return undefined;
  const digit = "[0-9a-f]";
  const key = digit.repeat(32);
  const places: [type: string, pattern: string][] = [
    ["d", digit],
    ["d", `${digit}/${digit}${digit}`],
    ["f", `${digit}/${digit}${digit}/${key}`],
    ["f", `${digit}/${digit}${digit}/${key}.[0-9]*`],
  ];
  const base = folder.replace(/[\\*?[\]]/g, "\\$&");
  const known = places.flatMap(([type, pattern]) => [
    "!",
    "(",
    "-type",
    type,
    "-path",
    `${base}/${pattern}`,
    ")",
  ]);
  // A link does not belong there either: nginx follows it. A `*` of find(1) matches more than
  // digits, which does not matter here.
  const ran = host.capture(["find", folder, "-mindepth", "1", ...known, "-print", "-quit"]);
  if (ran.stdout !== "") return { path: ran.stdout.trim() };
  return ran.status === 0 ? undefined : { path: folder, unreadable: true };
}

/**
 * Removes a cache outside of piku's folder if it contains nothing but a cache. Returns whether it
 * is gone.
 */
export function removeCache(host: Host, folder: string): boolean {
  if (strangerIn(host, folder)) return false;
  host.remove(folder);
  return true;
}
