import { bun } from "./bun.ts";
import { clojure, leiningen } from "./clojure.ts";
import { deno } from "./deno.ts";
import { generic } from "./generic.ts";
import { go } from "./go.ts";
import { gradle, gradleWrapper, maven } from "./java.ts";
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
 * The first that detects an app and whose tools are there is its runtime, so this is the order of
 * detection: the original's. `generic` takes whatever has a Procfile, so it comes last. Bun and
 * Deno stand before Node, since their apps mostly have a package.json too, but leave it to Node
 * unless the Procfile runs them: that is what such an app was so far.
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

/** The runtime of an app, and those that would have fitted had their tools been there. */
export function detectRuntime(source: Source): { runtime?: Runtime; lacking: Runtime[] } {
  const fitting = runtimes.filter((runtime) => runtime.detects(source));
  const ready = (runtime: Runtime) =>
    runtime.needs.length === 0 || runtime.needs.some((tools) => tools.every(source.has));
  const at = fitting.findIndex(ready);
  return { runtime: fitting[at], lacking: at < 0 ? fitting : fitting.slice(0, at) };
}
