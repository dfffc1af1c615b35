/** What an app of a language expects of its host, and is told where this one does otherwise. */
import { expect } from "bun:test";
import fs from "node:fs";
import { eventually, fails, freePorts, ok, read } from "./sandbox.ts";
import { skipped, stories, unlessLong } from "./story.ts";
import { lackOf } from "./toolchains.ts";
import { hasPlugin } from "./tools.ts";

/** Says what a router goes by. */
const router = `<?php
if ($_SERVER["REQUEST_METHOD"] === "POST") exit(strlen(file_get_contents("php://input")) . " bytes");
foreach (["SCRIPT_NAME", "PATH_INFO", "REQUEST_URI", "QUERY_STRING"] as $name) echo $_SERVER[$name] ?? "", " | ";
`;

stories((board, story) => {
  const php = "PHP with a front controller: every path that is no file is its own";
  if (!hasPlugin("php")) skipped(php, "uwsgi-plugin-php is not installed");
  else {
    story(php, () => {
      const get = (url: string) => board.get(url, { host: "front.test" });
      const app = board.repo(undefined, {
        Procfile: "php: public\n",
        ENV: "NGINX_SERVER_NAME=front.test\n",
        "public/.htaccess":
          "RewriteEngine On\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule ^ index.php [L]\n",
        "public/index.php": router,
        "public/other.php": router,
        "public/sub/index.php": router,
        "public/a.css": "css\n",
        "public/view.phtml": "<?php // secret\n",
        "public/uploads/x.jpg": "<?php echo 'evil';\n",
      });
      const { output } = ok(board.push(app, "front"));
      expect(output).not.toContain("Warning");
      const index = "/index.php |  | ";
      for (const [url, body] of [
        ["/", `${index}/ |  | `],
        ["/hello/world?x=1&y=2", `${index}/hello/world?x=1&y=2 | x=1&y=2 | `],
        ["/index.php/path/info", "/index.php | /path/info | /index.php/path/info |  | "],
        ["/other.php?x=1", "/other.php |  | /other.php?x=1 | x=1 | "],
        ["/other.php/z", "/other.php | /z | /other.php/z |  | "],
        ["/sub/x", `${index}/sub/x |  | `],
        ["/missing.css", `${index}/missing.css |  | `],
        ["/a.css", "css\n"],
        // It is not run, and what does not exist is the front controller's.
        ["/uploads/x.jpg/y.php", `${index}/uploads/x.jpg/y.php |  | `],
      ])
        expect([url, get(url!).body]).toEqual([url, body]);
      expect(get("/sub").status).toBe(301);
      expect(get("/uploads/x.jpg").body).not.toBe("evil");
      expect(get("/view.phtml")).toMatchObject({ status: 403 });
      for (const url of ["/.htaccess", "/.env"]) expect(get(url).status).toBe(404);
    });

    story(
      "PHP without one: a missing page is missing, until NGINX_CATCH_ALL names a script",
      () => {
        const get = (url: string) => board.get(url, { host: "plain.test" });
        const app = board.repo(undefined, {
          Procfile: "php: /\n",
          ENV: "NGINX_SERVER_NAME=plain.test\nNGINX_STATIC_PATHS=/assets:assets\n",
          "index.php": "<?php echo 'start';\n",
          "assets/inner.php": "<?php // secret\n",
          "data/.htaccess": "Require all denied\n",
        });
        const { output } = ok(board.push(app, "plain"));
        expect(output).toContain("Warning: .htaccess is not followed: everybody can read data/;");
        expect(get("/missing").status).toBe(404);
        expect(get("/assets/inner.php").body).not.toContain("secret");
        ok(board.ssh("config:set", "plain", "NGINX_CATCH_ALL=/index.php"));
        expect(get("/missing")).toMatchObject({ status: 200, body: "start" });
        expect(get("/assets/missing").status).toBe(404);
        ok(board.ssh("config:set", "plain", "NGINX_CATCH_ALL="));
        app.commit("A router", { "index.php": "<?php echo 'asked ', $_SERVER['REQUEST_URI'];\n" });
        ok(board.push(app, "plain"));
        expect(get("/missing").status).toBe(404);
        ok(board.ssh("config:unset", "plain", "NGINX_CATCH_ALL"));
        expect(get("/missing").body).toBe("asked /missing");
      },
    );

    story("what is sent to an app: a photo fits, more is refused with the setting's name", () => {
      const post = (bytes: number) => {
        const file = `${board.folder}/upload-${bytes}`;
        fs.writeFileSync(file, Buffer.alloc(bytes, "x"));
        const to = `front.test:${board.httpPort}`;
        return board.run(
          [
            "curl",
            "-s",
            "--noproxy",
            "*",
            "-w",
            " %{http_code}",
            "--data-binary",
            `@${file}`,
          ].concat("--resolve", `${to}:${board.address}`, `http://${to}/`),
        ).stdout;
      };
      expect(post(9_000_000)).toBe("9000000 bytes 200");
      expect(post(21_000_000)).toBe(
        "Too large: this app takes at most 20m at once (NGINX_MAX_BODY_SIZE).\n 413",
      );
      ok(board.ssh("config:set", "front", "NGINX_MAX_BODY_SIZE=30m"));
      expect(post(21_000_000)).toBe("21000000 bytes 200");
    });
  }

  story("a static site shows its own page for what is missing, with status 404", () => {
    const get = (url: string) => board.get(url, { host: "lost.test" });
    const app = board.repo(undefined, {
      Procfile: "static: site\n",
      ENV: "NGINX_SERVER_NAME=lost.test\n",
      "site/index.html": "home\n",
    });
    ok(board.push(app, "lost"));
    expect(get("/nowhere")).toMatchObject({ status: 404 });
    app.commit("Its own page", { "site/404.html": "lost\n" });
    ok(board.push(app, "lost"));
    for (const url of ["/nowhere", "/a/b/c.css", "/.env"])
      expect(get(url)).toMatchObject({ status: 404, body: "lost\n" });
    expect(get("/")).toMatchObject({ status: 200, body: "home\n" });
  });

  story("ENV in UTF-16, as PowerShell writes it, is told as such", () => {
    const app = board.repo(undefined, { Procfile: "static: /\n" });
    fs.writeFileSync(`${app.folder}/ENV`, Buffer.from("\ufeffA=1\r\n", "utf16le"));
    app.commit("From PowerShell");
    const { output } = fails(board.push(app, "wide"), 1);
    expect(output).toContain("ENV is not UTF-8 text");
    expect(output).toContain("Set-Content -Encoding utf8");
  });

  const ruby = "Ruby runs in production, unless the app says otherwise or was live without";
  const lack = lackOf("ruby");
  if (lack) skipped(ruby, lack);
  else
    story(ruby, () => {
      const server = `require "socket"
server = TCPServer.new(ENV["BIND_ADDRESS"], ENV["PORT"])
loop do
  client = server.accept
  client.gets
  body = "#{ENV["RACK_ENV"]} #{ENV["RAILS_ENV"]}"
  client.print "HTTP/1.0 200 OK\\r\\n\\r\\n#{body}"
  client.close
end
`;
      const body = () => board.get("/", { host: "ruby.test" }).body;
      const app = board.repo(undefined, {
        Procfile: "web: ruby web.rb\n",
        ENV: "NGINX_SERVER_NAME=ruby.test\n",
        "web.rb": server,
      });
      ok(board.push(app, "ruby"));
      expect(body()).toBe("production production");
      ok(board.ssh("config:set", "ruby", "RAILS_ENV=staging"));
      expect(body()).toBe("staging staging");
      ok(board.ssh("config:unset", "ruby", "RAILS_ENV"));
      // As one that the original, or a version before, has deployed.
      const live = `${board.pikuRoot}/envs/ruby/LIVE_ENV`;
      fs.writeFileSync(live, read(live).replace(/^(RACK|RAILS)_.*\n/gm, ""));
      ok(board.push(app, "ruby", `${app.commit("Again")}:main`));
      expect(body()).toBe(" ");
    });

  story("what a push did not bring is named, with what to do", () => {
    const app = board.repo(undefined, {
      Procfile: "static: /\n",
      ENV: "NGINX_SERVER_NAME=parts.test\n",
      Pipfile: "",
      ".gitattributes": "*.jpg filter=lfs diff=lfs merge=lfs -text\n",
      "index.html": "one\n",
    });
    const theme = board.repo(undefined, { "style.css": "" });
    fs.cpSync(theme.folder, `${app.folder}/theme`, { recursive: true });
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${"a".repeat(64)}\nsize 12345\n`;
    app.commit("Parts", { "photo.jpg": pointer, "no-photo.txt": pointer.replace("git-lfs", "x") });
    const { output } = ok(board.push(app, "parts"));
    expect(output).toContain("Warning: Pipfile is not read; ");
    expect(output).toContain(
      "Warning: theme/ has a .git of its own, so its files were not pushed; ",
    );
    expect(output).toContain(
      "Warning: Git LFS kept the content of photo.jpg elsewhere, and only pointers arrived; on your machine: git lfs pull; git lfs untrack '*.jpg'; git add --renormalize .; git commit",
    );
    expect(ok(board.ssh("config:set", "parts", "A=1")).output).not.toContain("Warning");
    expect(fails(board.ssh("git-lfs-authenticate", "parts", "upload"), 2).output).toMatch(
      /this server keeps no files of Git LFS[\s\S]*git lfs untrack/,
    );
  });

  story("a submodule that cannot be fetched says from where and why; a mended one is", () => {
    const library = board.repo(undefined, { "lib.txt": "library\n" });
    const app = board.repo(undefined, {
      Procfile: "static: /\n",
      ENV: "NGINX_SERVER_NAME=lib.test\n",
    });
    ok(app.git("update-index", "--add", "--cacheinfo", `160000,${library.head()},lib`));
    const pushWith = (url: string) => {
      app.write({ ".gitmodules": `[submodule "lib"]\n\tpath = lib\n\turl = ${url}\n` });
      ok(app.git("add", ".gitmodules"));
      ok(app.git("commit", "--quiet", "-m", url));
      return board.push(app, "lib");
    };
    for (const [url = "", reason = ""] of [
      ["../lib", "submodule 'lib' could not be fetched from ../lib: transport 'file' not allowed"],
      ["http://127.0.0.1:1/lib", "from http://127.0.0.1:1/lib: unable to access 'http://127"],
      ["git@127.0.0.1:x/lib.git", "from git@127.0.0.1:x/lib.git: "],
    ]) {
      const { output } = fails(pushWith(url), 1);
      expect(output).toContain(reason);
      expect(output).toContain("the board fetches submodules itself");
    }
    const [port] = freePorts(1) as [number];
    const folder = board.inside(library.folder);
    const end = board.begin(
      ["git", "daemon", `--port=${port}`, "--listen=127.0.0.1", "--export-all"].concat(folder),
    );
    try {
      const mended = () => ok(pushWith(`git://127.0.0.1:${port}${folder}`));
      eventually(mended);
      expect(board.get("/lib/lib.txt", { host: "lib.test" }).body).toBe("library\n");
    } finally {
      end();
    }
  });
}, unlessLong);
