import { goCauses } from "./causes.ts";
import type { Runtime, Source, Step } from "./runtime.ts";

const sources = ({ names }: Source) =>
  names.filter((name) => name.endsWith(".go") && !name.endsWith("_test.go"));

/**
 * Whether the top folder is a program. Files that are never built (`//go:build ignore`) do not
 * count.
 */
const isProgram = (source: Source) =>
  sources(source).some((name) => {
    const text = source.read(name);
    return /^package\s+main\b/m.test(text) && !/^\/\/go:build\s+ignore\b/m.test(text);
  });

/**
 * Named as Go does: after the last part of the module's path that is not a version; without a
 * module, after the app.
 */
export function programName(source: Source): string {
  const path = /^module\s+"?([^\s"]+)/m.exec(source.read("go.mod"))?.[1];
  const parts = (path ?? "").split("/").filter((part) => part !== "" && !/^v\d+$/.test(part));
  return parts.at(-1)?.replace(/\.v\d+$/, "") ?? source.settings.APP ?? "app";
}

// Go would record the state of the build tree in the program, and fails if git cannot determine it.
const unstamped = "-buildvcs=false";

/** From before there were modules: `godep` puts packages into GOPATH. */
function buildWithoutModule(source: Source): Step[] {
  const godep = source.names.includes("Godeps/") || source.names.includes("Godeps");
  const env = godep ? { GO111MODULE: "off" } : undefined;
  const restore = { title: "Running godep restore", argv: ["godep", "restore"], env };
  const build = { title: "Running go build", argv: goBuild(source, ...sources(source)), env };
  return [
    ...(godep && source.has("godep") ? [restore] : []),
    ...(isProgram(source) ? [build] : []),
  ];
}

const goBuild = (source: Source, ...what: string[]) => [
  "go",
  "build",
  unstamped,
  "-o",
  programName(source),
  ...what,
];

/**
 * Go. The program is built during the deploy: the one at the top of the tree, or else every program
 * of the module into `bin`. Modules and compiled packages are cached in the user's own folders, as
 * Go does.
 */
export const go: Runtime = {
  name: "Go",
  needs: [["go"]],
  remedy: "sudo apt install golang-go",
  causes: goCauses,
  detects: (source) =>
    ["Godeps", "Godeps/", "go.mod"].some((name) => source.names.includes(name)) ||
    source.names.some((name) => name.endsWith(".go")),
  // For builds in `release` and in workers.
  settings: () => ({ GOFLAGS: unstamped }),
  build(source) {
    if (!source.names.includes("go.mod")) return buildWithoutModule(source);
    const tidy = { title: "Running go mod tidy", argv: ["go", "mod", "tidy"] };
    const everything = ["sh", "-c", `GOBIN="$PWD/bin" exec go install ${unstamped} ./...`];
    return [
      ...(/^\s*require\b/m.test(source.read("go.mod")) && !source.names.includes("go.sum")
        ? [tidy]
        : []),
      isProgram(source)
        ? { title: "Running go build", argv: goBuild(source, ".") }
        : { title: "Running go install", argv: everything },
    ];
  },
};
