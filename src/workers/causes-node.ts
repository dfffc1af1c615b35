import { printable } from "../text/text.ts";
import { type Cause, meant, type Scene } from "./cause.ts";
import { mendAt } from "./causes-python.ts";

/** What `package.json` says, as far as it can be read. */
export function manifestOf({ read }: Pick<Scene, "read">): Record<string, unknown> {
  try {
    const found: unknown = JSON.parse(read("package.json") ?? "");
    return typeof found === "object" && found !== null ? (found as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

const lists = (scene: Scene, field: string, name: string) => {
  const found = manifestOf(scene)[field];
  return typeof found === "object" && found !== null && Object.hasOwn(found, name);
};

/** `express` of `express/lib/router`, `@scope/name` of `@scope/name/part`. */
const npmPackageOf = (request: string) =>
  request.split("/", request.startsWith("@") ? 2 : 1).join("/");

// npm goes before, as in runtimes/managers.ts.
const installCommands = [
  ["package-lock.json", "npm install", "package-lock.json"],
  ["pnpm-lock.yaml", "pnpm add", "pnpm-lock.yaml"],
  ["yarn.lock", "yarn add", "yarn.lock"],
  ["bun.lock", "bun add", "bun.lock"],
] as const;

/** How a package is added to an app of Node's. */
export function addNode(name: string, { names }: Pick<Scene, "names">): string {
  const [, add, lock] =
    installCommands.find(([file]) => names.includes(file)) ?? installCommands[0];
  const begin = names.includes("package.json") ? "" : "npm init -y, ";
  return `${begin}${add} ${name}, commit package.json and ${lock}, and push`;
}

/** `./routes/users`, as the commit has it or not. */
function missingFile(request: string, { names }: Scene): string {
  const file = request.replace(/^(\.\.?\/)+/, "");
  return `there is no '${file}' in this commit${meant(file, names) || meant(`${file}.js`, names)}`;
}

const isOwn = (request: string) => /^[./]/.test(request);

/** What is wrong when a module of Node's is not found. */
export function whichModule(request: string, scene: Scene): string {
  if (isOwn(request)) return missingFile(request, scene);
  const name = npmPackageOf(request);
  if (lists(scene, "devDependencies", name))
    return `'${name}' is installed for development only: package.json has it in devDependencies`;
  return `'${name}' is not installed`;
}

/** What to do then. */
export function addModule(request: string, scene: Scene): string {
  const file = request.replace(/^(\.\.?\/)+/, "");
  if (isOwn(request) && /^(dist|build|out|\.next|\.output)\//.test(file))
    return 'a build makes it: write "build" into "scripts" of package.json, and piku runs it; commit and push';
  if (isOwn(request)) return `mend the name, or git add ${file}; commit and push`;
  const name = npmPackageOf(request);
  return lists(scene, "devDependencies", name)
    ? `npm install --save-prod ${name}, commit package.json and package-lock.json, and push`
    : addNode(name, scene);
}

const tooNew = /^SyntaxError: Unexpected token '?(\?|\?\?|\?\?=|\|\|=|\.|=|\{|#)'?$/;

const out = "commit package.json and package-lock.json, and push";

/** Words of Node's, and of the tools that install its packages. */
export const nodeCauses: readonly Cause[] = [
  [
    /Cannot find (?:module|package) ['"]([^'"\n]+)['"]/,
    ([, request], scene) => whichModule(request!, scene),
    ([, request], scene) => addModule(request!, scene),
  ],
  [
    /(?:Module not found|Rollup failed to resolve import|Could not resolve|Failed to resolve import)[^'"\n]*["']([^"'\n]+)["']/,
    ([, request], scene) => whichModule(request!.replace(/^@\/|^~\//, "./"), scene),
    ([, request], scene) => addModule(request!.replace(/^@\/|^~\//, "./"), scene),
  ],
  [
    /Cannot use import statement outside a module|Unexpected token 'export'|To load an ES module, set "type": "module"/,
    "it is written with `import`, but package.json does not say that it is a module",
    'write "type": "module" into package.json, commit and push',
  ],
  [
    /ReferenceError: (require|module|__dirname|exports) is not defined in ES module scope/,
    'package.json has "type": "module", where there is no $1',
    "write import instead of require, or take that line out of package.json; commit and push",
  ],
  [
    /ERR_REQUIRE_ESM|require\(\) of ES Module (\S+)/,
    "a package can only be loaded with import, not with require",
    'write import, with "type": "module" in package.json, or install its older version; commit and push',
  ],
  [
    /Could not find a production build in the '(\S+)' directory/,
    "there is no build in $1",
    'write "build": "next build" into "scripts" of package.json, and piku runs it; commit and push',
  ],
  [
    /Unsupported URL Type "(?:workspace|catalog|link|portal):"/,
    "package.json is written for pnpm or Yarn, and npm cannot install it",
    "config:set $APP NODE_PACKAGE_MANAGER=pnpm, then push again",
  ],
  [
    /The "?`?uri`?"? parameter to `?openUri\(\)`? must be a string, got "undefined"/,
    "the setting with the address of the database is missing",
    "config:set $APP MONGODB_URI=…, by the name that the app reads; then push again",
  ],
  [
    /(?:NotCapable|PermissionDenied): Requires (\w+) access to .*run again with the (--allow-\w+) flag/,
    "Deno was not allowed $1 access",
    "write $2 behind deno run in the Procfile, commit and push",
  ],
  [
    /Unknown file extension "(\.tsx?|\.jsx)"/,
    "Node does not run $1 files as they are",
    "Procfile: web: npx tsx FILE.ts, after npm install tsx; or a build script with tsc",
  ],
  [
    /does not provide an export named '(\w+)'/,
    "there is no export named '$1'",
    (_, __, log) => mendAt(log),
  ],
  [
    /(?:npm (?:ERR!|error) )?JSON\.parse (Invalid|Failed).*|EJSONPARSE/,
    "package.json is not valid JSON",
    "mend it where npm install on your machine says, commit and push",
  ],
  [
    /^SyntaxError: (\S+\.json): (.*)$/,
    "$1 is not valid JSON: $2",
    "JSON wants double quotes, and no comma behind the last; mend it, commit and push",
  ],
  [
    /(?:npm (?:ERR!|error) )?Missing script: "?([\w:.-]+)"?|Command "([\w:.-]+)" not found|ERR_PNPM_NO_SCRIPT.*Missing script: (\S+)|Script not found "([\w:.-]+)"/,
    (found) => `package.json has no script '${found.slice(1).find(Boolean)}'`,
    (found) =>
      `write "scripts": { "${found.slice(1).find(Boolean)}": "node index.js" } into package.json, commit and push`,
  ],
  [
    /enoent Could not read package\.json|Couldn't find a package\.json|ERR_PNPM_NO_IMPORTER_MANIFEST_FOUND/,
    "there is no package.json at the top of this commit",
    "npm init -y, git add package.json, commit and push",
  ],
  [
    /can only install (?:packages )?(?:when|with) (?:your|an existing) package(?:\.json and package)?-lock\.json.*/,
    "package-lock.json is not in step with package.json",
    `npm install, ${out}`,
  ],
  [
    /Your lockfile needs to be updated|The lockfile would have been modified by this install|lockfile had changes, but lockfile is frozen|ERR_PNPM_OUTDATED_LOCKFILE|(?:pnpm-lock\.yaml|yarn\.lock|bun\.lockb?) is not up[ -]to[ -]date/,
    "the lock file is not in step with package.json",
    "install again on your machine (yarn install, pnpm install or bun install), commit the lock file and push",
  ],
  [
    /(?:npm (?:ERR!|error) )404 +Not Found - GET \S+\/((?:@[\w.-]+%2f|@[\w.-]+\/)?[\w.-]+)(?: - Not found)?$/,
    ([, name]) => `there is no package '${name!.replace("%2f", "/")}' for npm to install`,
    ([, name]) =>
      `mend its name: npm uninstall ${name!.replace("%2f", "/")}, npm install the right one, ${out}`,
  ],
  [
    /No matching version found for (\S+?)\.?$/,
    "there is no such version: $1",
    `npm install the package without a version, ${out}`,
  ],
  [
    /(?:npm (?:ERR!|error) )?ERESOLVE (?:unable to resolve|could not resolve)/,
    (_, __, log) =>
      `two packages want different versions of '${/peer (\S+?)@"/.exec(log)?.[1] ?? "another"}'`,
    `npm install --legacy-peer-deps on your machine makes a lock file for it; ${out}; or write legacy-peer-deps=true into .npmrc`,
  ],
  [
    /(?:Required|required): \{"node":"([^"]+)"[\s\S]*?(?:Actual|current):? +\{"node":"v?([\d.]+)"|The engine "node" is incompatible with this module\. Expected version "([^"]+)"\. Got "([\d.]+)"|Expected version: (\S+)\s+Got: v?([\d.]+)/,
    (found, _, log) => {
      const [wanted, has] = found.slice(1).filter(Boolean);
      return /EBADENGINE|incompatible|Unsupported/.test(log) && /npm (ERR!|error)|error /.test(log)
        ? `the app wants Node ${wanted}, and the server has Node ${has}`
        : undefined;
    },
    'config:set $APP NODE_VERSION=…, or change "engines" in package.json; then push again',
  ],
  [
    /You are using Node\.js ([\d.]+)\. .*(?:requires|For Next\.js).*?(?:version )?"?([>=^~]*v?[\d.]+[^"\n]*?)"? ?(?:is required|or (?:higher|newer)|\.$)?/,
    "the app wants another Node than the server's $1: $2",
    "config:set $APP NODE_VERSION=…, then push again",
  ],
  [
    tooNew,
    ([, token], _, log) => {
      const version = /^Node\.js v(\d+)/m.exec(log)?.[1];
      return version === undefined || Number(version) < 16
        ? `the server's Node ${version ?? ""} is too old for '${token}' (SyntaxError)`.replace(
            "  ",
            " ",
          )
        : undefined;
    },
    "config:set $APP NODE_VERSION=20, then push again",
  ],
  [
    /^SyntaxError: (.*)$/,
    "SyntaxError: $1",
    (_, __, log) => `${mendAt(log)}; node --check FILE finds it on your machine`,
  ],
  [
    /JavaScript heap out of memory/,
    "Node has used up the memory that it may take",
    "build on your own machine and commit the result, or config:set $APP NODE_OPTIONS=--max-old-space-size=1024",
  ],
  [
    /gyp ERR! find Python|gyp ERR! stack Error: not found: make|node-gyp.*not found/,
    "a package has to be compiled, and the server has no compiler",
    "on the server: sudo apt install build-essential python3",
  ],
  [
    /Error: ENOENT: no such file or directory, \w+ '([^']+)'/,
    ([, file], { names }) =>
      file!.startsWith("/")
        ? `the server has no ${file}`
        : `there is no '${file!.replace(/^\.\//, "")}' in this commit${meant(file!, names)}`,
    ([, file]) =>
      file!.startsWith("/")
        ? "write paths from the app's own folder, without a / in front"
        : `git add ${file}, commit and push (git check-ignore -v ${file} tells whether .gitignore hides it)`,
  ],
  [
    /^(\S+\.tsx?)[(:](\d+)[,:]\d+\)?(?::| -) error (TS\d+: .*)$/,
    "$1 line $2: $3",
    "mend it, commit and push; npx tsc --noEmit finds it on your machine",
  ],
  [
    /gyp ERR! stack is related to network connectivity/,
    "a native module has to be compiled here, and Node's headers for that could not be downloaded",
    "see that the server reaches nodejs.org; or on the server: sudo apt install libnode-dev, then config:set $APP npm_config_nodedir=/usr, and push again",
  ],
  [
    /gyp ERR! cwd (?:\S*\/)?node_modules\/((?:@[\w.-]+\/)?[\w.-]+)[\s\S]*gyp ERR! not ok/,
    ([, name]) =>
      `the native module '${name}' could not be compiled: it may be too old for this Node`,
    ([, name]) =>
      `npm install ${name}@latest, ${out}; or with nodeenv on the board choose NODE_VERSION`,
  ],
  [
    /Environment variable not found: (\w+)/,
    "the setting '$1' is missing",
    "config:set $APP $1=…, then push again",
  ],
  [
    /sh: (?:\d+: )?([\w@./-]+): not found\n(?:[\s\S]*npm (?:ERR!|error)|.*ELIFECYCLE|error Command failed)/,
    ([, tool], scene) => whichModule(tool!, scene),
    ([, tool], scene) => addModule(tool === "tsc" ? "typescript" : tool!, scene),
  ],
];

/** Errors of JavaScript that no other row knows. */
export const nodeRest: readonly Cause[] = [
  [
    /^(?:Uncaught )?(?:\[?Error\]?: )?((?:[A-Z]\w*)?Error)(?: \[\w+\])?: (.*)$/,
    ([, name, text], _, log) =>
      /^ {4,}at /m.test(log) ? `${name}: ${printable(text!)}` : undefined,
    (_, __, log) => mendAt(log),
  ],
];
