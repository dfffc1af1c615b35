import { expect } from "bun:test";
import fs from "node:fs";
import { type Board, eventually, examples, fails, list, ok, type Repo, read } from "./sandbox.ts";
import { stories } from "./story.ts";
import { provide, standIn, withdraw } from "./tools.ts";

/** Folders of dependencies of an app. */
const keys = (board: Board, app: string) =>
  list(`${board.pikuRoot}/envs/${app}`).filter((name) => /^\.[0-9a-f]{16}$/.test(name));

/** An app that is pushed, answers, is changed, pushed again, and outlives a broken manifest. */
function lives(
  board: Board,
  example: string,
  facts: {
    says: string;
    /** The line of the push that says that dependencies are installed. */
    installs: string;
    change: { file: string; from: string; to: string; says: string };
    broken: Record<string, string>;
  },
): Repo {
  const { says, installs, change, broken } = facts;
  const host = `${example.replace("python-", "")}.test`;
  const app = board.repo(example);
  const first = ok(board.push(app, example));
  expect(first.output).toContain(installs);
  expect(board.get("/", { host })).toMatchObject({ status: 200, body: says });
  const before = keys(board, example);
  expect(before).toHaveLength(1);

  const text = read(`${app.folder}/${change.file}`);
  expect(text).toContain(change.from);
  app.commit("Changed", { [change.file]: text.replace(change.from, change.to) });
  const second = ok(board.push(app, example));
  expect(second.output).not.toContain(installs);
  expect(board.get("/", { host }).body).toBe(change.says);
  expect(keys(board, example)).toEqual(before);
  console.log(
    `${example}: pushed in ${Math.round(first.ms)} ms, changed in ${Math.round(second.ms)} ms`,
  );

  app.commit("Broken", broken);
  fails(board.push(app, example));
  expect(board.get("/", { host }).body).toBe(change.says);
  expect(keys(board, example)).toEqual(before);
  ok(app.git("reset", "--quiet", "--hard", "HEAD~1"));
  return app;
}

const nodeManifest = (name: string) =>
  JSON.stringify({ name, scripts: { build: "node build.js" }, dependencies: { ms: "99.0.0" } });

const nodeLife = (name: string, installs: string) => ({
  says: `Hello from ${name}, 1m\n`,
  installs,
  change: { file: "build.js", from: "Hello", to: "Goodbye", says: `Goodbye from ${name}, 1m\n` },
  broken: { "package.json": nodeManifest(name) },
});

/** A package that serves the path of its own file. */
const ownPackage = `import os
from wsgiref.simple_server import make_server
def app(environ, start_response):
    start_response("200 OK", [])
    return [__file__.encode()]
def main():
    make_server(os.environ["BIND_ADDRESS"], int(os.environ["PORT"]), app).serve_forever()
`;

stories((board, story) => {
  story("Flask from PyPI under uWSGI", () => {
    lives(board, "python-flask", {
      says: "Hello from Flask\n",
      installs: "Running pip",
      change: { file: "app.py", from: "Hello", to: "Goodbye", says: "Goodbye from Flask\n" },
      broken: { "requirements.txt": "Flask==99.0\n" },
    });
  });

  story(
    "Node with npm: lock file, build script, and a node_modules that follows the release",
    () => {
      const app = lives(board, "node", nodeLife("node", "Running npm ci"));
      const [key] = keys(board, "node");
      expect(fs.readlinkSync(`${board.pikuRoot}/apps/node/node_modules`)).toBe(
        `${board.pikuRoot}/envs/node/${key}/node_modules`,
      );
      const manifest = read(`${app.folder}/package.json`).replace("2.1.2", "2.1.3");
      app.commit("Newer, without a lock file", {
        "package.json": manifest,
        "package-lock.json": null,
      });
      const { output } = ok(board.push(app, "node"));
      expect(output).toContain("Running npm install");
      expect(board.get("/", { host: "node.test" }).body).toBe("Goodbye from node, 1m\n");
      const tree = `${board.pikuRoot}/apps/node`;
      expect(fs.readlinkSync(`${tree}/node_modules`)).not.toContain(key!);
      expect(JSON.parse(read(`${tree}/node_modules/ms/package.json`)).version).toBe("2.1.3");
      app.commit("No such version", { "package.json": manifest.replace("2.1.3", "99.0.0") });
      fails(board.push(app, "node"));
      expect(JSON.parse(read(`${tree}/node_modules/ms/package.json`)).version).toBe("2.1.3");
      expect(board.get("/", { host: "node.test" }).status).toBe(200);
    },
  );

  if (board.target.name.endsWith("-lite")) return;

  story("Node without a web line runs `npm start`; its own scripts see the whole app", () => {
    const app = board.repo("node", {
      Procfile: "release: true\n",
      ENV: "NGINX_SERVER_NAME=start.test\nNODE_PACKAGE_MANAGER=npm --package-lock=false\n",
      "package.json": JSON.stringify({
        scripts: {
          postinstall: "node build.js",
          start: "exec node server.js",
        },
        dependencies: { ms: "2.1.2" },
      }),
      "package-lock.json": null,
    });
    const { output } = ok(board.push(app, "start"));
    expect(output).toContain("Running npm --package-lock=false install");
    expect(board.get("/", { host: "start.test" }).body).toBe("Hello from node, 1m\n");
    expect(ok(board.ssh("ps", "start")).stdout).toMatch(/web\W+1/);
  });

  story(
    "Node: what the original installed, a release that fails, and going back each have their own packages",
    () => {
      const shows =
        "require('http').createServer((_, r) => r.end(require('ms/package').version)).listen(process.env.PORT)\n";
      const manifest = (version: string) => JSON.stringify({ dependencies: { ms: version } });
      const app = board.repo(undefined, {
        Procfile: "web: exec node app.js\n",
        ENV: "NGINX_SERVER_NAME=versions.test\n",
        "app.js": shows,
        "package.json": manifest("2.0.0"),
      });
      const served = () => board.get("/", { host: "versions.test" }).body;
      ok(board.push(app, "versions"));
      expect(served()).toBe("2.0.0");
      const link = `${board.pikuRoot}/apps/versions/node_modules`;
      fs.rmSync(link);
      fs.symlinkSync(`${board.pikuRoot}/envs/versions/node_modules`, link);
      app.commit("Second", { "package.json": manifest("2.1.0") });
      ok(board.push(app, "versions"));
      expect(served()).toBe("2.1.0");
      app.commit("Fails", {
        "package.json": manifest("2.1.3"),
        Procfile: "release: false\nweb: exec node app.js\n",
      });
      fails(board.push(app, "versions"));
      expect(served()).toBe("2.1.0");
      ok(board.ssh("restart", "versions"));
      expect(served()).toBe("2.1.0");
      ok(app.git("reset", "--quiet", "--hard", "HEAD~2"));
      ok(board.push(app, "versions", "--force", "main"));
      expect(served()).toBe("2.0.0");
      expect(ok(board.ssh("rollback", "versions")).output).not.toContain("Running npm");
      expect(served()).toBe("2.1.0");
    },
  );

  story(
    "pip: the app itself as a package runs from its own folder, not from the build tree",
    () => {
      const app = board.repo(undefined, {
        Procfile: "web: exec hello-own\n",
        ENV: "NGINX_SERVER_NAME=own.test\n",
        "requirements.txt": "setuptools\n-e .\n",
        "pyproject.toml":
          '[project]\nname = "own"\nversion = "1"\n[project.scripts]\nhello-own = "own:main"\n',
        "src/own/__init__.py": ownPackage,
      });
      ok(board.push(app, "own"));
      expect(board.get("/", { host: "own.test" }).body).toBe(
        `${board.pikuRoot}/apps/own/src/own/__init__.py`,
      );
    },
  );

  story(
    "pip: a wsgi app for a Python that uWSGI has not is told to use gunicorn [python3.14 is a stand-in]",
    () => {
      standIn(board, "python3.14", '[ "$1" = -V ] && echo "Python 3.14.0"\n');
      const app = board.repo("python-flask", { ENV: "PYTHON_VERSION=3.14\n" });
      expect(fails(board.push(app, "later")).output).toContain("use gunicorn as `web`");
      withdraw(board, "python3.14");
    },
  );

  story(
    "what only a build script needs is installed for it, also where NODE_ENV is production",
    () => {
      provide(board, "yarn");
      provide(board, "pnpm");
      const app = board.repo(undefined, {
        Procfile: "static: public\n",
        "package.json": JSON.stringify({
          scripts: {
            build:
              "mkdir -p public && node -p \"require('ms/package').version\" >public/index.html",
          },
          devDependencies: { ms: "2.1.3" },
        }),
      });
      for (const manager of ["npm", "yarn", "pnpm"]) {
        const name = `dev-${manager}`;
        const settings = {
          NODE_PACKAGE_MANAGER: manager,
          NODE_ENV: "production",
          NGINX_SERVER_NAME: `${name}.test`,
        };
        const lines = Object.entries(settings).map(([key, value]) => `${key}=${value}\n`);
        app.commit(manager, { ENV: lines.join("") });
        ok(board.push(app, name));
        expect(board.get("/", { host: `${name}.test` }).body).toBe("2.1.3\n");
      }
      withdraw(board, "yarn");
      withdraw(board, "pnpm");
    },
  );

  story("Node with yarn and its lock file", () => {
    provide(board, "yarn");
    lives(board, "node-yarn", nodeLife("node-yarn", "Running yarn install"));
    withdraw(board, "yarn");
  });

  story("Node with pnpm, which npm installs where it is missing", () => {
    lives(board, "node-pnpm", nodeLife("node-pnpm", "Installing package manager pnpm@9 with npm"));
  });

  story("what a Node program prints is in its log, without `| cat`", () => {
    const app = board.repo(undefined, {
      Procfile: "worker: node tell.js\n",
      "tell.js": "setInterval(() => console.log('told'), 50);\n",
    });
    ok(board.push(app, "tells"));
    eventually(() => expect(read(`${board.pikuRoot}/logs/tells/worker.1.log`)).toContain("told"));
  });

  story("NODE_VERSION [nodeenv is a stand-in that tells what it was called with]", () => {
    const [major] = process.versions.node
      ? ok(board.run(["node", "-v"]))
          .stdout.slice(1)
          .split(".")
      : [];
    const app = board.repo("node", {
      ENV: `NGINX_SERVER_NAME=version.test\nNODE_VERSION=${major}\n`,
    });
    expect(ok(board.push(app, "version")).output).not.toContain("nodeenv");
    app.commit("Another version", { ENV: "NGINX_SERVER_NAME=version.test\nNODE_VERSION=4.5.6\n" });
    // As the original: the server's own has to do, and the push says so.
    expect(ok(board.push(app, "version")).output).toContain(
      "NODE_VERSION is 4.5.6, but the server has Node",
    );
    // What it makes says that it is the version that was asked for, and runs the real one.
    standIn(
      board,
      "nodeenv",
      `echo "nodeenv $*"
for last; do :; done
mkdir -p "$last/bin"
printf '#!/bin/sh\\n[ "$1" != -v ] || { echo v4.5.6; exit; }\\nTHROUGH=nodeenv exec ${which(board, "node")} "$@"\\n' >"$last/bin/node"
chmod 755 "$last/bin/node"
`,
    );
    app.commit("Tells", {
      "server.js": read(`${app.folder}/server.js`).replace("built}", "process.env.THROUGH}"),
    });
    const { output } = ok(board.push(app, "version"));
    expect(output).toMatch(
      /nodeenv --prebuilt --node=4\.5\.6 --clean-src --force \S+\/envs\/version\/\.[0-9a-f]{16}/,
    );
    expect(board.get("/", { host: "version.test" }).body).toBe("nodeenv 1m\n");
    withdraw(board, "nodeenv");
  });

  story("Bun", () => {
    provide(board, "bun");
    lives(board, "bun", {
      ...nodeLife("bun", "Running bun install"),
      broken: { "package.json": nodeManifest("bun") },
    });
    withdraw(board, "bun");
  });

  story("Deno", () => {
    provide(board, "deno");
    lives(board, "deno", {
      says: "Hello from Deno, 1m\n",
      installs: "Running deno install",
      change: { file: "main.js", from: "Hello", to: "Goodbye", says: "Goodbye from Deno, 1m\n" },
      broken: { "deno.json": `{ "imports": { "ms": "npm:ms@99.0.0" } }` },
    });
    withdraw(board, "deno");
  });

  story("Python with Poetry and its lock file", () => {
    provide(board, "poetry");
    lives(board, "python-poetry", {
      says: "Hello from Poetry\n",
      installs: "Running poetry install",
      change: { file: "app.py", from: "Hello", to: "Goodbye", says: "Goodbye from Poetry\n" },
      broken: {
        "pyproject.toml": read(`${examples}/python-poetry/pyproject.toml`).replace(
          "0.13,<0.14",
          "99",
        ),
      },
    });
    withdraw(board, "poetry");
  });

  story(
    "Poetry: the app itself as a package, without a lock file, runs from its own folder",
    () => {
      provide(board, "poetry");
      const manifest = (version: number) =>
        `[project]\nname = "own"\nversion = "${version}"\n[project.scripts]\nhello-own = "own:main"\n[build-system]\nrequires = ["poetry-core"]\nbuild-backend = "poetry.core.masonry.api"\n`;
      const app = board.repo(undefined, {
        Procfile: "web: exec hello-own\n",
        ENV: "NGINX_SERVER_NAME=own-poetry.test\n",
        "pyproject.toml": manifest(1),
        "src/own/__init__.py": ownPackage,
      });
      ok(board.push(app, "own-poetry"));
      const file = `${board.pikuRoot}/apps/own-poetry/src/own/__init__.py`;
      expect(board.get("/", { host: "own-poetry.test" }).body).toBe(file);
      app.commit("Two", { "pyproject.toml": `${manifest(2)}[dependency-groups]\ndev = []\n` });
      expect(ok(board.push(app, "own-poetry")).output).toContain("Running poetry install");
      expect(fs.existsSync(`${board.pikuRoot}/apps/own-poetry/poetry.lock`)).toBe(false);
      withdraw(board, "poetry");
    },
  );

  story("Python with uv and its lock file, a package in src/", () => {
    provide(board, "uv");
    const app = lives(board, "python-uv", {
      says: "Hello from uv\n",
      installs: "Running uv sync",
      change: {
        file: "src/hello_uv/__init__.py",
        from: "Hello",
        to: "Goodbye",
        says: "Goodbye from uv\n",
      },
      broken: { "uv.lock": "no lock file\n" },
    });
    expect(fs.existsSync(`${board.pikuRoot}/apps/python-uv/uv.lock`)).toBe(true);
    app.commit("wsgi", { Procfile: "wsgi: hello_uv:app\n" });
    ok(board.push(app, "python-uv"));
    expect(board.get("/", { host: "uv.test" }).body).toBe("Goodbye from uv\n");
    app.commit("Another Python", { ".python-version": "3.8\n" });
    expect(fails(board.push(app, "python-uv")).output).toContain("use gunicorn as `web`");
    expect(board.get("/", { host: "uv.test" }).body).toBe("Goodbye from uv\n");
    withdraw(board, "uv");
  });
});

/** The path of a program on the board. */
const which = (board: Board, name: string) =>
  ok(board.run(["sh", "-c", `command -v ${name}`])).stdout.trim();
