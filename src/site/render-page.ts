import { text } from "../text/text.ts";
import { readDirectives } from "./directives.ts";
import { ownPageName } from "./own-page.ts";
import { type Page, quotedPage } from "./page.ts";
import type { Site } from "./site.ts";

const shown = "/.piku-down";

/** Whether an include file may have error pages of its own, which ours must leave alone. */
const mayHavePages = (include: string) =>
  readDirectives(include).some(
    ([directive]) =>
      directive === "include" || /(^|_)(error_pages?|intercept_errors)$/.test(directive!),
  );

/** Whether visitors of a site get a page when nginx finds nobody at its processes' addresses. */
export const showsDown = ({ backend, include }: Site) =>
  backend !== undefined && !(include && mayHavePages(include));

/**
 * What shows the page instead of nginx's own 502 and 504. An app's own answers are never replaced:
 * nothing intercepts them (proxy_intercept_errors).
 */
export const errorPage = (...statuses: number[]) => `error_page ${statuses.join(" ")} ${shown};`;

/**
 * The location of the page, which has the status of the error that led to it: the app's own file,
 * unless it is gone or a link, else `page`.
 */
export function renderShown(
  { page: own, own: [tree] = [] }: Site,
  page: Page,
  header = "",
): string {
  const answer = text`
    default_type text/html;
    add_header Cache-Control no-store always;
    ${header}
    return 503 ${quotedPage(page)};`.trimEnd();
  if (own === undefined)
    return text`
      location = ${shown} {
        internal;
        ${answer}
      }`.trimEnd();
  return text`
    location = ${shown} {
      internal;
      root "${own}";
      disable_symlinks on "from=${tree ?? own}";
      add_header Cache-Control no-store always;
      ${header}
      try_files /${ownPageName} @piku_down;
    }
    location @piku_down {
      ${answer}
    }`.trimEnd();
}
