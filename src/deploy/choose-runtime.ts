import type { Procfile } from "../app/procfile.ts";
import { generic } from "../runtimes/generic.ts";
import { detectRuntime } from "../runtimes/index.ts";
import { type Runtime, type Source, shortName } from "../runtimes/runtime.ts";
import { PikuError } from "../text/errors.ts";

/**
 * The runtime of an app, and warnings about detected runtimes whose tools are missing. Throws when
 * no usable runtime remains.
 */
export function chooseRuntime(
  source: Source,
  { release, workers }: Procfile,
): { runtime: Runtime; warnings: string[] } {
  const { runtime, lacking } = detectRuntime(source);
  // Like the original: an app with `release` and `web` runs even if the tools of a language that it
  // also uses are missing.
  const brings = release !== undefined && "web" in workers;
  if (lacking[0] && !brings && (!runtime || runtime === generic))
    throw new PikuError(...missingTools(lacking[0], source));
  if (!runtime) throw new PikuError("Could not detect runtime!");
  return {
    runtime,
    warnings: [
      ...lacking.map((one) => missingTools(one, source).join("; ")),
      ...(runtime.warns?.(source) ?? []),
    ],
  };
}

/** The message and the remedy when a runtime's tools are missing. */
const missingTools = (runtime: Runtime, { has }: Source): [string, string] => {
  // Of several ways, the one that lacks least.
  const [missing = []] = runtime.needs
    .map((tools) => tools.filter((tool) => !has(tool)))
    .sort((a, b) => a.length - b.length);
  const names = missing.map((tool) => toolNames[tool] ?? tool);
  return [
    `this looks like a ${shortName(runtime)} app, but the server has no ${names.join(" and no ")}`,
    `on the server: ${runtime.remedy ?? "install it"}`,
  ];
};

/** What a program is called where that is not its name. */
const toolNames: Record<string, string> = {
  bundle: "bundler",
  mvn: "Maven",
  uwsgi_php: "PHP plugin for uWSGI",
};
