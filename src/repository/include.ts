import type { Settings } from "../app/env-file.ts";
import { setting } from "../app/settings.ts";
import type { Host } from "../host/host.ts";
import { PikuError } from "../text/errors.ts";
import { printable } from "../text/text.ts";
import { type Commit, fileOfCommit } from "./commit.ts";

/** Settings that name a file of the app with directives for nginx, or options for uWSGI. */
type Includes = "NGINX_INCLUDE_FILE" | "UWSGI_INCLUDE_FILE";

/**
 * The file that such a setting names; undefined when it is not set. Throws when the file does not
 * exist or lies outside the app.
 */
export function includedFile(
  host: Host,
  commit: Commit,
  settings: Settings,
  key: Includes,
): { name: string; content: string } | undefined {
  const name = setting(settings, key);
  if (name === undefined) return undefined;
  const content = fileOfCommit(host, commit, name);
  if (content === undefined)
    throw new PikuError(`${key}: there is no file '${printable(name)}' in the app`);
  return { name, content };
}
