import {
  type Access,
  type Key,
  keysFile,
  keyTypes,
  parseKeyLines,
} from "../app/authorized-keys.ts";
import { type Paths, pathsOf } from "../app/paths.ts";
import type { Host } from "../host/host.ts";
import { PikuError } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { linesOf, shellQuote } from "../text/text.ts";

/** Maximum bytes of public keys at once: a class of a hundred. */
export const maxKeysBytes = 64 * 1024;

/**
 * Reads public keys, one a line; blank and comment lines are passed over. Throws, naming the line,
 * for anything else, options in front of a key included: a line must not bring rights of its own.
 */
export function readKeys(host: Host, content: string, file: string): Key[] {
  const lines = linesOf(content, file).map((line, index) => ({
    line: line.trim(),
    where: `${file} line ${index + 1}`,
  }));
  const written = lines.filter(({ line }) => line !== "" && !line.startsWith("#")).map(readKey);
  const fingerprints = fingerprintsOf(host, written);
  const keys = written.map(({ where, ...key }, i) => {
    const fingerprint = fingerprints[i];
    if (fingerprint !== undefined) return { ...key, fingerprint };
    const { stderr } = askKeygen(host, [key]);
    throw new PikuError(`${where} is not a public key: ${stderr.trim()}`, keyHint);
  });
  if (keys.length === 0)
    throw new PikuError(
      `there is no public key in ${file}`,
      "it is the file that ends in .pub, such as ~/.ssh/id_ed25519.pub",
    );
  return keys;
}

const keyHint = "a line is 'ssh-ed25519 AAAA… name', with nothing before it";

function readKey({
  line,
  where,
}: {
  line: string;
  where: string;
}): Omit<Key, "fingerprint"> & { where: string } {
  const [type = "", blob = "", ...comment] = line.split(/\s+/);
  if (!keyTypes.test(type) || !/^[A-Za-z0-9+/]+={0,3}$/.test(blob))
    throw new PikuError(`${where} is not a public key`, keyHint);
  return {
    type,
    blob,
    comment: comment.join(" ").replace(/[^\x20-\x7e\u00a0-\uffff]/g, "?"),
    where,
  };
}

/**
 * The fingerprints of keys, in their order, by one call of `ssh-keygen`; undefined for one that it
 * rejects: such a key cannot log in.
 */
export function fingerprintsOf(
  host: Host,
  keys: readonly Pick<Key, "type" | "blob">[],
): (string | undefined)[] {
  if (keys.length === 0) return [];
  const told = askKeygen(host, keys).stdout.split("\n");
  const found = new Map(
    told.map((line) => {
      const [, fingerprint, at] = line.split(" ");
      return [at, fingerprint];
    }),
  );
  return keys.map((_, at) => found.get(String(at)));
}

/** What `ssh-keygen` says of keys; their numbers come back as their names. */
const askKeygen = (host: Host, keys: readonly Pick<Key, "type" | "blob">[]) =>
  host.capture(["ssh-keygen", "-l", "-f", "-"], {
    input: keys.map(({ type, blob }, at) => `${type} ${blob} ${at}\n`).join(""),
  });

/** The options in front of a key in authorized_keys(5) that tie it to this executable. */
export function forcedOptions(
  host: Host,
  paths: Paths,
  fingerprint: string,
  access: Access,
): string {
  const { name, added, apps, until } = access;
  const settings = {
    FINGERPRINT: fingerprint,
    NAME: name,
    PIKU_KEY_ADDED: added,
    PIKU_KEY_APPS: apps?.join(","),
    PIKU_ROOT: paths.root === `${paths.home}/.piku` ? undefined : paths.root,
  };
  const words = Object.entries(settings).flatMap(([word, value]) =>
    value === undefined ? [] : [`${word}=${value}`],
  );
  const command = `exec env -u BUN_OPTIONS -u BUN_BE_BUN ${words.join(" ")} ${shellQuote(host.self)}`;
  const expiry = until === undefined ? "" : `expiry-time="${until}",`;
  return `restrict,pty,${expiry}command="${command.replaceAll('"', '\\"')}"`;
}

/** The line of authorized_keys(5) that ties a key to this executable. */
export const keyLine = (host: Host, paths: Paths, key: Key, access: Access = { name: "default" }) =>
  `${forcedOptions(host, paths, key.fingerprint, access)} ${key.type} ${key.blob}${key.comment ? ` ${key.comment}` : ""}`;

/** The text of authorized_keys. Throws when it would not come back as it was. */
export function authorizedKeys(host: Host, file = keysFile(host)): string {
  const content = host.read(file) ?? "";
  const line = linesOf(content, file).findIndex((one) => one.includes("\ufffd"));
  if (line >= 0)
    throw new PikuError(
      `${file} line ${line + 1} is not UTF-8`,
      "it is probably the name at the end of the key; fix it",
    );
  return content;
}

/**
 * Adds keys to authorized_keys; what is there stays byte for byte. Returns the keys that were not
 * there before.
 */
export function addKeys(
  host: Host,
  keys: readonly Key[],
  accessOf?: (key: Key) => Access | undefined,
): Key[] {
  const paths = pathsOf(host);
  const file = keysFile(host);
  const before = authorizedKeys(host, file);
  const known = new Set(parseKeyLines(before).map(({ blob }) => blob));
  const added = keys.filter(({ blob }) => !known.has(blob) && known.add(blob));
  if (added.length > 0) {
    const lines = added.map((key) => `${keyLine(host, paths, key, accessOf?.(key))}\n`).join("");
    host.mkdir(`${paths.home}/.ssh`, 0o700);
    host.write(file, before + (before === "" || before.endsWith("\n") ? "" : "\n") + lines, 0o600);
  }
  return added;
}

/**
 * Warns where authorized_keys also has one of these keys without a command in front: sshd would
 * find that line first, and its owner's pushes would not reach piku.
 */
export function warnOfLoginLines(host: Host, blobs: readonly string[]): void {
  for (const { at, blob, hasForcedCommand } of parseKeyLines(authorizedKeys(host)))
    if (blobs.includes(blob) && !hasForcedCommand)
      voiceOf(host).warn(
        `${keysFile(host)} line ${at + 1} has this key without a command: pushes with it do not reach piku. Remove that line, and add the key again.`,
      );
}
