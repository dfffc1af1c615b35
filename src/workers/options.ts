import { PikuError } from "../text/errors.ts";
import { meaningfulLines, printable } from "../text/text.ts";

/**
 * Options that piku itself depends on, and what an app can use instead. The first matching pattern
 * counts.
 */
const ours: readonly [pattern: RegExp, remedy: string][] = [
  [
    /^((.+-)?socket|https?2?|http11|zerg.*)$/,
    "NGINX_SERVER_NAME, or BIND_ADDRESS and PORT, say where it listens",
  ],
  [/^(safe-)?pidfile2?$|^daemonize2?$|^(no-)?master$/, "uWSGI's emperor looks after the process"],
  [/^(emperor|vassal)/, "it is piku's emperor that starts it"],
  [
    /^logto2?$|^log-backupname$/,
    "`logs` shows what is written to its file; UWSGI_LOG_MAXSIZE says how large that becomes",
  ],
  [/^(cheap|idle|die-on-idle)$/, "PIKU_IDLE=15m or UWSGI_IDLE=seconds does this"],
  [/^envdir$/, "its settings are ENV and `config:set`"],
  [/^(immediate-|as-)?[ug]id$|^chroot$/, "it runs as the user of piku"],
  [/^project$|^(auto-)?procname/, "its processes are known by that name"],
  [
    /^hook-accepting1-once$/,
    "it says that the app is loaded; take hook-accepting1, or hook-post-app",
  ],
];

/**
 * Parses UWSGI_INCLUDE_FILE: lines `option = value`; `#` or `;` begins a comment line. uWSGI
 * expands the values as usual. Throws with file and line for a malformed line or one of piku's own
 * options.
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
