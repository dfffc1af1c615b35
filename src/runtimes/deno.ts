import { runsOne } from "./node.ts";
import type { Runtime, Source } from "./runtime.ts";

const manifests = ["deno.json", "deno.jsonc", "deno.lock", "package.json", ".npmrc"];

/** Files that determine the dependencies; import maps may have any name. */
const readable = ({ names }: Source) =>
  names.filter((name) => manifests.includes(name) || /^import[\w.-]*\.json$/.test(name));

/**
 * With a package.json Node takes precedence unless the Procfile runs Deno or npm is not installed.
 */
const isNode = (source: Source) =>
  source.names.includes("package.json") && !runsOne(source, "deno") && source.has("npm");

/** Deno, recognised by its configuration; its cache is in the dependency folder. */
export const deno: Runtime = {
  name: "Deno",
  needs: [["deno"]],
  remedy: "install it from https://deno.com, as piku's user",
  detects: (source) =>
    ["deno.json", "deno.jsonc"].some((name) => source.names.includes(name)) && !isNode(source),
  madeFrom: (source) => [
    source.ask("deno", "--version"),
    ...readable(source).flatMap((name) => [name, source.read(name)]),
  ],
  settings: (environment) => ({ DENO_DIR: `${environment}/deno`, DENO_NO_UPDATE_CHECK: "1" }),
  install: ({ names }) => [
    {
      title: "Running deno install",
      argv: ["deno", "install", names.includes("deno.lock") ? "--frozen" : "--no-lock"],
    },
  ],
};
