import { runsOne } from "./manifest.ts";
import type { Runtime, Source } from "./runtime.ts";

/**
 * With a package.json Node takes precedence unless the Procfile runs Deno or npm is not installed.
 */
const isNodeNotDeno = (source: Source) =>
  source.names.includes("package.json") && !runsOne(source, "deno") && source.has("npm");

/** Deno, recognised by its configuration; its cache is in the dependency folder. */
export const deno: Runtime = {
  name: "Deno",
  needs: [["deno"]],
  remedy: "install it from https://deno.com, as piku's user",
  detects: (source) =>
    ["deno.json", "deno.jsonc"].some((name) => source.names.includes(name)) &&
    !isNodeNotDeno(source),
  madeFrom: {
    facts: (source) => [source.ask("deno", "--version")],
    // Import maps may have any name; members of a workspace have their own.
    files: /^(deno\.lock|\.npmrc)$|(^|\/)(deno\.jsonc?|package\.json|import[\w.-]*\.json)$/,
  },
  settings: (environment) => ({ DENO_DIR: `${environment}/deno`, DENO_NO_UPDATE_CHECK: "1" }),
  install: ({ names }) => [
    {
      title: "Running deno install",
      argv: ["deno", "install", names.includes("deno.lock") ? "--frozen" : "--no-lock"],
    },
  ],
};
