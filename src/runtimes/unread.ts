import { setting } from "../app/settings.ts";
import { PikuError } from "../text/errors.ts";
import { printable, someOf } from "../text/text.ts";
import { runsOne } from "./manifest.ts";
import { frontControllerOf } from "./php.ts";
import { type Runtime, type Source, shortName } from "./runtime.ts";

/** A file that other hosts or tools read and piku does not. */
interface Unread {
  /** Its name at the top of the commit. */
  name: RegExp;
  /** Whether the app may expect that it is read. */
  counts(source: Source, runtime: Runtime, name: string): boolean;
  /** What to do instead; `name` is the file's. */
  says(name: string, source: Source, runtime: Runtime): string;
}

const isPython = ({ name }: Runtime) => name.startsWith("Python");
const notPython = (_: Source, runtime: Runtime) => !isPython(runtime);
const isGeneric = (_: Source, { name }: Runtime) => name === "Generic";
// A generic app with the manifest of a language lacks its tools, which is said elsewhere.
const isOther = ({ name }: Runtime, own: RegExp) => name !== "Generic" && !own.test(name);

/** The folder that is probably public. */
const publicFolder = ({ names }: Source) =>
  ["public", "web", "htdocs", "html"].find((name) => names.includes(`${name}/`)) ?? "/";

const beside = (name: string, runtime: Runtime) =>
  `${name} is not read, since this is deployed as a ${shortName(runtime)} app`;

/** Manifests, and the way on for each. */
const unreadManifests: readonly Unread[] = [
  {
    name: /^Pipfile$/,
    counts: notPython,
    says: (name) =>
      `${name} is not read; on your machine: pipenv requirements > requirements.txt, and commit that`,
  },
  {
    name: /^requirements?([-_.]\w+\.txt|\.(in|pip))$/,
    counts: isGeneric,
    says: (name) => `${name} is not read; the file is called requirements.txt`,
  },
  {
    name: /^requirements\/$/,
    counts: isGeneric,
    says: () =>
      "requirements/ is not read; add a requirements.txt with a line such as: -r requirements/base.txt",
  },
  {
    name: /^setup\.py$/,
    counts: notPython,
    says: (name) => `${name} is not read; add a requirements.txt with one line, a dot: .`,
  },
  {
    name: /^environment\.ya?ml$/,
    counts: notPython,
    says: (name) => `${name} (conda) is not read; list its packages in a requirements.txt`,
  },
  {
    name: /^Gemfile$/,
    counts: (source, runtime) => isOther(runtime, /^Ruby/) && !runsOne(source, "bundle"),
    says: (name, _, runtime) =>
      `${beside(name, runtime)}; give the part in Ruby a repository of its own`,
  },
  {
    name: /^Gemfile$/,
    counts: ({ read, settings }, _, name) =>
      settings.RAILS_ENV === "production" &&
      /^[ \t]*gem[ \t(]+["']rails["']/m.test(read(name)) &&
      settings.SECRET_KEY_BASE === undefined &&
      settings.RAILS_MASTER_KEY === undefined,
    says: (_, { settings }) =>
      `Rails wants a secret of its own in production: ssh piku@board config:set ${settings.APP} SECRET_KEY_BASE=$(openssl rand -hex 64)`,
  },
  {
    name: /^package\.json$/,
    counts: (source, runtime, name) =>
      isOther(runtime, /^(Node|Bun|Deno)$/) &&
      /"(build|start)"\s*:/.test(source.read(name)) &&
      !runsOne(source, "npm", "npx", "yarn", "pnpm", "bun", "node"),
    says: (name, _, runtime) =>
      `${beside(name, runtime)}; to build with it: preflight: npm ci && npm run build`,
  },
  {
    name: /^go\.mod$/,
    counts: (source, runtime) => isOther(runtime, /^Go$/) && !runsOne(source, "go"),
    says: (name, _, runtime) =>
      `${beside(name, runtime)}; to build with it: preflight: go build ./...`,
  },
  {
    name: /^composer\.json$/,
    counts: (source) => !("php" in source.workers) && !runsOne(source, "composer"),
    says: (name, source, runtime) =>
      runsOne(source, "php")
        ? `${beside(name, runtime)}; for its packages: preflight: composer install --no-dev`
        : `${name} is not read without a php line; in the Procfile: php: ${publicFolder(source)}`,
  },
  {
    name: /^Aptfile$/,
    counts: () => true,
    says: (name) =>
      `${name} is not read; on the server, for each line of it: sudo apt install NAME`,
  },
  {
    name: /^\.env$/,
    counts: ({ names }) => !names.includes("ENV"),
    says: (name, { settings }) =>
      `${name} is not read by piku; take it out of git, and: ssh piku@board config:import ${settings.APP} <${name}`,
  },
];

/** A file that names a version of a language. */
interface VersionFile {
  name: RegExp;
  runtime: RegExp;
  /** The version in the file's text. */
  version: RegExp;
  language: string;
  /** What tells the version that the app gets. */
  argv: readonly string[];
  /** The setting that chooses one, where there is one. */
  chooses?: "PYTHON_VERSION" | "NODE_VERSION";
  /** How many of its numbers count. */
  parts: number;
}

const pythonVersion = {
  language: "Python",
  argv: ["python3", "-V"],
  chooses: "PYTHON_VERSION",
  parts: 2,
} as const;

const versionFiles: readonly VersionFile[] = [
  { ...pythonVersion, name: /^runtime\.txt$/, runtime: /^Python/, version: /^python-(\d+\.\d+)/ },
  {
    ...pythonVersion,
    name: /^\.python-version$/,
    runtime: /^Python($| \(Poetry)/,
    version: /^(\d+\.\d+)/,
  },
  {
    name: /^\.(nvmrc|node-version)$/,
    runtime: /^Node$/,
    version: /^v?(\d+)/,
    language: "Node",
    argv: ["node", "--version"],
    chooses: "NODE_VERSION",
    parts: 1,
  },
  {
    name: /^\.ruby-version$/,
    runtime: /^Ruby/,
    version: /^(?:ruby-)?(\d+\.\d+)/,
    language: "Ruby",
    argv: ["ruby", "-v"],
    parts: 2,
  },
  {
    name: /^system\.properties$/,
    runtime: /^(Java|Clojure)/,
    version: /^java\.runtime\.version[ \t]*=[ \t]*(?:1\.)?(\d+)/m,
    language: "Java",
    argv: ["java", "--version"],
    parts: 1,
  },
];

function versionWarning(source: Source, runtime: Runtime, row: VersionFile): string | undefined {
  const name = source.names.find((one) => row.name.test(one));
  if (name === undefined || !row.runtime.test(runtime.name)) return undefined;
  if (row.chooses && setting(source.settings, row.chooses) !== undefined) return undefined;
  const wanted = row.version.exec(source.read(name).trim())?.[1];
  const numbers = /\d+(\.\d+)*/.exec(source.ask(...row.argv))?.[0].split(".");
  const given = numbers?.slice(0, row.parts).join(".");
  if (wanted === undefined || given === undefined || wanted === given) return undefined;
  const remedy = row.chooses
    ? `to choose, in ENV: ${row.chooses}=${wanted}`
    : "the server's is what there is";
  return `${name} is not followed: it asks for ${row.language} ${wanted}, and the app gets ${given}; ${remedy}`;
}

const protects =
  /^[ \t]*(deny[ \t]+from|[Rr]equire[ \t]+(all[ \t]+denied|valid-user|user|group|ip|host)|authtype)\b/im;
const forbids = /\[(\w[\w=]*,)*(F|R=4\d\d)\b/;
// Each is read by a call of git.
const maxRead = 20;

/**
 * What is said of `.htaccess` files below what is served: first of those that protect something.
 * `files`: their paths in the commit.
 */
function htaccessWarning(source: Source, files: readonly string[]): string[] {
  const { workers, settings } = source;
  const served = [workers.php, workers.static]
    .filter((folder) => folder !== undefined)
    .map((folder) =>
      folder
        .replace(/^.*:/, "")
        .split("/")
        .filter((part) => part && part !== "."),
    )
    .map((parts) => parts.map((part) => `${part}/`).join(""));
  const folders = files
    .filter((file) => served.some((folder) => file.startsWith(folder)))
    .map((file) => file.slice(0, -".htaccess".length));
  if (folders.length === 0 || setting(settings, "NGINX_INCLUDE_FILE") !== undefined) return [];
  const way = "what it is for belongs in the file of NGINX_INCLUDE_FILE";
  const shown = (names: readonly string[]) => someOf(names.map((name) => name || "/"));
  const read = (folder: string) => source.read(`${folder}.htaccess`);
  // At the top there are rules for single files.
  const closed = folders
    .filter((folder) => !served.includes(folder))
    .slice(0, maxRead)
    .filter((folder) => protects.test(read(folder)));
  if (closed.length > 0) {
    const url = closed[0]!.slice(served.find((folder) => closed[0]!.startsWith(folder))!.length);
    return [
      `.htaccess is not followed: everybody can read ${shown(closed)}; ${way}, such as: location ^~ /${url} { return 404; }`,
    ];
  }
  const isFollowed = (folder: string) =>
    served.includes(folder) &&
    frontControllerOf(source) === "stated" &&
    ![protects, forbids].some((rule) => rule.test(read(folder)));
  const others = folders.filter((folder) => !isFollowed(folder));
  return others.length > 0 ? [`.htaccess is not followed in ${shown(others)}; ${way}`] : [];
}

/**
 * Refuses Heroku's way to run PHP, `heroku-php-apache2 [options] folder`, with piku's. Throws.
 */
export function refuseHerokuPhp({ workers, has }: Source): void {
  const words = (workers.web ?? "").trim().split(/\s+/);
  const at = words.findIndex((word) => /(^|\/)heroku-php-\w+$/.test(word));
  if (at < 0 || has(words[at]!)) return;
  const folder =
    words
      .slice(at + 1)
      .at(-1)
      ?.replace(/\/+$/, "") || "/";
  throw new PikuError(
    `Procfile: '${printable(words[at]!)}' is Heroku's web server for PHP, which is not on this server`,
    `in the place of the web line: php: ${printable(folder)}`,
  );
}

/**
 * Sentences about files that the app may expect to be read, and are not. `htaccess`: the paths of
 * such files in the commit.
 */
export function unreadWarnings(
  source: Source,
  runtime: Runtime,
  htaccess: readonly string[],
): string[] {
  return [
    ...unreadManifests.flatMap(({ name, counts, says }) => {
      const found = source.names.find((one) => name.test(one));
      return found !== undefined && counts(source, runtime, found)
        ? [says(found, source, runtime)]
        : [];
    }),
    ...versionFiles.flatMap((row) => versionWarning(source, runtime, row) ?? []),
    ...htaccessWarning(source, htaccess),
  ];
}
