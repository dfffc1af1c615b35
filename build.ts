/**
 * Makes the executables: `npm run build -- [--target NAME]... [--all]`, without arguments both
 * kinds for this machine. `dist` can be put on a web server as it is; PIKU_RELEASES is its address,
 * which install.sh then knows; PIKU_SIGNING_KEY signs it (release.ts). Everything that is fetched is checked against a hash below and kept
 * in ${XDG_CACHE_HOME:-~/.cache}/piku-build.
 */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { homedir, tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import type { BunPlugin } from "bun";
import { billOfMaterials, type Engine, hexOf, signing, writeSums } from "./release.ts";

interface Target {
  name: string;
  machine: "x64" | "arm64" | "arm";
  /**
   * The npm package with Bun's executable and what its tarball must be, or the C compiler and its
   * flags.
   */
  engine:
    | { name: "bun"; platform: string; package: string; integrity: string }
    | {
        name: "quickjs";
        compiler: string;
        packages: string[];
        flags: string[];
        libraries: string[];
      };
}

const bunVersion = "1.4.5";
const quickjsVersion = "2025-04-26";
const quickjsHash = "ec81da5b3249ed648dbc7df4a1654988910e66a118d9b71cb63534216efcfbbe";

const onBun = (platform: string, packageName: string, integrity: string): Target["engine"] => ({
  name: "bun",
  platform,
  package: `@oven/${packageName}`,
  integrity: `sha512-${integrity}`,
});

// 32-bit times end in 2038.
const wide = ["-D_FILE_OFFSET_BITS=64", "-D_TIME_BITS=64"];
// Debian's armhf compiler makes ARMv7 only, its libc included; a Pi 1 or Zero needs this one.
const armv6 = ["-march=armv6", "-marm", "-mfloat-abi=soft"];

const onQuickjs = (
  triplet: string,
  architecture: string,
  flags: string[] = [],
): Target["engine"] => ({
  name: "quickjs",
  compiler: `${triplet}-gcc`,
  packages: [`gcc-${triplet.replace("_", "-")}`, `libc6-dev-${architecture}-cross`],
  flags,
  libraries: flags.includes("-march=armv6") ? ["-latomic"] : [],
});

const targets: Target[] = [
  {
    name: "linux-arm64",
    machine: "arm64",
    engine: onBun(
      "bun-linux-arm64",
      "bun-linux-aarch64",
      "4BXmsSKnjOrlGWqZV4x/oWa7AVoR+B6lCXddMzOAXBIm3t50eslg9wb66gmtW1AamEQ1l1CDvmmruysEhqOWMg==",
    ),
  },
  {
    name: "linux-arm64-musl",
    machine: "arm64",
    engine: onBun(
      "bun-linux-arm64-musl",
      "bun-linux-aarch64-musl",
      "XCNc+WvvMAdNNb+OWTogpy+N9wm62fkVeEVLb6how0RZhW5LPi6c7BlkeVCuWps7XjEl2saFpHFa20/1E+PAHg==",
    ),
  },
  {
    name: "linux-x64",
    machine: "x64",
    engine: onBun(
      "bun-linux-x64-baseline",
      "bun-linux-x64-baseline",
      "s8yMwYcFnnrA178gji0gZbkE2WVDej/Ti1x770oPfihxyRxSMNhGhiAQNXV53aDeraZxksdvKV/RAdQBCd0qPA==",
    ),
  },
  {
    name: "linux-x64-musl",
    machine: "x64",
    engine: onBun(
      "bun-linux-x64-baseline-musl",
      "bun-linux-x64-musl-baseline",
      "cWJhU8h0+MiUgpSt99sQhjxLIIosKEcKYdtKddohokUvAuN6jKOy7g7+QDTZTXtwHxz93wL3BX+L6wXVPDUH3A==",
    ),
  },
  // For laptops, where piku is the client only.
  {
    name: "darwin-arm64",
    machine: "arm64",
    engine: onBun(
      "bun-darwin-arm64",
      "bun-darwin-aarch64",
      "4MIFXHmctH2EhAxLXm2/qxNtv17dFtLJylvaOCsrgq6KSqHTs6eW5YSrJjRbJxYUJaR901fsN8JfZOa+CsWpWQ==",
    ),
  },
  {
    name: "darwin-x64",
    machine: "x64",
    engine: onBun(
      "bun-darwin-x64-baseline",
      "bun-darwin-x64-baseline",
      "zqfLA5A4B+hYMh5WYzYSot3uZ06FzhdP0OEwQisEzdirYtXGj5cQFlfy31BGfNsAsk1Gd/w/OxJ/jqqJ3cMclw==",
    ),
  },
  {
    name: "windows-x64",
    machine: "x64",
    engine: onBun(
      "bun-windows-x64-baseline",
      "bun-windows-x64-baseline",
      "/U3Dc74uGqE6EUqef7mPtg9KwJs7iJH4JHRMfIZIn18MrJh6Xz4gVvWDXRvzCL2j8wPlTnJVyrO4n7Qq4uM7TQ==",
    ),
  },
  { name: "linux-armv7", machine: "arm", engine: onQuickjs("arm-linux-gnueabihf", "armhf", wide) },
  {
    name: "linux-armv6",
    machine: "arm",
    engine: onQuickjs("arm-linux-gnueabi", "armel", [...armv6, ...wide]),
  },
  { name: "linux-arm64-lite", machine: "arm64", engine: onQuickjs("aarch64-linux-gnu", "arm64") },
  { name: "linux-x64-lite", machine: "x64", engine: onQuickjs("x86_64-linux-gnu", "amd64") },
];

const root = import.meta.dir;
const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "piku-build");
const sources = ["quickjs", "libregexp", "libunicode", "cutils", "dtoa", "quickjs-libc"];
/** What `quickjs.c` offers to the program. */
const nativeModules = ["quickjs:std", "quickjs:os", "piku:native"];
const compileFlags = [
  "-ffunction-sections",
  "-fdata-sections",
  "-D_GNU_SOURCE",
  `-DCONFIG_VERSION="${quickjsVersion}"`,
];
/** The interpreter is what a slow board waits for; all else is to be small. */
const optimized = (file: string) => (file === "quickjs" ? "-O2" : "-Os");

/**
 * Builds one target from an entry file, which may `import { host } from "#host"`. On QuickJS the
 * modules of `instead` are taken from these files.
 */
export async function build(
  name: string,
  entry: string,
  out: string,
  instead: Record<string, string> = {},
): Promise<void> {
  const target = targets.find((row) => row.name === name);
  if (!target)
    throw new Error(`no target '${name}'; there are ${targets.map((row) => row.name).join(", ")}`);
  if (target.engine.name === "bun") await buildOnBun(target.name, target.engine, entry, out);
  else await buildOnQuickjs(target, target.engine, entry, out, instead);
}

async function buildOnBun(
  name: string,
  engine: Target["engine"] & { name: "bun" },
  entry: string,
  out: string,
) {
  if (Bun.version !== bunVersion)
    throw new Error(`this is Bun ${Bun.version}; it must be ${bunVersion}: npm ci`);
  const executable = await bunExecutable(engine);
  await inFolder(async (folder) => {
    await run(
      [
        process.execPath,
        "build",
        "--compile",
        `--target=${engine.platform}`,
        `--compile-executable-path=${executable}`,
        "--minify",
        "--bytecode",
        // Without it the bytecode is CommonJS, and the executable dies at start.
        "--format=esm",
        ...["dotenv", "bunfig", "tsconfig", "package-json"].map(
          (file) => `--no-compile-autoload-${file}`,
        ),
        `--define=PIKU_TARGET=${JSON.stringify(name)}`,
        `--define=PIKU_RELEASE_KEYS=${keysText()}`,
        `--outfile=${join(folder, "piku")}`,
        resolve(entry),
      ],
      root,
    );
    const made = join(folder, `piku${endingOf(name)}`);
    if (name === "darwin-x64") fs.writeFileSync(made, signAdHoc(fs.readFileSync(made)));
    install(made, out);
  });
}

/**
 * A program for macOS (Mach-O, 64 bits) with a signature that fits it and names nobody, in the place
 * of the one that it has. Bun signs what it makes for arm64, where it must be; on x64 it leaves its
 * own, of other pages. Structures: <mach-o/loader.h>, and cs_blobs.h of Apple's kernel.
 */
export function signAdHoc(program: Buffer): Buffer {
  const commands = [...loadCommands(program)];
  const segment = (name: string) =>
    commands.find(
      ({ at, kind }) =>
        kind === 0x19 && program.toString("latin1", at + 8, at + 9 + name.length) === `${name}\0`,
    )!.at;
  // LC_CODE_SIGNATURE, and the LC_SEGMENT_64 that it lies in, and of the code.
  const own = commands.find(({ kind }) => kind === 0x1d)!.at;
  const [edit, text] = [segment("__LINKEDIT"), segment("__TEXT")];
  const place = program.readUInt32LE(own + 8);
  const [page, header, hash] = [4096, 88, 32];
  const name = Buffer.from("piku\0");
  const count = Math.ceil(place / page);
  const length = header + name.length + count * hash;
  const signature = Buffer.alloc(Math.ceil((20 + length) / 16) * 16);
  const signed = Buffer.concat([program.subarray(0, place), signature]);
  signed.writeUInt32LE(signature.length, own + 12);
  const bytes = BigInt(signed.length) - program.readBigUInt64LE(edit + 40);
  signed.writeBigUInt64LE(((bytes + 0x3fffn) / 0x4000n) * 0x4000n, edit + 32);
  signed.writeBigUInt64LE(bytes, edit + 48);
  // One blob, the code directory: version 2.4; ad hoc; where hashes and name are, and of how much.
  const words = [0xfade0cc0, 20 + length, 1, 0, 20];
  words.push(0xfade0c02, length, 0x20400, 2, header + name.length, header, 0, count, place);
  for (const [i, word] of words.entries()) signed.writeUInt32BE(word, place + 4 * i);
  // SHA-256 of pages of 2^12 bytes; then where the code is, and that it is a main program.
  const directory = place + 20;
  signed.set([hash, 2, 0, 12], directory + 36);
  const code = [program.readBigUInt64LE(text + 40), program.readBigUInt64LE(text + 48), 1n];
  for (const [i, value] of code.entries()) signed.writeBigUInt64BE(value, directory + 64 + 8 * i);
  signed.set(name, directory + header);
  for (let i = 0; i < count; i++) {
    const part = signed.subarray(i * page, Math.min((i + 1) * page, place));
    const at = directory + header + name.length + i * hash;
    signed.set(createHash("sha256").update(part).digest(), at);
  }
  return signed;
}

function* loadCommands(program: Buffer): Generator<{ at: number; kind: number }> {
  for (let at = 32, left = program.readUInt32LE(16); left > 0; left--) {
    yield { at, kind: program.readUInt32LE(at) };
    at += program.readUInt32LE(at + 4);
  }
}

/** What an executable knows of who may sign releases, as JavaScript. */
const keysText = () => JSON.stringify(signing().keys.join("\n"));

/** What the name of a program ends in. */
const endingOf = (target: string) => (/windows/.test(target) ? ".exe" : "");

/** Bun's own executable for a target, from its npm package. */
async function bunExecutable(engine: Target["engine"] & { name: "bun" }): Promise<string> {
  return cached(`${basename(engine.package)}-${bunVersion}`, async (folder) => {
    await run(
      ["npm", "pack", "--silent", "--pack-destination", folder, `${engine.package}@${bunVersion}`],
      folder,
    );
    const tarball = fs.readdirSync(folder).find((file) => file.endsWith(".tgz"));
    if (!tarball) throw new Error(`npm pack ${engine.package} left no tarball`);
    const hash = createHash("sha512")
      .update(fs.readFileSync(join(folder, tarball)))
      .digest("base64");
    if (`sha512-${hash}` !== engine.integrity)
      throw new Error(`${engine.package}: the tarball's hash is wrong`);
    const program = `bun${endingOf(engine.platform)}`;
    await run(["tar", "-xzf", tarball, "--strip-components=2", `package/bin/${program}`], folder);
    fs.rmSync(join(folder, tarball));
  }).then((folder) => join(folder, `bun${endingOf(engine.platform)}`));
}

async function buildOnQuickjs(
  { name, machine }: Target,
  engine: Target["engine"] & { name: "quickjs" },
  entry: string,
  out: string,
  instead: Record<string, string>,
) {
  const native = { ...engine, compiler: "gcc", packages: ["gcc", "libc6-dev"] };
  const own = machine === process.arch ? native : engine;
  await need([native.compiler], native.packages);
  await need([own.compiler], own.packages);
  const source = await quickjsSource();
  const [objects, qjsc] = await Promise.all([
    quickjsObjects(source, own),
    quickjsCompiler(source, native),
  ]);
  await inFolder(async (folder) => {
    await writeModules(qjsc, folder, await bundle(entry, instead));
    fs.copyFileSync(join(root, "src/host/quickjs.c"), join(folder, "quickjs-main.c"));
    await run(
      [
        own.compiler,
        "-Os",
        ...compileFlags,
        ...own.flags,
        "-Wall",
        "-Wextra",
        "-Wno-unused-parameter",
        "-Wno-sign-compare",
        "-Wno-missing-field-initializers",
        "-Wno-cast-function-type",
        `-DPIKU_TARGET="${name}"`,
        `-isystem${source}`,
        `-I${join(root, "src/host")}`,
        `-I${folder}`,
        "-static",
        "-s",
        "-Wl,--gc-sections",
        "-o",
        "piku",
        "quickjs-main.c",
        "plain.c",
        "importing.c",
        ...sources.map((file) => join(objects, `${file}.o`)),
        "-lm",
        "-lpthread",
        ...own.libraries,
      ],
      folder,
    );
    install(join(folder, "piku"), out);
  });
}

/**
 * The same program as files that need nothing but QuickJS and `quickjs.c`, by their names: piku.js,
 * and the modules that are loaded when they are needed, each with what it shares with the same ones.
 */
async function bundle(
  entry: string,
  instead: Record<string, string>,
): Promise<Map<string, string>> {
  const modules: Record<string, string> = {
    "#host": join(root, "src/host/quickjs.ts"),
    "node:util": join(root, "src/host/node-util.ts"),
    ...instead,
  };
  const quickjs: BunPlugin = {
    name: "quickjs",
    setup(builder) {
      builder.onResolve({ filter: /^[^./]/ }, ({ path }) =>
        modules[path] === undefined ? undefined : { path: modules[path] },
      );
      builder.onResolve({ filter: /^(quickjs|piku):/ }, ({ path }) => ({ path, external: true }));
    },
  };
  const built = await Bun.build({
    entrypoints: [resolve(entry)],
    root,
    format: "esm",
    target: "node",
    splitting: true,
    naming: { entry: "piku.js", chunk: "part-[hash].js" },
    plugins: [quickjs],
    define: { PIKU_RELEASE_KEYS: keysText() },
  });
  const files = new Map<string, string>();
  const main = built.outputs.find(({ kind }) => kind === "entry-point")!;
  // What is imported for no name of its own only keeps an order that nothing here depends on.
  for (const part of [main, ...built.outputs.filter((one) => one !== main)])
    files.set(basename(part.path), (await part.text()).replace(/^import ?"\.\/part-.*";$/gm, ""));
  const known = [...nativeModules, ...[...files.keys()].map((name) => `./${name}`)];
  for (const text of files.values()) {
    const imported = [...text.matchAll(/^(?:import|\} from) (?:.* from )?"([^"]+)";/gm)];
    const unknown = imported.map((match) => match[1]!).filter((name) => !known.includes(name));
    if (unknown.length > 0) throw new Error(`QuickJS has no module ${unknown.join(", ")}`);
  }
  return files;
}

/**
 * Writes modules.h, and the bytecode of these modules: plain.c, and importing.c of those that import
 * others while they run.
 */
async function writeModules(
  qjsc: string,
  folder: string,
  files: Map<string, string>,
): Promise<void> {
  for (const [name, text] of files) await Bun.write(join(folder, name), text);
  await Bun.write(join(folder, "modules.h"), moduleTable([...files.keys()]));
  // Each by itself, and what it imports is found when it runs. Relative names: they become part of
  // the result.
  const others = [...nativeModules, ...files.keys()].flatMap((name) => ["-M", name]);
  const compile = async (out: string, names: string[], ...flags: string[]) => {
    await Bun.write(join(folder, out), "");
    if (names.length > 0)
      await run([qjsc, "-c", "-m", ...flags, ...others, "-o", out, ...names], folder);
  };
  const isImporting = ([, text]: [string, string]) => text.includes(" import(");
  const namesOf = (some: [string, string][]) => some.map(([name]) => name);
  // Without line numbers (-s) it is a quarter smaller, in memory too; a stack still names functions.
  // But import() needs them: it looks there for the name of its own module.
  await compile("plain.c", namesOf([...files].filter((file) => !isImporting(file))), "-s");
  await compile("importing.c", namesOf([...files].filter(isImporting)));
}

/** The table of modules that `quickjs.c` loads from: names, and the arrays that qjsc calls so. */
function moduleTable(files: string[]): string {
  const arrays = files.map((file) => `qjsc_${file.replace(/\.js$/, "").replace(/\W/g, "_")}`);
  return [
    ...arrays.map(
      (array) => `extern const uint8_t ${array}[]; extern const uint32_t ${array}_size;`,
    ),
    "static const struct { const char *name; const uint8_t *bytes; const uint32_t *size; } modules[] = {",
    ...arrays.map((array, i) => `  {"${files[i]}", ${array}, &${array}_size},`),
    "};\n",
  ].join("\n");
}

async function quickjsObjects(
  source: string,
  { compiler, flags }: { compiler: string; flags: string[] },
) {
  const version = await run([compiler, "--version"], source);
  return cached(
    `objects-${keyOf(source, [compiler, version, ...sources.map(optimized), ...compileFlags, ...flags])}`,
    async (folder) => {
      const compile = (file: string) =>
        run(
          [
            compiler,
            optimized(file),
            ...compileFlags,
            ...flags,
            ...["-c", `${file}.c`, "-o", join(folder, `${file}.o`)],
          ],
          source,
        );
      await Promise.all(sources.map(compile));
    },
  );
}

/** The compiler from JavaScript to bytecode. Its output is the same for every machine. */
async function quickjsCompiler(source: string, native: { compiler: string; flags: string[] }) {
  const objects = await quickjsObjects(source, { ...native, flags: [] });
  const folder = await cached(`qjsc-${basename(objects)}`, async (folder) => {
    const files = sources.map((file) => join(objects, `${file}.o`));
    const paths = ['-DCONFIG_CC="gcc"', '-DCONFIG_PREFIX="/usr"'];
    const flags = [
      "-Os",
      ...compileFlags,
      ...paths,
      "qjsc.c",
      ...files,
      "-lm",
      "-lpthread",
      "-ldl",
    ];
    await run([native.compiler, ...flags, "-o", join(folder, "qjsc")], source);
  });
  return join(folder, "qjsc");
}

function keyOf(source: string, more: string[]): string {
  const hash = createHash("sha256").update(JSON.stringify(more));
  const files = fs.readdirSync(source).filter((file) => /\.[ch]$/.test(file));
  for (const file of files.sort()) hash.update(file).update(fs.readFileSync(join(source, file)));
  return hash.digest("hex").slice(0, 16);
}

/** The folder with QuickJS's source: `QUICKJS_SRC`, or from Debian 13's source package. */
async function quickjsSource(): Promise<string> {
  if (process.env.QUICKJS_SRC) return resolve(process.env.QUICKJS_SRC);
  return cached(`quickjs-${quickjsVersion}`, async (folder) => {
    await need(["apt-get", "xz"], ["xz-utils"]);
    const state = join(folder, "apt");
    fs.mkdirSync(join(state, "lists/partial"), { recursive: true });
    fs.mkdirSync(join(state, "archives/partial"), { recursive: true });
    const keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
    await Bun.write(join(state, "status"), "");
    await Bun.write(
      join(state, "sources.list"),
      `deb-src [signed-by=${keys}] ${await debianMirror()} trixie main\n`,
    );
    const settings = {
      "Dir::Etc::sourcelist": join(state, "sources.list"),
      "Dir::Etc::sourceparts": "-",
      "Dir::State::lists": join(state, "lists"),
      "Dir::State::status": join(state, "status"),
      "Dir::Cache": state,
      "APT::Sandbox::User": "root",
    };
    const options = Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
    await run(["apt-get", ...options, "update"], state);
    await run(["apt-get", ...options, "source", "--download-only", "quickjs"], state);
    const tarball = join(state, `quickjs_${quickjsVersion.replaceAll("-", ".")}.orig.tar.xz`);
    const hash = createHash("sha256").update(fs.readFileSync(tarball)).digest("hex");
    if (hash !== quickjsHash) throw new Error(`${basename(tarball)}: the hash is wrong (${hash})`);
    await run(["tar", "-xJf", tarball, "--strip-components=1", "-C", folder], folder);
    fs.rmSync(state, { recursive: true });
  });
}

/** Where this machine gets Debian from. Asking apt, since its own files also name third parties. */
async function debianMirror(): Promise<string> {
  const ask = [
    "apt-get",
    "indextargets",
    "--format",
    "$(ORIGIN) $(LABEL) $(REPO_URI)",
    "Created-By: Packages",
  ];
  const find = async () => (await run(ask, "/")).match(/^Debian Debian (\S+)$/m)?.[1];
  let found = await find();
  if (!found) {
    await run(["apt-get", "update"], "/");
    found = await find();
  }
  if (!found)
    throw new Error(
      "apt knows no Debian archive; set QUICKJS_SRC to a folder with QuickJS's source",
    );
  return found;
}

/** Sees to it that these commands are there and, for a compiler, its static C library. */
async function need(commands: string[], packages: string[]): Promise<void> {
  const there = (command: string) => {
    if (!Bun.which(command)) return false;
    if (!command.endsWith("gcc")) return true;
    return Bun.spawnSync([command, "-print-file-name=libc.a"]).stdout.toString().startsWith("/");
  };
  const missing = commands.filter((command) => !there(command));
  if (missing.length === 0) return;
  const install = ["apt-get", "install", "-y", "--no-install-recommends", ...packages];
  if (process.getuid!() !== 0)
    throw new Error(`${missing.join(", ")} is missing; install it with: sudo ${install.join(" ")}`);
  console.log(`-----> Installing Debian packages: ${packages.join(" ")}`);
  await run(["apt-get", "update"], "/");
  await run(install, "/", { DEBIAN_FRONTEND: "noninteractive" });
}

/**
 * A folder in the cache, filled by `fill` unless it is there. Two builds at once may both fill it;
 * one wins.
 */
async function cached(name: string, fill: (folder: string) => Promise<void>): Promise<string> {
  const place = join(cache, name);
  if (fs.existsSync(place)) return place;
  fs.mkdirSync(cache, { recursive: true });
  const folder = fs.mkdtempSync(join(cache, ".new-"));
  try {
    await fill(folder);
    if (!fs.existsSync(place)) fs.renameSync(folder, place);
  } catch (error) {
    if (!fs.existsSync(place)) throw error;
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
  return place;
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = fs.mkdtempSync(join(tmpdir(), "piku-build-"));
  try {
    await work(folder);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

function install(file: string, out: string): void {
  const beside = `${out}.${process.pid}.tmp`;
  fs.copyFileSync(file, beside);
  fs.chmodSync(beside, 0o755);
  fs.renameSync(beside, out);
}

async function run(argv: string[], cwd: string, env: Record<string, string> = {}): Promise<string> {
  const child = Bun.spawn(argv, {
    cwd,
    env: { ...process.env, ...env, LC_ALL: "C" },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, error, status] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  // The bytecode step of Bun complains and goes on, and so does a C compiler.
  if (status !== 0 || /Failed to generate bytecode/.test(error)) {
    throw new Error(`'${argv.join(" ")}' failed with ${status}\n${out}${error}`);
  }
  if (/warning: (?!Using 'dlopen')/.test(error) && argv[0]!.endsWith("gcc")) console.error(error);
  return out;
}

function chosen(args: string[]): string[] {
  const names: string[] = [];
  for (let at = 0; at < args.length; at++) {
    if (args[at] === "--all") names.push(...targets.map((row) => row.name));
    else if (args[at] === "--target" && args[at + 1]) names.push(args[++at]!);
    else throw new Error(`'${args[at]}'? Give --target NAME, again and again, or --all`);
  }
  const here = targets.filter(runsHere).map((row) => row.name);
  return names.length > 0 ? [...new Set(names)] : here;
}

const runsHere = ({ name, machine }: Target) =>
  machine === process.arch && name.startsWith("linux") && !name.endsWith("musl");

/** What goes with the executables: the installer, the bill of materials, and their sums, signed. */
function writeRelease(folder: string, address = ""): void {
  if (!/^(https?:\/\/[\w.:/~-]+)?$/.test(address))
    throw new Error(`PIKU_RELEASES: '${address}' is no address`);
  const beside = (name: string, content: string, mode: number) => {
    fs.writeFileSync(join(folder, `.${name}.tmp`), content, { mode });
    fs.renameSync(join(folder, `.${name}.tmp`), join(folder, name));
  };
  const { keys, file, isThrowAway } = signing();
  const installer = fs
    .readFileSync(join(root, "install.sh"), "utf8")
    .replace(/^release=$/m, `release=${address}`)
    .replace(/^release_keys=$/m, `release_keys='${keys.join("\n")}'`);
  beside("install.sh", installer, 0o755);
  beside("piku.cdx.json", billOfMaterials(engines()), 0o644);
  const names = fs
    .readdirSync(folder)
    .filter((name) => /^piku-[\w-]+(\.exe)?$|^install\.sh$|^piku\.cdx\.json$/.test(name));
  writeSums(folder, names, file);
  if (!file) console.log("Not signed");
  if (isThrowAway)
    console.log(
      `Signed with a key of this machine's own, ${file}; PIKU_SIGNING_KEY=FILE for another`,
    );
}

const engines = (): Engine[] => [
  {
    name: "bun",
    version: bunVersion,
    purl: `pkg:npm/bun@${bunVersion}`,
    files: targets.flatMap(({ engine }): Engine["files"] =>
      engine.name === "bun" ? [[engine.package, "SHA-512", hexOf(engine.integrity)]] : [],
    ),
  },
  {
    name: "quickjs",
    version: quickjsVersion,
    purl: `pkg:generic/quickjs@${quickjsVersion}`,
    files: [[`quickjs_${quickjsVersion.replaceAll("-", ".")}.orig.tar.xz`, "SHA-256", quickjsHash]],
  },
];

async function main(args: string[]): Promise<void> {
  fs.mkdirSync(join(root, "dist"), { recursive: true });
  for (const name of chosen(args)) {
    const started = performance.now();
    const out = join(root, "dist", `piku-${name}${endingOf(name)}`);
    await build(name, join(root, "src/main.ts"), out);
    if (runsHere(targets.find((row) => row.name === name)!)) await run([out, "--version"], root);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(
      `dist/${basename(out)}  ${(fs.statSync(out).size / 1e6).toFixed(2)} MB  ${seconds} s`,
    );
  }
  writeRelease(join(root, "dist"), process.env.PIKU_RELEASES);
}

if (import.meta.main) {
  try {
    await main(process.argv.slice(2));
  } catch (error) {
    console.error(`Error: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
  }
}
