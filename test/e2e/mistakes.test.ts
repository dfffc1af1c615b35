import { expect } from "bun:test";
import fs from "node:fs";
import type { Files, Ran } from "./sandbox.ts";
import { stories, unlessLong } from "./story.ts";
import { lackOf } from "./toolchains.ts";

/** What a pupil pushes, and the words that tell the next step. */
interface Mistake {
  files: Files;
  /** A file that is executable. */
  program?: string;
  /** A commit on top, which is pushed with it. */
  second?: Files;
  says: (string | RegExp)[];
}

const flask =
  "class Flask:\n    def __init__(self, name):\n        pass\n\n\napp = Flask(__name__)\n";
const wsgi = (source: string, says: Mistake["says"], more: Files = {}): Mistake => ({
  files: { Procfile: "wsgi: app:app\n", "app.py": source, ...more },
  says,
});
const web = (source: string, says: Mistake["says"], more: Files = {}): Mistake => ({
  files: { Procfile: "web: python3 app.py\n", "app.py": source, ...more },
  says,
});
const procfile = (content: string, says: Mistake["says"], more: Files = {}): Mistake => ({
  files: { Procfile: content, "app.py": flask, ...more },
  says,
});
const none = (files: Files, says: Mistake["says"]): Mistake => ({ files, says });
const js = (source: string, says: Mistake["says"], more: Files = {}): Mistake => ({
  files: { Procfile: "web: node index.js\n", "index.js": source, ...more },
  says,
});
const hurried = (seconds: number, name: string) => ({
  ENV: `PIKU_HEALTHCHECK_TIMEOUT=${seconds}\nNGINX_SERVER_NAME=${name}\n`,
});

const mistakes: Record<string, Mistake> = {
  "a package is not installed": wsgi("import flaskish\n", [
    "'flaskish' is not installed",
    "app.py line 1",
    "write flaskish into requirements.txt, commit and push",
  ]),
  "its package has another name": web("import fitz\n", [
    "'pymupdf' is not installed",
    "write pymupdf into requirements.txt",
  ]),
  "requirement.txt has no s": wsgi(
    "import flaskish\n",
    ["'flaskish' is not installed", "git mv requirement.txt requirements.txt"],
    { "requirement.txt": "flaskish\n" },
  ),
  "the file is called otherwise": none({ Procfile: "wsgi: app:app\n", "main.py": flask }, [
    "there is no app.py in this commit",
    "Procfile: wsgi: main:app",
  ]),
  "a file is deleted": {
    ...web(
      "import tables\n",
      ["there is no tables.py in this commit; it has deleted it", "git add tables.py"],
      { "tables.py": "" },
    ),
    second: { "tables.py": null },
  },
  "a file is forgotten": web("import helpers\n", ["'helpers' is neither", "git add helpers.py"]),
  "a file is named with a capital": web("import game\n", ["there is no game.py", "'Game.py'"], {
    "Game.py": "",
  }),
  "the callable is called otherwise": procfile("wsgi: app:application\n", [
    "app.py has no 'application' (Procfile: wsgi: app:application); it has 'app'",
    "Procfile: wsgi: app:app",
  ]),
  "wsgi names a file": procfile("wsgi: app.py\n", ["without .py", "`wsgi: app:app`"]),
  "gunicorn's line as wsgi": procfile("wsgi: gunicorn app:app\n", [
    "is a command",
    "`wsgi: app:app`",
  ]),
  "a colon is missing": procfile("wsgi app:app\n", [
    "Procfile line 1: a colon is missing behind 'wsgi'",
    "`wsgi: app:app`",
  ]),
  "a kind has a capital": procfile("Wsgi: app:app\n", [
    "'Wsgi' is written in small letters",
    "`wsgi: app:app`",
  ]),
  "an = for a colon": procfile("web = python3 app.py\n", [
    "'=' stands where a colon should be",
    "`web: python3 app.py`",
  ]),
  "two processes on a line": procfile("web: python3 app.py worker: python3 bot.py\n", [
    "two processes on one line",
    "`worker: python3 bot.py`",
  ]),
  "no kind": procfile("python3 app.py\n", ["the kind is missing", "`web: python3 app.py`"]),
  "a cron line without times": procfile("cron: python3 job.py\n", ["is not a cron line", "*/15"]),
  "no Procfile, but a page": none({ "index.html": "<h1>hi</h1>" }, [
    "the commit has no Procfile",
    "`static: /`",
  ]),
  "no Procfile, but an app": none({ "app.py": flask }, ["no Procfile", "`wsgi: app:app`"]),
  "no Procfile, but a start script": none({ "package.json": '{"scripts":{"start":"node ."}}' }, [
    "no Procfile",
    "`web: npm start`",
  ]),
  procfile: none({ procfile: "web: a\n" }, ["'procfile'", "git mv procfile Procfile"]),
  "Procfile.txt": none({ "Procfile.txt": "web: a\n" }, ["git mv Procfile.txt Procfile"]),
  Profile: none({ Profile: "web: a\n" }, ["git mv Profile Procfile"]),
  "a Procfile that git ignores": none({ Procfile: "web: a\n", ".gitignore": "Proc*\n" }, [
    ".gitignore hides it",
    "git check-ignore -v Procfile",
  ]),
  "a Procfile in a folder": none({ "clock/Procfile": "web: a\n" }, ["in the folder 'clock/'"]),
  "a syntax error": wsgi("def app(e, s)\n    pass\n", [
    "SyntaxError",
    "app.py line 1",
    "commit and push",
  ]),
  "tabs and blanks": web("if 1:\n\ta = 1\n        b = 2\n", ["TabError", "app.py line 3", "four"]),
  indentation: wsgi("def app(e, s):\npass\n", ["IndentationError", "app.py line 2"]),
  "conflict marks": web("a = 1\n<<<<<<< HEAD\nb = 1\n", ["git's conflict marks", "app.py line 2"]),
  "Python 2": web('print "hi"\n', ["Python 2", "app.py line 1", "print(...)"]),
  "not UTF-8": {
    ...web("", ["not saved as UTF-8", "UTF-8 in your editor"]),
    second: { "app.py": new Uint8Array([0x61, 0x20, 0x3d, 0x20, 0x22, 0xe4, 0x22, 0x0a]) },
  },
  "a slip in a name": wsgi("def app(e, s):\n    pass\n\n\nprnit(1)\n", [
    "NameError: name 'prnit' is not defined",
    "mend app.py line 5",
  ]),
  "a setting is missing": web('import os\n\nos.environ["API_KEY"]\n', [
    "the setting 'API_KEY' is missing",
    "app.py line 3",
    /config:set \S+ API_KEY=/,
  ]),
  "the PORT of a worker": procfile("server: python3 app.py\n", ["only 'web' gets a PORT"], {
    "app.py": 'import os\n\nos.environ["PORT"]\n',
  }),
  "input()": web('input("Name? ")\n', ["input() cannot be answered", "config:set"]),
  "a loop": wsgi(
    "while True:\n    pass\n",
    ["after 2 s app.py was still being read: is there a loop or a sleep outside of a function?"],
    hurried(2, "loop.test"),
  ),
  "a port in the code": web(
    'from http.server import HTTPServer\n\nHTTPServer(("127.0.0.1", 0), None).serve_forever()\n',
    ["listens on", 'os.environ["PORT"]'],
    hurried(3, "port.test"),
  ),
  "a program that only prints": web('print("hi")\n', ["ended at once", "cron: @hourly"]),
  "an app that nothing runs": web(flask, ["nothing runs it", "Procfile: wsgi: app:app"]),
  "a data file is missing": web(
    'open("Data.csv")\n',
    ["no 'Data.csv' in this commit", "'data.csv'"],
    {
      "data.csv": "",
    },
  ),
  "the main file is misspelt": procfile("web: python3 ap.py\n", [
    "there is no ap.py in this commit; it has 'app.py'",
    "Procfile: web: python3 app.py",
  ]),
  "a file hides a package": none(
    {
      Procfile: "web: python3 random.py\n",
      "random.py": "import random\n\nrandom.randint(1, 6)\n",
    },
    ["random.py hides", "git mv random.py my_random.py"],
  ),
  "a name that a file does not have": web("from lib import b\n", ["lib.py has no 'b'"], {
    "lib.py": "a = 1\n",
  }),
  "a table that nobody made": web(
    'import sqlite3\n\nsqlite3.connect(":memory:").execute("select * from users")\n',
    ["the database has no table 'users' yet", "release:"],
  ),
  "a server that does not answer": web(
    'import socket\n\nsocket.create_connection(("127.0.0.1", 1))\n',
    ["connection refused", "config:set"],
  ),
  "a port that is taken": web(
    'import socket\n\na, b = socket.socket(), socket.socket()\na.bind(("127.0.0.1", 0))\na.listen()\nb.bind(a.getsockname())\n',
    ["the port is taken", 'os.environ["PORT"]'],
  ),
  "no memory": web("raise MemoryError\n", ["memory ran out", "ps:scale"]),
  python2: procfile("web: python2 app.py\n", ["only 'python3'", "Procfile: web: python3 app.py"]),
  gunicorn: procfile("web: hypercorn app:app\n", [
    "'hypercorn' is not installed",
    "write hypercorn into requirements.txt",
  ]),
  "a file as a program": procfile("web: app.py\n", [
    "'app.py' is a file of the app",
    "Procfile: web: python3 app.py",
  ]),
  "a callable as a program": procfile("web: app:app\n", ["Procfile: wsgi: app:app"]),
  "a script that is not executable": procfile(
    "web: ./run.sh\n",
    ["run.sh is not executable (Permission denied", "git update-index --chmod=+x run.sh"],
    { "run.sh": "#!/bin/sh\n" },
  ),
  "a script from Windows": {
    ...procfile("web: ./run.sh\n", ["run.sh has the line ends of Windows", "sed -i"], {
      "run.sh": "#!/bin/sh\r\necho hi\r\n",
    }),
    program: "run.sh",
  },
  "a script that is not there": procfile("web: ./start.sh\n", ["there is no start.sh"]),
  "a folder that is not there": procfile("web: cd backend && python3 app.py\n", [
    "there is no folder 'backend'",
  ]),
  "a quote that is not closed": procfile("web: python3 -c 'print(1)\n", [
    "the shell does not understand",
  ]),
  "Heroku's line for PHP": procfile("web: heroku-php-apache2 web/\n", ["is Heroku's", "php: web"]),
  "a release that fails": procfile(
    "release: python3 init.py\nstatic: /\n",
    ["'sqlalchemyish' is not installed", "init.py line 1"],
    { "init.py": "import sqlalchemyish\n" },
  ),
  "a preflight that is not executable": procfile(
    "preflight: ./check\nstatic: /\n",
    ["git update-index --chmod=+x check"],
    { check: "#!/bin/sh\n" },
  ),
};

const nodes: Record<string, Mistake> = {
  "Node: a package": js(
    "require('express')\n",
    ["'express' is not installed", "npm install express, commit package.json"],
    { "package.json": "{}" },
  ),
  "Node: a file": js(
    "require('./routes')\n",
    ["there is no 'routes' in this commit", "'Routes.js'"],
    {
      "Routes.js": "",
    },
  ),
  "Node: a syntax error": js("const a = 1\nif (a {\n}\n", ["SyntaxError", "index.js line 2"]),
  "Node: a setting": js("throw new Error('Missing required environment variable: TOKEN')\n", [
    "the setting 'TOKEN' is missing",
    "config:set",
  ]),
};

const uwsgisOwn =
  /\*\*\*|\[uWSGI\]|unable to load app|GAME OVER|\[uwsgi-daemons\]|spawned|DAMN|Starting uWSGI/;

/** The last lines that the board has said on a pusher's screen. */
const lastLines = ({ output }: Ran, most: number) =>
  output
    .split("\n")
    .flatMap((line) =>
      line.startsWith("remote: ") ? [line.slice("remote: ".length).trimEnd()] : [],
    )
    .filter((line) => line !== "")
    .slice(-most);

// Pushes wait more than they work.
const lanes = 4;

stories((board, story) => {
  /** What a pusher reads, by the name of the mistake. */
  const pushes = new Map<string, Ran>();
  const all = Object.entries({ ...mistakes, ...(lackOf("node") ? {} : nodes) });

  story("forty mistakes and more are pushed", async () => {
    const waiting = all.map(([name, { files, program, second }], index) => {
      const repo = board.repo(undefined, files);
      if (program) fs.chmodSync(`${repo.folder}/${program}`, 0o755);
      if (program || second) repo.commit("Second", second);
      return { name, repo, app: `pupil${index}` };
    });
    const lane = async () => {
      for (let one = waiting.shift(); one; one = waiting.shift())
        pushes.set(one.name, await board.pushing(one.repo, one.app));
    };
    await Promise.all(Array.from({ length: lanes }, lane));
    expect(pushes.size).toBeGreaterThanOrEqual(40);
  });

  for (const [name, { says }] of all)
    story(`${name}: the last six lines tell the next step, and none is uWSGI's`, () => {
      const push = pushes.get(name)!;
      const lines = lastLines(push, 6);
      const screen = lines.join("\n");
      expect(push.status).toBe(1);
      for (const words of says) expect(screen).toMatch(words);
      expect(lines.filter((line) => uwsgisOwn.test(line))).toEqual([]);
    });
}, unlessLong);
