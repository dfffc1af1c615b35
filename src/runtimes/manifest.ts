import { siteKinds } from "../app/procfile.ts";
import { setting } from "../app/settings.ts";
import { PikuError } from "../text/errors.ts";
import type { Source } from "./runtime.ts";

export const packageJson = "package.json";

/** The fields of package.json that matter here. */
export interface Manifest {
  scripts: Record<string, string>;
  packageManager?: string;
  workspaces?: string[] | { packages?: string[] };
}

/** A package.json of the commit. Throws when it is not an object in JSON. */
export function readManifest({ read }: Source, name = packageJson): Manifest {
  const text = read(name);
  try {
    const found: unknown = JSON.parse(text.replace(/^\ufeff/, ""));
    if (typeof found === "object" && found !== null)
      return { ...found, scripts: { ...(found as Partial<Manifest>).scripts } };
  } catch {
    // Said below.
  }
  throw new PikuError(
    `${name} is not JSON, or not an object`,
    "`npm install` on your machine says where",
  );
}

/** Whether a line of the Procfile runs one of these programs. */
export const runsOne = ({ commands }: Source, ...programs: string[]) =>
  commands.some((line) => new RegExp(`(^|[\\s;&|(/])(${programs.join("|")})\\s`).test(`${line} `));

/** Whether piku runs the `build` script: there is one, and no line of the Procfile runs it. */
export const mustBuild = (source: Source) =>
  "build" in readManifest(source).scripts &&
  !source.commands.some((line) => /\b(npm|npx|yarn|pnpm|bunx?|deno)\b[^;&|]*\bbuild\b/.test(line));

/**
 * The `start` script, for an app without workers, or with a server name that no worker would answer
 * for.
 */
export function startScript(source: Source, command: string): string | undefined {
  const kinds = Object.keys(source.workers);
  const answers = kinds.some((kind) => kind === "static" || siteKinds.includes(kind));
  const isServed =
    setting(source.settings, "NGINX_SERVER_NAME").length > 0 &&
    setting(source.settings, "NGINX_STATIC_PATHS").length === 0;
  const wanted = kinds.length === 0 || (!answers && isServed);
  return wanted && "start" in readManifest(source).scripts ? command : undefined;
}

/** The packages of a workspace, by their folders. */
export function workspaceFolders(source: Source): string[] {
  const { workspaces = [] } = readManifest(source);
  const [, listed = ""] =
    /^packages:[^\n]*\n((?:[ \t-].*\n?|\s*\n|#.*\n)*)/m.exec(source.read("pnpm-workspace.yaml")) ??
    [];
  const patterns: string[] = [
    ...(Array.isArray(workspaces) ? workspaces : (workspaces.packages ?? [])),
    ...[...listed.matchAll(/^\s*-\s*["']?([^"'\s#]+)/gm)].map(([, pattern]) => pattern!),
  ].filter((pattern) => typeof pattern === "string");
  const clean = (pattern: string) => pattern.replace(/^!?(\.\/)?/, "").replace(/\/+$/, "");
  const [left, taken] = [true, false].map((isLeft) =>
    patterns.filter((pattern) => pattern.startsWith("!") === isLeft).map(clean),
  ) as [string[], string[]];
  const matches = (folder: string) => (pattern: string) =>
    isSimple(pattern) &&
    new RegExp(
      `^${pattern
        .split(/(\*\*?)/)
        .map(literally)
        .join("")}$`,
    ).test(folder);
  return [...source.files().keys()]
    .filter((name) => name.endsWith(`/${packageJson}`) && !name.includes("node_modules/"))
    .map((name) => name.slice(0, -packageJson.length - 1))
    .filter(
      (folder) =>
        !left.some(matches(folder)) &&
        // Rather a package too many than one too few.
        taken.some((pattern) => !isSimple(pattern) || matches(folder)(pattern)),
    );
}

/** Whether a pattern has only stars, and few: many would take for ever. */
const isSimple = (pattern: string) => !/[{}[\]()?]/.test(pattern) && pattern.split("*").length <= 9;

/** A part of a pattern for paths, as a regular expression. */
const literally = (part: string) =>
  part === "**" ? ".*" : part === "*" ? "[^/]*" : part.replace(/[.+?^${}()|[\]\\]/g, "\\$&");

/** Scripts that package managers run once the dependencies are there, in their order. */
const lifecycle = [
  "dependencies",
  "install",
  "postinstall",
  "prepublish",
  "preprepare",
  "prepare",
  "postprepare",
];

/** A script of the app, or of a package of its workspace, that belongs to an install. */
export interface InstallScript {
  folder: string;
  name: string;
  /** Undefined for what npm does by itself where there is a `binding.gyp`. */
  line?: string;
}

/**
 * The app's own install scripts. They may read any file, so they are not part of the install, which
 * happens once for each state of the manifests: they run in the build tree at every deploy.
 */
export function installScripts(source: Source): InstallScript[] {
  return [...workspaceFolders(source), "."].flatMap((folder) => {
    const { scripts } = readManifest(source, inFolder(folder, packageJson));
    const own = lifecycle
      // Husky only concerns the developer's git, and half of all apps have it.
      .filter((name) => name in scripts && !/^husky\b[^&;|]*$/.test(scripts[name]!))
      .map((name) => ({ folder, name, line: scripts[name] }));
    const compiles =
      source.files().has(inFolder(folder, "binding.gyp")) &&
      !("install" in scripts || "preinstall" in scripts);
    return compiles ? [{ folder, name: "install" }, ...own] : own;
  });
}

/** The path of a file in a folder of the commit; `.` is its top. */
export const inFolder = (folder: string, name: string) =>
  folder === "." ? name : `${folder}/${name}`;
