import type { App } from "../app/app.ts";
import type { Settings } from "../app/env-file.ts";
import type { Workers } from "../app/procfile.ts";
import { setting } from "../app/settings.ts";
import { PikuError } from "../text/errors.ts";
import { printable } from "../text/text.ts";
import { holdsOurs, isBelow, mayServe, servedHint } from "./folders.ts";

/** A path of the site whose files nginx serves by itself, from a directory. */
export interface Mapping {
  url: string;
  folder: string;
}

/**
 * The static mappings of an app: its `static` worker (`/`, `dir` or `/url:dir`), then
 * NGINX_STATIC_PATHS (`/url:dir,/url2:/an/absolute/dir`). `allowed` are the folders of
 * PIKU_FOLDERS. Throws for an invalid mapping, and for one that leaves the app.
 */
export function parseMappings(
  app: App,
  workers: Workers,
  settings: Settings,
  allowed: readonly string[] = [],
): Mapping[] {
  const paths = setting(settings, "NGINX_STATIC_PATHS").map((item) =>
    mapping(app, item, "NGINX_STATIC_PATHS", allowed),
  );
  const worker =
    workers.static === undefined
      ? []
      : [mapping(app, staticWorker(workers.static), "the static worker", allowed)];
  const twice = paths.find(({ url }, i) => paths.findIndex((other) => other.url === url) !== i);
  if (twice) throw new PikuError(`NGINX_STATIC_PATHS maps '${twice.url || "/"}' twice`);
  return [...worker, ...paths.filter(({ url }) => worker.every((other) => other.url !== url))];
}

/** `dir` and `/` stand for the site's root; `/url:dir` is an ordinary mapping. */
const staticWorker = (command: string) =>
  /^\/[^:]*:/.test(command) ? command : `/:${command.replace(/^\/+/, "") || "."}`;

// PATH_MAX of Linux.
const maxPath = 4096;

function mapping(app: App, item: string, where: string, allowed: readonly string[]): Mapping {
  const [, url = "", folder = ""] = /^([^:]*):(.*)$/.exec(item) ?? [];
  const hint =
    "write /url:folder, the folder below the app or an absolute one, such as /static:public";
  if (item.length > maxPath || !/^\/[\w.~/-]*$/.test(url) || url.includes(".."))
    throw new PikuError(`${where}: invalid mapping '${printable(item)}'`, hint);
  if (!/^[^\x00-\x1f"$\\]+$/.test(folder) || `/${folder}/`.includes("/../")) {
    throw new PikuError(`${where}: invalid directory '${printable(folder)}'`, hint);
  }
  const absolute = `/${(folder.startsWith("/") ? folder : `${app.tree}/${folder}`).split("/").filter(isPart).join("/")}`;
  if (!mayServe(app, absolute, allowed)) {
    if (holdsOurs(app, absolute))
      throw new PikuError(
        `${where}: '${printable(folder)}' holds settings and keys of this server`,
        hint,
      );
    throw new PikuError(
      `${where}: '${printable(folder)}' is outside of app '${app.name}'`,
      servedHint(app, absolute, allowed),
    );
  }
  return { url: url.replace(/\/+$/, ""), folder: absolute };
}

const isPart = (part: string) => part !== "" && part !== ".";

const maxServed = 1000;

/**
 * Refuses symbolic links by which nginx would serve something outside of the app: in a directory of
 * static files, on the way to one, or in the target of such a link.
 */
export function refuseLinksOut(
  app: App,
  statics: readonly Mapping[],
  links: ReadonlyMap<string, string>,
): void {
  const served = statics.map(({ folder }) => folder);
  for (const folder of served) {
    for (const [name, target] of links) {
      const path = `${app.tree}/${name}`;
      if (!isBelow(path, folder) && !isBelow(folder, path)) continue;
      const aim = resolvePath(
        target.startsWith("/") ? target : `${path.slice(0, path.lastIndexOf("/"))}/${target}`,
      );
      const shown = aim + folder.slice(path.length);
      if (!isBelow(shown, app.tree) && !shown.startsWith(`${app.data}/`))
        throw new PikuError(
          `'${printable(name)}' is a link out of the app, in a directory that is public`,
          `remove it, or link to something below the app or ${app.data}`,
        );
      if (served.some((other) => isBelow(shown, other))) continue;
      served.push(shown);
      if (served.length > maxServed)
        throw new PikuError(`'${printable(name)}' is part of a circle of links`, "remove it");
    }
  }
}

/** A path without `.` and `..`. */
function resolvePath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "." && part !== "") parts.push(part);
  }
  return `/${parts.join("/")}`;
}
