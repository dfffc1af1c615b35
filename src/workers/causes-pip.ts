import { nearest } from "../text/text.ts";
import type { Cause } from "./cause.ts";
import { addPython } from "./causes-python.ts";
import { aptLine, buildPackages } from "./native-packages.ts";

const popular =
  "flask django fastapi uvicorn gunicorn requests numpy pandas matplotlib scipy scikit-learn pillow pyyaml beautifulsoup4 python-dotenv sqlalchemy flask-sqlalchemy flask-login flask-wtf jinja2 werkzeug bottle streamlit gradio dash plotly redis celery psycopg2-binary pymongo pymysql discord.py python-telegram-bot pygame opencv-python tensorflow torch transformers openai pydantic httpx aiohttp tornado starlette websockets boto3 pytest lxml selenium gpiozero RPi.GPIO paho-mqtt schedule apscheduler flask-cors flask-socketio whitenoise djangorestframework waitress".split(
    " ",
  );

/** Names that people write for packages that are called otherwise. */
const otherwise: Record<string, string> = {
  sklearn: "scikit-learn",
  cv2: "opencv-python-headless",
  PIL: "pillow",
  bs4: "beautifulsoup4",
  "discord-py": "discord.py",
  dotenv: "python-dotenv",
  yaml: "pyyaml",
};

const partOfPython =
  /^(os|sys|json|random|time|datetime|math|re|sqlite3|csv|threading|socket|logging|tkinter|asyncio|collections|functools|itertools|pathlib|subprocess|urllib|http|hashlib|base64|string|typing|uuid|shutil|smtplib|email|statistics|turtle|unittest|io|pickle|glob|copy|secrets)$/;

const bare = (requirement: string) => /^[\w.-]+/.exec(requirement)?.[0] ?? requirement;

/** Words of pip's, uv's and Poetry's, and of the compilers that they start. */
export const pipCauses: readonly Cause[] = [
  [
    /pg_config executable not found/,
    "psycopg2 has to be compiled, and the server has no pg_config",
    "write psycopg2-binary in the place of psycopg2 into requirements.txt, commit and push; or on the server: sudo apt install libpq-dev python3-dev build-essential",
  ],
  [
    /\b(mysql_config|mariadb_config|xslt-config|curl-config|gdal-config|pkg-config|swig|cmake)\b:? (?:not found|executable|is not installed|.*No such file)|Can not find valid pkg-config name|Please make sure the (libxml2 and libxslt) development packages/,
    ([, tool], _, log) =>
      `a package has to be compiled, and the server has no ${tool || (log.includes("libxml2") ? "libxml2" : "mysql_config")}`,
    ([, tool], _, log) =>
      aptLine(buildPackages, tool || (log.includes("libxml2") ? "libxml/" : "mysql_config")),
  ],
  [
    /fatal error: ([\w./-]+\.h): No such file or directory/,
    "a package has to be compiled, and the server has no $1",
    ([, header]) => aptLine(buildPackages, header!),
  ],
  [
    /The headers or library files could not be found for (\w+)/,
    "a package has to be compiled, and the server has no headers of $1",
    ([, library]) => aptLine(buildPackages, library!),
  ],
  [
    /error: command '?([\w-]*(?:gcc|cc|clang|g\+\+|c\+\+))'? failed: No such file|unable to execute '?([\w-]*gcc)'?|error: linker `(cc)` not found|Failed to find tool\. Is `([\w-]*cc)` installed|Could not find compiler|No such file or directory: '?([\w-]*gcc)'?/,
    "a package has to be compiled, and the server has no compiler",
    "on the server: sudo apt install build-essential python3-dev",
  ],
  [
    /can't find Rust compiler|Cargo, the Rust package manager, is not installed/,
    "a package has to be compiled, and the server has no Rust",
    "on the server: sudo apt install cargo; or name an older version in requirements.txt, which needs none",
  ],
  [
    /The 'sklearn' PyPI package is deprecated/,
    "the package is called scikit-learn, not sklearn",
    "write scikit-learn in the place of sklearn into requirements.txt, commit and push",
  ],
  [
    /Invalid requirement: ['"](.*?)['"](?:: .*)? ?\(from line (\d+) of (\S+)\)/,
    "$3 line $2: '$1' is not the name of a package",
    ([, text]) =>
      /^(import|from)\b/.test(text!)
        ? "write only the package's name, such as flask, without import; commit and push"
        : /^[\w.-]+(\[.*\])?\s*=\s*[\d]/.test(text!)
          ? `write == for a version: ${text!.replace(/\s*=\s*/, "==")}; commit and push`
          : /^(pip3? install|python)/.test(text!)
            ? "write only the packages' names, one on a line; commit and push"
            : "one package on a line, such as flask or flask==3.0.0; commit and push",
  ],
  [
    /Invalid requirement: ['"](.*?)['"]/,
    "'$1' is not the name of a package",
    "one package on a line of requirements.txt, such as flask or flask==3.0.0; commit and push",
  ],
  [
    /Could not open requirements file: .*'([^']+)'/,
    "there is no $1 in this commit",
    "git add $1, commit and push",
  ],
  [
    /Could not find a version that satisfies the requirement (\S+?)(?: \(from .*?\))? \(from versions: (.*)\)/,
    ([, name, versions], _, log) => {
      if (
        /NameResolutionError|NewConnectionError|Temporary failure|Network is unreachable/.test(log)
      )
        return undefined;
      if (versions !== "none")
        return `there is no version ${name!.replace(bare(name!), "").replace(/^=+/, "")} of '${bare(name!)}' for the server's Python`;
      return partOfPython.test(bare(name!))
        ? `'${bare(name!)}' is a part of Python, and no package`
        : `there is no package '${bare(name!)}' for the server's Python`;
    },
    ([, name, versions]) => {
      const known = bare(name!);
      if (versions !== "none")
        return `write ${known} without a version into requirements.txt, commit and push`;
      if (partOfPython.test(known))
        return `take the line ${known} out of requirements.txt, commit and push`;
      const right = otherwise[known] ?? nearest(known.toLowerCase(), popular);
      return right
        ? `did you mean ${right}? Write it into requirements.txt, commit and push`
        : "mend its name in requirements.txt (https://pypi.org has them all), commit and push";
    },
  ],
  [
    /No matching distribution found for (\S+)/,
    (found, _, log) =>
      /NameResolutionError|NewConnectionError|Temporary failure|Network is unreachable/.test(log)
        ? undefined
        : `there is no package '${found[1]}' for the server's Python`,
    "mend its name or version in requirements.txt, commit and push",
  ],
  [
    /Because ([\w.-]+) was not found in the package registry/,
    "there is no package '$1'",
    "mend its name in pyproject.toml, uv lock, commit both and push",
  ],
  [
    /Cannot install (.*?) because these package versions have conflicting dependencies/,
    (_, __, log) => {
      const [, wants, needs] =
        /^ {4}(.+ depends on .+)$/m.exec(log) ?? /^( {4}(.+))$/m.exec(log) ?? [];
      return `the packages want different versions of each other${wants ? `: ${(needs ?? wants).trim()}` : ""}`;
    },
    "take the version off one of them in requirements.txt, commit and push",
  ],
  [
    /(?:requires a different Python|Requires-Python|requires-python).*?([<>=!~][^\s'";)]*)/,
    (_, { names }, log) =>
      /ERROR: Package|is incompatible|No interpreter found/.test(log)
        ? `a package wants another Python than the server's${names.includes("requirements.txt") ? "" : " (requires-python in pyproject.toml)"}`
        : undefined,
    "name a version of it that fits: pip install PACKAGE and pip freeze with the server's Python; commit and push",
  ],
  [
    /No interpreter found for Python ([\d.]+)|python([\d.]+) is not installed/,
    (found) => `the server has no Python ${found[1] || found[2]}`,
    "take the version out of .python-version or pyproject.toml, or on the server: uv python install VERSION",
  ],
  [
    /The lockfile at `uv\.lock` needs to be updated/,
    "uv.lock is not in step with pyproject.toml",
    "uv lock, git add uv.lock, commit and push",
  ],
  [
    /pyproject\.toml changed significantly since poetry\.lock was last generated|poetry\.lock is not (?:consistent|up to date)/,
    "poetry.lock is not in step with pyproject.toml",
    "poetry lock, git add poetry.lock, commit and push",
  ],
  [
    /THESE PACKAGES DO NOT MATCH THE HASHES/,
    "a package is not the one that the hash in requirements.txt is of",
    "pip-compile --generate-hashes again on your machine, commit and push",
  ],
  [
    /error: externally-managed-environment/,
    "Debian's Python takes no packages from pip",
    (_, scene) =>
      `take pip install out of the Procfile; ${addPython("the package", scene)}: piku installs what it lists`,
  ],
  [
    /use_2to3 is invalid|module 'pkgutil' has no attribute 'ImpImporter'|No module named 'distutils'|AttributeError: .*'build_ext'|Cython\.Compiler\.Errors\.CompileError/,
    "a package is too old for the server's Python",
    "take its version off in requirements.txt, so that a newer one is installed; commit and push",
  ],
  [
    /error: command '(\S+)' failed with exit (?:code|status) \d+/,
    "a package has to be compiled, and that failed",
    "take its version off in requirements.txt, so that one that is ready-made can be installed; commit and push",
  ],
  [
    /Failed building wheel for ([\w.-]+)|Failed to build '?([\w.-]+)/,
    (found) => `'${found[1] || found[2]}' has to be compiled, and that failed`,
    (found) =>
      `take the version of ${found[1] || found[2]} off in requirements.txt, or on the server: sudo apt install build-essential python3-dev`,
  ],
];
