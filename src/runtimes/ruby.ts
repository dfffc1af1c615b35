import type { Settings } from "../app/env-file.ts";
import type { Runtime, Source } from "./runtime.ts";

const [manifest, lock] = ["Gemfile", "Gemfile.lock"];

const locked = ({ names }: Source) => names.includes(lock);

/**
 * Ruby with a Gemfile, its gems in a folder of its own. Bundler is told by the environment alone,
 * so nothing is written into the app's or the user's configuration, and what the app's settings say
 * (`BUNDLE_WITHOUT`, or `BUNDLE_PATH__SYSTEM=true` for the gems of the distribution) goes before.
 */
export const ruby: Runtime = {
  name: "Ruby Application",
  needs: [["ruby", "gem", "bundle"]],
  remedy: "sudo apt install ruby bundler",
  detects: ({ names }) => names.includes(manifest),
  madeFrom: {
    facts: (source) => [source.ask("ruby", "-v")],
    // What the app says to bundler itself: groups to leave out, flags for the compiler.
    settings: /^BUNDLE_/,
    files: /^(Gemfile|Gemfile\.lock|\.ruby-version|\.tool-versions|[^/]+\.gemspec)$/,
    elsewhere: {
      in: /^Gemfile$/,
      by: /^[^#\n]*\b(?:path|eval_gemfile|require_relative|File)\b/gm,
    },
  },
  // Bundler refuses to be told both.
  settings: (environment, _, { settings }): Settings =>
    settings.BUNDLE_PATH__SYSTEM === "true" ? {} : { BUNDLE_PATH: environment },
  install(source, environment) {
    const title = "Running bundle install";
    if (locked(source))
      return [{ title, argv: ["bundle", "install"], env: { BUNDLE_FROZEN: "true" } }];
    // Each folder keeps the versions that were chosen for it.
    const keep = [
      "sh",
      "-c",
      `rm -f ${lock}; bundle install && mkdir -p "$0" && cp ${lock} "$0"`,
      environment,
    ];
    return [{ title, argv: keep }];
  },
  build: (source, environment) =>
    locked(source)
      ? []
      : [{ title: `Using the first ${lock}`, argv: ["cp", `${environment}/${lock}`, lock] }],
};
