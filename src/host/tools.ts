import type { Host } from "./host.ts";

/** Whether a path is a file, or a link to one, that may be executed. */
export function isExecutable(host: Host, path: string): boolean {
  const entry = host.stat(host.realPath(path) ?? path);
  return entry?.type === "file" && (entry.mode & 0o111) !== 0;
}

/** The path of a program, or undefined when it is not on the path. */
export function findTool(host: Host, name: string): string | undefined {
  const folders = (host.env().PATH ?? "").split(":").filter((folder) => folder.startsWith("/"));
  return folders.map((folder) => `${folder}/${name}`).find((path) => isExecutable(host, path));
}

// Variables that would make a program do something other than piku asks of it: other files, other
// code, other rules; and the mark of an app's processes, which may call piku.
const unwanted =
  /^(GIT_|PIKU_PROCESS$|BUN_|LD_|NODE_OPTIONS$|BASH_ENV$|BASH_FUNC|ENV$|SHELLOPTS$|BASHOPTS$|IFS$|CDPATH$|PYTHON(HOME|PATH|STARTUP|INSPECT|USERBASE)|PERL5|PERLLIB$|RUBY(OPT|LIB)$|SSH_(ORIGINAL_COMMAND|ASKPASS.*)$|OPENSSL_(CONF|ENGINES|MODULES)$|NGINX$|UWSGI_|TAR_OPTIONS$|XDG_CONFIG_HOME$|CURL_HOME$|GCONV_PATH$|LOCPATH$|GLIBC_TUNABLES$|POSIXLY_CORRECT$)/;

/**
 * The environment of everything that piku runs: what would mislead it taken out, and the folders of
 * programs added.
 */
export function cleanEnvironment(env: Readonly<Record<string, string>>): Record<string, string> {
  const kept = Object.fromEntries(Object.entries(env).filter(([name]) => !unwanted.test(name)));
  const folders = (kept.PATH || "/usr/local/bin:/usr/bin:/bin")
    .split(":")
    .filter((folder) => folder.startsWith("/"));
  const system = ["/usr/local/sbin", "/usr/sbin", "/sbin"];
  const own = kept.HOME ? [`${kept.HOME}/bin`, `${kept.HOME}/.local/bin`] : [];
  return { ...kept, PATH: [...new Set([...own, ...folders, ...system])].join(":") };
}

/** The environment below an app's settings: without what tells who gave the command. */
export function programEnvironment({
  FINGERPRINT,
  NAME,
  PIKU_KEY_ADDED,
  PIKU_KEY_APPS,
  ...env
}: Readonly<Record<string, string>>): Record<string, string> {
  return env;
}
