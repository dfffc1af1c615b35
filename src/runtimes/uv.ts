import { setting } from "../app/settings.ts";
import { isPoetrys, isProject } from "./project.ts";
import { elsewhere, installing, isPythonOutput, pyprojectFile, relocate } from "./pyproject.ts";
import { pluginVersion, pythonSettings, refuseOtherThanPlugin } from "./python.ts";
import type { Runtime, Source } from "./runtime.ts";

const uvLock = "uv.lock";

/** The version that is asked for, by the setting before the file; undefined when any will do. */
function wantedPython({ settings, read }: Source): string | undefined {
  const typed = setting(settings, "PYTHON_VERSION");
  return typed ?? (read(".python-version").trim().split(/\s/)[0] || undefined);
}

const isReadable = (text: string) => /^\[project\]/m.test(text);

/** Python with a pyproject.toml, by uv. */
export const uv: Runtime = {
  name: "Python (uv)",
  needs: [["uv"]],
  remedy: "sudo apt install pipx, and as piku's user: pipx install uv",
  // Of [tool.poetry] alone uv would install nothing.
  detects: (source) =>
    isProject(source) &&
    (source.names.includes(uvLock) || !isPoetrys(source) || isReadable(source.read(pyprojectFile))),
  madeFrom: {
    facts(source) {
      const wanted = wantedPython(source);
      refuseOtherThanPlugin(source, wanted ?? "");
      return [
        wanted ?? (source.has("python3") ? source.ask("python3", "-V") : ""),
        String("wsgi" in source.workers),
      ];
    },
    settings: /^UV_/,
    files: /^(pyproject\.toml|uv\.lock)$/,
    elsewhere,
  },
  settings: (environment) => ({
    ...pythonSettings(environment),
    UV_PROJECT_ENVIRONMENT: environment,
    // What runs is what was deployed: `uv run` in a Procfile changes nothing.
    UV_NO_SYNC: "1",
    UV_PYTHON_PREFERENCE: "system",
  }),
  install(source, environment) {
    const wanted = wantedPython(source);
    const plugin =
      "wsgi" in source.workers && !/\d\.\d/.test(wanted ?? "") ? pluginVersion(source) : undefined;
    const version = plugin ?? wanted;
    const frozen = source.names.includes(uvLock) ? ["--frozen"] : [];
    const python = version ? ["--python", version] : [];
    return [
      installing(source, uvLock, ["uv", "sync", ...frozen, ...python]),
      relocate(source, environment),
    ];
  },
  goesLive: isPythonOutput,
};
