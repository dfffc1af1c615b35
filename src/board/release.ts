import { isPrivate } from "../app/networks.ts";
import type { Host } from "../host/host.ts";
import { must, PikuError, reasonOf } from "../text/errors.ts";
import { printable } from "../text/text.ts";

// build.ts puts them here: the public keys one of which has signed a release, a line each.
declare const PIKU_RELEASE_KEYS: string | undefined;
const ownKeys = typeof PIKU_RELEASE_KEYS === "string" ? PIKU_RELEASE_KEYS : "";

/** A release that was signed with a key that this piku knows. */
export interface PikuRelease {
  /** The directory or the URL that it is at. */
  from: string;
  /** Such as `0.2.0`. */
  version: string;
  /** What its SHA256SUMS says. */
  sums: string;
}

/**
 * Reads what a release says of itself, and checks who signed that: `SHA256SUMS`, whose first line
 * is `# piku VERSION`, and `SHA256SUMS.sig`, which `ssh-keygen -Y sign -n piku-release` made. What
 * is downloaded lies beside `scratch` and is removed. Throws where nothing can be had from the place,
 * or no known key has signed it.
 */
export function readPikuRelease(
  host: Host,
  from: string,
  scratch: string,
  keys = ownKeys,
): PikuRelease {
  const [sums, signature, signers] = ["sums", "sig", "signers"].map((end) => `${scratch}.${end}`);
  try {
    fetchFile(host, from, "SHA256SUMS", sums!);
    fetchFile(host, from, "SHA256SUMS.sig", signature!);
    const text = host.read(sums!, 100_000) ?? "";
    host.write(signers!, signersOf(keys), 0o600);
    const words = ["-f", signers!, "-I", "piku", "-n", "piku-release", "-s", signature!];
    const ran = host.capture(["ssh-keygen", "-Y", "verify", ...words], { input: text });
    // It says some of it on stdout.
    if (ran.status !== 0)
      throw unsigned(from, reasonOf({ ...ran, stderr: `${ran.stdout}${ran.stderr}` }));
    const version = /^# piku (\d+\.\d+\.\d+(-[\w.-]+)?)\n/.exec(text)?.[1];
    if (!version) throw new PikuError(`the release at ${from} does not say its version`);
    return { from, version, sums: text };
  } finally {
    for (const file of [sums, signature, signers]) host.remove(file!);
  }
}

/** Keys as ssh-keygen's file of allowed signers has them. */
const signersOf = (keys: string) =>
  keys
    .split("\n")
    .filter(Boolean)
    .map((key) => `piku namespaces="piku-release" ${key}\n`)
    .join("");

const unsigned = (from: string, reason: string) =>
  new PikuError(
    `the release at ${from} is not signed with a key that this piku knows: ${reason}`,
    "try again, the download may have been cut short; else somebody has changed the release, or it is of other people than this piku",
  );

/** Downloads one of its files. Throws where it cannot. */
export function fetchFile(host: Host, from: string, name: string, to: string): void {
  const source = `${from}/${name}`;
  const scheme = /^https?(?=:)/.exec(from)?.[0];
  // Whatever it is answered, nothing comes over plain http that was asked for over https.
  const argv = scheme
    ? [
        "curl",
        "-fsSL",
        "--proto",
        `=${scheme}`,
        "--proto-redir",
        "=https",
        "--retry",
        "2",
        "--connect-timeout",
        "20",
        "--speed-time",
        "60",
      ]
    : ["cp", source, to];
  const failure = `could not download ${name} from ${from}`;
  must(host, scheme ? [...argv, "-o", to, source] : argv, failure);
}

/** The sum of one of its files, by what it says. Throws where it has none of that name. */
export function sumOf({ from, sums }: PikuRelease, name: string): string {
  const line = sums.split("\n").find((one) => one.slice(66) === name);
  if (!line) throw new PikuError(`the release at ${from} has no ${name}`);
  return line.slice(0, 64);
}

/**
 * What to know of a place where releases are: undefined for a directory and for https. Plain http
 * is for private networks. Throws for another address, and for what is none.
 */
export function doubtsOfPlace(from: string): string | undefined {
  if (/^(https:\/)?\/[^\s]+$/.test(from)) return undefined;
  const host = /^http:\/\/(\[[\da-f:.]+\]|[\w.-]+)(:\d+)?(\/[^\s@]*)?$/i.exec(from)?.[1];
  if (!host && !/^http:/.test(from))
    throw new PikuError(`'${printable(from)}' is neither a directory nor a URL`);
  if (!host || !isNear(host))
    throw new PikuError(
      `'${printable(from)}' is not an address of a private network, and on the way from others plain http can be read and changed`,
      `use https://, or get the release yourself, and: update --from DIRECTORY`,
    );
  return "plain http can be read and changed on the way; who signed the release is checked all the same";
}

/** Whether the host of a URL is on a private network, or is said to be by its name. */
function isNear(host: string): boolean {
  if (/^\[.*\]$/.test(host)) return host === "[::1]" || isPrivate(host.slice(1, -1));
  if (/^\d+(\.\d+){3}$/.test(host)) return host.startsWith("127.") || isPrivate(host);
  return /^(localhost|.+\.(local|lan|internal|home\.arpa))$/i.test(host);
}

/** How two versions stand to each other (semver.org): below 0 when the first is the older one. */
export function compareVersions(one: string, other: string): number {
  const [numbers = "", tag] = splitVersion(one);
  const [otherNumbers = "", otherTag] = splitVersion(other);
  const difference = compareLists(numbers, otherNumbers);
  if (difference !== 0 || tag === otherTag) return difference;
  // What comes before a version has a tag: 1.0.0-rc.1.
  if (tag === undefined || otherTag === undefined) return tag === undefined ? 1 : -1;
  return compareLists(tag, otherTag);
}

const splitVersion = (version: string) => /^([^-+]*)(?:-([^+]*))?/.exec(version)!.slice(1);

/** The same of words with dots between them: numbers by their size. */
function compareLists(one: string, other: string): number {
  const [words, others] = [one.split("."), other.split(".")];
  for (let at = 0; at < Math.max(words.length, others.length); at++) {
    const [a = "", b = ""] = [words[at], others[at]];
    const areNumbers = /^\d+$/.test(a) && /^\d+$/.test(b);
    if (a !== b) return (areNumbers ? Number(a) < Number(b) : a < b) ? -1 : 1;
  }
  return 0;
}
