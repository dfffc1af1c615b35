import type { Release } from "../app/releases.ts";
import { setting } from "../app/settings.ts";
import type { Host } from "../host/host.ts";
import { type Commit, differenceOf } from "../repository/commit.ts";
import type { Source } from "../runtimes/runtime.ts";
import { PikuError } from "../text/errors.ts";
import { printable } from "../text/text.ts";

/** How many scripts are looked at, and for how long in all, in milliseconds. */
const most = 100;
const patience = 20_000;
const shown = 3;

// Debian's plugin of uWSGI brings this program (libphp-embed depends on php-cli).
const lint = [
  ...["timeout", "10", "php", "-d", "display_errors=1", "-d", "log_errors=0"],
  ...["-d", "html_errors=0", "-l"],
];

/** PHP's exit status for a script that it cannot parse. */
const unparsable = 255;

/** What PHP says of a script that it cannot parse: line and reason; undefined where it says nothing. */
function complaintOf(host: Host, script: string): string | undefined {
  const { status, stdout } = host.capture(lint, { input: script });
  const [, what, line] =
    /error: +(.+) in Standard input code on line (\d+)/.exec(status === unparsable ? stdout : "") ??
    [];
  return what && `line ${line}: ${printable(what)}`;
}

/** A path without `.`, `..` and double slashes; undefined where it leads out. */
function normalized(path: string): string | undefined {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") {
      if (parts.pop() === undefined) return undefined;
    } else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
}

const included =
  /\b(?:require|include)(?:_once)?\b[^;'"]{0,200}["']([^'"$\n]{1,300}\.(?:php|inc))["']/g;

/** The scripts of the app that a script names in `include` and `require`, as far as they are literal. */
function includedBy({ files }: Source, name: string, script: string): string[] {
  const folders = name.split("/").slice(0, -1);
  // From its own folder, or from one above: dirname(__DIR__).
  const bases = folders.map((_, i) => folders.slice(0, folders.length - i).join("/"));
  return [...script.matchAll(included)].flatMap(([, path]) => {
    const places = [...bases, ""].map((base) => normalized(`${base}/${path}`));
    return places.find((place) => place !== undefined && files().has(place)) ?? [];
  });
}

const isOther = (name: string) => /(^|\/)(vendor|node_modules)\//.test(name);

/** The scripts that run for `/`, and those that they include. Bounded. */
function frontPages(source: Source, read: (name: string) => string) {
  const folder = source.workers.php!;
  const script = setting(source.settings, "NGINX_CATCH_ALL");
  const fronts = ["index.php", ...(script?.endsWith(".php") ? [script] : [])].flatMap(
    (name) => normalized(`${folder}/${name}`) ?? [],
  );
  const pages = new Set(fronts);
  for (const page of pages)
    for (const name of includedBy(source, page, read(page)))
      if (pages.size < most && !isOther(name)) pages.add(name);
  return { fronts, pages };
}

/**
 * Sentences about scripts of a new commit that PHP cannot parse. Throws for the front page itself,
 * and where there is a good release for what its front page includes: files are in place before any
 * process starts, so nothing later would keep such a page from visitors. PIKU_HEALTHCHECK=false only
 * warns.
 */
export function unparsableScripts(
  host: Host,
  commit: Commit,
  source: Source,
  live: Release | undefined,
): string[] {
  if (source.workers.php === undefined || !source.has("php")) return [];
  const read = (name: string) => {
    try {
      return source.read(name);
    } catch {
      return "";
    }
  };
  const { fronts, pages } = frontPages(source, read);
  const { added, modified } = differenceOf(host, live?.commit, commit);
  const changed = new Set(
    [...added, ...modified].filter((name) => name.endsWith(".php") && !isOther(name)),
  );
  const until = host.ticks() + patience;
  const warnings: string[] = [];
  for (const name of [...new Set([...fronts, ...pages, ...changed])].slice(0, most)) {
    if (host.ticks() > until || !(changed.has(name) || fronts.includes(name))) continue;
    const complaint = complaintOf(host, read(name));
    if (!complaint) continue;
    const sentence = `${printable(name)} ${complaint}`;
    const isFront = fronts.includes(name) || (live && pages.has(name));
    if (isFront && setting(source.settings, "PIKU_HEALTHCHECK") !== "false")
      throw new PikuError(
        sentence,
        `mend it, commit and push; php -l ${printable(name)} finds it on your machine`,
      );
    if (warnings.length < shown) warnings.push(`${sentence}; visitors of it get an error page.`);
  }
  return warnings;
}
