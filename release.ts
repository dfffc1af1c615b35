/**
 * What makes a release of executables: sums that are signed, a bill of materials, the changes.
 *
 *   npm run release -- VERSION   gives the version to package.json and to CHANGELOG.md
 *   npm run release              makes dist/ from nothing and signs it; prints what has changed
 *
 * PIKU_SIGNING_KEY names the private key (or, where an agent has that, the public one). Without it a
 * build is signed with a key of this machine's own, so that it can be tried; with the word `none` it
 * is not signed, and has the keys of the official releases in it, to compare it with those.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";

const root = import.meta.dir;
const readJson = (name: string) => JSON.parse(fs.readFileSync(join(root, name), "utf8"));
/** The version of this source. */
export const version: string = readJson("package.json").version;

export interface Signing {
  /** The public keys of which an executable knows that they may sign releases, `TYPE BASE64`. */
  keys: string[];
  /** What signs; undefined: nothing does. */
  file?: string;
  /** A key that this machine has made for itself. */
  isThrowAway?: boolean;
}

/** Who signs, and what the executables are told of it. Throws for a key that they would not take. */
export function signing(): Signing {
  const official = fs
    .readFileSync(join(root, "release-keys"), "utf8")
    .split("\n")
    .filter((line) => /^[^#\s]/.test(line))
    .map(keyIn);
  const given = process.env.PIKU_SIGNING_KEY;
  if (given === "none") return { keys: official };
  if (!given) {
    const file = throwAwayKey();
    return { file, keys: [publicHalf(file)], isThrowAway: true };
  }
  const file = resolve(given.replace(/^~(?=\/)/, homedir()));
  const own = publicHalf(file);
  if (official.length > 0 && !official.includes(own))
    throw new Error(`the key ${file} is not in release-keys, so no piku would take what it signs`);
  return { file, keys: official.length > 0 ? official : [own] };
}

const keyIn = (line: string) => line.trim().split(/\s+/).slice(0, 2).join(" ");

function publicHalf(file: string): string {
  const text = file.endsWith(".pub")
    ? fs.readFileSync(file, "utf8")
    : fs.existsSync(`${file}.pub`)
      ? fs.readFileSync(`${file}.pub`, "utf8")
      : sshKeygen(["-y", "-f", file]);
  return keyIn(text);
}

/** Made once, outside of the checkout, so that builds of the same source stay the same. */
function throwAwayKey(): string {
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "piku-build");
  const file = join(cache, "throw-away-key", "key");
  if (fs.existsSync(file)) return file;
  fs.mkdirSync(cache, { recursive: true });
  const folder = fs.mkdtempSync(join(cache, ".new-"));
  sshKeygen(["-q", "-t", "ed25519", "-N", "", "-C", "piku throw-away", "-f", join(folder, "key")]);
  try {
    fs.renameSync(folder, dirname(file));
  } catch (error) {
    // Another build was quicker.
    fs.rmSync(folder, { recursive: true });
    if (!fs.existsSync(file)) throw error;
  }
  return file;
}

function sshKeygen(words: readonly string[]): string {
  const ran = spawnSync("ssh-keygen", words, {
    encoding: "utf8",
    stdio: ["inherit", "pipe", "pipe"],
  });
  if (ran.status !== 0)
    throw new Error(`ssh-keygen ${words[0]} failed: ${ran.error?.message ?? ran.stderr.trim()}`);
  return ran.stdout;
}

/**
 * Writes SHA256SUMS of these files of a folder, which begins with the version, and its signature.
 */
export function writeSums(
  folder: string,
  names: readonly string[],
  file: string | undefined,
  ofVersion = version,
): void {
  const sumOf = (name: string) =>
    createHash("sha256")
      .update(fs.readFileSync(join(folder, name)))
      .digest("hex");
  const lines = [...names].sort().map((name) => `${sumOf(name)}  ${name}\n`);
  const sums = join(folder, "SHA256SUMS");
  fs.rmSync(`${sums}.sig`, { force: true });
  fs.rmSync(`${sums}.tmp`, { force: true });
  fs.writeFileSync(`${sums}.tmp`, `# piku ${ofVersion}\n${lines.join("")}`);
  if (file) {
    sshKeygen(["-Y", "sign", "-q", "-n", "piku-release", "-f", file, `${sums}.tmp`]);
    fs.renameSync(`${sums}.tmp.sig`, `${sums}.sig`);
  }
  fs.renameSync(`${sums}.tmp`, sums);
}

/** What an executable is made of besides our own source. */
export interface Engine {
  name: string;
  version: string;
  purl: string;
  /** What was fetched of it: its name, the kind of sum, the sum in hex. */
  files: [name: string, alg: "SHA-256" | "SHA-512", content: string][];
}

/** npm's `sha512-BASE64` in hex. */
export const hexOf = (integrity: string) =>
  Buffer.from(integrity.replace("sha512-", ""), "base64").toString("hex");

/** The bill of materials, as CycloneDX has it (cyclonedx.org); the same for the same source. */
export function billOfMaterials(engines: readonly Engine[]): string {
  const { dependencies, license } = readJson("package.json");
  const { packages } = readJson("package-lock.json");
  const libraries = Object.keys(dependencies).map((name) => {
    const { version, integrity, license } = packages[`node_modules/${name}`];
    const purl = `pkg:npm/${name}@${version}`;
    return {
      type: "library",
      "bom-ref": purl,
      name,
      version,
      purl,
      licenses: [{ license: { id: license } }],
      hashes: [{ alg: "SHA-512", content: hexOf(integrity) }],
    };
  });
  const platforms = engines.map(({ name, version, purl, files }) => ({
    type: "platform",
    "bom-ref": purl,
    name,
    version,
    purl,
    components: files.map(([file, alg, content]) => ({
      type: "file",
      name: file,
      hashes: [{ alg, content }],
    })),
  }));
  const components = [...libraries, ...platforms];
  const self = `pkg:generic/piku@${version}`;
  const bill = {
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    version: 1,
    metadata: {
      component: {
        type: "application",
        "bom-ref": self,
        name: "piku",
        version,
        purl: self,
        licenses: [{ license: { id: license } }],
      },
    },
    components,
    dependencies: [{ ref: self, dependsOn: components.map((one) => one["bom-ref"]) }],
  };
  return `${JSON.stringify(bill, null, 2)}\n`;
}

const unreleased = "## Unreleased\n";

/** CHANGELOG.md with what is unreleased below a version. Throws where there is nothing. */
export function withVersion(changes: string, version: string, day: string): string {
  if (changes.includes(`\n## ${version} `)) throw new Error(`CHANGELOG.md has ${version} already`);
  if (!changesOf(changes, "Unreleased").trim())
    throw new Error("CHANGELOG.md has nothing below 'Unreleased'");
  return changes.replace(unreleased, `${unreleased}\n## ${version} - ${day}\n`);
}

/** What CHANGELOG.md says of a version. */
export function changesOf(changes: string, version: string): string {
  const [, after = ""] = changes.split(`\n## ${version}`, 2);
  return after
    .slice(after.indexOf("\n") + 1)
    .split(/^## /m, 1)[0]!
    .trim();
}

function begin(next: string): void {
  if (!/^\d+\.\d+\.\d+(-[\w.-]+)?$/.test(next)) throw new Error(`'${next}' is not a version`);
  const changelog = join(root, "CHANGELOG.md");
  const day = new Date().toISOString().slice(0, 10);
  const changes = withVersion(fs.readFileSync(changelog, "utf8"), next, day);
  for (const name of ["package.json", "package-lock.json"]) {
    const file = join(root, name);
    const text = fs.readFileSync(file, "utf8");
    // Of a lock file the first two are piku's own.
    let left = name === "package.json" ? 1 : 2;
    fs.writeFileSync(
      file,
      text.replaceAll(`"version": "${version}"`, (all) =>
        left-- > 0 ? `"version": "${next}"` : all,
      ),
    );
  }
  fs.writeFileSync(changelog, changes);
  console.log(`Look at it, and then:
  git commit -am 'Release ${next}' && git tag v${next} && git push origin main v${next}`);
}

function make(): void {
  const notes = changesOf(fs.readFileSync(join(root, "CHANGELOG.md"), "utf8"), version);
  if (!notes) throw new Error(`CHANGELOG.md has no ${version}: npm run release -- ${version}`);
  const { keys, isThrowAway } = signing();
  if (isThrowAway || keys.length === 0)
    throw new Error("a release is signed: PIKU_SIGNING_KEY=FILE npm run release");
  fs.rmSync(join(root, "dist"), { recursive: true, force: true });
  const built = spawnSync(process.execPath, ["build.ts", "--all"], {
    cwd: root,
    stdio: ["inherit", 2, 2],
  });
  if (built.status !== 0) throw new Error("the build failed");
  console.log(notes);
}

if (import.meta.main) {
  try {
    const [next] = process.argv.slice(2);
    if (next) begin(next);
    else make();
  } catch (error) {
    console.error(`Error: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
  }
}
