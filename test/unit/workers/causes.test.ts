import { expect, test } from "bun:test";
import { goCauses, javaCauses, rustCauses } from "../../../src/runtimes/causes.ts";
import { type Cause, findCause, type Scene } from "../../../src/workers/cause.ts";
import { causes } from "../../../src/workers/causes.ts";

/** What an app is, and what it printed. */
interface Case {
  log: string;
  /** The Procfile's line. */
  line?: string;
  files?: Record<string, string>;
  deleted?: string;
  runtime?: readonly Cause[];
  what: string;
  next: string;
  place?: string;
}

const tree = "/home/piku/.piku/apps/hello";

function explained({ log, line = "web: python3 app.py", files = {}, deleted, runtime = [] }: Case) {
  const [, kind = "", command = ""] = /^(\S*): (.*)$/.exec(line) ?? [];
  const folders = Object.keys(files).map((name) => name.replace(/\/.*/, "/"));
  const scene: Scene = {
    app: "hello",
    kind,
    command,
    tree,
    names: [...new Set(folders)],
    read: (path) => files[path],
    deletes: (path) => path === deleted,
  };
  return findCause([...runtime, ...causes], log, scene);
}

const traceback = (error: string, line = 3, code = "x") =>
  `Traceback (most recent call last):\n  File "${tree}/app.py", line ${line}, in <module>\n    ${code}\n${error}\n`;
const uwsgi =
  "unable to load app 0 (mountpoint='') (callable not found or import error)\n*** no app loaded. GAME OVER ***\n";
const node = (error: string, code = "MODULE_NOT_FOUND") =>
  `node:internal/modules/cjs/loader:1210\n  throw err;\n  ^\n\n${error}\nRequire stack:\n- ${tree}/index.js\n    at Module._resolveFilename (node:internal/modules/cjs/loader:1207:15)\n    at Object.<anonymous> (${tree}/index.js:4:9) {\n  code: '${code}',\n  requireStack: [ '${tree}/index.js' ]\n}\n\nNode.js v20.20.2\n`;
const js = (error: string) =>
  `${tree}/index.js:2\nif (a {\n      ^\n\n${error}\n    at wrapSafe (node:internal/modules/cjs/loader:1464:18)\n\nNode.js v20.20.2\n`;
const sh = (words: string) => `/home/piku/.piku/releases/hello/run-1/web.1.sh: 21: ${words}\n`;
const flask = {
  "app.py": "from flask import Flask\napp = Flask(__name__)\n",
  "requirements.txt": "flask\n",
};
const express = { "index.js": "", "package.json": '{"devDependencies":{"vite":"5"}}' };
const push = "commit and push";

const python: Record<string, Case> = {
  "a package": {
    log: traceback("ModuleNotFoundError: No module named 'flask'") + uwsgi,
    line: "wsgi: app:app",
    files: flask,
    what: "'flask' is not installed",
    next: `write flask into requirements.txt, ${push}`,
    place: "app.py line 3",
  },
  "a package of another name": {
    log: traceback("ModuleNotFoundError: No module named 'cv2'"),
    what: "'opencv-python-headless' is not installed",
    next: "write opencv-python-headless into requirements.txt",
  },
  "a module of a package": {
    log: traceback("ModuleNotFoundError: No module named 'PIL.Image'"),
    what: "'pillow' is not installed",
    next: "pillow",
  },
  "a requirements.txt with a slip": {
    log: traceback("ModuleNotFoundError: No module named 'flask'"),
    files: { "requirment.txt": "flask" },
    what: "'flask' is not installed",
    next: `git mv requirment.txt requirements.txt, ${push}`,
  },
  "uv's project": {
    log: traceback("ModuleNotFoundError: No module named 'yaml'"),
    files: { "pyproject.toml": "", "uv.lock": "" },
    what: "'pyyaml' is not installed",
    next: "uv add pyyaml",
  },
  "python3 -m": {
    log: "/usr/bin/python3: No module named flask\n",
    line: "web: python3 -m flask run",
    what: "'flask' is not installed",
    next: "requirements.txt",
  },
  "a file that was deleted": {
    log: traceback("ModuleNotFoundError: No module named 'tables'"),
    deleted: "tables.py",
    what: "there is no tables.py in this commit; it has deleted it",
    next: "git add tables.py",
  },
  "the app's own file": {
    log: `ModuleNotFoundError: No module named 'app'\n${uwsgi}`,
    line: "wsgi: app:app",
    files: { "main.py": "app = Flask(__name__)" },
    what: "there is no app.py in this commit",
    next: "Procfile: wsgi: main:app",
  },
  "a file that was forgotten": {
    log: traceback("ModuleNotFoundError: No module named 'helpers'"),
    what: "'helpers' is neither a file of this commit nor an installed package",
    next: "git add helpers.py if it is yours",
  },
  "a file with a capital": {
    log: traceback("ModuleNotFoundError: No module named 'game'"),
    files: { "Game.py": "" },
    what: "there is no game.py in this commit; it has 'Game.py' (Linux tells capital letters apart)",
    next: "game.py",
  },
  "a file in a folder": {
    log: traceback("ModuleNotFoundError: No module named 'mysite.wsgii'"),
    line: "wsgi: mysite.wsgii:application",
    files: { "mysite/wsgi.py": "" },
    what: "there is no mysite/wsgii.py in this commit",
    next: "",
  },
  tkinter: {
    log: traceback("ModuleNotFoundError: No module named 'tkinter'"),
    what: "the server's Python has no 'tkinter'",
    next: "no screen",
  },
  "a module that is gone": {
    log: traceback("ModuleNotFoundError: No module named 'imghdr'"),
    what: "no longer has the module 'imghdr'",
    next: "newer version",
  },
  "wsgi: app.py": {
    log: `ModuleNotFoundError: No module named 'app.py'; 'app' is not a package\n${uwsgi}`,
    line: "wsgi: app.py",
    files: flask,
    what: "'app.py' is a file",
    next: "Procfile: wsgi: app:app",
  },
  "the wrong callable": {
    log: uwsgi,
    line: "wsgi: app:application",
    files: flask,
    what: "app.py has no 'application' (Procfile: wsgi: app:application); it has 'app'",
    next: "Procfile: wsgi: app:app",
  },
  "no callable named": {
    log: uwsgi,
    line: "wsgi: app",
    files: flask,
    what: "app.py has no 'application' (Procfile: wsgi: app); it has 'app'",
    next: "Procfile: wsgi: app:app",
  },
  "a factory": {
    log: uwsgi,
    line: "wsgi: app:app",
    files: { "app.py": "def create_app():\n    return Flask(__name__)\n" },
    what: "it has 'create_app()'",
    next: "Procfile: wsgi: app:create_app()",
  },
  "gunicorn's callable": {
    log: "[INFO] Booting worker\nFailed to find attribute 'app' in 'main'.\n[ERROR] Reason: App failed to load.\n",
    line: "web: gunicorn -w 2 main:app -b 0.0.0.0:8000",
    files: { "main.py": "server = Dash(__name__).server\nweb = Flask(__name__)\n" },
    what: "main.py has no 'app' (Procfile: web: gunicorn -w 2 main:app -b 0.0.0.0:8000); it has 'web'",
    next: "Procfile: web: gunicorn -w 2 main:web -b",
  },
  "uvicorn's callable": {
    log: 'ERROR:    Error loading ASGI app. Attribute "application" not found in module "main".\n',
    line: "web: uvicorn main:application --port $PORT",
    files: { "main.py": "app = FastAPI()\n" },
    what: "main.py has no 'application'",
    next: "Procfile: web: uvicorn main:app --port $PORT",
  },
  "uvicorn's module": {
    log: 'ERROR:    Error loading ASGI app. Could not import module "app".\n',
    line: "web: uvicorn app:app",
    files: { "main.py": "app = FastAPI()\n" },
    what: "there is no app.py in this commit",
    next: "Procfile: web: uvicorn main:app",
  },
  "a missing colon": {
    log: `  File "${tree}/./app.py", line 3\n    def f()\n           ^\nSyntaxError: expected ':'\n${uwsgi}`,
    line: "wsgi: app:app",
    what: "SyntaxError: expected ':'",
    next: `mend app.py line 3, ${push}`,
    place: "app.py line 3",
  },
  tabs: {
    log: `  File "${tree}/app.py", line 3\n    b=2\nTabError: inconsistent use of tabs and spaces in indentation\n`,
    what: "tabs",
    next: "four spaces",
    place: "app.py line 3",
  },
  indentation: {
    log: `  File "${tree}/app.py", line 2\n    a=1\n    ^\nIndentationError: expected an indented block after 'if' statement on line 1\n`,
    what: "indented wrongly",
    next: "four spaces",
    place: "app.py line 2",
  },
  "conflict marks": {
    log: `  File "${tree}/app.py", line 2\n    <<<<<<< HEAD\n    ^^\nSyntaxError: invalid syntax\n`,
    what: "git's conflict marks are still in the file",
    next: "<<<<<<<",
    place: "app.py line 2",
  },
  "Python 2": {
    log: `  File "${tree}/app.py", line 1\n    print 1\n    ^^^^^^^\nSyntaxError: Missing parentheses in call to 'print'. Did you mean print(...)?\n`,
    what: "Python 2",
    next: "print(...)",
  },
  "not UTF-8": {
    log: `SyntaxError: Non-UTF-8 code starting with '\\xe4' in file ${tree}/app.py on line 1, but no encoding declared; see …\n`,
    what: "app.py line 1 is not saved as UTF-8",
    next: "UTF-8",
  },
  "input()": {
    log: traceback("EOFError: EOF when reading a line"),
    what: "input() cannot be answered",
    next: "config:set hello NAME=…",
  },
  "a setting": {
    log: `${traceback("  File \"<frozen os>\", line 679, in __getitem__\nKeyError: 'API_KEY'")}`,
    what: "the setting 'API_KEY' is missing (KeyError)",
    next: "config:set hello API_KEY=…",
    place: "app.py line 3",
  },
  "PORT of a worker": {
    log: traceback("  File \"<frozen os>\", line 679, in __getitem__\nKeyError: 'PORT'"),
    line: "server: python3 app.py",
    what: "only 'web' gets a PORT, and this is 'server'",
    next: "Procfile: web: python3 app.py",
  },
  decouple: {
    log: traceback(
      "decouple.UndefinedValueError: SECRET_KEY not found. Declare it as envvar or define a default value.",
    ),
    what: "the setting 'SECRET_KEY' is missing",
    next: "config:set hello SECRET_KEY=…",
  },
  "a file": {
    log: traceback("FileNotFoundError: [Errno 2] No such file or directory: 'Data.csv'"),
    files: { "data.csv": "" },
    what: "there is no 'Data.csv' in this commit; it has 'data.csv'",
    next: "git add Data.csv",
  },
  "the main file": {
    log: `/usr/bin/python3: can't open file '${tree}/ap.py': [Errno 2] No such file or directory\n`,
    line: "web: python3 ap.py",
    files: flask,
    what: "there is no ap.py in this commit; it has 'app.py'",
    next: "Procfile: web: python3 app.py",
  },
  "a file that hides a package": {
    log: `Traceback (most recent call last):\n  File "${tree}/flask.py", line 2, in <module>\nAttributeError: partially initialized module 'flask' has no attribute 'Flask' (most likely due to a circular import)\n`,
    files: { "flask.py": "" },
    what: "your file flask.py hides the package 'flask'",
    next: "git mv flask.py my_flask.py",
  },
  "a circle": {
    log: traceback(
      "ImportError: cannot import name 'x' from partially initialized module 'models' (most likely due to a circular import) (/x/models.py)",
    ),
    files: { "models.py": "" },
    what: "import each other in a circle",
    next: "third file",
  },
  "a name": {
    log: traceback(`ImportError: cannot import name 'y' from 'lib' (${tree}/lib.py)`),
    what: "lib.py has no 'y'",
    next: "spelling",
  },
  "a native library": {
    log: traceback(
      "ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
    ),
    what: "the server has no libGL.so.1",
    next: "sudo apt install libgl1",
  },
  "a table": {
    log: traceback("sqlite3.OperationalError: no such table: users"),
    what: "the database has no table 'users' yet",
    next: "release:",
  },
  postgres: {
    log: traceback(
      'psycopg2.OperationalError: connection to server at "localhost" (127.0.0.1), port 5432 failed: Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?',
    ),
    what: "no PostgreSQL answers at localhost:5432",
    next: "DATABASE_URL",
  },
  redis: {
    log: traceback(
      "redis.exceptions.ConnectionError: Error 111 connecting to localhost:6379. Connection refused.",
    ),
    what: "no Redis answers at localhost:6379",
    next: "sudo apt install redis-server",
  },
  "docker's names": {
    log: traceback(
      'psycopg2.OperationalError: could not translate host name "db" to address: Name or service not known',
    ),
    what: "there is no host 'db'",
    next: "Docker Compose",
  },
  "any other": {
    log: traceback("NameError: name 'ap' is not defined. Did you mean: 'app'?"),
    what: "NameError: name 'ap' is not defined. Did you mean: 'app'?",
    next: "mend app.py line 3",
    place: "app.py line 3",
  },
  "an exception of its own": {
    log: traceback("telegram.error.InvalidToken: Invalid token"),
    what: "InvalidToken: Invalid token",
    next: "mend app.py line 3",
  },
  "a loop": {
    log: "*** Python threads support is disabled ***\npiku: it has not started (see the emperor's log) after 60 s\n",
    line: "wsgi: app:app",
    files: flask,
    what: "after 60 s app.py was still being read: is there a loop or a sleep outside of a function?",
    next: "into a function",
  },
  "an app that nothing runs": {
    log: "piku: it exited right after it started\n",
    files: flask,
    what: "app.py makes an app, and nothing runs it",
    next: "Procfile: wsgi: app:app",
  },
  "a program that ends": {
    log: "hello\npiku: it exited right after it started\n",
    what: "`python3 app.py` ended at once, and a 'web' process must go on",
    next: "cron: @hourly python3 app.py",
  },
  "a port in the code": {
    log: " * Running on http://127.0.0.1:5000\npiku: it listens on port 5000 instead of 127.0.0.1:2000 after 3 s\n",
    files: { "app.py": "app = Flask(__name__)\napp.run()\n" },
    what: "`python3 app.py`: it listens on port 5000 instead of",
    next: 'app.run(host=os.environ["BIND_ADDRESS"], port=int(os.environ["PORT"])); or Procfile: wsgi: app:app',
  },
  "a bot": {
    log: "piku: nothing listens on 127.0.0.1:2000 ($BIND_ADDRESS:$PORT) after 60 seconds\n",
    line: "web: python3 bot.py",
    what: "`python3 bot.py` listens on no port after 60 s; it must listen on 127.0.0.1:2000",
    next: "worker: python3 bot.py",
  },
  "a name of an installed package": {
    log: traceback(
      "ImportError: cannot import name 'flask' from 'flask' (/home/piku/.piku/envs/hello/lib/flask/__init__.py)",
    ),
    what: "the installed 'flask' has no 'flask'",
    next: "capital letters",
  },
  "Django's folder": {
    log: `ModuleNotFoundError: No module named 'mysite'\n${uwsgi}`,
    line: "wsgi: mysite.wsgi",
    files: { "manage.py": '("DJANGO_SETTINGS_MODULE", "shop.settings")', "shop/wsgi.py": "" },
    what: "there is no mysite/wsgi.py in this commit",
    next: "Procfile: wsgi: shop.wsgi",
  },
  "a folder of root's": {
    log: traceback("PermissionError: [Errno 13] Permission denied: '/var/data'"),
    what: "the app may not use /var/data",
    next: "DATA_ROOT",
  },
  "an option": {
    log: "usage: gunicorn [OPTIONS] [APP_MODULE]\ngunicorn: error: unrecognized arguments: --prot 80\n",
    line: "web: gunicorn app:app --prot 80",
    what: "`gunicorn app:app --prot 80`: unrecognized arguments: --prot 80",
    next: "$PORT",
  },
  "click's option": {
    log: "Usage: uvicorn [OPTIONS] APP\nTry 'uvicorn --help' for help.\n\nError: No such option: --prot Did you mean --port?\n",
    line: "web: uvicorn main:app --prot $PORT",
    what: "No such option: --prot",
    next: "Procfile",
  },
  streamlit: {
    log: "piku: it listens on port 8501 instead of 127.0.0.1:2000 after 3 s\n",
    line: "web: streamlit run app.py",
    what: "`streamlit run app.py`: it listens on port 8501",
    next: "Procfile: web: streamlit run app.py --server.port $PORT --server.address $BIND_ADDRESS",
  },
  "a port that is taken": {
    log: traceback("OSError: [Errno 98] Address already in use"),
    files: { "app.py": "HTTPServer(('', 8000), X)" },
    what: "the port is taken by another program",
    next: 'os.environ["PORT"]',
  },
};

const pip: Record<string, Case> = {
  "a misspelt requirement": {
    log: "ERROR: Could not find a version that satisfies the requirement flaskk (from versions: none)\nERROR: No matching distribution found for flaskk\n",
    what: "there is no package 'flaskk'",
    next: "did you mean flask?",
  },
  "a version": {
    log: "ERROR: Could not find a version that satisfies the requirement flask==99 (from versions: 0.1, 3.1.3)\nERROR: No matching distribution found for flask==99\n",
    what: "there is no version 99 of 'flask'",
    next: "without a version",
  },
  "a part of Python": {
    log: "ERROR: Could not find a version that satisfies the requirement random (from versions: none)\nERROR: No matching distribution found for random\n",
    what: "'random' is a part of Python",
    next: "take the line random out",
  },
  "no network": {
    log: "WARNING: Retrying after connection broken by 'NewConnectionError(': Failed to establish a new connection: [Errno -3] Temporary failure in name resolution')'\nERROR: Could not find a version that satisfies the requirement flask (from versions: none)\nERROR: No matching distribution found for flask\n",
    what: "the server cannot reach the internet",
    next: "network",
  },
  "one =": {
    log: "ERROR: Invalid requirement: 'flask=2' (from line 1 of requirements.txt)\nHint: = is not a valid operator. Did you mean == ?\n",
    what: "requirements.txt line 1: 'flask=2'",
    next: "flask==2",
  },
  "import in requirements.txt": {
    log: "ERROR: Invalid requirement: 'import flask' (from line 1 of requirements.txt)\n",
    what: "requirements.txt line 1: 'import flask'",
    next: "without import",
  },
  pg_config: {
    log: "    Error: pg_config executable not found.\n",
    what: "pg_config",
    next: "psycopg2-binary",
  },
  "Python.h": {
    log: "src/x.c:1:10: fatal error: Python.h: No such file or directory\nerror: command '/usr/bin/gcc' failed with exit code 1\n",
    what: "the server has no Python.h",
    next: "sudo apt install python3-dev build-essential",
  },
  gcc: {
    log: "error: command 'gcc' failed: No such file or directory\n",
    what: "no compiler",
    next: "sudo apt install build-essential python3-dev",
  },
  "a conflict": {
    log: "ERROR: Cannot install -r requirements.txt (line 1) and werkzeug==1.0 because these package versions have conflicting dependencies.\n\nThe conflict is caused by:\n    The user requested werkzeug==1.0\n    flask 3.0.0 depends on Werkzeug>=3.0.0\n",
    what: "flask 3.0.0 depends on Werkzeug>=3.0.0",
    next: "take the version off",
  },
  "pip in the Procfile": {
    log: "error: externally-managed-environment\n\n× This environment is externally managed\n",
    what: "takes no packages from pip",
    next: "take pip install out of the Procfile",
  },
};

const javascript: Record<string, Case> = {
  "a package": {
    log: node("Error: Cannot find module 'express'"),
    files: express,
    what: "'express' is not installed",
    next: "npm install express, commit package.json and package-lock.json",
    place: "index.js line 4",
  },
  "a package with the ending of a file": {
    log: node("Error: Cannot find module 'discord.js'"),
    files: express,
    what: "'discord.js' is not installed",
    next: "npm install discord.js",
  },
  "Bun's file": {
    log: `error: Cannot find module "./routes" from "${tree}/index.ts"\n`,
    files: express,
    what: "there is no 'routes' in this commit",
    next: "git add routes",
  },
  "a package of an ES module": {
    log: `Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'express' imported from ${tree}/index.mjs\n`,
    files: { "index.mjs": "" },
    what: "'express' is not installed",
    next: "npm init -y, npm install express",
  },
  "a package for development": {
    log: node("Error: Cannot find module 'vite'"),
    files: express,
    what: "devDependencies",
    next: "npm install --save-prod vite",
  },
  "yarn's": {
    log: node("Error: Cannot find module '@fastify/cors/lib'"),
    files: { ...express, "yarn.lock": "" },
    what: "'@fastify/cors' is not installed",
    next: "yarn add @fastify/cors, commit package.json and yarn.lock",
  },
  "a file": {
    log: node("Error: Cannot find module './Routes'"),
    files: { ...express, "routes.js": "" },
    what: "there is no 'Routes' in this commit; it has 'routes.js'",
    next: "git add Routes",
  },
  "a file of an ES module": {
    log: `Error [ERR_MODULE_NOT_FOUND]: Cannot find module '${tree}/lib/routes' imported from ${tree}/index.mjs\n`,
    what: "there is no 'lib/routes' in this commit",
    next: "mend the name",
  },
  "the main file": {
    log: `Error: Cannot find module '${tree}/server.js'\n    at Module._resolveFilename (node:internal/modules/cjs/loader:1207:15) {\n  code: 'MODULE_NOT_FOUND',\n  requireStack: []\n}\n`,
    files: express,
    line: "web: node server.js",
    what: "there is no 'server.js' in this commit",
    next: "git add server.js",
  },
  import: {
    log: js("SyntaxError: Cannot use import statement outside a module"),
    what: "package.json does not say that it is a module",
    next: '"type": "module"',
  },
  require: {
    log: `file://${tree}/index.js:1\nReferenceError: require is not defined in ES module scope, you can use import instead\n    at file://${tree}/index.js:1:9\n`,
    what: 'package.json has "type": "module"',
    next: "write import",
  },
  "a syntax error": {
    log: js("SyntaxError: Unexpected token '{'"),
    what: "SyntaxError: Unexpected token '{'",
    next: "mend index.js line 2",
    place: "index.js line 2",
  },
  "an old Node": {
    log: js("SyntaxError: Unexpected token '??='").replace("v20.20.2", "v12.22.12"),
    what: "the server's Node 12 is too old for '??='",
    next: "NODE_VERSION",
  },
  engines: {
    log: 'npm error code EBADENGINE\nnpm error engine Unsupported engine\nnpm error notsup Required: {"node":">=99"}\nnpm error notsup Actual:   {"node":"v20.20.2","npm":"11.19.1"}\n',
    what: "the app wants Node >=99, and the server has Node 20.20.2",
    next: "NODE_VERSION",
  },
  "a setting": {
    log: js("Error: Missing required environment variable: API_KEY"),
    what: "the setting 'API_KEY' is missing",
    next: "config:set hello API_KEY=…",
  },
  "a port that is taken": {
    log: "Error: listen EADDRINUSE: address already in use :::3000\n    at Server.setupListenHandle [as _listen2] (node:net:1897:16)\n",
    line: "web: node index.js",
    files: { "index.js": "app.listen(3000)" },
    what: "port 3000 is taken",
    next: "app.listen(process.env.PORT, process.env.BIND_ADDRESS)",
  },
  "a database": {
    log: "Error: connect ECONNREFUSED 127.0.0.1:27017\n    at TCPConnectWrap.afterConnect\n",
    what: "no MongoDB answers at localhost:27017",
    next: "MONGODB_URI",
  },
  "no start script": {
    log: 'npm error Missing script: "start"\nnpm error\n',
    what: "package.json has no script 'start'",
    next: '"start"',
  },
  "no package.json": {
    log: "npm error code ENOENT\nnpm error enoent Could not read package.json: Error: ENOENT: no such file or directory\n",
    what: "there is no package.json",
    next: "npm init -y",
  },
  "a lock out of step": {
    log: "npm error `npm ci` can only install packages when your package.json and package-lock.json or npm-shrinkwrap.json are in sync. Please update your lock file with `npm install` before continuing.\nnpm error\nnpm error Missing: ms@2.1.3 from lock file\n",
    what: "package-lock.json is not in step with package.json",
    next: "npm install, commit package.json and package-lock.json",
  },
  "no such package": {
    log: "npm error code E404\nnpm error 404 Not Found - GET https://registry.example.org/expresss - Not found\nnpm error 404\n",
    what: "there is no package 'expresss'",
    next: "npm uninstall expresss",
  },
  "a manifest that is not JSON": {
    log: "npm error code EJSONPARSE\nnpm error JSON.parse Failed to parse JSON data.\n",
    what: "package.json is not valid JSON",
    next: "npm install",
  },
  "a build tool": {
    log: "> build\n> vite build\n\nsh: 1: vite: not found\nnpm error Lifecycle script `build` failed with error:\n",
    line: ": npm",
    files: { "package.json": "{}" },
    what: "'vite' is not installed",
    next: "npm install vite",
  },
  "a file of a build": {
    log: `Error: Cannot find module '${tree}/dist/main'\n  requireStack: []\n`,
    line: "web: node dist/main",
    files: express,
    what: "there is no 'dist/main' in this commit",
    next: 'write "build" into "scripts"',
  },
  "Bun's": {
    log: `error: Cannot find package "hono" from "${tree}/index.ts"\n`,
    files: { ...express, "bun.lock": "" },
    what: "'hono' is not installed",
    next: "bun add hono, commit package.json and bun.lock",
  },
  "Deno's": {
    log: 'error: Uncaught (in promise) NotCapable: Requires env access to "PORT", run again with the --allow-env flag\n',
    what: "Deno was not allowed env access",
    next: "--allow-env",
  },
  "pnpm's": {
    log: 'npm error code EUNSUPPORTEDPROTOCOL\nnpm error Unsupported URL Type "workspace:": workspace:*\n',
    what: "pnpm",
    next: "NODE_PACKAGE_MANAGER=pnpm",
  },
  TypeScript: {
    log: "src/index.ts(3,5): error TS2322: Type 'string' is not assignable to type 'number'.\n",
    what: "src/index.ts line 3: TS2322",
    next: "npx tsc --noEmit",
  },
  "any other": {
    log: js("TypeError: Cannot read properties of undefined (reading 'x')").replace(
      "if (a {",
      "a.b.x",
    ),
    what: "TypeError: Cannot read properties of undefined (reading 'x')",
    next: "mend index.js line 2",
  },
};

const shell: Record<string, Case> = {
  gunicorn: {
    log: sh("exec: gunicorn: not found"),
    line: "web: gunicorn app:app",
    files: flask,
    what: "'gunicorn' is not installed",
    next: "write gunicorn into requirements.txt",
  },
  python: {
    log: sh("exec: python: not found"),
    line: "web: python app.py",
    what: "only 'python3'",
    next: "Procfile: web: python3 app.py",
  },
  "a file": {
    log: sh("exec: app.py: not found"),
    line: "web: app.py",
    files: flask,
    what: "'app.py' is a file of the app",
    next: "Procfile: web: python3 app.py",
  },
  "a callable": {
    log: sh("exec: app:app: not found"),
    line: "web: app:app",
    what: "'app:app' is not a program",
    next: "Procfile: wsgi: app:app",
  },
  CRLF: {
    log: sh("exec: ./rel.sh: not found"),
    line: "web: ./rel.sh",
    files: { "rel.sh": "#!/bin/sh\r\necho\r\n" },
    what: "rel.sh has the line ends of Windows",
    next: "sed -i 's/\\r$//' rel.sh",
  },
  "CRLF in a Python script": {
    log: "/usr/bin/env: ‘python3\\r’: No such file or directory\n",
    line: "web: ./run.py",
    what: "run.py has the line ends of Windows",
    next: "sed",
  },
  "^M": {
    log: "bash: ./rel.sh: /bin/sh^M: bad interpreter: No such file or directory\n",
    line: "web: ./rel.sh",
    what: "rel.sh has the line ends of Windows",
    next: "sed",
  },
  "a mode": {
    log: sh("exec: ./run.sh: Permission denied"),
    line: "web: ./run.sh",
    what: "run.sh is not executable (Permission denied)",
    next: "git update-index --chmod=+x run.sh",
  },
  "a script that is not there": {
    log: sh("exec: ./start.sh: not found"),
    line: "web: ./start.sh",
    files: { "star.sh": "" },
    what: "there is no start.sh in this commit; it has 'star.sh'",
    next: "Procfile",
  },
  "a folder": {
    log: sh("cd: can't cd to backend"),
    line: "web: cd backend && node .",
    what: "there is no folder 'backend'",
    next: "Procfile",
  },
  "Go's program": {
    log: sh("exec: ./web: not found"),
    line: "web: ./web -v",
    files: { "go.mod": "module github.com/anna/clock\n", "main.go": "" },
    what: "there is no web in this commit",
    next: "Procfile: web: ./clock -v",
  },
  "Go's program without ./": {
    log: sh("exec: clock: not found"),
    line: "web: clock",
    files: { "go.mod": "module clock\n", "main.go": "" },
    what: "there is no program 'clock' on the server",
    next: "Procfile: web: ./clock",
  },
  nodemon: {
    log: "sh: 1: vite: not found\n",
    line: "web: npm start",
    files: express,
    what: "'vite' is installed for development only",
    next: "npm install --save-prod vite",
  },
  "node itself": {
    log: sh("exec: node: not found"),
    line: "web: node .",
    what: "there is no program 'node' on the server",
    next: "sudo apt install nodejs npm",
  },
  "another processor": {
    log: "sh: 1: ./server: Exec format error\n",
    line: "web: ./server",
    what: "built for another processor",
    next: "uname -m",
  },
  "a native module that does not compile": {
    log: `/bin/sh: 1: python: not found\nmake: *** [sqlite3] Error 127\ngyp ERR! build error\ngyp ERR! cwd ${tree}/node_modules/sqlite3\ngyp ERR! node -v v20.19.2\ngyp ERR! not ok\nnpm ERR! code 1\n`,
    what: "the native module 'sqlite3' could not be compiled: it may be too old for this Node",
    next: "npm install sqlite3@latest, commit package.json and package-lock.json, and push; or with nodeenv on the board choose NODE_VERSION",
  },
  "a quote": {
    log: sh("Syntax error: Unterminated quoted string"),
    line: "web: echo 'a",
    what: "the shell does not understand",
    next: "Procfile",
  },
  disk: {
    log: "OSError: [Errno 28] No space left on device\n",
    what: "the server's disk is full",
    next: "destroy",
  },
  memory: {
    log: "<--- Last few GCs --->\nFATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n",
    what: "memory",
    next: "NODE_OPTIONS",
  },
};

const others: Record<string, Case> = {
  "a gem": {
    log: "<internal:/usr/lib/ruby/vendor_ruby/rubygems/core_ext/kernel_require.rb>:85:in `require': cannot load such file -- sinatra/base (LoadError)\n\tfrom web.rb:1:in `<main>'\n",
    line: "web: ruby web.rb",
    what: "the gem 'sinatra' is not installed",
    next: 'write gem "sinatra" into the Gemfile',
  },
  "puma's": {
    log: "! Unable to load application: LoadError: cannot load such file -- sinatra\n",
    what: "the gem 'sinatra' is not installed",
    next: "Gemfile",
  },
  "a platform": {
    log: 'Your bundle only supports platforms ["x86_64-darwin-22"] but your local platform\nis aarch64-linux. Add the current platform to the lockfile with `bundle lock\n',
    what: "Gemfile.lock is not made for the server's platform, aarch64-linux",
    next: "bundle lock --add-platform aarch64-linux",
  },
  "Ruby's version": {
    log: "Your Ruby version is 3.1.2, but your Gemfile specified 3.4.1\n",
    what: "the Gemfile asks for Ruby 3.4.1, and the server has Ruby 3.1.2",
    next: 'ruby ">= 3.1.2"',
  },
  "Ruby's syntax": {
    log: "web.rb:2: syntax error, unexpected end-of-input, expecting `end'\n",
    what: "web.rb line 2: syntax error, unexpected end-of-input",
    next: "ruby -c web.rb",
  },
  "Ruby's syntax, in what Rack reads": {
    log: "/usr/share/rack-2.2/lib/rack/builder.rb:116:in `eval': config.ru:1: syntax error, unexpected '}', expecting ']'\n",
    line: "rwsgi: config.ru",
    what: "config.ru line 1: syntax error, unexpected '}'",
    next: "ruby -c config.ru",
  },
  "a config.ru that is not there": {
    log: "/usr/share/rack-2.2/lib/rack/builder.rb:96:in `read': No such file or directory @ rb_sysopen - nowhere.ru (Errno::ENOENT)\n",
    line: "rwsgi: nowhere.ru",
    what: "there is no file 'nowhere.ru'",
    next: "git add nowhere.ru",
  },
  "a class without jwsgi's method": {
    log: 'Exception in thread "main" java.lang.NoSuchMethodError: application\n',
    line: "jwsgi: Hello",
    what: "has no `public static Object[] application(HashMap env)`",
    next: "web: java -jar app.jar",
  },
  "Ruby's other errors": {
    log: "web.rb:2:in `<main>': undefined local variable or method `foo' for main:Object (NameError)\n",
    what: "NameError: undefined local variable or method `foo'",
    next: "mend web.rb line 2",
  },
  "a gem that is compiled": {
    log: "mkmf.rb can't find header files for ruby at /usr/lib/ruby/include/ruby.h\n\nAn error occurred while installing pg (1.5.4), and Bundler cannot continue.\n",
    what: "the gem 'pg' has to be compiled",
    next: "sudo apt install ruby-dev build-essential libpq-dev",
  },
  "PHP's syntax": {
    log: `PHP Parse error:  syntax error, unexpected token "{", expecting variable in ${tree}/index.php on line 2\n`,
    what: 'index.php line 2: syntax error, unexpected token "{"',
    next: "php -l index.php",
  },
  "PHP's database": {
    log: `PHP Fatal error:  Uncaught PDOException: could not find driver in ${tree}/index.php:2\n`,
    files: { "index.php": "new PDO('mysql:host=x')" },
    what: "PHP has no driver for the database",
    next: "sudo apt install php-mysql",
  },
  "PHP's function": {
    log: `PHP Fatal error:  Uncaught Error: Call to undefined function mb_strlen() in ${tree}/index.php:2\n`,
    what: "PHP has no function 'mb_strlen' here",
    next: "sudo apt install php-mbstring",
  },
  "Composer's packages": {
    log: `PHP Fatal error:  Uncaught Error: Failed opening required 'vendor/autoload.php' (include_path='.:/usr/share/php') in ${tree}/index.php:2\n`,
    files: { "composer.json": "{}" },
    what: "Composer's packages are not installed",
    next: "sudo apt install composer",
  },
  "PHP's extension": {
    log: "  - Root composer.json requires PHP extension ext-gmp * but it is missing from your system.\n",
    what: "PHP has no extension 'gmp' here",
    next: "sudo apt install php-gmp",
  },
  "Go's names": {
    log: "# x\n./main.go:2:15: undefined: foo\n",
    runtime: goCauses,
    what: "main.go line 2: undefined: foo",
    next: "go build",
  },
  "Go's modules": {
    log: "main.go:2:8: no required module provides package github.com/gin-gonic/gin; to add it:\n\tgo get github.com/gin-gonic/gin\n",
    runtime: goCauses,
    what: "github.com/gin-gonic/gin",
    next: "go mod tidy",
  },
  "Go's version": {
    log: "go: go.mod requires go >= 1.99 (running go 1.26.8; GOTOOLCHAIN=local)\n",
    runtime: goCauses,
    what: "the app wants Go 1.99, and the server has Go 1.26.8",
    next: "go.mod",
  },
  "a panic": {
    log: `panic: no\n\ngoroutine 1 [running]:\nmain.main()\n\t${tree}/main.go:2 +0x25\n`,
    what: "panic: no",
    next: "mend main.go line 2",
  },
  "Spring's": {
    log: "***************************\nAPPLICATION FAILED TO START\n***************************\n\nDescription:\n\nFailed to configure a DataSource: 'url' attribute is not specified.\n\nAction:\n\nConsider the following:\n",
    what: "Failed to configure a DataSource",
    next: "SPRING_DATASOURCE_URL",
  },
  "Heroku's Go": {
    log: "2026/11/26 10:00:00 $TOKEN must be set\n",
    what: "the setting 'TOKEN' is missing",
    next: "config:set hello TOKEN=…",
  },
  "Rails' key": {
    log: "Missing encryption key to decrypt file with. Ask your team for your master key\n",
    what: "Rails cannot read its credentials",
    next: "RAILS_MASTER_KEY",
  },
  "Java's syntax": {
    log: `[ERROR] COMPILATION ERROR : \n[ERROR] ${tree}/src/main/java/App.java:[5,10] ';' expected\n`,
    runtime: javaCauses,
    what: "src/main/java/App.java line 5: ';' expected",
    next: "mvn compile",
  },
  "Java's version": {
    log: 'Exception in thread "main" java.lang.UnsupportedClassVersionError: App has been compiled by a more recent version of the Java Runtime (class file version 65.0), this version of the Java Runtime only recognizes class file versions up to 61.0\n',
    what: "it was compiled for Java 21, and the server has Java 17",
    next: "maven.compiler.release",
  },
  "a jar": {
    log: "Error: Unable to access jarfile app.jar\n",
    line: "web: java -jar app.jar",
    files: { "pom.xml": "" },
    what: "there is no app.jar",
    next: "Procfile: web: java -jar target/*.jar",
  },
  "Java's root cause": {
    log: 'Exception in thread "main" java.lang.RuntimeException: x\nCaused by: java.io.IOException: no file\n\tat App.main(App.java:7)\n',
    what: "IOException: no file",
    next: "mend App.java line 7",
  },
  "Rust's names": {
    log: "error[E0425]: cannot find value `b` in this scope\n --> src/main.rs:1:26\n  |\n",
    runtime: rustCauses,
    what: "src/main.rs line 1: cannot find value `b` in this scope",
    next: "cargo check",
  },
  "Rust's version": {
    log: "error: package `rocket v0.6.0` cannot be built because it requires rustc 1.89 or newer, while the currently active rustc version is 1.85.0\n",
    runtime: rustCauses,
    what: "a package wants Rust 1.89, and the server has 1.85.0",
    next: "Cargo.lock",
  },
};

for (const [language, table] of Object.entries({ python, pip, javascript, shell, others }))
  test.each(Object.entries(table))(`${language}: %s`, (_, one) => {
    const found = explained(one);
    expect(found?.what).toContain(one.what);
    expect(found?.next).toContain(one.next);
    if (one.place) expect(found?.place).toBe(one.place);
  });

test.each([
  "",
  "listening on 5000\n",
  "piku: / answers 500 after 60 seconds\n",
  "the migration broke\n",
  "bad mode\n",
])("%j: no row knows it", (log) => {
  expect(
    explained({
      log,
      line: log.includes("answers") ? "wsgi: app:app" : undefined,
      what: "",
      next: "",
    }),
  ).toBeUndefined();
});

test.each([
  "A",
  "a.",
  "a/",
  ": ",
  "'",
  "x: not found",
  "Error: ",
  "\n",
  " at ",
  "sh: 1: ",
  'File "',
  "a:1 ",
])("a long log of %j is read in no time", (piece) => {
  const began = performance.now();
  explained({ log: piece.repeat(65536 / piece.length), what: "", next: "" });
  expect(performance.now() - began).toBeLessThan(2000);
});

test("what moves a cursor does not get into the sentence", () => {
  const log = traceback(
    "ModuleNotFoundError: No module named 'a'\nValueError: \x1b]0;x\x07\x1b[2Jy",
  );
  expect(explained({ log, what: "", next: "" })?.what).not.toMatch(/[\x00-\x1f]/);
});
