import type { Settings } from "../app/env-file.ts";
import { invalid, setting } from "../app/settings.ts";
import { PikuError } from "../text/errors.ts";
import { countedFiles } from "./dependencies.ts";
import { isPythonOutput, relocate } from "./pyproject.ts";
import type { Runtime, Source, Step } from "./runtime.ts";

const requirementsFile = "requirements.txt";

/**
 * `python3`, or `python3.11` where the setting PYTHON_VERSION says `3.11`. Throws when it is not
 * there, or when uWSGI cannot run it.
 */
export function interpreter(source: Source): string {
  const version = setting(source.settings, "PYTHON_VERSION") ?? "3";
  if (!/^\d+(\.\d+)?$/.test(version)) throw invalid("PYTHON_VERSION", version);
  const python = `python${version}`;
  if (!source.has(python))
    throw new PikuError(
      `${python} is not installed on the server`,
      `the app gets ${source.ask("python3", "-V") || "python3"} without PYTHON_VERSION; for this one, on the server, as piku's user: pipx install uv; uv python install ${version}`,
    );
  refuseOtherThanPlugin(source, source.ask(python, "-V"));
  return python;
}

/** The Python of uWSGI's plugin, `3.11`; undefined where it does not tell. */
export const pluginVersion = ({ ask }: Source) =>
  /^\d+\.\d+/.exec(ask("uwsgi", "--plugin", "python3", "--python-version"))?.[0];

/**
 * Refuses a `wsgi` worker for this version of Python when uWSGI's plugin is of another: it would
 * not find its packages.
 */
export function refuseOtherThanPlugin(source: Source, version: string): void {
  const wanted = /\d+\.\d+/.exec(version)?.[0];
  if (!("wsgi" in source.workers) || wanted === undefined) return;
  const plugin = pluginVersion(source);
  if (plugin === undefined || plugin === wanted) return;
  throw new PikuError(
    `the app wants Python ${wanted}, but the server's uWSGI has Python ${plugin}`,
    `choose Python ${plugin}, or use gunicorn as \`web\` in the Procfile in the place of \`wsgi\``,
  );
}

/** Whether a list of requirements asks for anything. */
const asks = (text: string) =>
  text.split("\n").some((line) => line.trim() !== "" && !line.trim().startsWith("#"));

/**
 * Makes an empty virtual environment: with `venv`, or with `virtualenv` where that is what there
 * is.
 */
export function makeEnvironment(source: Source, environment: string, needsPip: boolean): Step {
  const python = interpreter(source);
  const title = "Creating virtualenv";
  // Leaving pip out saves most of the time on a slow board.
  const bare = needsPip ? [] : ["--without-pip"];
  if (source.probe(python, "-c", bare.length ? "import venv" : "import venv, ensurepip")) {
    return { title, argv: [python, "-m", "venv", ...bare, environment] };
  }
  if (source.has("virtualenv"))
    return { title, argv: ["virtualenv", "--quiet", `--python=${python}`, environment] };
  throw new PikuError(
    `${python} cannot make a virtualenv`,
    "on the server: sudo apt install python3-venv",
  );
}

export const pythonSettings = (environment: string): Settings => ({
  PYTHONUNBUFFERED: "1",
  PYTHONIOENCODING: "UTF_8:replace",
  VIRTUAL_ENV: environment,
});

/** Python with a requirements.txt, in a virtual environment of its own. */
export const python: Runtime = {
  name: "Python",
  needs: [["python3"]],
  remedy: "sudo apt install python3 python3-venv",
  detects: ({ names }) => names.includes(requirementsFile),
  madeFrom: {
    facts: (source) => [source.ask(interpreter(source), "-V")],
    files: /^(requirements|constraints)[\w.-]*\.txt$/,
    elsewhere: {
      in: /(?:)/,
      by: /^\s*(?:-r|-c|--requirement|--constraint)[\s=]*(\S+)|^\s*(?:-e\b|--editable\b|\.|\/)|\bfile:/gm,
    },
  },
  settings: pythonSettings,
  install(source, environment) {
    const pip = [
      `${environment}/bin/python`,
      "-m",
      "pip",
      "install",
      "--disable-pip-version-check",
      "--no-input",
      "-r",
      requirementsFile,
    ];
    const needsPip = asks(source.read(requirementsFile));
    const steps = [makeEnvironment(source, environment, needsPip)];
    if (!needsPip) return steps;
    const own = countedFiles(source, python.madeFrom!).folders.includes(".");
    return [
      ...steps,
      { title: "Running pip", argv: pip },
      ...(own ? [relocate(source, environment)] : []),
    ];
  },
  goesLive: isPythonOutput,
};
