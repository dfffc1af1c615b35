import type { Cause } from "../workers/cause.ts";

/** Words of Go's compiler and of its modules. */
export const goCauses: readonly Cause[] = [
  [
    /no required module provides package ([^\s;]+)|missing go\.sum entry for (?:module providing package |go\.mod file; |module )?([^\s;:]*)|updates to go\.mod needed/,
    (found) =>
      found[1] || found[2]
        ? `go.mod or go.sum does not have the module of ${found[1] || found[2]}`
        : "go.mod is not in step with the code",
    "go mod tidy, git add go.mod go.sum, commit and push",
  ],
  [
    /go\.mod requires go >= ([\d.]+) \(running go ([\d.]+)|requires go >= ([\d.]+) \(running go ([\d.]+)|invalid go version '([\d.]+)'/,
    (found) => {
      const [wanted, has] = found.slice(1).filter(Boolean);
      return `the app wants Go ${wanted}, and the server has ${has ? `Go ${has}` : "an older one"}`;
    },
    "lower the line `go` in go.mod, commit and push; or on the server: install a newer Go (https://go.dev/dl)",
  ],
  [
    /C compiler "\S+" not found/,
    "a package of the app is written in C, and the server has no compiler",
    "on the server: sudo apt install build-essential",
  ],
  [
    /package ([\w./-]+) is not in (?:std|GOROOT)/,
    "there is no package '$1': it is neither Go's nor a folder of the module",
    "its import begins with the name of the module in go.mod; mend it, commit and push",
  ],
  [
    /function main is undeclared in the main package/,
    "there is no func main in package main",
    "write func main() { … } in a file of package main, commit and push",
  ],
  [
    /go: go\.mod file not found|cannot find main module|no Go files in/,
    "there is no Go program at the top of this commit",
    "go mod init NAME, go mod tidy, git add go.mod go.sum, commit and push",
  ],
  [
    /"([\w./-]+)" imported and not used/,
    (found) => `"${found[1]}" is imported and not used`,
    "take the import out, commit and push; go vet finds it on your machine",
  ],
  [
    /^(?:\.\/)?([\w./-]+\.go):(\d+):\d+: (.*)$/,
    "$1 line $2: $3",
    "mend it, commit and push; go build finds it on your machine",
  ],
];

/** Words of Java's compiler, Maven's and Gradle's. */
export const javaCauses: readonly Cause[] = [
  [
    /(?:error: )?release version (\d+) not supported|invalid (?:target|source) release: (\d+)/,
    (found) => `the app wants Java ${found[1] || found[2]}, and the server's is older`,
    "lower it in pom.xml (maven.compiler.release) or build.gradle, commit and push; or on the server: sudo apt install default-jdk-headless",
  ],
  [
    /No compiler is provided in this environment/,
    "the server has Java's runtime, but no compiler",
    "on the server: sudo apt install default-jdk-headless",
  ],
  [
    /Could not find artifact ([\w.:-]+)|Could not find ([\w.-]+:[\w.-]+:[\w.-]+)\./,
    (found) => `there is no library ${found[1] || found[2]}`,
    "mend its name and version in pom.xml or build.gradle, commit and push",
  ],
  [
    /Non-parseable POM .*?: (.*?) @|Malformed POM .*?: (.*)$/,
    "pom.xml cannot be read: $1$2",
    "mend it, commit and push; mvn validate finds it on your machine",
  ],
  [
    /^(?:\[ERROR\] )?\/?([\w./-]+\.(?:java|kt)):\[(\d+),\d+\] (.*)$/,
    "$1 line $2: $3",
    "mend it, commit and push; mvn compile finds it on your machine",
  ],
  [
    /^(?:e: )?(?:file:\/\/)?\/?([\w./-]+\.(?:java|kt)):(\d+)(?::\d+)?:? (?:error: )?(.*)$/,
    "$1 line $2: $3",
    "mend it, commit and push; the same build finds it on your machine",
  ],
  [
    /There are test failures|There were failing tests/,
    "the tests of the app failed",
    "mend them, commit and push",
  ],
  [
    /Could not find or load main class org\.gradle\.wrapper\.GradleWrapperMain/,
    "gradle/wrapper/gradle-wrapper.jar is not in this commit",
    "git add -f gradle/wrapper/gradle-wrapper.jar, commit and push",
  ],
];

/** Words of Rust's compiler and Cargo's. */
export const rustCauses: readonly Cause[] = [
  [
    /linker `cc` not found/,
    "the server has no linker",
    "on the server: sudo apt install build-essential",
  ],
  [
    /(?:requires|cannot be built because it requires) rustc ([\d.]+)(?: or newer, while the currently active rustc version is ([\d.]+))?|rustc ([\d.]+) is not supported by the following/,
    (found) =>
      found[3]
        ? `a package wants a newer Rust than the server's ${found[3]}`
        : `a package wants Rust ${found[1]}${found[2] ? `, and the server has ${found[2]}` : ""}`,
    "commit a Cargo.lock with older versions (cargo update PACKAGE --precise VERSION), or on the server: install Rust by https://rustup.rs",
  ],
  [
    /no matching package named `(\S+)` found/,
    "there is no package '$1'",
    "mend its name in Cargo.toml, commit and push",
  ],
  [
    /failed to select a version for the requirement `(.+?)`/,
    "there is no such version: $1",
    "cargo update, commit Cargo.toml and Cargo.lock, and push",
  ],
  [
    /lock ?file version `?(\d+)`? (?:requires|was found, but this version of Cargo)/,
    "Cargo.lock is made by a newer Cargo than the server's",
    "on the server: install Rust by https://rustup.rs; or make Cargo.lock with the server's version",
  ],
  [
    /the lock file .* needs to be updated but --locked was passed/,
    "Cargo.lock is not in step with Cargo.toml",
    "cargo update --workspace, commit Cargo.lock and push",
  ],
  [
    /^error(?:\[E\d+\])?: (.*)\n\s*--> ([\w./-]+):(\d+):\d+/,
    "$2 line $3: $1",
    "mend it, commit and push; cargo check finds it on your machine",
  ],
];
