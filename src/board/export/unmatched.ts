import { parseCron } from "../../app/cron.ts";
import { isCron } from "../../app/procfile.ts";
import type { Exported } from "./exported.ts";
import { scheduleOf } from "./kubernetes.ts";

/** Settings that no engine reads, and what does their work there. */
const unmatched: readonly [name: RegExp, says: string][] = [
  [/^NGINX_CACHE_/, "put a cache in front of it"],
  [/^NGINX_INCLUDE_FILE$/, "write its directives for the engine's own proxy"],
  [
    /^NGINX_STATIC_PATHS$/,
    "let the app serve these files, or put them on a web server of their own",
  ],
  [
    /^NGINX_(CATCH_ALL|REDIRECT_FROM|HTTPS_ONLY|CLOUDFLARE_ACL|MAX_BODY_SIZE|DEFAULT)$/,
    "set it at the engine's own proxy",
  ],
  [
    /^NGINX_(IPV4_ADDRESS|IPV6_ADDRESS)$|^(BIND_ADDRESS|PORT)$/,
    "the engine gives addresses and ports",
  ],
  [/^PIKU_PASSWORD$/, "set a password at the engine's own proxy"],
  [/^UWSGI_INCLUDE_FILE$/, "the image has uWSGI's options in /etc/piku"],
  [/^(UWSGI|PIKU)_IDLE$/, "processes do not sleep there"],
  [/^PIKU_PROCESSES$/, "limit the number of processes in the engine's own settings"],
];

/**
 * What of this app has no counterpart, as sentences. `target`: what is written.
 */
export function unmatchedIn(exported: Exported, target: string): string[] {
  const { procfile, front, set } = exported;
  const isServed = (name: string) => name === "NGINX_STATIC_PATHS" && front !== "web";
  return [
    ...set.flatMap((name) => {
      const [, says] = unmatched.find(([pattern]) => pattern.test(name)) ?? [];
      return says === undefined || isServed(name) ? [] : [`${name} does nothing there: ${says}`];
    }),
    ...(target === "compose"
      ? Object.entries(procfile.workers)
          .filter(([kind]) => isCron(kind))
          .map(
            ([kind, line]) =>
              `nobody starts '${kind}' there; a line for the machine's crontab: ${scheduleOf(parseCron(line, kind))} docker compose run --rm ${kind}`,
          )
      : []),
  ];
}
