import { printable } from "../app/app.ts";
import type { Settings } from "../app/settings.ts";
import type { Host } from "../host/host.ts";
import { readDirectives } from "../site/directives.ts";
import { PikuError } from "../text/errors.ts";
import { meaningfulLines } from "../text/text.ts";
import { type Commit, fileOf } from "./git.ts";

/** Settings that name a file of the app with lines for nginx, or for uWSGI. */
type Includes = "NGINX_INCLUDE_FILE" | "UWSGI_INCLUDE_FILE";

/** The file of the app that a setting names. Undefined where it is not set; throws where it leads out of the app or to nothing. */
export function includedFile(
  host: Host,
  commit: Commit,
  settings: Settings,
  key: Includes,
): { name: string; content: string } | undefined {
  const name = settings[key];
  if (!name) return undefined;
  if (name.startsWith("/") || `/${name}/`.includes("/../"))
    throw new PikuError(`${key}: '${printable(name)}' is not a file of the app`);
  const content = fileOf(host, commit, name);
  if (content === undefined) throw new PikuError(`${key}: there is no file '${printable(name)}' in the app`);
  return { name, content };
}

const mostIncluded = 1_000_000;

/**
 * The text of a site, and that of the files that it includes itself, one behind the other: what stands in them counts as well.
 * Names as nginx takes them: from /etc/nginx on, and with `*` in the last part. Throws for a file that cannot be read, and for more than
 * 1 MB of them.
 */
export function withIncluded(host: Host, text: string): string {
  const seen = new Set<string>();
  let size = 0;
  const follow = (given: string): string => {
    const files = readDirectives(given)
      .filter(([directive, file]) => directive === "include" && file !== undefined)
      .flatMap(([, file]) => matching(host, file!.startsWith("/") ? file! : `/etc/nginx/${file}`))
      .filter((file) => !seen.has(file));
    const more = files.map((file) => {
      seen.add(file);
      size += host.stat(host.realPath(file) ?? file)?.size ?? 0;
      if (size > mostIncluded)
        throw new PikuError(`'${printable(file)}' makes more than 1 MB of included files`, "include less of them");
      return `\n${follow(readable(host, file))}`;
    });
    return given + more.join("");
  };
  return follow(text);
}

function readable(host: Host, file: string): string {
  try {
    return host.read(file) ?? "";
  } catch {
    throw new PikuError(`the included file '${printable(file)}' cannot be read`, "take it out of NGINX_INCLUDE_FILE");
  }
}

/** The files of a name with `*` or `?` in its last part, or the one of a name without. */
function matching(host: Host, name: string): string[] {
  const at = name.lastIndexOf("/");
  const [folder, last] = [name.slice(0, at), name.slice(at + 1)];
  if (!/[*?[]/.test(last)) return [name];
  // More than nginx takes where there are brackets: it is for a look only.
  const parts = last.split(/\[[^\]]*\]|[*?]/);
  const fits = (file: string) =>
    file.startsWith(parts[0]!) && file.endsWith(parts.at(-1)!) && parts.every((part) => file.includes(part));
  return host
    .list(folder)
    .filter(fits)
    .map((file) => `${folder}/${file}`);
}

/** Options of uWSGI that a deploy stands on, and what an app has in their place. The first pattern that fits counts. */
const ours: readonly [pattern: RegExp, remedy: string][] = [
  [/^((.+-)?socket|https?2?|http11|zerg.*)$/, "NGINX_SERVER_NAME, or BIND_ADDRESS and PORT, say where it listens"],
  [/^(safe-)?pidfile2?$|^daemonize2?$|^(no-)?master$/, "uWSGI's emperor looks after the process"],
  [/^(emperor|vassal)/, "it is piku's emperor that starts it"],
  [
    /^logto2?$|^log-backupname$/,
    "`logs` shows what is written to its file; UWSGI_LOG_MAXSIZE says how large that becomes",
  ],
  [/^(cheap|idle|die-on-idle)$/, "UWSGI_IDLE=seconds does this"],
  [/^envdir$/, "its settings are ENV and `config:set`"],
  [/^(immediate-|as-)?[ug]id$|^chroot$/, "it runs as the user of piku"],
  [/^project$|^(auto-)?procname/, "its processes are known by that name"],
  [/^hook-accepting1-once$/, "it says that the app is loaded; take hook-accepting1, or hook-post-app"],
];

/**
 * Reads the options of UWSGI_INCLUDE_FILE: `option = value` a line, `#` or `;` begins a comment line. Values go to uWSGI
 * as they are, with all that it replaces in them. Throws with file and line for what is no option, or is piku's own.
 */
export function parseOptions(content: string, file: string): [option: string, value: string][] {
  const lines = meaningfulLines(content, file).filter(({ line }) => !line.startsWith(";"));
  return lines.map(({ line, where }) => {
    const [, option, value] = /^([A-Za-z0-9_-]+)\s*=\s*(.*)$/s.exec(line) ?? [];
    if (option === undefined || value === undefined)
      throw new PikuError(
        `${where}: '${printable(line)}' is not 'option = value'`,
        "write lines such as harakiri = 30",
      );
    if (/[\x00-\x08\x0a-\x1f\x7f]/.test(value))
      throw new PikuError(`${where}: the value of ${option} has a control character in it`);
    const [, remedy] = ours.find(([pattern]) => pattern.test(option)) ?? [];
    if (remedy) throw new PikuError(`${where}: '${option}' cannot be set here`, remedy);
    return [option, value];
  });
}
