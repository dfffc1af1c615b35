import type { Runtime } from "./index.ts";

/** PHP below uWSGI's plugin, which is told by the worker's kind; packages by composer where the app has a manifest. */
export const php: Runtime = {
  name: "PHP",
  needs: [["uwsgi_php"]],
  remedy: "sudo apt install uwsgi-plugin-php",
  detects: ({ workers }) => "php" in workers,
  settings: () => ({}),
  build: ({ names }) =>
    names.includes("composer.json")
      ? [{ title: "Running composer", argv: ["composer", "install", "--no-dev", "--no-interaction", "--no-progress"] }]
      : [],
};
