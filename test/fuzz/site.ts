/**
 * What an app's settings may say about its site, and what must be in the file that is made of them.
 */

import type { Settings } from "../../src/app/env-file.ts";
import type { Workers } from "../../src/app/procfile.ts";
import type { Backend, Site } from "../../src/site/site.ts";
import { demand, fc, hostile } from "./hold.ts";

const absurd = hostile(100_000, ["/x:", "/x:a b", "/x:a;b", "a.test", "; }", "location", '";']);
const likely: Record<string, string[]> = {
  NGINX_SERVER_NAME: ["a.test", "*.a.test,b.test", "_", "[::1] x"],
  NGINX_STATIC_PATHS: [
    "/static:public",
    "/x:/var/www,/y/:.",
    "/a:b c,/d:e;f",
    "/a:'b'",
    "/a:b#c{d}",
  ],
  NGINX_REDIRECT_FROM: ["www.a.test", "a.test"],
  NGINX_CATCH_ALL: ["/index.html", "x"],
  NGINX_IPV4_ADDRESS: ["127.0.0.1", "999.1.1.1"],
  NGINX_IPV6_ADDRESS: ["[::1]"],
  NGINX_CACHE_PREFIXES: ["/a,/b.c", "x+y,%20"],
  NGINX_CACHE_PATH: ["/tmp/cache", "/x"],
  NGINX_CACHE_TIME: ["60"],
  NGINX_CACHE_SIZE: ["2", "0"],
  NGINX_DEFAULT: ["on"],
  NGINX_HTTPS_ONLY: ["on"],
  NGINX_ALLOW_GIT_FOLDERS: ["on"],
  NGINX_CLOUDFLARE_ACL: ["on"],
  DISABLE_IPV6: ["on"],
};
/** What PIKU_FOLDERS allows in these trials. */
export const allowedFolders = ["/tmp", "/x", "/y", "/var/www", "/d"];
const setting = fc.constantFrom(...Object.keys(likely)).chain((key) => {
  const usual = fc.constantFrom(
    ...likely[key]!,
    ...likely[key]!.flatMap((value) => [`${value};`, `${value} }`]).slice(0, 1),
  );
  return fc.tuple(
    fc.constant(key),
    fc.oneof({ weight: 8, arbitrary: usual }, { weight: 1, arbitrary: absurd }),
  );
});
const folder = fc.oneof(
  fc.constantFrom("public", "/", "a b", "/x:y", "a;b", "a'b{}#", "ü"),
  absurd,
);
const ports: Backend = {
  protocol: "http",
  first: ["127.0.0.1:5000"],
  second: ["127.0.0.1:5001"],
  flag: "/p/b",
};

/** An app's settings, its static worker, and whether nginx sends requests on. */
export const siteSettings = fc
  .tuple(fc.array(setting, { maxLength: 4 }), fc.option(folder), fc.boolean())
  .map(([pairs, folder, hasBackend]) => ({
    settings: { NGINX_SERVER_NAME: "first.test", ...Object.fromEntries(pairs) } as Settings,
    workers: (folder === null ? {} : { static: folder }) as Workers,
    backend: hasBackend ? ports : undefined,
  }));

const directives = new Set(
  `add_header alias allow client_max_body_size default default_type deny disable_symlinks error_page gzip gzip_comp_level gzip_min_length gzip_proxied gzip_types gzip_vary if include
  index internal listen location map recursive_error_pages return rewrite root sendfile server server_name set ssl_certificate ssl_certificate_key tcp_nopush try_files upstream`.split(
    /\s+/,
  ),
);

/**
 * The text of a site: of each directive as many as are meant, those with something from outside
 * with exactly these words.
 */
export function demandSite(site: Site, text: string): void {
  const found = readDirectives(text);
  const given = (name: string) =>
    found.filter(({ words }) => words[0] === name).map(({ words }) => words.slice(1).join("\0"));
  const same = (what: string, got: string[], wanted: string[]) =>
    demand(JSON.stringify(got.sort()) === JSON.stringify(wanted.sort()), what, got, wanted);
  const redirects = site.redirected.length > 0 ? [site.redirected.join("\0")] : [];
  const names = [...(site.httpsOnly ? [0, 0] : [0]).map(() => site.names.join("\0")), ...redirects];
  same("names", given("server_name"), names);
  const [inRoot, below] = [true, false].map((isRoot) =>
    site.statics.filter(({ url }) => (url === "") === isRoot),
  );
  same(
    "aliases",
    given("alias"),
    below!.map(({ folder }) => `${folder}/`),
  );
  const closedPage = site.maintenance.slice(0, site.maintenance.lastIndexOf("/"));
  same("roots", given("root"), [
    ...names.map(() => site.challenges),
    closedPage,
    ...inRoot!.map(({ folder }) => folder),
  ]);
  const secured = [site.key, ...redirects.map(() => site.key)];
  same("keys", given("ssl_certificate_key"), secured);
  same("includes", given("include"), site.cloudflare ? [site.cloudflare.ranges] : []);
  same(
    "rewrites",
    given("rewrite").filter((words) => !/^\^\0\/(index\.html|\.piku-closed)\0last$/.test(words)),
    [],
  );
  const known = (name: string) => directives.has(name) || /^(proxy_|~\*\(private)/.test(name);
  same(
    "directives",
    found.map(({ words }) => words[0]!).filter((name) => !known(name)),
    [],
  );
}

/** A directive of an nginx file: its words without quotes and escapes, and how deep it stands. */
export interface Directive {
  words: string[];
  depth: number;
}

/**
 * Reads an nginx file as ngx_conf_read_token does: words end at a blank, `;` or `{`; a quote or a
 * `#` counts at the beginning of a word only. Throws where nginx would: for brackets that do not
 * fit, and for text behind a quoted word.
 */
export function readDirectives(text: string): Directive[] {
  const found: Directive[] = [];
  let [words, depth, at]: [string[], number, number] = [[], 0, 0];
  while (at < text.length) {
    const one = text[at]!;
    if (/[ \t\r\n]/.test(one)) at++;
    else if (one === "#") at = (text.indexOf("\n", at) + 1 || text.length + 1) - 1;
    else if (one === ";" || one === "{") {
      if (words.length === 0) throw new Error(`unexpected ${one}`);
      found.push({ words, depth });
      words = [];
      if (one === "{") depth++;
      at++;
    } else if (one === "}") {
      if (words.length > 0 || depth-- === 0) throw new Error("unexpected }");
      at++;
    } else {
      const quote = one === '"' || one === "'" ? one : "";
      let word = "";
      if (quote) at++;
      for (; at < text.length; at++) {
        const next = text[at]!;
        if (
          quote ? next === quote : /[ \t\r\n;]/.test(next) || (next === "{" && text[at - 1] !== "$")
        )
          break;
        if (next === "\\" && /["'\\]/.test(text[at + 1] ?? "")) at++;
        word += text[at];
      }
      if (quote && ++at && !/[ \t\r\n;{)]/.test(text[at] ?? ""))
        throw new Error(`unexpected ${text[at]} behind a quote`);
      words.push(word);
    }
  }
  if (words.length > 0 || depth > 0) throw new Error("unexpected end of file");
  return found;
}
