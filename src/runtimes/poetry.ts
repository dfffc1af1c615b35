import { isPoetrys, isProject } from "./project.ts";
import { elsewhere, installing, isPythonOutput, pyprojectFile, relocate } from "./pyproject.ts";
import { interpreter, makeEnvironment, pythonSettings } from "./python.ts";
import type { Runtime, Source } from "./runtime.ts";

const poetryLock = "poetry.lock";

/**
 * Whether the app is a package that something may import or call by its name: Poetry 2 fails for
 * one that is not there.
 */
function isPackage({ names, read }: Source): boolean {
  const text = read(pyprojectFile);
  const name = /^name\s*=\s*["']([^"']+)/m.exec(text)?.[1]?.replace(/[-.]+/g, "_").toLowerCase();
  return (
    /^\[(tool\.poetry|project)\.(gui-)?(scripts|plugins|entry-points)/m.test(text) ||
    ["src/", `${name}/`, `${name}.py`].some((one) => names.includes(one))
  );
}

/** Python with a pyproject.toml, by Poetry. */
export const poetry: Runtime = {
  name: "Python (Poetry)",
  needs: [["python3", "poetry"]],
  remedy: "sudo apt install python3-poetry",
  // The original's order, but a lock file of uv's is not Poetry's to read, and without Poetry only
  // its own files ask for it.
  detects: (source) => {
    const { names, has } = source;
    const isUvs = !has("poetry") || (names.includes("uv.lock") && has("uv"));
    return isProject(source) && (names.includes(poetryLock) || isPoetrys(source) || !isUvs);
  },
  madeFrom: {
    facts: (source) => [source.ask(interpreter(source), "-V"), String(isPackage(source))],
    files: /^(pyproject\.toml|poetry\.lock)$/,
    elsewhere,
  },
  settings: pythonSettings,
  install(source, environment) {
    const root = isPackage(source) ? [] : ["--no-root"];
    // Poetry installs into the virtualenv that VIRTUAL_ENV names.
    const argv = ["poetry", "install", "--no-interaction", ...root];
    const env = {
      VIRTUAL_ENV: environment,
      PYTHON_KEYRING_BACKEND: "keyring.backends.null.Keyring",
    };
    return [
      makeEnvironment(source, environment, true),
      installing(source, poetryLock, argv, env),
      ...(root.length ? [] : [relocate(source, environment)]),
    ];
  },
  goesLive: isPythonOutput,
};
