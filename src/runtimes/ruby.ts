import type { Settings } from "../app/env-file.ts";
import type { Runtime, Source } from "./runtime.ts";

const [manifest, lock] = ["Gemfile", "Gemfile.lock"];

const locked = ({ names }: Source) => names.includes(lock);

/** Files that a Gemfile takes gems from besides its own lines. */
const manifests = ({ names }: Source) =>
  names.filter(
    (name) =>
      [manifest, lock, ".ruby-version", ".tool-versions"].includes(name) ||
      name.endsWith(".gemspec"),
  );

/** Whether a Gemfile reads files that are not read here: they may change with any commit. */
const leadsElsewhere = (text: string) =>
  /^[^#\n]*(\bpath\b|\beval_gemfile\b|\brequire_relative\b|\bFile\b)/m.test(text);

/** What the app says to bundler itself: groups to leave out, flags for the compiler. */
const bundlerSettings = ({ settings }: Source) =>
  Object.entries(settings)
    .filter(([name]) => name.startsWith("BUNDLE_"))
    .map((pair) => pair.join("="))
    .sort();

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
  madeFrom: (source) => [
    source.ask("ruby", "-v"),
    ...bundlerSettings(source),
    ...manifests(source).flatMap((name) => [name, source.read(name)]),
    ...(leadsElsewhere(source.read(manifest)) ? [source.commit] : []),
  ],
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
