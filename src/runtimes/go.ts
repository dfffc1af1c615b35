import { goCauses } from "./causes.ts";
import type { Runtime, Source, Step } from "./runtime.ts";

const isSource = (name: string) => name.endsWith(".go") && !name.endsWith("_test.go");

const sources = ({ names }: Source) => names.filter(isSource);

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
export function programName(source: Source, module = "go.mod"): string {
  const path = /^module\s+"?([^\s"]+)/m.exec(source.read(module))?.[1];
  const parts = (path ?? "").split("/").filter((part) => part !== "" && !/^v\d+$/.test(part));
  return parts.at(-1)?.replace(/\.v\d+$/, "") ?? source.settings.APP ?? "app";
}

/** Where the program at the top is put. Go would put it into a folder of that name. */
function topProgram(source: Source): string {
  const name = programName(source);
  return source.names.includes(`${name}/`) ? `bin/${name}` : name;
}

/** A program in a folder: the folder, as Go wants it, and where the program is put. */
interface GoProgram {
  folder: string;
  path: string;
}

/** Programs in folders, as far as their names tell: those with a main.go, and those in `cmd`. */
function programsBelow(source: Source): GoProgram[] {
  const files = [...source.files().keys()].filter(isSource);
  const folders = new Set(
    files.flatMap(
      (file) => /^(?!vendor\/)(.+)\/main\.go$|^(cmd\/[^/]+)\//.exec(file)?.slice(1) ?? [],
    ),
  );
  return [...folders].flatMap((folder) => {
    if (folder === undefined) return [];
    const module = `${folder}/go.mod`;
    const name = source.files().has(module)
      ? programName(source, module)
      : folder.split("/").at(-1)!;
    return [{ folder: `./${folder}`, path: `bin/${name}` }];
  });
}

const program = /^\s*(?:exec\s+|env\s+|\w+=\S*\s+)*([\w./-]+)(?:\s+([^\s>]))?/;

/**
 * What lines of the Procfile run that is neither in the commit nor on the server: paths. A bare
 * word with an argument that is no option is more likely a tool that is missing.
 */
function called(source: Source): string[] {
  const isBare = (name: string) => /^[\w.-]+$/.test(name);
  const isThere = (name: string) => source.probe("sh", "-c", 'command -v "$0"', name);
  const names = source.commands
    .flatMap((line) => line.split(/[;&|()]+/))
    .flatMap((part) => {
      const [, name, next = "-"] = program.exec(part) ?? [];
      if (name === undefined || (isBare(name) && (!/[-$"]/.test(next) || isThere(name)))) return [];
      return isBare(name) ? [`bin/${name}`] : [name.replace(/^(\.\/)+/, "")];
    });
  return [...new Set(names)].filter(
    (path) => /^(bin\/)?[\w.-]+$/.test(path) && !source.files().has(path),
  );
}

const last = (path: string) => path.split("/").at(-1)!;

/** What is built, and the names in the Procfile under which it can be found as well. */
function planPrograms(source: Source) {
  const top = isProgram(source) ? topProgram(source) : undefined;
  const wanted = called(source);
  const below = programsBelow(source).filter(
    ({ path }) => top === undefined || wanted.some((one) => last(one) === last(path)),
  );
  const built = [...(top === undefined ? [] : [top]), ...below.map(({ path }) => path)];
  // Whatever the only program is called in the Procfile (on Heroku, after anything): it is meant.
  const meant = (path: string) =>
    built.find((one) => last(one) === last(path)) ?? (built.length === 1 ? built[0] : undefined);
  const aliases = wanted.flatMap((path) => {
    const program = meant(path);
    return program === undefined || built.includes(path) ? [] : [{ path, program }];
  });
  const missing = wanted.filter((path) => meant(path) === undefined);
  return { top, below, built, aliases, missing };
}

// Go would record the state of the build tree in the program, and fails if git cannot determine it.
const unstamped = "-buildvcs=false";

/** A line that installs packages into `bin`. */
const goInstall = (...packages: string[]) => [
  "sh",
  "-c",
  `GOBIN="$PWD/bin" exec go install ${unstamped} "$@"`,
  "sh",
  ...packages,
];

const linkTo = ({ path, program }: { path: string; program: string }): Step => {
  const up = path.startsWith("bin/") ? "../" : "";
  return {
    title: `Linking ${path} to ${program}`,
    argv: ["sh", "-c", 'mkdir -p "$(dirname "$1")" && ln -sfn "$0" "$1"', `${up}${program}`, path],
  };
};

/** The modules of a workspace, as patterns for Go. */
function workspace(source: Source): string[] {
  const text = source.read("go.work").replace(/\/\/.*/g, "");
  const blocks = [...text.matchAll(/^use\s*\(([^)]*)\)|^use\s+([^\s(]+)/gm)];
  return blocks
    .flatMap(([, block, one]) => (block ?? one!).split(/\s+/))
    .map((folder) => folder.replaceAll('"', ""))
    .filter((folder) => folder !== "")
    .map((folder) => `${folder.replace(/\/+$/, "")}/...`);
}

function buildSteps(source: Source): Step[] {
  const { top, below } = planPrograms(source);
  const godep = source.names.includes("Godeps/") || source.names.includes("Godeps");
  const isModule = source.names.includes("go.mod");
  const isWorkspace = !isModule && source.names.includes("go.work");
  // From before there were modules: `godep` puts packages into GOPATH.
  const env = godep && !isModule ? { GO111MODULE: "off" } : undefined;
  const needsTidy = isModule && /^\s*require\b/m.test(source.read("go.mod"));
  const install = (...packages: string[]) => [
    { title: "Running go install", argv: goInstall(...packages), env },
  ];
  return [
    ...(needsTidy && !source.names.includes("go.sum")
      ? [{ title: "Running go mod tidy", argv: ["go", "mod", "tidy"] }]
      : []),
    ...(env && source.has("godep")
      ? [{ title: "Running godep restore", argv: ["godep", "restore"], env }]
      : []),
    ...(top !== undefined && !isWorkspace
      ? [
          {
            title: "Running go build",
            argv: ["go", "build", unstamped, "-o", top, ...(isModule ? ["."] : sources(source))],
            env,
          },
        ]
      : []),
    ...(isWorkspace ? install(...workspace(source)) : []),
    ...(isModule && top === undefined ? install("./...") : []),
    ...(isModule && top !== undefined && below.length > 0
      ? install(...below.map(({ folder }) => folder))
      : []),
  ];
}

/**
 * Go. The program is built during the deploy: the one at the top of the tree, with those of its
 * folders that the Procfile runs, or else every program of the module into `bin`. Modules and
 * compiled packages are cached in the user's own folders, as Go does.
 */
export const go: Runtime = {
  name: "Go",
  needs: [["go"]],
  remedy: "sudo apt install golang-go",
  causes: goCauses,
  detects: (source) =>
    ["Godeps", "Godeps/", "go.mod", "go.work"].some((name) => source.names.includes(name)) ||
    source.names.some((name) => name.endsWith(".go")),
  settings: (_, base) => ({
    // For builds in `release` and in workers.
    GOFLAGS: unstamped,
    // As on Heroku, where a Procfile has the program's bare name.
    PATH: `${base.PWD}/bin:${base.PATH}`,
  }),
  warns(source) {
    const { built, missing } = planPrograms(source);
    const builds = source.commands.some((line) => /\bgo (build|install)\b|\bmake\b/.test(line));
    return builds || built.length === 0
      ? []
      : missing.map(
          (path) =>
            `the Procfile runs '${last(path)}', but what is built is ${built.map((one) => (one.includes("/") ? one : `./${one}`)).join(", ")}.`,
        );
  },
  build: (source) => [...buildSteps(source), ...planPrograms(source).aliases.map(linkTo)],
};
