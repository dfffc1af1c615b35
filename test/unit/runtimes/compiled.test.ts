import { expect, test } from "bun:test";
import { clojure, leiningen } from "../../../src/runtimes/clojure.ts";
import { go, programName } from "../../../src/runtimes/go.ts";
import { detectRuntime } from "../../../src/runtimes/index.ts";
import { gradle, gradleWrapper, maven } from "../../../src/runtimes/java.ts";
import { ruby } from "../../../src/runtimes/ruby.ts";
import type { Runtime, Source } from "../../../src/runtimes/runtime.ts";
import { rust } from "../../../src/runtimes/rust.ts";

type Files = Record<string, string>;

/** A commit with these files at its top, on a machine that has every tool but these. */
const sourceOf = (
  files: Files,
  workers: Files = { web: "a" },
  settings: Files = {},
  lacking: string[] = [],
): Source => ({
  workers,
  commands: Object.values(workers),
  settings,
  names: Object.keys(files).map((name) => name.replace(/\/.*/, "/")),
  commit: "c1",
  read: (name) => files[name] ?? "",
  has: (tool) => !lacking.includes(tool),
  probe: () => true,
  ask: (...argv) => argv.join(" "),
});

test.each<[string, Files, string, string[]]>([
  ["Gemfile", { Gemfile: "" }, "Ruby Application", []],
  ["Python before Ruby", { Gemfile: "", "requirements.txt": "" }, "Python", []],
  ["Ruby before Go", { Gemfile: "", "go.mod": "" }, "Ruby Application", []],
  ["no bundler", { Gemfile: "" }, "Generic", ["bundle"]],
  ["pom.xml", { "pom.xml": "", "build.gradle": "" }, "Java Maven", []],
  ["no mvn, but gradle", { "pom.xml": "", "build.gradle": "" }, "Java Gradle", ["mvn"]],
  ["build.gradle", { "build.gradle": "" }, "Java Gradle", []],
  ["build.gradle.kts", { "build.gradle.kts": "" }, "Java Gradle", []],
  ["no gradle", { "build.gradle": "" }, "Generic", ["gradle"]],
  ["no gradle, but the wrapper", { "build.gradle": "", gradlew: "" }, "Java Gradle", ["gradle"]],
  ["go.mod", { "go.mod": "", "Cargo.toml": "" }, "Go", []],
  ["Godeps", { "Godeps/Godeps.json": "" }, "Go", []],
  ["a .go file", { "main.go": "" }, "Go", []],
  ["a .go file in a folder", { "cmd/main.go": "" }, "Generic", []],
  ["deps.edn", { "deps.edn": "", "project.clj": "" }, "Clojure CLI", []],
  ["no clojure, but lein", { "deps.edn": "", "project.clj": "" }, "Clojure Lein", ["clojure"]],
  ["Cargo.toml", { "Cargo.toml": "" }, "Rust", []],
  [
    "Cargo.toml and rust-toolchain.toml",
    { "Cargo.toml": "", "rust-toolchain.toml": "" },
    "Rust",
    [],
  ],
  ["no cargo", { "Cargo.toml": "" }, "Generic", ["cargo"]],
])("detectRuntime: %s", (_, files, name, lacking) => {
  expect(detectRuntime(sourceOf(files, undefined, {}, lacking)).runtime?.name).toBe(name);
});

const argvs = (runtime: Runtime, source: Source) =>
  runtime.build?.(source, "/e").map(({ argv }) => argv.join(" "));

test.each<[string, string, Files, string]>([
  ["the last part", "module example.test/you/hello\n", {}, "hello"],
  ["without a version", "// v1\nmodule example.test/hello/v2 // x\n", {}, "hello"],
  ["without gopkg.in's version", "module gopkg.in/hello.v3", {}, "hello"],
  ["in quotes", 'module "example.test/hello"', {}, "hello"],
  ["of one word", "module hello", {}, "hello"],
  ["the app's, without a module", "", { APP: "shop" }, "shop"],
])("the name of a Go program: %s", (_, module, settings, name) => {
  expect(programName(sourceOf({ "go.mod": module }, {}, settings))).toBe(name);
});

const main = "// A server.\npackage main\n";
const module = "module example.test/hello\n";
const required = `${module}\nrequire github.com/google/uuid v1.6.0\n`;
const install = 'sh -c GOBIN="$PWD/bin" exec go install -buildvcs=false ./...';

test.each<[string, Files, string[]]>([
  ["a program", { "go.mod": module, "main.go": main }, ["go build -buildvcs=false -o hello ."]],
  ["programs in folders", { "go.mod": module, "cmd/x/main.go": main }, [install]],
  ["a library at the top", { "go.mod": module, "lib.go": "package lib\n" }, [install]],
  [
    "a library at the top with a script",
    { "go.mod": module, "lib.go": "package lib\n", "gen.go": `//go:build ignore\n\n${main}` },
    [install],
  ],
  [
    "a lock file",
    { "go.mod": required, "go.sum": "x", "main.go": main },
    ["go build -buildvcs=false -o hello ."],
  ],
  [
    "no lock file",
    { "go.mod": required, "main.go": main },
    ["go mod tidy", "go build -buildvcs=false -o hello ."],
  ],
  [
    "no module",
    { "a.go": main, "a_test.go": main, "b.go": main },
    ["go build -buildvcs=false -o shop a.go b.go"],
  ],
  [
    "Godeps",
    { "a.go": main, "Godeps/Godeps.json": "{}" },
    ["godep restore", "go build -buildvcs=false -o shop a.go"],
  ],
  ["only tests", { "a_test.go": main }, []],
])("go builds %s", (_, files, steps) => {
  expect(argvs(go, sourceOf(files, {}, { APP: "shop" }))).toEqual(steps);
});

test.each<[string, string[]]>([
  ["target/release/hello", ["cargo build --release"]],
  ["cargo run --release", ["cargo build --release"]],
  ["cargo run -r -- --port 1", ["cargo build --release"]],
  ["cargo run", ["cargo build"]],
  ["./target/debug/hello", ["cargo build"]],
  ["target/debug/hello & target/release/hello", ["cargo build --release", "cargo build"]],
])("rust builds for `%s`", (web, steps) => {
  expect(argvs(rust, sourceOf({ "Cargo.toml": "" }, { web }))).toEqual(steps);
});

test.each<[string, Runtime, string[]]>([
  ["maven", maven, ["mvn -B -ntp clean package"]],
  ["gradle", gradle, ["sh -c rm -rf build/libs; exec gradle --no-daemon --console=plain build"]],
  [
    "its wrapper",
    gradleWrapper,
    ["sh -c rm -rf build/libs; exec sh ./gradlew --no-daemon --console=plain build"],
  ],
  ["clojure", clojure, ["clojure -T:build release"]],
  ["leiningen", leiningen, ["lein do clean, uberjar"]],
])("%s builds", (_, runtime, steps) => {
  expect(argvs(runtime, sourceOf({}))).toEqual(steps);
});

test.each<[string, Runtime, string[], string[]]>([
  [
    "rust",
    rust,
    [
      "target/release/hello",
      "target/debug/hello",
      "target/arm-x/release/hello",
      "target/release/libx.so",
      "made.txt",
    ],
    [
      "target/release/hello.d",
      "target/release/deps/hello-1",
      "target/.rustc_info.json",
      "target/release/.cargo-lock",
    ],
  ],
  [
    "maven",
    maven,
    [
      "target/a.jar",
      "target/a.war",
      "target/classes/A.class",
      "target/dependency/b.jar",
      "web/target/web.jar",
      "made.txt",
    ],
    [
      "target/a.jar.original",
      "target/maven-status/x",
      "target/test-classes/T.class",
      "web/target/surefire-reports/x",
    ],
  ],
  [
    "gradle",
    gradle,
    [
      "build/libs/a.jar",
      "build/install/a/bin/a",
      "build/classes/java/main/A.class",
      "web/build/libs/web.jar",
    ],
    [
      "build/tmp/x",
      ".gradle/8/x",
      "build/reports/x",
      "web/build/test-results/x",
      "build/distributions/a.tar",
    ],
  ],
  [
    "clojure",
    clojure,
    ["target/a.jar", "target/uberjar/a.jar", "made.txt"],
    ["target/classes/a.class", ".cpcache/1.cp", "target/stale/x"],
  ],
])("of what %s makes, what goes live", (_, runtime, live, not) => {
  expect([...live, ...not].filter(runtime.goesLive!)).toEqual(live);
});

const gemfile = 'source "https://rubygems.org"\n# path: x\ngem "rack"\n';

test.each<[string, Files, Files, string[]]>([
  ["a Gemfile", { Gemfile: gemfile, "a.rb": "x" }, {}, ["ruby -v", "Gemfile", gemfile]],
  [
    "its lock file, and the version of Ruby",
    { ".ruby-version": "3.1", Gemfile: gemfile, "Gemfile.lock": "l" },
    {},
    ["ruby -v", ".ruby-version", "3.1", "Gemfile", gemfile, "Gemfile.lock", "l"],
  ],
  [
    "a gemspec",
    { Gemfile: "gemspec", "a.gemspec": "g" },
    {},
    ["ruby -v", "Gemfile", "gemspec", "a.gemspec", "g"],
  ],
  [
    "settings",
    { Gemfile: "" },
    { BUNDLE_WITHOUT: "test", X: "1" },
    ["ruby -v", "BUNDLE_WITHOUT=test", "Gemfile", ""],
  ],
  [
    "a gem of its own",
    { Gemfile: 'gem "a", path: "a"' },
    {},
    ["ruby -v", "Gemfile", 'gem "a", path: "a"', "c1"],
  ],
  [
    "another Gemfile",
    { Gemfile: 'eval_gemfile "x"' },
    {},
    ["ruby -v", "Gemfile", 'eval_gemfile "x"', "c1"],
  ],
])("ruby's folder is made from %s", (_, files, settings, parts) => {
  expect(ruby.madeFrom!(sourceOf(files, {}, settings))).toEqual(parts);
});

test("ruby honours a lock file, and keeps the one that it makes", () => {
  const locked = sourceOf({ Gemfile: "", "Gemfile.lock": "" });
  expect(ruby.install!(locked, "/e")).toEqual([
    {
      title: "Running bundle install",
      argv: ["bundle", "install"],
      env: { BUNDLE_FROZEN: "true" },
    },
  ]);
  expect(argvs(ruby, locked)).toEqual([]);
  expect(argvs(ruby, sourceOf({ Gemfile: "" }))).toEqual(["cp /e/Gemfile.lock Gemfile.lock"]);
});

test.each<[Files, Files]>([
  [{}, { BUNDLE_PATH: "/e" }],
  [{ BUNDLE_PATH__SYSTEM: "true" }, {}],
])("ruby's settings with %j", (settings, expected) => {
  expect(ruby.settings("/e", {}, sourceOf({}, {}, settings))).toEqual(expected);
});
