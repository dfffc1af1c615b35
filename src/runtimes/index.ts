import { bun } from "./bun.ts";
import { clojure, leiningen } from "./clojure.ts";
import { deno } from "./deno.ts";
import { generic } from "./generic.ts";
import { go } from "./go.ts";
import { gradle, gradleWrapper, maven } from "./java.ts";
import { runsOne } from "./manifest.ts";
import { node } from "./node.ts";
import { php } from "./php.ts";
import { poetry } from "./poetry.ts";
import { python } from "./python.ts";
import { ruby } from "./ruby.ts";
import type { Runtime, Source } from "./runtime.ts";
import { rust } from "./rust.ts";
import { statics } from "./static.ts";
import { uv } from "./uv.ts";

/**
 * The runtime of an app is the first one that detects it and whose tools are installed, so this is
 * the order of detection: the original's. `generic` accepts anything with a Procfile, so it comes
 * last. Bun and Deno come before Node, since most of their apps have a package.json too; they leave
 * such an app to Node unless the Procfile runs them, as the original did.
 */
export const runtimes: readonly Runtime[] = [
  python,
  poetry,
  uv,
  ruby,
  bun,
  deno,
  node,
  maven,
  gradleWrapper,
  gradle,
  go,
  clojure,
  leiningen,
  php,
  rust,
  statics,
  generic,
];

/**
 * A php app that is another runtime's, such as Laravel with a package.json, needs its packages, too.
 * An app that brings them, or installs them itself, is left alone.
 */
function withPhpPackages(runtime: Runtime, source: Source): Runtime {
  const isPhps = "php" in source.workers && source.names.includes("composer.json");
  const hasThem = source.names.includes("vendor/") || runsOne(source, "composer");
  if ([php, generic].includes(runtime) || !isPhps || hasThem) return runtime;
  return {
    ...runtime,
    warns: (source) => [...(runtime.warns?.(source) ?? []), ...php.warns!(source)],
    // First, since builds of assets read what packages bring.
    build: (source, environment) => [
      ...php.build!(source, environment),
      ...(runtime.build?.(source, environment) ?? []),
    ],
    isOutput: (name) => runtime.isOutput?.(name) === true || php.isOutput!(name),
  };
}

/** The runtime of an app, and those that would match if their tools were installed. */
export function detectRuntime(source: Source): { runtime?: Runtime; lacking: Runtime[] } {
  const fitting = runtimes.filter((runtime) => runtime.detects(source));
  const ready = (runtime: Runtime) =>
    runtime.needs.length === 0 || runtime.needs.some((tools) => tools.every(source.has));
  const at = fitting.findIndex(ready);
  const runtime = fitting[at] && withPhpPackages(fitting[at], source);
  return { runtime, lacking: at < 0 ? fitting : fitting.slice(0, at) };
}
