import type { Host } from "../host/host.ts";
import { PikuError } from "../text/errors.ts";

/** The original's folders below `~/.piku`, in the order in which `setup` creates them. */
export const folders = [
  "apps",
  "cache",
  "data",
  "repos",
  "envs",
  "uwsgi",
  "uwsgi-available",
  "uwsgi-enabled",
  "logs",
  "nginx",
  "acme",
  "plugins",
] as const;

/**
 * Folders with settings, or files made from them: closed to other users, including that of a shared
 * nginx.
 */
export const closedFolders: readonly string[] = [
  "envs",
  "releases",
  "destroyed",
  "locks",
  "web",
  "uwsgi-available",
  "uwsgi-enabled",
];

/** Folders that the original does not have. */
export const ownFolders = ["releases", "sockets", "locks", "web"] as const;

/** The paths of the board: the original's folders and piku's own. */
export interface Paths {
  root: string;
  home: string;
  apps: string;
  cache: string;
  data: string;
  repos: string;
  envs: string;
  uwsgi: string;
  available: string;
  enabled: string;
  logs: string;
  nginx: string;
  acme: string;
  plugins: string;
  releases: string;
  /** What is kept of destroyed apps; made when the first one is. */
  destroyed: string;
  sockets: string;
  locks: string;
  /** The files of piku's own nginx: main file, logs, temporary files. */
  web: string;
  /** The board's ENV file: settings of all apps, and of piku itself. */
  settings: string;
}

/**
 * The paths below `PIKU_ROOT`, or else `~/.piku`. Throws if the root's name cannot be used in
 * configuration files.
 */
export function pathsOf(host: Host): Paths {
  const env = host.env();
  const home = env.HOME || homeOf(host);
  const root = env.PIKU_ROOT || `${home}/.piku`;
  // It is written unquoted to nginx, uWSGI, ssh and shell files, so special characters are refused
  // here.
  if (!/^\/[\w./+@-]*$/.test(root) || `${root}/`.includes("/../")) {
    throw new PikuError(
      `'${root}' cannot be piku's folder`,
      "set PIKU_ROOT to an absolute path of letters, digits and ./_+@-",
    );
  }
  const below = (name: string) => `${root}/${name}`;
  return {
    root,
    home,
    apps: below("apps"),
    cache: below("cache"),
    data: below("data"),
    repos: below("repos"),
    envs: below("envs"),
    uwsgi: below("uwsgi"),
    available: below("uwsgi-available"),
    enabled: below("uwsgi-enabled"),
    logs: below("logs"),
    nginx: below("nginx"),
    acme: below("acme"),
    plugins: below("plugins"),
    releases: below("releases"),
    destroyed: below("destroyed"),
    sockets: below("sockets"),
    locks: below("locks"),
    web: below("web"),
    settings: below("ENV"),
  };
}

/** The home directory in /etc/passwd, if HOME is not set. */
function homeOf(host: Host): string {
  const line = host
    .read("/etc/passwd")
    ?.split("\n")
    .map((entry) => entry.split(":"))
    .find((entry) => entry[2] === String(host.uid));
  if (!line?.[5]) throw new PikuError("this user has no home folder", "set HOME");
  return line[5];
}

/**
 * The additional variables of plugins and hooks: the executable, and `PIKU_APPS`, `PIKU_DATA` and
 * the like for each folder.
 */
export const pathVariables = (host: Host, paths: Paths): Record<string, string> => ({
  PIKU: host.self,
  ...Object.fromEntries(
    Object.entries(paths).map(([name, path]) => [`PIKU_${name.toUpperCase()}`, path]),
  ),
});
