import type { Host } from "../host/host.ts";
import { PikuError } from "../text/errors.ts";

/** The folders of the original below `~/.piku`, in the order in which `setup` makes them. */
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
 * What holds settings, or files made from them: closed to other users, also to those of a shared
 * nginx.
 */
export const closed: readonly string[] = [
  "envs",
  "releases",
  "locks",
  "web",
  "uwsgi-available",
  "uwsgi-enabled",
];

/** The folders that the original does not have. */
export const ownFolders = ["releases", "sockets", "locks", "web"] as const;

/** Where everything lies: the folders of the original, and ours beside them. */
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
  sockets: string;
  locks: string;
  /** What belongs to the nginx that is piku's own: its main file, its logs, its temporary files. */
  web: string;
  /** Settings of every app on this machine, and of piku itself. */
  settings: string;
}

/**
 * Paths from `PIKU_ROOT`, or else `~/.piku`. Throws when the root's name could not stand in a
 * configuration file.
 */
export function pathsOf(host: Host): Paths {
  const env = host.env();
  const home = env.HOME || homeOf(host);
  const root = env.PIKU_ROOT || `${home}/.piku`;
  // It stands unquoted in nginx, uWSGI, ssh and shell files, so their special characters are kept
  // out once, here.
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
    sockets: below("sockets"),
    locks: below("locks"),
    web: below("web"),
    settings: below("ENV"),
  };
}

/** The home folder of /etc/passwd, for an environment without HOME. */
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
 * What plugins and hooks get beside the usual environment: the executable, and `PIKU_APPS`,
 * `PIKU_DATA` and the like for each folder.
 */
export const pathVariables = (host: Host, paths: Paths): Record<string, string> => ({
  PIKU: host.self,
  ...Object.fromEntries(
    Object.entries(paths).map(([name, path]) => [`PIKU_${name.toUpperCase()}`, path]),
  ),
});
