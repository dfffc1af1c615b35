import type { Runtime, Source } from "./runtime.ts";

const hasManifest = ({ names }: Source) => names.includes("composer.json");

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
  warns: (source) =>
    hasManifest(source) && !source.has("composer")
      ? [
          "there is a composer.json, but the server has no composer. On the server: sudo apt install composer.",
        ]
      : [],
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
