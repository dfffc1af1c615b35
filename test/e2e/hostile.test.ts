// biome-ignore-all lint/suspicious/noTemplateCurlyInString: a shell would read them.
/** Repositories, requests and environments that were made to do harm. */
import { expect } from "bun:test";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { probeSource, webProbe } from "./probe.ts";
import { eventually, type Files, fails, list, ok, type Repo, read } from "./sandbox.ts";
import { stories, unlessLong } from "./story.ts";

stories((board, story) => {
  const root = () => board.pikuRoot;
  const page = (name: string, url = "/") => board.get(url, { host: `${name}.test` }).body;
  const canary = () => `${board.folder}/canary`;
  const untouched = () => expect(fs.existsSync(canary())).toBe(false);
  const deployed = (name: string, files: Files): Repo => {
    const app = board.repo(undefined, files);
    ok(board.push(app, name));
    return app;
  };

  // ---- links ----

  story(
    "a link stands for the file of the commit that it leads to, and is refused when it leads out",
    () => {
      const app = board.repo(undefined, {
        ...webProbe("links.test"),
        "deploy/Procfile": "web: exec python3 app.py\n",
        Procfile: null,
      });
      fs.symlinkSync("deploy/Procfile", `${app.folder}/Procfile`);
      app.commit("A link within");
      ok(board.push(app, "links"));
      expect(page("links")).toBe("one");
      const secret = `${root()}/ENV`;
      for (const [name, to] of [
        ["Procfile", "../../repos/links/HEAD"],
        ["ENV", secret],
        ["requirements.txt", "/etc/passwd"],
        ["package.json", "nowhere"],
      ] as const) {
        fs.rmSync(`${app.folder}/${name}`, { force: true });
        fs.symlinkSync(to, `${app.folder}/${name}`);
        app.commit("A link out");
        const { output } = fails(board.push(app, "links"), 1);
        expect(output).toContain(`'${name}' is a link to something that is not in the commit`);
        expect(output).not.toMatch(/root:x|PIKU_HTTP_PORT/);
        ok(app.git("reset", "--quiet", "--hard", "HEAD~1"));
      }
      expect(page("links")).toBe("one");
    },
  );

  story(
    "a chain of links that leads out of what is served is refused, also through a folder",
    () => {
      const app = board.repo(undefined, {
        ...webProbe("chain.test"),
        ENV: "NGINX_SERVER_NAME=chain.test\nNGINX_STATIC_PATHS=/s:public\n",
        "public/file.txt": "a file\n",
        "shown/file.txt": "another\n",
      });
      fs.symlinkSync("../shown", `${app.folder}/public/more`);
      app.commit("A link to a folder");
      ok(board.push(app, "chain"));
      expect(page("chain", "/s/more/file.txt")).toBe("another\n");
      const cases: [string, string][][] = [
        [
          ["public/a", "../b"],
          ["b", "/etc/passwd"],
        ],
        [["shown/passwd", "/etc/passwd"]],
        [
          ["public/d", "../e/f"],
          ["e", "/"],
        ],
      ];
      for (const links of cases) {
        for (const [name, to] of links) fs.symlinkSync(to, `${app.folder}/${name}`);
        app.commit("Links out");
        expect(fails(board.push(app, "chain"), 1).output).toContain("is a link out of the app");
        ok(app.git("reset", "--quiet", "--hard", "HEAD~1"));
      }
      for (const folder of [
        "/",
        root(),
        `${root()}/envs`,
        `${root()}/envs/chain`,
        `${root()}/apps`,
        board.home,
      ]) {
        const { output } = fails(
          board.ssh("config:set", "chain", `NGINX_STATIC_PATHS=/s:${folder}`),
          1,
        );
        expect(output).toContain("holds settings and keys of this server");
      }
      expect(page("chain", "/s/file.txt")).toBe("a file\n");
    },
  );

  // ---- over http ----

  story("`.git`, dotfiles and settings are not served, however they are written", () => {
    const secrets = {
      ENV: "SECRET=do-not-show\n",
      Procfile: "static: /\n",
      ".env": "do-not-show\n",
      ".git-credentials": "do-not-show\n",
    };
    deployed("whole", {
      ...secrets,
      ENV: `NGINX_SERVER_NAME=whole.test\n${secrets.ENV}`,
      "index.html": "front\n",
      "sub/.env": "do-not-show\n",
      "sub/x.txt": "x\n",
    });
    deployed("part", {
      ...webProbe("part.test"),
      ENV: `NGINX_SERVER_NAME=part.test\nNGINX_STATIC_PATHS=/s:.,/t/:sub\n${secrets.ENV}`,
      ".env": "do-not-show\n",
      "sub/.env": "do-not-show\n",
      "sub/x.txt": "x\n",
    });
    expect(page("whole", "/sub/x.txt")).toBe("x\n");
    expect(page("part", "/s/sub/x.txt")).toBe("x\n");
    const names = [
      ".git/config",
      ".git/HEAD",
      ".git/",
      ".git",
      ".env",
      "sub/.env",
      "ENV",
      "Procfile",
      ".git-credentials",
    ];
    const spellings: ((name: string) => string)[] = [
      (name) => name,
      (name) => name.replaceAll(".", "%2e"),
      (name) => name.replaceAll(".", "%2E"),
      (name) => name.replace(/[a-zA-Z]/g, (letter) => `%${letter.charCodeAt(0).toString(16)}`),
      (name) => name.replaceAll("/", "%2f"),
      (name) => name.replaceAll("/", "//"),
      (name) => name.replaceAll(".", "%252e"),
      (name) => name.replaceAll(".", "%c0%ae"),
      (name) => `./${name}`,
      (name) => `/${name}`,
      (name) => `x/../${name}`,
      (name) => `sub/%2e%2e/${name}`,
      (name) => `sub/..%2f${name}`,
      (name) => `sub/%2e%2e%2f${name}`,
      (name) => `\\${name}`,
      (name) => `%5c${name}`,
      (name) => `${name}%00`,
      (name) => `%00${name}`,
      (name) => `${name}%20`,
      (name) => `${name}/.`,
      (name) => `${name};x`,
      (name) => `${name}?x=.png`,
      (name) => `${name}%23`,
      (name) => `..;/${name}`,
      (name) => `sub/../../whole/${name}`,
      (name) => `../whole/${name}`,
      (name) => `%2e%2e/part/${name}`,
    ];
    const told: string[] = [];
    let asked = 0;
    for (const [host, bases] of [
      ["whole.test", ["/"]],
      ["part.test", ["/", "/s/", "/t/", "/s../", "/t../"]],
    ] as const) {
      const urls = bases.flatMap((base) =>
        names.flatMap((name) => spellings.map((spell) => base + spell(name))),
      );
      asked += urls.length;
      // One curl for all of them.
      const config = urls
        .map((url) => `url = "http://${host}:${board.httpPort}${url.replace(/["\\]/g, "\\$&")}"\n`)
        .join("");
      const words = [
        "curl",
        "-sg",
        "--noproxy",
        "*",
        "--path-as-is",
        "--resolve",
        `${host}:${board.httpPort}:127.0.0.1`,
        "-w",
        "\n== %{http_code} %{url}\n",
        "-K",
        "-",
      ];
      const { stdout } = board.run(words, { input: config });
      const answers = stdout.split(/^(?=== )/m);
      expect(stdout.split("\n== ").length - 1).toBe(urls.length);
      for (const [i, answer] of answers.entries())
        if (/do-not-show|\[core\]|ref: refs|static: \/|exec python3/.test(answer))
          told.push(`${answers[i + 1]?.split("\n")[0]}: ${answer}`);
    }
    expect(asked).toBeGreaterThan(1000);
    expect(told).toEqual([]);
  });

  // ---- what git brings ----

  story("submodules that would run a command, or read this server, are refused", () => {
    const app = deployed("modules", webProbe("modules.test"));
    const other = `${root()}/repos/modules`;
    const head = app.head();
    const cases: [url: string, more?: string][] = [
      [`ext::sh -c touch% ${canary()}`],
      [`file://${other}`],
      [other],
      ["../modules"],
      ["--upload-pack=touch canary"],
      ["ssh://-oProxyCommand=touch canary/x"],
      [`file://${other}`, `update = !touch ${canary()}`],
    ];
    for (const [url, more = ""] of cases) {
      app.write({
        ".gitmodules": `[submodule "sub"]\n  path = sub\n  url = "${url}"\n  ${more}\n`,
      });
      ok(app.git("add", ".gitmodules"));
      ok(app.git("update-index", "--add", "--cacheinfo", `160000,${head},sub`));
      ok(app.git("commit", "--quiet", "-m", url));
      const push = board.push(app, "modules");
      expect([url, push.status]).toEqual([url, 1]);
      expect(push.output).toMatch(/submodule/i);
      ok(app.git("reset", "--quiet", "--hard", head));
      expect(page("modules")).toBe("one");
    }
    untouched();
    expect(list(`${root()}/apps/modules/sub`)).toEqual([]);
  });

  story("hooks, filters and encodings that a repository names are never run", () => {
    const app = deployed("filters", {
      ...webProbe("filters.test"),
      ".gitattributes":
        "*.py filter=evil diff=evil merge=evil\n*.txt working-tree-encoding=nonsense\n*.sub export-subst ident\n",
      ".gitconfig": `[filter "evil"]\n  smudge = touch ${canary()}\n[core]\n  fsmonitor = touch ${canary()}\n  hooksPath = hooks\n`,
      ".lfsconfig": `[lfs]\n  url = file:///\n`,
      "hooks/post-checkout": `#!/bin/sh\ntouch ${canary()}\n`,
      "hooks/pre-receive": `#!/bin/sh\ntouch ${canary()}\n`,
      "post-checkout": `#!/bin/sh\ntouch ${canary()}\n`,
      "a.sub": "$Id$\n",
      config: "[core]\n\tbare = true\n",
      HEAD: "ref: refs/heads/main\n",
      "objects/x": "",
      "refs/x": "",
    });
    app.git(
      "update-index",
      "--chmod=+x",
      "hooks/post-checkout",
      "hooks/pre-receive",
      "post-checkout",
    );
    app.commit("Executable", { "app.py": probeSource("two") });
    ok(board.push(app, "filters"));
    expect(page("filters")).toBe("two");
    untouched();
  });

  /** Writes a tree that git itself would not: modes, names and objects as they are. */
  const tree = (app: Repo, entries: [mode: string, name: string, id: string][]): string => {
    const parts = entries.map(([mode, name, id]) =>
      Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(id, "hex")]),
    );
    const written = spawnSync(
      "git",
      ["hash-object", "-t", "tree", "-w", "--literally", "--stdin"],
      {
        cwd: app.folder,
        env: board.clientEnv(),
        input: Buffer.concat(parts),
      },
    );
    return written.stdout.toString().trim();
  };

  story(
    "commits with names that git would not make are refused, and nothing outside is touched",
    () => {
      const app = deployed("names", { Procfile: "worker: exec sleep 1000\n" });
      const blob = (text: string) =>
        ok(
          board.run(["git", "hash-object", "-w", "--stdin"], { cwd: app.folder, input: text }),
        ).stdout.trim();
      const procfile = blob("worker: exec sleep 1001\n");
      const evil = blob(`#!/bin/sh\ntouch ${canary()}\n`);
      const inner = tree(app, [["100755", "post-checkout", evil]]);
      const before = [read(`${board.home}/.ssh/authorized_keys`), read(`${root()}/ENV`)];
      const cases: [string, [string, string, string][]][] = [
        ["a path", [["100644", "../../ENV", evil]]],
        ["an absolute path", [["100644", `${board.folder}/canary`, evil]]],
        ["dots", [["40000", "..", tree(app, [["100644", "x", evil]])]]],
        ["a path to the keys", [["100644", "../../../.ssh/authorized_keys", evil]]],
        ["git's folder", [["40000", ".git", tree(app, [["40000", "hooks", inner]])]]],
        ["git's folder in capitals", [["40000", ".GIT", tree(app, [["40000", "hooks", inner]])]]],
        ["an empty name", [["100644", "", evil]]],
      ];
      for (const [title, entries] of cases) {
        const top = tree(app, [["100644", "Procfile", procfile], ...entries]);
        const commit = ok(app.git("commit-tree", top, "-p", "HEAD", "-m", title)).stdout.trim();
        const push = board.push(app, "names", `${commit}:refs/heads/main`);
        expect([title, push.status]).toEqual([title, 1]);
        expect(push.output).toMatch(/cannot be the name of a file|refused|empty|fsck|unpack/);
        expect(push.output).not.toContain("fault of piku's own");
      }
      expect([read(`${board.home}/.ssh/authorized_keys`), read(`${root()}/ENV`)]).toEqual(before);
      untouched();
      expect(board.tip("names")).toBe(app.head());
    },
  );

  story("branches with names made to be run, or of no letters, and piku's own references", () => {
    const app = deployed("branches", { Procfile: "static: public\n", "public/x": "x\n" });
    const names = [
      `a;touch\${IFS}${canary().slice(1)}`,
      "$(touch${IFS}x)",
      "`id`",
      "a'b",
      'a"b',
      "-x",
      "a|b",
      "éé",
      "a&b",
    ].map((name) => `refs/heads/${name}`);
    for (const name of names) {
      app.commit(name);
      const { output } = ok(board.push(app, "branches", `HEAD:${name}`));
      expect(output).toContain("is live");
      ok(board.push(app, "branches", `:${name}`));
    }
    fs.writeFileSync(
      `${app.folder}/.git/latin.sh`,
      Buffer.from("git push board:branches HEAD:refs/heads/caf\xe9\n", "latin1"),
    );
    expect(
      fails(board.run(["sh", `${app.folder}/.git/latin.sh`], { cwd: app.folder })).output,
    ).toContain("is not UTF-8");
    fails(board.push(app, "branches", "HEAD:refs/piku/999"));
    expect(list(`${root()}/repos/branches/refs/piku`)).not.toContain("999");
    ok(board.ssh("restart", "branches"));
    untouched();
  });

  story("a push that is larger than PIKU_MAX_PUSH is refused by git, and leaves nothing", () => {
    const app = deployed("large", webProbe("large.test"));
    fs.appendFileSync(`${root()}/ENV`, "PIKU_MAX_PUSH=1m\n");
    const size = () =>
      Number(ok(board.run(["du", "-s", `${root()}/repos/large`])).stdout.split("\t")[0]);
    const before = size();
    const bytes = new Uint8Array(3_000_000);
    crypto.getRandomValues(bytes.subarray(0, 65_536));
    for (let i = 65_536; i < bytes.length; i++) bytes[i] = (bytes[i - 65_536]! * 31 + i) & 255;
    app.commit("Large", { "large.bin": bytes, "app.py": probeSource("two") });
    fails(board.push(app, "large"), 1);
    const many = app.git("pack-objects", "--all", "--stdout");
    expect(many.status).toBe(0);
    expect(fails(board.push(app, "large"), 1).output).toMatch(/pack exceeds maximum allowed size/);
    expect(page("large")).toBe("one");
    expect(size()).toBeLessThan(before + 200);
    fs.writeFileSync(`${root()}/ENV`, read(`${root()}/ENV`).replace("PIKU_MAX_PUSH=1m\n", ""));
    ok(board.push(app, "large"));
    expect(page("large")).toBe("two");
  });

  story("a name that differs from an app's only by case is refused", () => {
    const app = board.repo(undefined, webProbe("case.test"));
    ok(board.push(app, "Case"));
    expect(fails(board.push(app, "case")).output).toContain("differs from app 'Case' only by case");
    expect(list(`${root()}/repos`)).not.toContain("case");
  });

  // ---- what lies around, and the environment ----

  story("files that Bun, git, python and node read by themselves change nothing for piku", () => {
    const evil = `require("fs").writeFileSync("${canary()}", "x")`;
    const files: Files = {
      ".env": `PIKU_ROOT=${board.folder}/elsewhere\nHOME=${board.folder}/elsewhere\nFROM_DOTENV=1\n`,
      "bunfig.toml": 'preload = ["./evil.js"]\n',
      "evil.js": evil,
      "tsconfig.json": '{"compilerOptions":{"paths":{"*":["./evil.js"]}}}',
      "package.json":
        '{"name":"x","type":"module","imports":{"#host":"./evil.js"},"bun":{"preload":["./evil.js"]},"scripts":{"preinstall":"touch canary"}}',
      // Somebody's own habit: pushes were taken then, and nothing was deployed.
      ".gitconfig": `[core]\n  hooksPath = ${board.home}/none\n`,
      ".bunfig.toml": 'preload = ["./evil.js"]\n',
      "sitecustomize.py": `open("${canary()}", "w")\n`,
    };
    const home: Files = Object.fromEntries(Object.entries(files));
    for (const [name, content] of Object.entries(home))
      fs.writeFileSync(`${board.home}/${name}`, content as string);
    try {
      const { "package.json": _, ...tracked } = files;
      const app = deployed("around", { ...webProbe("around.test"), ...tracked });
      app.commit("Second", { "app.py": probeSource("two") });
      ok(board.push(app, "around"));
      expect(page("around")).toBe("two");
      expect(ok(board.ssh("config:live", "around")).stdout).not.toContain("FROM_DOTENV");
      for (const cwd of [board.home, `${root()}/apps/around`]) {
        fs.writeFileSync(`${cwd}/package.json`, files["package.json"] as string);
        const ran = ok(board.run([`${board.home}/piku`, "apps"], { cwd, env: board.boardEnv() }));
        expect(ran.stdout).toContain("*around");
        expect(ran.stderr).toBe("");
      }
      expect(fs.existsSync(`${board.folder}/elsewhere`)).toBe(false);
      // The app's own program finds sitecustomize.py beside itself, as it should; nothing else may
      // have.
      fs.rmSync(canary(), { force: true });
      ok(board.ssh("ps", "around"));
      ok(board.ssh("releases", "around"));
      untouched();
    } finally {
      for (const name of Object.keys(files)) fs.rmSync(`${board.home}/${name}`, { force: true });
      fs.rmSync(canary(), { force: true });
    }
  });

  story("variables that sshd may hand on are kept from git, the tools and the apps", () => {
    const evil = `${board.folder}/evil`;
    const run = `${evil}/run`;
    fs.mkdirSync(`${evil}/git`, { recursive: true });
    fs.writeFileSync(run, `#!/bin/sh\necho "$0 $*" >>${canary()}\n`, { mode: 0o755 });
    for (const name of ["git-index-pack", "git-unpack-objects", "git-receive-pack"])
      fs.copyFileSync(run, `${evil}/${name}`);
    fs.writeFileSync(
      `${evil}/git/config`,
      `[core]\n  fsmonitor = ${run}\n  sshCommand = ${run}\n  alternateRefsCommand = ${run}\n  hooksPath = ${evil}\n  pager = ${run}\n`,
    );
    fs.copyFileSync(run, `${evil}/post-checkout`);
    fs.writeFileSync(`${evil}/evil.js`, `require("fs").writeFileSync("${canary()}", "x")`);
    fs.writeFileSync(`${evil}/sitecustomize.py`, `open("${canary()}", "w")\n`);
    const hostile: Record<string, string> = {
      GIT_DIR: `${evil}/no`,
      GIT_WORK_TREE: evil,
      GIT_INDEX_FILE: `${evil}/index`,
      GIT_OBJECT_DIRECTORY: `${evil}/objects`,
      GIT_EXEC_PATH: evil,
      GIT_CONFIG_GLOBAL: `${evil}/git/config`,
      GIT_CONFIG_COUNT: "1",
      GIT_CONFIG_KEY_0: "core.fsmonitor",
      GIT_CONFIG_VALUE_0: run,
      GIT_EXTERNAL_DIFF: run,
      GIT_SSH_COMMAND: run,
      GIT_ASKPASS: run,
      GIT_PAGER: run,
      GIT_TRACE: `${canary()}.trace`,
      GIT_QUARANTINE_PATH: evil,
      XDG_CONFIG_HOME: evil,
      SSH_ASKPASS: run,
      TAR_OPTIONS: `--checkpoint=1 --checkpoint-action=exec=${run}`,
      NODE_OPTIONS: `--require ${evil}/evil.js`,
      BUN_OPTIONS: `--preload ${evil}/evil.js`,
      BUN_BE_BUN: "1",
      LD_LIBRARY_PATH: evil,
      LD_BIND_NOW: "1",
      PYTHONPATH: evil,
      PERL5OPT: "-MEvil",
      RUBYOPT: "-revil",
      OPENSSL_CONF: `${evil}/none.cnf`,
      NGINX: "9;",
      UWSGI_EXEC_ASAP: run,
      ENV: run,
      CDPATH: evil,
      SHELLOPTS: "xtrace",
      POSIXLY_CORRECT: "1",
    };
    // The forced command of the key's line, as sshd runs it.
    const line = read(`${board.home}/.ssh/authorized_keys`).split("\n")[0]!;
    const command = /command="((?:\\"|[^"])*)"/.exec(line)![1]!.replaceAll('\\"', '"');
    const exports = Object.entries({ ...board.boardEnv(), ...hostile, SSH_CLIENT: "192.0.2.1 1 2" })
      .filter(([name]) => name !== "SHELLOPTS")
      .map(([name, value]) => `export ${name}='${value.replaceAll("'", "'\\''")}'\n`)
      .join("");
    const ssh = `${evil}/ssh`;
    fs.writeFileSync(
      ssh,
      `#!/bin/sh\nfor last; do :; done\nunset $(env | sed 's/=.*//' | grep -v PATH)\n${exports}export SSH_ORIGINAL_COMMAND="$last"\nexec env SHELLOPTS=xtrace dash -c ${JSON.stringify(command).replaceAll("$", "\\$")}\n`,
      { mode: 0o755 },
    );
    const env = { ...board.clientEnv(), GIT_SSH_COMMAND: ssh };
    const app = board.repo(undefined, {
      ...webProbe("environ.test"),
      Procfile:
        "preflight: env -0 > environ.txt\nrelease: env -0 > release.txt\nweb: exec python3 app.py\n",
    });
    for (const version of ["one", "two"]) {
      app.commit(version, { "app.py": probeSource(version) });
      ok(board.run(["git", "push", "board:environ", "main"], { cwd: app.folder, env, limit: 120 }));
      expect(page("environ")).toBe(version);
    }
    expect(ok(board.run([ssh, "board", "apps"])).stdout).toContain("*environ");
    const ran = ok(board.run([ssh, "board", "run environ -- env -0"])).stdout;
    const places = [
      ran,
      read(`${root()}/releases/environ/tree/environ.txt`),
      read(`${root()}/apps/environ/release.txt`),
    ];
    for (const place of places) {
      const names = place.split("\0").map((pair) => pair.split("=")[0]!);
      expect(names.filter((name) => name in hostile)).toEqual([]);
      expect(names).toContain("PORT" in hostile ? "PORT" : "APP");
    }
    expect(
      page("environ", "/names")
        .split("\n")
        .filter((name) => name in hostile),
    ).toEqual([]);
    expect(list(board.folder).filter((name) => name.startsWith("canary"))).toEqual([]);
    expect(list(evil).sort()).toEqual(
      [
        "evil.js",
        "git",
        "git-index-pack",
        "git-receive-pack",
        "git-unpack-objects",
        "post-checkout",
        "run",
        "sitecustomize.py",
        "ssh",
      ].sort(),
    );
    eventually(() => expect(page("environ")).toBe("two"));
  });
}, unlessLong);
