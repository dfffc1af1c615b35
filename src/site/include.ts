import type { Host } from "../host/host.ts";
import { PikuError } from "../text/errors.ts";
import { printable } from "../text/text.ts";
import { readDirectives } from "./directives.ts";

const maxIncludedBytes = 1_000_000;

/**
 * The text of a site followed by that of all files that it includes. Names as in nginx: relative to
 * /etc/nginx, and with `*` in the last part. Throws for a file that cannot be read, and for more
 * than 1 MB in all.
 */
export function withIncluded(host: Host, text: string): string {
  const seen = new Set<string>();
  let size = 0;
  const follow = (given: string): string => {
    if (!given.includes("include")) return given;
    const files = readDirectives(given)
      .filter(([directive, file]) => directive === "include" && file !== undefined)
      .flatMap(([, file]) => matching(host, file!.startsWith("/") ? file! : `/etc/nginx/${file}`))
      .filter((file) => !seen.has(file));
    const more = files.map((file) => {
      seen.add(file);
      size += host.stat(host.realPath(file) ?? file)?.size ?? 0;
      if (size > maxIncludedBytes)
        throw new PikuError(
          `'${printable(file)}' makes more than 1 MB of included files`,
          "include less of them",
        );
      return `\n${follow(textOf(host, file))}`;
    });
    return given + more.join("");
  };
  return follow(text);
}

function textOf(host: Host, file: string): string {
  try {
    return host.read(file) ?? "";
  } catch {
    throw new PikuError(
      `the included file '${printable(file)}' cannot be read`,
      "take it out of NGINX_INCLUDE_FILE",
    );
  }
}

/** The files that match a name with `*` or `?` in its last part, or the one of a plain name. */
function matching(host: Host, name: string): string[] {
  const at = name.lastIndexOf("/");
  const [folder, last] = [name.slice(0, at), name.slice(at + 1)];
  if (!/[*?[]/.test(last)) return [name];
  // With brackets this matches more than nginx does, which does no harm here.
  const parts = last.split(/\[[^\]]*\]|[*?]/);
  const fits = (file: string) =>
    file.startsWith(parts[0]!) &&
    file.endsWith(parts.at(-1)!) &&
    parts.every((part) => file.includes(part));
  return host
    .list(folder)
    .filter(fits)
    .map((file) => `${folder}/${file}`);
}
