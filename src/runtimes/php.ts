import { setting } from "../app/settings.ts";
import type { Runtime, Source } from "./runtime.ts";

const composerFile = "composer.json";

const hasManifest = ({ names }: Source) => names.includes(composerFile);

// A rule of Apache's that sends everything to index.php. One with `index.php?page=$1` would need
// the path in a parameter.
const rewrites =
  /^[ \t]*(RewriteRule[ \t]+\S+[ \t]+"?|FallbackResource[ \t]+)([^\s?"]*\/)?index\.php(?![?\w])/im;
// Frameworks and libraries whose router asks for it.
const routers =
  /"(laravel\/(lumen-)?framework|symfony\/(framework-bundle|routing)|slim\/slim|cakephp\/cakephp|codeigniter4\/framework|yiisoft\/yii2|laminas\/laminas-mvc|mezzio\/mezzio|flightphp\/core|mikecao\/flight|nikic\/fast-route|league\/route|bramus\/router|altorouter\/altorouter|drupal\/core(-recommended)?)"\s*:/;
const readsPath = /\$_SERVER\s*\[\s*["'](REQUEST_URI|PATH_INFO)["']\s*\]/;

/**
 * Whether index.php in the folder of a `php` line answers for every path that is no file: its
 * `.htaccess` or its framework says so, or its code looks like it.
 */
export function frontControllerOf(source: Source): "stated" | "likely" | undefined {
  const folder = source.workers.php;
  if (folder === undefined || folder.includes("..")) return undefined;
  const read = (name: string) => source.read(`${folder}/${name}`);
  const script = read("index.php");
  if (script === "") return undefined;
  const isStated =
    rewrites.test(read(".htaccess")) ||
    routers.test(source.read(composerFile)) ||
    read("wp-blog-header.php") !== "";
  return isStated ? "stated" : readsPath.test(script) ? "likely" : undefined;
}

/**
 * PHP below uWSGI's plugin, which is told by the worker's kind; packages by composer where the app
 * has a manifest. The original left those to `release`, so an app goes in without composer, too.
 */
export const php: Runtime = {
  name: "PHP",
  needs: [["uwsgi_php"]],
  remedy: "sudo apt install uwsgi-plugin-php",
  detects: ({ workers }) => "php" in workers,
  settings: () => ({}),
  warns: (source) => [
    ...(hasManifest(source) && !source.has("composer")
      ? [
          "there is a composer.json, but the server has no composer. On the server: sudo apt install composer.",
        ]
      : []),
    ...(setting(source.settings, "NGINX_STATIC_PATHS").length === 0 &&
    !(setting(source.settings, "NGINX_CATCH_ALL") ?? ".php").endsWith(".php")
      ? ["NGINX_CATCH_ALL of a php app names a script; in ENV: NGINX_CATCH_ALL=/index.php"]
      : []),
  ],
  build: (source) =>
    hasManifest(source) && source.has("composer")
      ? [
          {
            title: "Running composer",
            argv: ["composer", "install", "--no-dev", "--no-interaction", "--no-progress"],
          },
        ]
      : [],
  isOutput: (name) => name.startsWith("vendor/"),
};
