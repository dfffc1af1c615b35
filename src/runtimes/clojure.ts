import type { Runtime } from "./runtime.ts";

/** The jars among the build output in `target`. */
const jars = (name: string) =>
  !name.startsWith(".cpcache/") && (!name.startsWith("target/") || name.endsWith(".jar"));

/**
 * Clojure with its CLI: the function `release` of build.clj. CLJ_CONFIG says where the CLI's own
 * settings are.
 */
export const clojure: Runtime = {
  name: "Clojure CLI",
  needs: [["java", "clojure"]],
  remedy: "see https://clojure.org/guides/install_clojure",
  detects: ({ names }) => names.includes("deps.edn"),
  settings: () => ({}),
  build: () => [
    { title: "Building Clojure Application", argv: ["clojure", "-T:build", "release"] },
  ],
  isOutput: jars,
  goesLive: jars,
};

/** Clojure with Leiningen. LEIN_HOME says where its own settings are. */
export const leiningen: Runtime = {
  name: "Clojure Lein",
  needs: [["java", "lein"]],
  remedy: "sudo apt install leiningen",
  detects: ({ names }) => names.includes("project.clj"),
  settings: () => ({}),
  build: () => [
    { title: "Building Clojure Application", argv: ["lein", "do", "clean,", "uberjar"] },
  ],
  isOutput: jars,
  goesLive: jars,
};
