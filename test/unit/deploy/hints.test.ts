import { expect, test } from "bun:test";
import {
  isIgnored,
  misspeltWarnings,
  noProcfile,
  suggestLine,
  wsgiFile,
} from "../../../src/deploy/hints.ts";

const top = (files: Record<string, string>) => ({
  names: [...new Set(Object.keys(files).map((name) => name.replace(/\/.*/, "/")))],
  read: (path: string) => files[path],
});

test.each<[Record<string, string>, string]>([
  [{}, "web: python3 app.py"],
  [{ "index.html": "" }, "static: /"],
  [{ "start.html": "" }, "static: /"],
  [{ "public/index.html": "" }, "static: public"],
  [{ "index.php": "", "index.html": "" }, "php: /"],
  [{ "public/index.php": "" }, "php: public"],
  [{ "package.json": '{"scripts":{"start":"node ."}}', "index.html": "" }, "web: npm start"],
  [{ "package.json": '{"scripts":{"start":"bun ."}}', "bun.lock": "" }, "web: bun run start"],
  [{ "package.json": '{"scripts":{"prod":"bun run src/index.ts"}}' }, "web: bun run prod"],
  [{ "package.json": '{"scripts":{"serve":"node x.js"}}' }, "web: npm run serve"],
  [{ "package.json": '{"scripts":{"start":"astro dev","build":"astro build"}}' }, "static: dist"],
  [
    { "package.json": '{"scripts":{"start":"react-scripts start","build":"react-scripts build"}}' },
    "static: build",
  ],
  [
    { "package.json": '{"scripts":{"start":"node dist/server/entry.mjs","build":"astro build"}}' },
    "web: npm start",
  ],
  [{ "package.json": '{"scripts":{"start":"next start","build":"next build"}}' }, "web: npm start"],
  [{ "package.json": "{" }, "web: python3 app.py"],
  [
    {
      "package.json": '{"scripts":{"build":"vite build"},"devDependencies":{"@sveltejs/kit":"2"}}',
    },
    "web: node build",
  ],
  [
    { "package.json": '{"devDependencies":{"@sveltejs/kit":"2","@sveltejs/adapter-static":"3"}}' },
    "static: build",
  ],
  [
    { "package.json": '{"scripts":{"build":"vite build"},"devDependencies":{"vite":"5"}}' },
    "static: dist",
  ],
  [{ "package.json": "not JSON", "index.js": "" }, "web: node index.js"],
  [
    { "manage.py": 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")' },
    "wsgi: shop.wsgi",
  ],
  [{ "manage.py": "", "site1/wsgi.py": "" }, "wsgi: site1.wsgi"],
  [{ "app.py": "from flask import Flask\napp = Flask(__name__)\n" }, "wsgi: app:app"],
  [{ "hello.py": "web = flask.Flask(__name__)\n" }, "wsgi: hello:web"],
  [{ "app.py": "def create_app():\n    pass\n" }, "wsgi: app:create_app()"],
  [{ "main.py": "app = FastAPI()\n" }, "web: uvicorn main:app --host $BIND_ADDRESS --port $PORT"],
  [
    { "main.py": "import streamlit as st\n" },
    "web: streamlit run main.py --server.port $PORT --server.address $BIND_ADDRESS",
  ],
  [{ "bot.py": "import discord\n" }, "worker: python3 bot.py"],
  [{ "server.py": "import http.server\n" }, "web: python3 server.py"],
  [{ "config.ru": "" }, "rwsgi: config.ru"],
  [
    { "config.ru": "", Gemfile: 'gem "puma"' },
    "web: bundle exec puma -b tcp://$BIND_ADDRESS:$PORT",
  ],
  [{ "web.rb": "" }, "web: ruby web.rb -o $BIND_ADDRESS -p $PORT"],
  [{ "go.mod": "module github.com/anna/clock\n\ngo 1.22\n", "main.go": "" }, "web: ./clock"],
  [{ "Cargo.toml": '[package]\nname = "clock"\n' }, "web: ./target/release/clock"],
  [
    { "pom.xml": "" },
    "web: java -Dserver.port=$PORT -Dserver.address=$BIND_ADDRESS -jar target/*.jar",
  ],
  [{ "deno.json": "{}" }, "web: deno task start"],
])("%j", (files, line) => {
  expect(suggestLine(top(files))).toBe(line);
});

test.each<[Record<string, string>, string, string]>([
  [{}, "the commit has no Procfile", "git add Procfile"],
  [{ "index.html": "" }, "the commit has no Procfile", "`static: /`"],
  [{ procfile: "" }, "the commit has no Procfile, but 'procfile'", "git mv procfile Procfile"],
  [{ "Procfile.txt": "" }, "but 'Procfile.txt'", "git mv Procfile.txt Procfile"],
  [{ Profile: "" }, "but 'Profile'", "git mv Profile Procfile"],
  [{ PROCFILE: "" }, "but 'PROCFILE'", "git mv PROCFILE Procfile"],
  [{ "myapp/Procfile": "" }, "in the folder 'myapp/'", "git mv myapp/* ."],
  [
    { ".gitignore": "*\n!app.py\n", "app.py": "" },
    ".gitignore hides it",
    "git check-ignore -v Procfile",
  ],
])("%j: no Procfile", (files, message, hint) => {
  const [what, next] = noProcfile(top(files));
  expect(what).toContain(message);
  expect(next).toContain(hint);
});

test.each([
  ["*", true],
  ["*\n!Procfile", false],
  ["Procfile", true],
  ["/Procfile", true],
  ["Proc*", true],
  ["*.pyc\n__pycache__/\n", false],
  ["# Procfile", false],
  ["", false],
])("%j hides Procfile: %p", (gitignore, expected) => {
  expect(isIgnored(gitignore, "Procfile")).toBe(expected);
});

test.each([
  ["requirement.txt", "requirements.txt"],
  ["requirments.txt", "requirements.txt"],
  ["Requirements.txt", "requirements.txt"],
  ["requirements.txt.txt", "requirements.txt"],
  ["package.JSON", "package.json"],
  ["ENV.txt", "ENV"],
  ["env", "ENV"],
  ["gemfile", "Gemfile"],
])("%s is warned of", (name, right) => {
  expect(misspeltWarnings([name])).toEqual([
    `'${name}' is not read; if it is to be ${right}: git mv ${name} ${right}`,
  ]);
  expect(misspeltWarnings([name, right])).toEqual([]);
});

test("other files are not warned of", () => {
  const names = [
    "requirements-dev.txt",
    "env/",
    "environment.yml",
    "package-lock.json",
    "README.md",
  ];
  expect(misspeltWarnings(names)).toEqual([]);
});

test.each([
  ["app.py", "`wsgi: app:web`"],
  ["app.py:app", "`wsgi: app:app`"],
  ["gunicorn app:app", "`wsgi: app:web`"],
])("wsgi: %s names a file", (command, hint) => {
  expect(wsgiFile(top({ "app.py": "web = Flask(__name__)\n" }), command)?.[1]).toContain(hint);
});

test.each(["app:app", "app", 'app:create_app("a", 1)', "mysite.wsgi", "other.py", undefined])(
  "wsgi: %s may be",
  (command) => {
    expect(wsgiFile(top({ "app.py": "" }), command)).toBeUndefined();
  },
);

test.each(["*?".repeat(500), "*".repeat(60_000), "a*".repeat(1000)])(
  "a .gitignore of many stars takes no time",
  (line) => {
    const began = performance.now();
    isIgnored(line, "Procfile");
    expect(performance.now() - began).toBeLessThan(1000);
  },
);
