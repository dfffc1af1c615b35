import { expect, test } from "bun:test";
import type { Settings } from "../../../src/app/env-file.ts";
import { detectRuntime } from "../../../src/runtimes/index.ts";
import { frontControllerOf } from "../../../src/runtimes/php.ts";
import type { Source } from "../../../src/runtimes/runtime.ts";
import { usualSettings } from "../../../src/runtimes/usual.ts";
import { sourceOf as commitOf } from "../../host/source.ts";

type Files = Record<string, string>;

const sourceOf = (files: Files, workers: Files, settings: Settings = {}): Source => ({
  ...commitOf({ files, workers, settings }),
  read: (name) => files[name.split("/").filter(Boolean).join("/")] ?? "",
});

const production = {
  RACK_ENV: "production",
  RAILS_ENV: "production",
  RAILS_LOG_TO_STDOUT: "enabled",
  RAILS_SERVE_STATIC_FILES: "enabled",
};
const ruby = sourceOf({ Gemfile: "" }, { web: "bundle exec puma" });
const front = { NGINX_CATCH_ALL: "/index.php" };
const laravel = {
  "public/.htaccess": "RewriteRule ^ index.php [L]\n",
  "public/index.php": "<?php",
};

test.each<[string, Source, Settings]>([
  ["Ruby", ruby, production],
  ["config.ru", sourceOf({ "config.ru": "" }, { web: "a" }), production],
  ["rwsgi", sourceOf({}, { rwsgi: "config.ru" }), production],
  ["gems of the distribution", sourceOf({}, { web: "ruby web.rb -p $PORT" }), production],
  [
    "one of the two given",
    sourceOf({ Gemfile: "" }, {}, { RAILS_ENV: "staging" }),
    { ...production, RACK_ENV: "staging" },
  ],
  ["a front controller", sourceOf(laravel, { php: "public" }), front],
  ["no PHP in it", sourceOf(laravel, { web: "node app.js" }), {}],
  ["Python", sourceOf({ "requirements.txt": "" }, { web: "gunicorn app:app" }), {}],
  ["Node", sourceOf({ "package.json": "{}" }, { web: "npm start" }), {}],
])("usual settings of %s", (_, source, settings) => {
  expect(usualSettings(source, () => undefined)).toEqual(settings);
});

const likely = sourceOf({ "index.php": '<?php switch ($_SERVER["REQUEST_URI"]) {}' }, { php: "/" });
const plain = sourceOf({ "index.php": "<?php echo 1;" }, { php: "/" });

test.each<[string, Source, { source: Source; settings: Settings }, Settings]>([
  ["goes on without", ruby, { source: ruby, settings: { PORT: "1" } }, {}],
  ["keeps them", ruby, { source: ruby, settings: production }, production],
  ["was something else before", ruby, { source: plain, settings: {} }, production],
  ["a router, live without", likely, { source: likely, settings: {} }, {}],
  ["a router that is new", likely, { source: plain, settings: {} }, front],
  [
    "a front controller, live without: it answered nothing",
    sourceOf(laravel, { php: "public" }),
    { source: sourceOf(laravel, { php: "public" }), settings: {} },
    front,
  ],
])("usual settings of an app that is live: %s", (_, source, live, settings) => {
  expect(usualSettings(source, () => live)).toEqual(settings);
});

const index = { "index.php": "<?php" };
test.each<[string, Files, string, "stated" | "likely" | undefined]>([
  ["Laravel", laravel, "public", "stated"],
  ["the same with slashes", laravel, "/public/", "stated"],
  ["CodeIgniter", { ...index, ".htaccess": " RewriteRule ^(.*)$ index.php/$1 [L]" }, "/", "stated"],
  ["Grav", { ...index, ".htaccess": "RewriteRule .* index.php [L]\n" }, "/", "stated"],
  [
    "WordPress' rules",
    { ...index, ".htaccess": "RewriteRule . /index.php [L]\r\n" },
    "/",
    "stated",
  ],
  ["WordPress without", { ...index, "wp-blog-header.php": "<?php" }, "/", "stated"],
  ["FallbackResource", { ...index, ".htaccess": "FallbackResource /index.php" }, "/", "stated"],
  ["Slim", { "web/index.php": "<?php", "composer.json": '{"slim/slim": "4"}' }, "web", "stated"],
  ["a parameter", { ...index, ".htaccess": "RewriteRule ^(.*)$ index.php?p=$1" }, "/", undefined],
  ["a rule of old", { ...index, ".htaccess": "# RewriteRule ^ index.php" }, "/", undefined],
  ["a router", { "index.php": "<?= $_SERVER['PATH_INFO']" }, "/", "likely"],
  ["nothing of it", index, "/", undefined],
  ["no index.php", { ".htaccess": "RewriteRule ^ index.php [L]" }, "/", undefined],
  ["another folder", laravel, "../public", undefined],
])("frontController: %s", (_, files, folder, kind) => {
  expect(frontControllerOf(sourceOf(files, { php: folder }))).toBe(kind);
});

const vite = { "composer.json": "{}", "package.json": '{"scripts":{"build":"vite build"}}' };
const tools = ["node", "npm", "composer", "uwsgi_php"];
const composer = "composer install --no-dev --no-interaction --no-progress";

test.each<[string, Parameters<typeof commitOf>[0], string[]]>([
  [
    "Laravel with Vite",
    { files: vite, workers: { php: "public" }, tools },
    [composer, "npm run build"],
  ],
  [
    "packages in the commit",
    { files: { ...vite, "vendor/autoload.php": "" }, workers: { php: "public" }, tools },
    ["npm run build"],
  ],
  [
    "an app that installs them itself",
    { files: vite, workers: { php: "public" }, commands: ["composer install"], tools },
    ["npm run build"],
  ],
  ["no PHP", { files: vite, workers: { web: "node ." }, tools }, ["npm run build"]],
  [
    "no composer",
    { files: vite, workers: { php: "public" }, tools: tools.slice(0, 2) },
    ["npm run build"],
  ],
])("packages of PHP beside Node: %s", (_, facts, expected) => {
  const { runtime } = detectRuntime(commitOf(facts));
  const steps = runtime!.build!(commitOf(facts), "/e").map(({ argv }) => argv.join(" "));
  expect(runtime!.name).toBe("Node");
  expect(steps.filter((step) => /^(composer|npm run)/.test(step))).toEqual(expected);
});

test("packages of PHP beside Node are output, and a missing composer is said", () => {
  const facts = { files: vite, workers: { php: "public" } };
  const { runtime } = detectRuntime(commitOf({ ...facts, tools }));
  expect(runtime?.isOutput?.("vendor/autoload.php")).toBe(true);
  const source = commitOf({ ...facts, tools: tools.slice(0, 2) });
  expect(detectRuntime(source).runtime?.warns?.(source).join()).toContain("no composer");
});
