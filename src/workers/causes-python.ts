import { printable } from "../text/text.ts";
import { type Cause, isAtTop, meant, placeIn, type Scene } from "./cause.ts";
import { aptLine, nativePackages } from "./native-packages.ts";
import {
  callables,
  djangoModule,
  fileOfModule,
  lineWith,
  moduleOf,
  rightCallable,
  servable,
  target,
  wrongCallable,
} from "./python-app.ts";
import { debianModules, packageOf, removedModules, usualOwnModules } from "./python-packages.ts";

/** How a package is added, by what lists an app's packages. */
export function addPython(name: string, { names }: Pick<Scene, "names">): string {
  if (!names.includes("requirements.txt")) {
    const near = names.find((one) => /^requ?i?e?re?ments?\.(txt|text)(\.txt)?$/i.test(one));
    if (near) return `git mv ${near} requirements.txt, commit and push`;
    if (names.includes("poetry.lock")) return `poetry add ${name}, commit and push`;
    if (names.includes("uv.lock")) return `uv add ${name}, commit and push`;
    if (names.includes("pyproject.toml"))
      return `write ${name} into dependencies of pyproject.toml, commit and push`;
  }
  return `write ${name} into requirements.txt, commit and push`;
}

const notInstalled = ([, name]: readonly string[]) => `'${packageOf(name!)}' is not installed`;

/** What is wrong when a module of the app itself is not there; undefined for a package. */
function ownModule(name: string, scene: Scene): string | undefined {
  const top = name.split(".")[0]!;
  const file = fileOfModule(name);
  if (name.endsWith(".py"))
    return `'${name}' is a file, and Python wants its module: '${name.slice(0, -3)}'`;
  if (isAtTop(scene, top) && top !== name) return `there is no ${file} in this commit`;
  if (scene.deletes(file)) return `there is no ${file} in this commit; it has deleted it`;
  if (name === top && scene.names.includes(`${top}.py`))
    return `${top}.py is in this commit, but Python does not look for it there`;
  const isTarget = target(scene)?.module.split(".")[0] === top;
  const runsIt = new RegExp(`-m ${top}\\b`).test(scene.command) && packageOf(top) === top;
  const wrongCase = scene.names.find(
    (one) => one.toLowerCase() === `${top}.py`.toLowerCase() && one !== `${top}.py`,
  );
  if (isTarget || wrongCase || (runsIt && usualOwnModules.test(top)))
    return `there is no ${isTarget ? fileOfModule(target(scene)!.module) : `${top}.py`} in this commit${meant(`${top}.py`, scene.names)}`;
  return undefined;
}

function addOwn(name: string, scene: Scene): string {
  if (name.endsWith(".py")) {
    const module = name.slice(0, -3);
    const [has = "app"] = callables(moduleOf(scene, module)?.source ?? "");
    return `Procfile: ${lineWith(scene, name, `${module}:${has}`)}`;
  }
  if (scene.names.includes(`${name}.py`))
    return "run it from the app's own folder, without cd and --chdir; commit and push";
  if (
    scene.names.includes("manage.py") &&
    name.split(".")[0] === target(scene)?.module.split(".")[0]
  )
    return `Procfile: ${lineWith(scene, target(scene)?.module ?? name, djangoModule(scene))}`;
  const other = target(scene)?.module === name ? servable(scene) : undefined;
  if (other) return `Procfile: ${lineWith(scene, `${name}:${target(scene)?.callable}`, other)}`;
  return `git add ${fileOfModule(name)}, commit and push`;
}

const missingModule =
  /^(?:\S*python[\d.]*: |ModuleNotFoundError: |ImportError: )?No module named '?([\w.]+)'?.*$/;

const syntaxError = /^(?:E +)?((?:Syntax|Tab|Indentation)Error): (.*)$/;

const conflict = /^[ \t+]*(<{7} \S|={7}$|>{7} \S)/;

/** Words of Python's, and of the servers that load an app. */
export const pythonCauses: readonly Cause[] = [
  [
    /^Usage: .*waitress-serve|^Failed to find attribute '(\w+)' in '[\w.]+'|module '[\w.]+' has no attribute '(\w+)'$/,
    ([, gunicorn, waitress], scene) => wrongCallable(scene, gunicorn || waitress || undefined),
    (_, scene) => rightCallable(scene),
  ],
  [
    /Error loading ASGI app\. Attribute "(\w+)" not found in module/,
    ([, name], scene) => wrongCallable(scene, name),
    (_, scene) => rightCallable(scene),
  ],
  [
    /Error loading ASGI app\. Could not import module "([\w.]+)"/,
    ([, module], scene) =>
      ownModule(module!, scene) ?? `there is no ${fileOfModule(module!)} in this commit`,
    ([, module], scene) => addOwn(module!, scene),
  ],
  [
    /Error loading ASGI app\. Import string "(.*?)" must be in format/,
    "'$1' names no app: it is the file without .py, a colon, and the name in it",
    (_, scene) =>
      `Procfile: web: uvicorn ${servable(scene) ?? "main:app"} --host $BIND_ADDRESS --port $PORT`,
  ],
  [
    /Failed to find Flask application or factory in module '([\w.]+)'/,
    "there is no Flask app in $1.py",
    (_, scene) =>
      `it is a line such as app = Flask(__name__); Procfile: wsgi: ${servable(scene) ?? "app:app"}`,
  ],
  [
    /Could not locate a Flask application/,
    "Flask does not know which file the app is in",
    (_, scene) => `Procfile: wsgi: ${servable(scene) ?? "app:app"}`,
  ],
  [
    /^(?:ImportError|OSError): (lib[\w.+-]+?\.so[\w.]*): cannot open shared object file/,
    "the server has no $1, which a package needs",
    ([, file]) => aptLine(nativePackages, file!),
  ],
  [
    missingModule,
    ([line, name], scene) => {
      const top = name!.split(".")[0]!;
      if (Object.hasOwn(debianModules, top)) return `the server's Python has no '${top}'`;
      if (removedModules.test(top)) return `the server's Python no longer has the module '${top}'`;
      const own = ownModule(name!, scene);
      if (own) return own;
      if (usualOwnModules.test(top) && !/'[\w.]+' is not a package/.test(line!))
        return `'${name}' is neither a file of this commit nor an installed package`;
      return notInstalled(["", name!]);
    },
    ([, name], scene) => {
      const top = name!.split(".")[0]!;
      if (top === "tkinter" || top === "_tkinter" || top === "turtle")
        return "a server has no screen for windows: make web pages instead, such as with Flask";
      if (Object.hasOwn(debianModules, top))
        return `on the server: sudo apt install ${debianModules[top]}`;
      if (removedModules.test(top))
        return "use a newer version of what imports it, or do without it";
      if (ownModule(name!, scene)) return addOwn(name!, scene);
      if (usualOwnModules.test(top))
        return `git add ${fileOfModule(name!)} if it is yours, else write ${packageOf(name!)} into requirements.txt; commit and push`;
      return addPython(packageOf(name!), scene);
    },
  ],
  [
    /^Error: Could not import '([\w.]+)'\.$/,
    ([, module], scene) =>
      ownModule(module!, scene) ?? `there is no ${fileOfModule(module!)} in this commit`,
    ([, module], scene) => addOwn(module!, scene),
  ],
  [
    /^ImportError: attempted relative import with no known parent package/,
    "`from .name import` works in a package only, and this file is started as a program",
    "write `from name import`, without the dot; commit and push",
  ],
  [
    /^(?:AttributeError|ImportError): .*partially initialized module '([\w.]+)'/,
    ([, module], { names }, log) =>
      names.includes(`${module}.py`) && placeIn(log)?.startsWith(`${module}.py`)
        ? `your file ${module}.py hides the package '${module}'`
        : `the files import each other in a circle, through '${module}'`,
    ([, module], { names }, log) =>
      names.includes(`${module}.py`) && placeIn(log)?.startsWith(`${module}.py`)
        ? `give it another name: git mv ${module}.py my_${module}.py, commit and push`
        : "move what both need into a third file, or the import into the function that needs it",
  ],
  [
    /^AttributeError: module '(\w+)' has no attribute '(\w+)'/,
    ([, module], { names }) =>
      names.includes(`${module}.py`) &&
      /^(flask|django|fastapi|requests|random|socket|json|email|time|datetime|telegram|discord|bottle|redis|dotenv|http|logging|string|math)$/.test(
        module!,
      )
        ? `your file ${module}.py hides the module '${module}'`
        : undefined,
    "give it another name: git mv $1.py my_$1.py, commit and push",
  ],
  [
    /^ImportError: cannot import name '(\w+)' from '([\w.]+)' \((.*?)\)/,
    ([, name, module, file]) =>
      file!.startsWith("/")
        ? `the installed '${module!.split(".")[0]}' has no '${name}'`
        : `${file} has no '${name}'`,
    ([, name, , file]) =>
      file!.startsWith("/")
        ? `mind capital letters (from flask import Flask), or write the version that works on your machine into requirements.txt (pip freeze); commit and push`
        : `write it there, or mend the spelling of ${name}; commit and push`,
  ],
  [
    conflict,
    (_, __, log) =>
      syntaxError.test(log) || /SyntaxError/.test(log)
        ? "git's conflict marks are still in the file"
        : undefined,
    "remove the lines <<<<<<<, ======= and >>>>>>> with what should not stay, commit and push",
  ],
  [
    /^TabError: .*$/,
    "a line is indented with tabs, and its neighbours with spaces (TabError)",
    "indent all lines with four spaces, commit and push",
  ],
  [
    /^IndentationError: (.*)$/,
    "a line is indented wrongly: $1 (IndentationError)",
    "indent what belongs together alike, with four spaces; commit and push",
  ],
  [
    /^SyntaxError: (?:\(unicode error\).*|Non-UTF-8 code.* in file (\S+) on line (\d+).*|source code (?:string )?cannot contain null bytes)/,
    ([, file, line]) =>
      `${file ? `${file} line ${line}` : "the file"} is not saved as UTF-8 (SyntaxError)`,
    "save it with the encoding UTF-8 in your editor, commit and push",
  ],
  [
    /^SyntaxError: Missing parentheses in call to '(\w+)'/,
    "it is written for Python 2, and the server has Python 3 ($1 without parentheses)",
    "write $1(...), commit and push",
  ],
  [
    /^SyntaxError: (.*)$/,
    (found, { kind }, log) =>
      /^ {2}File "/m.test(log) || kind === "wsgi" ? `SyntaxError: ${found[1]}` : undefined,
    (_, __, log) => `${mendAt(log)}; python3 -m py_compile FILE finds it on your machine`,
  ],
  [
    /^EOFError: EOF when reading a line/,
    "input() cannot be answered: nobody sits at the server (EOFError)",
    'read it from a setting: os.environ["NAME"], and config:set $APP NAME=…; or ask in a web page',
  ],
  [
    /^KeyError: '([A-Z][A-Z0-9_]*)'/,
    ([, name], { kind }, log) =>
      name === "PORT" && kind !== "web"
        ? `only 'web' gets a PORT, and this is '${kind}'`
        : /<frozen os>|\/os\.py"|environ/.test(log)
          ? `the setting '${name}' is missing (KeyError)`
          : undefined,
    ([, name], { kind, app, command }) =>
      name === "PORT" && kind !== "web"
        ? `Procfile: web: ${printable(command)}`
        : `config:set ${app} ${name}=…, then push again`,
  ],
  [
    /^FileNotFoundError: \[Errno 2\] No such file or directory: '(?:\.\/)?([^']+)'/,
    ([, file], { names }) =>
      file!.startsWith("/")
        ? `the server has no ${file}`
        : `there is no '${file}' in this commit${meant(file!, names)}`,
    ([, file]) =>
      file!.startsWith("/")
        ? "write paths from the app's own folder, such as data.csv, without a / in front"
        : `git add ${file}, commit and push (git check-ignore -v ${file} tells whether .gitignore hides it)`,
  ],
  [
    /^PermissionError: \[Errno 13\] Permission denied(?:: '([^']+)')?/,
    ([, path], _, log) =>
      path
        ? `the app may not use ${path} (Permission denied)`
        : /\.bind\(|\.run\(|Server\(|create_server/.test(log)
          ? "only root may listen on a port below 1024 (Permission denied)"
          : undefined,
    ([, path]) =>
      path
        ? 'keep files in the app\'s data folder, os.environ["DATA_ROOT"]; commit and push'
        : 'take the port from the board: int(os.environ["PORT"]); commit and push',
  ],
  [
    /can't open file '(?:.*\/)?([^'/]+)': \[Errno 2\]/,
    ([, file], { names }) => `there is no ${file} in this commit${meant(file!, names)}`,
    ([, file], { names, kind, command }) => {
      const near = /'(.*?)'/.exec(meant(file!, names))?.[1];
      return near
        ? `Procfile: ${kind}: ${printable(command).replace(file!, near)}`
        : `git add ${file}, commit and push`;
    },
  ],
  [
    /can't find '__main__' module in '(.*)'/,
    "python3 was given a folder and not a file",
    "name the file in the Procfile, such as web: python3 app.py",
  ],
  [
    /^(?:sqlite3|django\.db\.utils|sqlalchemy\.exc|peewee)\.?.*OperationalError\)?:? .*no such table: (\w+)/,
    "the database has no table '$1' yet",
    (_, { names }) =>
      names.includes("manage.py")
        ? "Procfile: release: python3 manage.py migrate"
        : "make the tables at each push, in a line of the Procfile such as release: python3 init_db.py",
  ],
  [
    /^(?:sqlite3|django\.db\.utils|sqlalchemy\.exc)\S*OperationalError\)?:? .*unable to open database file/,
    "the folder of the database file is not there",
    'keep it in the app\'s data folder: os.path.join(os.environ["DATA_ROOT"], "app.db")',
  ],
  [
    /^django\.core\.exceptions\.ImproperlyConfigured: The SECRET_KEY setting must not be empty/,
    "Django's SECRET_KEY is empty",
    "config:set $APP SECRET_KEY=…, with a long random text, then push again",
  ],
  [
    /^django\.core\.exceptions\.ImproperlyConfigured: .*DJANGO_SETTINGS_MODULE/,
    "Django does not know where its settings are",
    (_, scene) => `Procfile: wsgi: ${djangoModule(scene)}:application`,
  ],
  [
    /^RuntimeError: (?:Working outside of application context|Form data requires "python-multipart")/,
    (_, __, log) =>
      log.includes("python-multipart") ? "'python-multipart' is not installed" : undefined,
    (_, scene) => addPython("python-multipart", scene),
  ],
  [
    /^Error: class uri '?"?(.*?)'?"? invalid or not found/,
    "gunicorn cannot load the worker class '$1'",
    (_, scene) => addPython("gevent", scene),
  ],
];

/** Where to look, for a mistake that only its author can mend. */
export const mendAt = (log: string) => `mend ${placeIn(log) ?? "it"}, commit and push`;

/** Exceptions that no other row knows; what was raised last counts. */
export const pythonRest: readonly Cause[] = [
  [
    /^ConnectionRefusedError: \[Errno 111\]/,
    "a server that the app asks does not answer (connection refused)",
    "start it on the server, or tell the app where it is: config:set $APP DATABASE_URL=…, then push again",
  ],
  [
    /^(?:[A-Za-z_]\w*\.)*([A-Z]\w*(?:Error|Exception|Exit|Interrupt|Refused|NotFound|Missing|Invalid|Denied|Configured|DoesNotExist|Timeout|Warning|Failed|Found|Undefined)?)(?:: (.*))?$/,
    ([, name, text], _, log) =>
      /^Traceback \(most recent call last\)/m.test(log) && /Error|Exception|[a-z][A-Z]/.test(name!)
        ? `${name}${text ? `: ${text}` : ""}`
        : undefined,
    (_, __, log) => mendAt(log),
  ],
];
