import { expect } from "bun:test";
import fs from "node:fs";
import { type Board, fails, list, ok, read } from "./sandbox.ts";
import { stories, unlessLong } from "./story.ts";
import { toolOf } from "./toolchains.ts";
import { provide, standIn, withdraw } from "./tools.ts";

/** Folders of dependencies of an app. */
const keys = (board: Board, app: string) =>
  list(`${board.pikuRoot}/envs/${app}`).filter((name) => /^\.[0-9a-f]{16}$/.test(name));

const manifest = (facts: object) => `${JSON.stringify(facts, undefined, 2)}\n`;

const serves = (expression: string) =>
  `require("http").createServer((_, r) => r.end(String(${expression}))).listen(process.env.PORT, process.env.BIND_ADDRESS);\n`;

const named = (app: string) => `NGINX_SERVER_NAME=${app}.test\n`;

// As Next.js's bundler does.
const refusesLinks = `const root = process.cwd() + "/";
if (!require("fs").realpathSync("node_modules/ms").startsWith(root))
  throw new Error("Symlink node_modules is invalid, it points out of the filesystem root");
`;

stories((board, story) => {
  story(
    "install scripts run at every push with all files; dependencies are installed once, and the release that runs keeps what they made",
    () => {
      const app = board.repo(undefined, {
        Procfile: "web: exec node server.js\n",
        ENV: named("scripts"),
        "package.json": manifest({
          scripts: {
            // SvelteKit's; there is no such program here.
            prepare: "node sync.js || echo ''",
            postinstall: "node generate.js",
            build: "node build.js",
          },
          dependencies: { ms: "2.1.2" },
        }),
        "sync.js": 'require("fs").writeFileSync("synced", "synced");\n',
        // As Prisma does: into node_modules, from a file of the app, and over what is there.
        "generate.js": `const fs = require("fs");
fs.mkdirSync("node_modules/client", { recursive: true });
fs.writeFileSync("node_modules/client/index.js", "module.exports = " + JSON.stringify(fs.readFileSync("schema", "utf8")));
`,
        "build.js": `${refusesLinks}require("fs").writeFileSync("built", require("client") + " built");\n`,
        "server.js": serves(
          'require("client") + fs.readFileSync("built") + fs.readFileSync("synced")',
        ).replace("require", 'const fs = require("fs");\nrequire'),
        schema: "one ",
      });
      const served = () => board.get("/", { host: "scripts.test" }).body;
      const first = ok(board.push(app, "scripts")).output;
      expect(first).toContain("Running npm install");
      expect(served()).toBe("one one  builtsynced");
      const before = keys(board, "scripts");

      app.commit("Second", { schema: "two " });
      const second = ok(board.push(app, "scripts")).output;
      expect(second).not.toContain("Running npm install");
      expect(second).toContain("Running the postinstall script for 'scripts'");
      expect(keys(board, "scripts")).toEqual(before);
      expect(served()).toBe("two two  builtsynced");

      app.commit("Fails", { schema: "three ", "build.js": "process.exit(3);\n" });
      fails(board.push(app, "scripts"));
      ok(board.ssh("restart", "scripts"));
      expect(served()).toBe("two two  builtsynced");
      ok(board.ssh("rollback", "scripts", "1"));
      expect(served()).toBe("one one  builtsynced");
    },
  );

  // Regression: after an upgrade of Node the second restart had lost its packages.
  story(
    "restarts keep the packages that the app was built with, also when the board has another Node",
    () => {
      const app = board.repo(undefined, {
        Procfile: "web: exec node server.js\n",
        ENV: named("upgraded"),
        "package.json": manifest({ dependencies: { ms: "2.1.2" } }),
        "server.js": serves('require("ms")(60000)'),
      });
      ok(board.push(app, "upgraded"));
      const before = keys(board, "upgraded");
      standIn(
        board,
        "node",
        `[ "$1" != -v ] || { echo v99.0.0; exit; }\nexec ${toolOf("node")} "$@"\n`,
      );
      for (let i = 0; i < 2; i++)
        expect(ok(board.ssh("restart", "upgraded")).output).not.toContain("Running npm");
      expect(board.get("/", { host: "upgraded.test" }).body).toBe("1m");
      expect(keys(board, "upgraded")).toEqual(before);
      expect(ok(board.ssh("deploy", "upgraded")).output).toContain("Running npm install");
      expect(board.get("/", { host: "upgraded.test" }).body).toBe("1m");
      withdraw(board, "node");
    },
  );

  story("a build that refuses a linked node_modules, and one that prunes it", () => {
    const app = board.repo(undefined, {
      Procfile: "static: public\n",
      ENV: named("refuses"),
      "package.json": manifest({
        scripts: { build: "node build.js && rm -r node_modules/ms" },
        dependencies: { ms: "2.1.2" },
      }),
      "build.js": `${refusesLinks}const fs = require("fs");
fs.mkdirSync("public", { recursive: true });
fs.writeFileSync("public/index.html", "for " + require("ms")(60000));
`,
    });
    ok(board.push(app, "refuses"));
    expect(board.get("/", { host: "refuses.test" }).body).toBe("for 1m");
    const modules = fs.readlinkSync(`${board.pikuRoot}/apps/refuses/node_modules`);
    expect(modules).toBe(
      `${board.pikuRoot}/envs/refuses/${keys(board, "refuses")[0]}/node_modules`,
    );
    expect(fs.existsSync(`${modules}/ms/package.json`)).toBe(true);
    app.commit("Again", { "build.js": read(`${app.folder}/build.js`).replace("for ", "after ") });
    expect(ok(board.push(app, "refuses")).output).not.toContain("Running npm install");
    expect(board.get("/", { host: "refuses.test" }).body).toBe("after 1m");
  });

  story(
    "workspaces: packages run from the app's tree, what they build too, and are not installed again",
    () => {
      provide(board, "pnpm");
      for (const manager of process.env.PIKU_LONG ? ["npm", "pnpm"] : ["npm"]) {
        const name = `workspace-${manager}`;
        const app = board.repo(undefined, {
          Procfile: "web: exec node packages/web/server.js\n",
          ENV: `${named(name)}NODE_PACKAGE_MANAGER=${manager}\n`,
          "package.json": manifest({ workspaces: ["packages/*"] }),
          ...(manager === "pnpm" ? { "pnpm-workspace.yaml": "packages:\n  - packages/*\n" } : {}),
          "packages/greet/package.json": manifest({
            name: "greet",
            version: "1.0.0",
            main: "dist/greet.js",
            scripts: { prepare: "node make.js" },
            dependencies: { ms: "2.1.2" },
          }),
          "packages/greet/make.js": `const fs = require("fs");
fs.mkdirSync("dist", { recursive: true });
fs.writeFileSync("dist/greet.js", "module.exports = require('../greeting') + require('ms')(60000);");
`,
          "packages/greet/dist/.gitignore": "*.js\n",
          "packages/greet/greeting.js": 'module.exports = "Hello for ";\n',
          "packages/web/package.json": manifest({
            name: "web",
            version: "1.0.0",
            dependencies: { greet: manager === "pnpm" ? "workspace:*" : "1.0.0" },
          }),
          "packages/web/server.js": serves('require("greet") + require.resolve("greet")'),
        });
        const served = () => board.get("/", { host: `${name}.test` }).body;
        const file = `${board.pikuRoot}/apps/${name}/packages/greet/dist/greet.js`;
        expect(ok(board.push(app, name)).output).toContain(`Running ${manager} install`);
        expect(served()).toBe(`Hello for 1m${file}`);
        app.commit("Second", { "packages/greet/greeting.js": 'module.exports = "Bye for ";\n' });
        const { output } = ok(board.push(app, name));
        expect(output).not.toContain(`Running ${manager} install`);
        expect(output).toContain("Running the prepare script of packages/greet");
        expect(served()).toBe(`Bye for 1m${file}`);
      }
      withdraw(board, "pnpm");
    },
  );

  story("Yarn 4 with a build script, by packageManager alone, and as the web worker", () => {
    const app = board.repo(undefined, {
      Procfile: "web: exec yarn start\n",
      ENV: named("yarn-four"),
      "package.json": manifest({
        packageManager: "yarn@4.9.2",
        scripts: { start: "node i.js", build: "node -p \"require('ms')(60000)\" >built" },
        dependencies: { ms: "2.1.2" },
      }),
      "i.js": serves('require("fs").readFileSync("built")'),
    });
    expect(ok(board.push(app, "yarn-four")).output).toContain(
      "Running yarn install because of packageManager in package.json",
    );
    expect(board.get("/", { host: "yarn-four.test" }).body).toBe("1m\n");
    app.commit("Second", { "i.js": serves("'again'") });
    expect(ok(board.push(app, "yarn-four")).output).not.toContain("Running yarn install");
    expect(board.get("/", { host: "yarn-four.test" }).body).toBe("again");
  });
}, unlessLong);
