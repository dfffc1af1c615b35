import type { Source, Step } from "./runtime.ts";

/** What Poetry and uv have in common. */
export const pyprojectFile = "pyproject.toml";

/** Words of a manifest that lead to folders or files which may change with any commit. */
export const elsewhere = {
  in: /^pyproject\.toml$/,
  by: /\b(?:path|workspace|develop|file|members)\s*=|\bfile:|^\s*dynamic\s*=.*dependencies/gm,
};

/**
 * A step that installs from the build tree. Without a lock file of the commit's own, one that an
 * earlier build left there is not for this manifest.
 */
export function installing(
  { names }: Source,
  lock: string,
  argv: string[],
  env: Step["env"] = {},
): Step {
  const title = `Running ${argv.slice(0, 2).join(" ")}`;
  if (names.includes(lock)) return { title, argv, env };
  return { title, argv: ["sh", "-c", 'rm -f "$0" && exec "$@"', lock, ...argv], env };
}

/**
 * The app itself is installed as a way to its folder; this leads it from the build tree to where
 * the app runs.
 */
export const relocate = ({ settings }: Source, environment: string): Step => ({
  title: "Linking the app",
  argv: [
    "sh",
    "-c",
    'for file in "$1"/lib/python*/site-packages/*.pth "$1"/lib/python*/site-packages/__editable__*.py; do\n' +
      '  [ ! -f "$file" ] || sed -i "s#$PWD#$2#g" "$file"\ndone',
    "sh",
    environment,
    settings.PWD!,
  ],
});

/** Lock files and what installing leaves in the build tree belong to the build. */
export const isPythonOutput = (name: string) =>
  !/^(poetry|uv)\.lock$|(^|\/)(\.venv|__pycache__|[^/]+\.egg-info)\//.test(name);
