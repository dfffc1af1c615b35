import { expect, test } from "bun:test";
import { clojure, leiningen } from "../../../src/runtimes/clojure.ts";
import { go, programName } from "../../../src/runtimes/go.ts";
import { detectRuntime } from "../../../src/runtimes/index.ts";
import { gradle, gradleWrapper, maven } from "../../../src/runtimes/java.ts";
import { ruby } from "../../../src/runtimes/ruby.ts";
import type { Runtime, Source } from "../../../src/runtimes/runtime.ts";
import { rust } from "../../../src/runtimes/rust.ts";
import { sourceOf as factsOf } from "../../host/source.ts";

type Files = Record<string, string>;

/** A commit with these files, on a machine that has every tool but these. */
const sourceOf = (
  files: Files,
  workers: Files = { web: "a" },
  settings: Files = {},
  lacking: string[] = [],
): Source => ({
  ...factsOf({ files, workers, settings }),
  has: (tool) => !lacking.includes(tool),
  probe: (...argv) => !lacking.includes(argv.at(-1)!),
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
  ["go.work", { "go.work": "" }, "Go", []],
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
const build = "go build -buildvcs=false -o hello .";
const install = (...packages: string[]) =>
  `sh -c GOBIN="$PWD/bin" exec go install -buildvcs=false "$@" sh ${packages.join(" ")}`;
const link = (program: string, path: string) =>
  `sh -c mkdir -p "$(dirname "$1")" && ln -sfn "$0" "$1" ${program} ${path}`;

test.each<[string, Files, string[]]>([
  ["a program", { "go.mod": module, "main.go": main }, [build]],
  [
    "programs in folders",
    { "go.mod": module, "cmd/x/main.go": main, "y/main.go": main },
    [install("./...")],
  ],
  ["a library at the top", { "go.mod": module, "lib.go": "package lib\n" }, [install("./...")]],
  [
    "a library at the top with a script",
    { "go.mod": module, "lib.go": "package lib\n", "gen.go": `//go:build ignore\n\n${main}` },
    [install("./...")],
  ],
  ["a lock file", { "go.mod": required, "go.sum": "x", "main.go": main }, [build]],
  ["no lock file", { "go.mod": required, "main.go": main }, ["go mod tidy", build]],
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
  [
    "a workspace without a module at the top",
    {
      "go.work": 'go 1.22\n\nuse (\n\t./api // the server\n\t"./lib/"\n)\nuse ./tool\n',
      "api/go.mod": "module example.test/api\n",
      "api/main.go": main,
    },
    [install("./api/...", "./lib/...", "./tool/...")],
  ],
  [
    "a program beside a folder of its name",
    { "go.mod": module, "main.go": main, "hello/hello.go": "package hello\n" },
    ["go build -buildvcs=false -o bin/hello ."],
  ],
])("go builds %s", (_, files, steps) => {
  expect(argvs(go, sourceOf(files, {}, { APP: "shop" }))).toEqual(steps);
});

// Regression: Procfiles of Heroku's and Dokku's own Go apps, and of apps without a module, whose
// program was called like the remote.
const top = { "go.mod": module, "main.go": main };
const folders = { "go.mod": module, "cmd/api/main.go": main, "cmd/job/main.go": main };

test.each<[string, Files, string, string[], string[]]>([
  ["hello", top, "the program's bare name", [build, link("../hello", "bin/hello")], []],
  ["./hello", top, "its path", [build], []],
  ["bin/hello -v", top, "in bin", [build, link("../hello", "bin/hello")], []],
  ["web", top, "any other name of the only program", [build, link("../hello", "bin/web")], []],
  ["exec ./server", top, "any other path", [build, link("hello", "server")], []],
  ["PORT=1 bin/web", top, "in bin, with a variable", [build, link("../hello", "bin/web")], []],
  ["python9 app.py", top, "a tool that is missing", [build], []],
  ["python3 -m x", top, "a tool that is there", [build], []],
  ["./run.sh", { ...top, "run.sh": "x" }, "a file of the commit", [build], []],
  [
    "./server",
    { "a.go": main },
    "the program, without a module",
    ["go build -buildvcs=false -o shop a.go", link("shop", "server")],
    [],
  ],
  [
    "api",
    { ...top, ...folders },
    "a program of a folder beside one at the top",
    [build, install("./cmd/api")],
    [],
  ],
  ["bin/api", folders, "one of several", [install("./...")], []],
  ["./api", folders, "one of several, at the top", [install("./..."), link("bin/api", "api")], []],
  [
    "bin/server",
    folders,
    "none of several",
    [install("./...")],
    ["the Procfile runs 'server', but what is built is bin/api, bin/job."],
  ],
  ["make && bin/server", folders, "what a line of it makes", [install("./...")], []],
])("go: `%s`, %#", (web, files, _, steps, warnings) => {
  const lacking = ["hello", "web", "api", "python9"];
  const source = sourceOf(files, { web }, { APP: "shop" }, lacking);
  expect(argvs(go, source)).toEqual(steps);
  expect(go.warns!(source)).toEqual(warnings);
});

test("go's programs are found by their names", () => {
  const settings = go.settings("", { PWD: "/apps/a", PATH: "/usr/bin" }, sourceOf({}));
  expect(settings.PATH).toBe("/apps/a/bin:/usr/bin");
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
