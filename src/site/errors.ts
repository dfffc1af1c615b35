import { text } from "../text/text.ts";
import { readDirectives } from "./directives.ts";
import type { Site } from "./site.ts";

/** Whether an app's own directives say something, with this word among what follows. */
export const includes = ({ include = "" }: Pick<Site, "include">, name: string, word?: string) =>
  readDirectives(include).some(
    ([directive, ...words]) => directive === name && (word === undefined || words.includes(word)),
  );

/**
 * How much a visitor may send to the app at once, and a page that says so. Nothing where the app's
 * own directives do: nginx refuses a second one.
 */
export const renderBodyLimit = (site: Site) =>
  site.backend !== undefined &&
  site.maxBody !== undefined &&
  // What it includes is not read here.
  !["client_max_body_size", "include"].some((name) => includes(site, name)) &&
  text`
  client_max_body_size ${site.maxBody};
  error_page 413 @piku_too_large;
  location @piku_too_large {
    default_type text/plain;
    return 413 "Too large: this app takes at most ${site.maxBody} at once (NGINX_MAX_BODY_SIZE).\n";
  }`.trimEnd();
