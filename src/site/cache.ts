import type { App } from "../app/app.ts";
import type { Settings } from "../app/env-file.ts";
import { invalid, setting } from "../app/settings.ts";
import { PikuError } from "../text/errors.ts";
import { printable, text } from "../text/text.ts";
import { cacheHint, mayCache } from "./folders.ts";

/** Answers of an app that nginx caches. */
export interface Cache {
  /** Prefixes of the paths whose answers are cached, without the first `/`. */
  prefixes: string[];
  folder: string;
  gigabytes: number;
  /**
   * Seconds that answers are cached; that browsers may cache them; and after which an answer that
   * nobody asks for is removed.
   */
  content: number;
  redirects: number;
  others: number;
  browsers: number;
  unused: number;
}

/**
 * The cache that an app's NGINX_CACHE_ settings define; undefined without NGINX_CACHE_PREFIXES.
 * `allowed`: the folders of PIKU_FOLDERS. Throws for invalid values, and for a folder that is
 * neither the app's own nor allowed.
 */
export function planCache(
  app: App,
  settings: Settings,
  allowed: readonly string[] = [],
): Cache | undefined {
  const prefixes = setting(settings, "NGINX_CACHE_PREFIXES");
  if (prefixes.length === 0) return undefined;
  return {
    prefixes,
    folder: cacheFolder(app, settings, allowed),
    gigabytes: Math.max(1, setting(settings, "NGINX_CACHE_SIZE")),
    content: setting(settings, "NGINX_CACHE_TIME"),
    redirects: setting(settings, "NGINX_CACHE_REDIRECTS"),
    others: setting(settings, "NGINX_CACHE_ANY"),
    browsers: setting(settings, "NGINX_CACHE_CONTROL"),
    unused: setting(settings, "NGINX_CACHE_EXPIRY"),
  };
}

/**
 * The directory of the cache. It must be nginx's alone: nginx removes what it does not know, and
 * chowns the directory when it is root.
 */
function cacheFolder(app: App, settings: Settings, allowed: readonly string[]): string {
  const given = setting(settings, "NGINX_CACHE_PATH");
  if (!given) return `${app.cache}/nginx`;
  const folder = given.replace(/(\/\.?)*$/, "");
  if (!/^\/[\w./+@-]+$/.test(folder) || /\/(\.{0,2})\//.test(`${folder}/`))
    throw invalid("NGINX_CACHE_PATH", given, {
      hint: `write an absolute path, such as ${app.cache}/pages, or leave it out`,
    });
  if (!mayCache(app, folder, allowed))
    throw new PikuError(
      `NGINX_CACHE_PATH: '${printable(given)}' is outside of the app's own cache folder`,
      cacheHint(app, folder, allowed),
    );
  return folder;
}

/**
 * The part of an nginx variable's name that makes it one app's: variables are shared by all sites,
 * and consist of letters, digits and `_`.
 */
const variable = (app: string) =>
  app.replace(/[^A-Za-z0-9]/g, (letter) => `_${letter.charCodeAt(0).toString(16)}_`);

/**
 * The part of a cache outside of the server block. 2 MB of memory hold the keys of about 16,000
 * answers. An answer that its app marks as private is never sent as public.
 */
export const renderCacheZone = (
  app: string,
  protocol: string,
  { folder, gigabytes, unused, browsers }: Cache,
) => text`
  ${protocol}_cache_path "${folder}" levels=1:2 keys_zone=${app}:2m inactive=${unused}s max_size=${gigabytes}g use_temp_path=off;
  map $upstream_http_cache_control $piku_cache_${variable(app)} {
    default "public, max-age=${browsers}";
    ~*(private|no-store|no-cache) $upstream_http_cache_control;
  }`;

/** The location whose answers are cached; `pass`: the lines that pass a request to the app. */
export const renderCacheLocation = (
  app: string,
  protocol: string,
  cache: Cache,
  pass: readonly string[],
) =>
  text`
  location ~* ^/(${cache.prefixes.map((prefix) => prefix.replace(/[.+]/g, "\\$&")).join("|")}) {
    ${protocol}_cache ${app};
    ${protocol}_cache_key $scheme$host$request_uri;
    ${protocol}_cache_valid 200 304 ${cache.content}s;
    ${protocol}_cache_valid 301 307 ${cache.redirects}s;
    ${protocol}_cache_valid 500 502 503 504 0s;
    ${protocol}_cache_valid any ${cache.others}s;
    ${protocol}_hide_header Cache-Control;
    add_header X-Deployed-By Piku;
    add_header Cache-Control $piku_cache_${variable(app)};
    add_header X-Cache $upstream_cache_status;
    ${pass.join("\n")}
  }`.trimEnd();
