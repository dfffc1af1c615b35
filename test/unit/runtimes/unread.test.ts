import { expect, test } from "bun:test";
import { detectRuntime } from "../../../src/runtimes/index.ts";
import type { Source } from "../../../src/runtimes/runtime.ts";
import { refuseHerokuPhp, unreadWarnings } from "../../../src/runtimes/unread.ts";
import { sourceOf } from "../../host/source.ts";

type Files = Record<string, string>;

const answers = {
  "python3 -V": "Python 3.13.5",
  "node --version": "v20.19.2",
  "ruby -v": "ruby 3.1.2p20 (2022-04-12 revision 4491bedf98) [x86_64-linux-gnu]",
  "java --version": "openjdk 17.0.16 2025-07-15\nOpenJDK Runtime Environment",
};

/** What is said of a commit with these files, and the runtime that it gets. */
function said(files: Files, workers: Files, settings: Files = {}, lacking: string[] = []) {
  const source: Source = {
    ...sourceOf({ files, workers, settings: { APP: "blog", ...settings }, answers }),
    read: (name) => files[name.split("/").filter(Boolean).join("/")] ?? "",
    has: (tool) => !lacking.includes(tool),
  };
  const { runtime } = detectRuntime(source);
  const htaccess = Object.keys(files).filter((name) => /(^|\/)\.htaccess$/.test(name));
  return unreadWarnings(source, runtime!, htaccess);
}

const web = { web: "gunicorn app:app" };
const requirements = { "requirements.txt": "flask\n" };
const poetry = { "pyproject.toml": "[tool.poetry]\n", ".python-version": "3.10\n" };
const denied = { "data/.htaccess": "  Require all denied\n", "conf/.htaccess": "deny from all" };
const laravel = {
  "public/index.php": "<?php",
  "public/.htaccess": "RewriteRule ^ index.php [L]\n",
};

test.each<[string, string[], string[]]>([
  [
    "Pipfile (httpbin)",
    said({ Pipfile: "", "Pipfile.lock": "" }, web),
    [
      "Pipfile is not read; on your machine: pipenv requirements > requirements.txt, and commit that",
    ],
  ],
  ["Pipfile beside requirements.txt", said({ Pipfile: "", ...requirements }, web), []],
  [
    "setup.py",
    said({ "setup.py": "" }, web),
    ["setup.py is not read; add a requirements.txt with one line, a dot: ."],
  ],
  [
    "conda",
    said({ "environment.yml": "" }, web),
    ["environment.yml (conda) is not read; list its packages in a requirements.txt"],
  ],
  [
    "a list of another name",
    said({ "requirements.in": "" }, web),
    ["requirements.in is not read; the file is called requirements.txt"],
  ],
  [
    "a folder of requirements",
    said({ "requirements/prod.txt": "" }, web),
    [
      "requirements/ is not read; add a requirements.txt with a line such as: -r requirements/base.txt",
    ],
  ],
  ["more than one list", said({ ...requirements, "requirements-dev.txt": "" }, web), []],
  [
    "Gemfile and package.json beside requirements.txt (dk/multi)",
    said({ ...requirements, Gemfile: "", "package.json": '{"scripts":{"build":"vite"}}' }, web),
    [
      "Gemfile is not read, since this is deployed as a Python app; give the part in Ruby a repository of its own",
      "package.json is not read, since this is deployed as a Python app; to build with it: preflight: npm ci && npm run build",
    ],
  ],
  ["package.json for tools only", said({ ...requirements, "package.json": "{}" }, web), []],
  [
    "package.json that the Procfile builds",
    said(
      { ...requirements, "package.json": '{"scripts":{"build":"vite"}}' },
      { ...web, preflight: "npm ci && npm run build" },
    ),
    [],
  ],
  [
    "composer.json of a php app",
    said({ ...laravel, "composer.json": "{}" }, { php: "public" }),
    [],
  ],
  [
    "composer.json without a php line",
    said({ "composer.json": "{}", "web/index.php": "" }, web),
    ["composer.json is not read without a php line; in the Procfile: php: web"],
  ],
  [
    "composer.json of a server in PHP itself",
    said({ ...requirements, "composer.json": "{}" }, { web: "php -S $BIND_ADDRESS:$PORT" }),
    [
      "composer.json is not read, since this is deployed as a Python app; for its packages: preflight: composer install --no-dev",
    ],
  ],
  [
    "Rails without a secret",
    said({ Gemfile: 'gem "rails", "~> 8.0"\n' }, { web: "puma" }, { RAILS_ENV: "production" }),
    [
      "Rails wants a secret of its own in production: ssh piku@board config:set blog SECRET_KEY_BASE=$(openssl rand -hex 64)",
    ],
  ],
  [
    "Rails with one",
    said(
      { Gemfile: 'gem "rails"' },
      { web: "puma" },
      { RAILS_ENV: "production", SECRET_KEY_BASE: "x" },
    ),
    [],
  ],
  ["Rails that was live in development", said({ Gemfile: 'gem "rails"' }, { web: "puma" }), []],
  [
    ".env",
    said({ ".env": "A=1\n" }, web),
    [".env is not read by piku; take it out of git, and: ssh piku@board config:import blog <.env"],
  ],
  [".env beside ENV", said({ ".env": "", ENV: "" }, web), []],
  ["a folder called env", said({ "env/bin/python": "" }, web), []],
  [
    "runtime.txt",
    said({ ...requirements, "runtime.txt": "python-3.10.2\n" }, web),
    [
      "runtime.txt is not followed: it asks for Python 3.10, and the app gets 3.13; to choose, in ENV: PYTHON_VERSION=3.10",
    ],
  ],
  ["the same version", said({ ...requirements, ".python-version": "3.13\n" }, web), []],
  [
    ".python-version (hk/python)",
    said({ ...requirements, ".python-version": "3.14\n" }, web),
    [
      ".python-version is not followed: it asks for Python 3.14, and the app gets 3.13; to choose, in ENV: PYTHON_VERSION=3.14",
    ],
  ],
  [
    "a setting that chooses",
    said({ ...requirements, ".python-version": "3.14\n" }, web, { PYTHON_VERSION: "3.12" }),
    [],
  ],
  [
    "what uv follows",
    said({ "pyproject.toml": "[project]\n", ".python-version": "3.10\n" }, web, {}, ["poetry"]),
    [],
  ],
  [
    "Poetry",
    said(poetry, web),
    [
      ".python-version is not followed: it asks for Python 3.10, and the app gets 3.13; to choose, in ENV: PYTHON_VERSION=3.10",
    ],
  ],
  [
    ".nvmrc",
    said({ "package.json": "{}", ".nvmrc": "v22.1.0\n" }, { web: "node app.js" }),
    [
      ".nvmrc is not followed: it asks for Node 22, and the app gets 20; to choose, in ENV: NODE_VERSION=22",
    ],
  ],
  [".nvmrc by name", said({ "package.json": "{}", ".nvmrc": "lts/iron\n" }, { web: "node ." }), []],
  [
    ".ruby-version",
    said({ Gemfile: "", ".ruby-version": "3.3.0\n" }, { web: "puma" }),
    [
      ".ruby-version is not followed: it asks for Ruby 3.3, and the app gets 3.1; the server's is what there is",
    ],
  ],
  [
    "system.properties",
    said({ "pom.xml": "", "system.properties": "java.runtime.version=21\n" }, { web: "java" }),
    [
      "system.properties is not followed: it asks for Java 21, and the app gets 17; the server's is what there is",
    ],
  ],
  [
    ".htaccess that protects (DokuWiki)",
    said({ "index.php": "", ...denied }, { php: "/" }),
    [
      ".htaccess is not followed: everybody can read data/, conf/; what it is for belongs in the file of NGINX_INCLUDE_FILE, such as: location ^~ /data/ { return 404; }",
    ],
  ],
  [
    "below the public folder",
    said({ "site/index.html": "", "site/in/.htaccess": "AuthType Basic\n" }, { static: "/x:site" }),
    [
      ".htaccess is not followed: everybody can read site/in/; what it is for belongs in the file of NGINX_INCLUDE_FILE, such as: location ^~ /in/ { return 404; }",
    ],
  ],
  ["outside of it", said({ "public/index.php": "", ...denied }, { php: "public" }), []],
  ["which no server serves", said(denied, web), []],
  [
    "directives of the app's own",
    said({ "index.php": "", ...denied }, { php: "/" }, { NGINX_INCLUDE_FILE: "nginx.conf" }),
    [],
  ],
  ["of a front controller", said(laravel, { php: "public" }), []],
  [
    "with rules besides (Grav)",
    said(
      {
        ...laravel,
        "public/.htaccess": "RewriteRule ^(cache)/ error [F]\nRewriteRule .* index.php [L]",
      },
      { php: "public" },
    ),
    [
      ".htaccess is not followed in public/; what it is for belongs in the file of NGINX_INCLUDE_FILE",
    ],
  ],
])("files that nothing reads: %s", (_, found, expected) => {
  expect(found).toEqual(expected);
});

test.each([
  ["heroku-php-apache2 web/", "php: web"],
  ["vendor/bin/heroku-php-nginx -C nginx.conf public", "php: public"],
  ["heroku-php-apache2", "php: /"],
])("Heroku's PHP is refused with piku's: %s", (web, line) => {
  expect(() => refuseHerokuPhp(sourceOf({ workers: { web } }))).toThrow(
    expect.objectContaining({ hint: `in the place of the web line: ${line}` }),
  );
});

test("a program of that name that the server has, and any other, is run", () => {
  const web = "heroku-php-apache2 web/";
  refuseHerokuPhp(sourceOf({ workers: { web }, tools: ["heroku-php-apache2"] }));
  refuseHerokuPhp(sourceOf({ workers: { web: "python3 app.py" } }));
  refuseHerokuPhp(sourceOf({ workers: { worker: web } }));
});
