import { type BoardSettings, readBoardSettings } from "../app/board-settings.ts";
import { withLock } from "../app/locks.ts";
import type { Paths } from "../app/paths.ts";
import { setting } from "../app/settings.ts";
import type { Host } from "../host/host.ts";
import { explain } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { text } from "../text/text.ts";
import { changeNginx } from "./change.ts";
import { defaultPortsIn } from "./directives.ts";
import { languages, renderPageDirectives } from "./home.ts";
import { boardName } from "./main-file.ts";
import { readSites } from "./nginx.ts";
import { quotedPage, unknownPage } from "./page.ts";
import { tellAside } from "./refused.ts";

/**
 * The board's page on an nginx that is shared: a site like an app's, of a name that no app can have,
 * and its folder, which another user reads.
 */
export const sharedPage = ({ nginx }: Paths) => ({
  site: `${nginx}/~board.conf`,
  folder: `${nginx}/~board`,
});

const maxForeignBytes = 256 * 1024;

/** Whether a file of nginx's own has a server; also where it may not be read. */
function hasServer(host: Host, file: string): boolean {
  try {
    return /^[^#\n]*\bserver\s*\{/m.test(host.read(file, maxForeignBytes) ?? "");
  } catch {
    return true;
  }
}

/** Whether nobody else answers for the board's addresses: no other site, and no app by default. */
function isAlone(host: Host, paths: Paths, { ports }: BoardSettings): boolean {
  const foreign = ["/etc/nginx/sites-enabled", "/etc/nginx/conf.d"].flatMap((folder) =>
    host
      .list(folder)
      // install.sh's own, which refuses https for unknown names.
      .filter((name) => name !== "piku.conf")
      .map((name) => `${folder}/${name}`),
  );
  return (
    ![...foreign, "/etc/nginx/nginx.conf"].some((file) => hasServer(host, file)) &&
    ![...readSites(host, paths).values()].some((site) => defaultPortsIn(site).includes(ports.http))
  );
}

/**
 * The site of the page: by the board's name, and by its addresses where nobody else answers there.
 * Names and patterns, so that it is never the default server. Undefined where it would have none.
 */
function renderSharedPage(host: Host, paths: Paths, board: BoardSettings): string | undefined {
  const { settings, ports } = board;
  const name = boardName(host);
  const names = [
    ...(name ? [name, `"~^${name}\\."`] : []),
    ...(isAlone(host, paths, board) ? ["localhost", '"~^[0-9.]+$"', '"~^\\["'] : []),
  ];
  const read = (key: "NGINX_IPV4_ADDRESS" | "NGINX_IPV6_ADDRESS") =>
    setting(settings, key, paths.settings);
  const hasIpv6 = host.stat("/proc/net/if_inet6") && !setting(settings, "DISABLE_IPV6");
  return names.length === 0
    ? undefined
    : text`
    # Written by piku; changes are lost. The board's page (PIKU_PAGE=true).
    server {
      listen ${read("NGINX_IPV4_ADDRESS")}:${ports.http};
      ${hasIpv6 && `listen ${read("NGINX_IPV6_ADDRESS")}:${ports.http};`}
      server_name ${names.join(" ")};
      set $piku_language ${languages[0]};
      ${languages
        .slice(1)
        .map((one) => `if ($http_accept_language ~* ^${one}) { set $piku_language ${one}; }`)
        .join("\n")}
      location = / {
        ${renderPageDirectives(sharedPage(paths).folder)}
        try_files /index.html =404;
      }
      location / {
        default_type text/html;
        return 404 ${quotedPage(unknownPage)};
      }
    }`;
}

/**
 * Puts the site of the page in place, or takes it away, where that changes anything. nginx decides:
 * what it refuses is undone, and warned about.
 */
export function settleSharedPage(host: Host, paths: Paths, isWanted: boolean): void {
  const { site } = sharedPage(paths);
  const board = readBoardSettings(host, paths.settings);
  const wanted = isWanted ? renderSharedPage(host, paths, board) : undefined;
  const before = host.read(site);
  if (before === wanted) return;
  const write = (content?: string) =>
    content === undefined ? host.remove(site) : host.write(site, content);
  try {
    withLock(host, paths, "machine", undefined, "", () =>
      tellAside(
        host,
        changeNginx(host, paths, board.reload, {
          make: () => write(wanted),
          undo: () => write(before),
        }),
      ),
    );
  } catch (error) {
    voiceOf(host).warn(`the board's page is not served: ${explain(error).message}`);
  }
}
