import { namedApp, printable } from "./app.ts";
import { PikuError } from "./errors.ts";
import type { Host } from "./host/host.ts";
import { type Paths, pathsOf } from "./paths.ts";
import { shellQuote, splitWords } from "./text.ts";

const longestCommand = 256 * 1024;

/**
 * What an ssh client asked for, from `SSH_ORIGINAL_COMMAND` (sshd(8)): words with quotes read and nothing expanded.
 * The command line of `run` is kept to the letter as one word, since the app's shell reads it. Throws a usage error.
 */
export function parseSshCommand(line: string): string[] {
  if (line.length > longestCommand) throw new PikuError("the command is longer than 256 KB", undefined, 2);
  const { words, rest } = splitWords(line, 2);
  if (words[0] !== "run" || words[1] === undefined) return splitWords(line).words;
  const command = rest.replace(/^--([ \t\r\n]+|$)/, "");
  return command === "" ? words : [...words, "--", command];
}

/**
 * The words of this call. As a forced command they are those of `SSH_ORIGINAL_COMMAND`: the key lines of the original
 * pass them as arguments too, split by a shell that has expanded `*`. A hook below such a call has words of its own.
 */
export function wordsOf(args: readonly string[], env: Readonly<Record<string, string>>): readonly string[] {
  const line = env.SSH_ORIGINAL_COMMAND;
  if (line === undefined) return args;
  const first = line.trim().split(/\s/)[0];
  return args.length === 0 || args[0] === first ? parseSshCommand(line) : args;
}

/**
 * Refuses what a key that is bound to apps (`PIKU_KEY_APPS` of its line) may not do: everything but a command about one of
 * them. `args`: what the command was given; `opensAll`: whether it is a way to every file, as `run` is.
 */
export function refuseForeign(
  host: Host,
  name: string,
  args: Readonly<Record<string, unknown>>,
  opensAll: boolean,
): void {
  const bound = host.env().PIKU_KEY_APPS;
  if (bound === undefined) return;
  const { app } = args;
  const typed = typeof app === "string" ? app.replace(/^\//, "").replace(/\.git$/, "") : "";
  const isOwn = bound.split(",").includes(typed) && namedApp(host, app as string).name === typed;
  if (isOwn && !args.global && !opensAll) return;
  const what = typeof app === "string" && !opensAll && !args.global ? `app '${printable(app)}'` : `'${name}'`;
  throw new PikuError(
    `this key is not for ${what}`,
    `it is for pushes to ${bound.replaceAll(",", ", ")}, and commands about ${bound.includes(",") ? "these apps" : "this app"} but \`run\``,
  );
}

/** Bytes of public keys that can be given at once: a class of a hundred. */
export const largestKeys = 64 * 1024;

/** A public key as `ssh-keygen` knows it. */
export interface Key {
  type: string;
  blob: string;
  comment: string;
  fingerprint: string;
}

/** What piku knows of a key beside the key itself. */
export interface Access {
  /** `default` for a key without a name of its own. */
  name: string;
  /** The day on which it was added, ISO 8601. */
  added?: string;
  /** The apps that it is bound to; all unless given. */
  apps?: readonly string[];
  /** When it ends: `YYYYMMDD`, that day's midnight in the server's time (sshd(8): expiry-time). */
  until?: string;
}

/** A line of authorized_keys(5) that is a key's. */
export interface KeyLine extends Omit<Key, "fingerprint"> {
  /** Counted from 0. */
  at: number;
  /** Whether it leads to a command, not to a login. */
  isTied: boolean;
  /** Undefined for a line that neither piku nor the original wrote. */
  access?: Access;
}

const types =
  "ssh-(?:ed25519|rsa)|ecdsa-sha2-nistp(?:256|384|521)|sk-(?:ssh-ed25519|ecdsa-sha2-nistp256)@openssh\\.com";
const keyTypes = new RegExp(`^(${types})$`);
const linePattern = new RegExp(
  `^\\s*(?!#)(?:((?:[^\\s"]|"(?:[^"\\\\]|\\\\.)*")+)\\s+)?(${types})\\s+([A-Za-z0-9+/]+={0,3})(?:\\s+(.*?))?\\s*$`,
);

/** The lines of authorized_keys that are keys; all others are left out. */
export const parseKeyLines = (content: string): KeyLine[] =>
  content.split("\n").flatMap((line, at) => {
    const [, options = "", type, blob, comment = ""] = linePattern.exec(line) ?? [];
    if (type === undefined || blob === undefined) return [];
    const about = (pattern: RegExp) => pattern.exec(options)?.[1];
    const name = about(/command="[^"]*\bFINGERPRINT=\S+ NAME=([\w.@+-]+)/);
    const access = name && {
      name,
      added: about(/\bPIKU_KEY_ADDED=([\d-]+)/),
      apps: about(/\bPIKU_KEY_APPS=([\w.,-]+)/)?.split(","),
      until: about(/\bexpiry-time="(\d+Z?)"/),
    };
    const isTied = /(^|,)command="/.test(options);
    return [{ at, type, blob, comment, isTied, access: access || undefined }];
  });

/**
 * Reads public keys, one a line; blank and comment lines are passed over. Throws, naming the line, for anything else,
 * options in front of a key included: a line must not bring rights of its own.
 */
export function readKeys(host: Host, content: string, file: string): Key[] {
  const lines = content.split("\n").map((line, index) => ({ line: line.trim(), where: `${file} line ${index + 1}` }));
  const keys = lines
    .filter(({ line }) => line !== "" && !line.startsWith("#"))
    .map(({ line, where }) => readKey(host, line, where));
  if (keys.length === 0)
    throw new PikuError(
      `there is no public key in ${file}`,
      "it is the file that ends in .pub, such as ~/.ssh/id_ed25519.pub",
    );
  return keys;
}

function readKey(host: Host, line: string, where: string): Key {
  const [type = "", blob = "", ...comment] = line.split(/\s+/);
  const hint = "a line is 'ssh-ed25519 AAAA… name', with nothing in front";
  if (!keyTypes.test(type) || !/^[A-Za-z0-9+/]+={0,3}$/.test(blob))
    throw new PikuError(`${where} is not a public key`, hint);
  const { fingerprint, complaint } = askKeygen(host, { type, blob });
  if (!fingerprint) throw new PikuError(`${where} is not a public key: ${complaint}`, hint);
  return { type, blob, comment: comment.join(" ").replace(/[^\x20-\x7e\u00a0-\uffff]/g, "?"), fingerprint };
}

/** The fingerprint of a key; undefined, with its complaint, when `ssh-keygen` does not take it: such a key lets nobody in. */
export function askKeygen(host: Host, { type, blob }: Pick<Key, "type" | "blob">) {
  const { status, stdout, stderr } = host.capture(["ssh-keygen", "-l", "-f", "-"], { input: `${type} ${blob}\n` });
  return { fingerprint: status === 0 ? stdout.split(" ")[1] : undefined, complaint: stderr.trim() };
}

/** The options in front of a key in authorized_keys(5) that tie it to this executable. */
export function forcedOptions(host: Host, paths: Paths, fingerprint: string, access: Access): string {
  const { name, added, apps, until } = access;
  const settings = {
    FINGERPRINT: fingerprint,
    NAME: name,
    PIKU_KEY_ADDED: added,
    PIKU_KEY_APPS: apps?.join(","),
    PIKU_ROOT: paths.root === `${paths.home}/.piku` ? undefined : paths.root,
  };
  const words = Object.entries(settings).flatMap(([word, value]) => (value === undefined ? [] : [`${word}=${value}`]));
  const command = `exec env -u BUN_OPTIONS -u BUN_BE_BUN ${words.join(" ")} ${shellQuote(host.self)}`;
  const expiry = until === undefined ? "" : `expiry-time="${until}",`;
  return `restrict,pty,${expiry}command="${command.replaceAll('"', '\\"')}"`;
}

/** The line of authorized_keys(5) that ties a key to this executable. */
export const keyLine = (host: Host, paths: Paths, key: Key, access: Access = { name: "default" }) =>
  `${forcedOptions(host, paths, key.fingerprint, access)} ${key.type} ${key.blob}${key.comment ? ` ${key.comment}` : ""}`;

/** The file of the keys that let somebody in. */
export const keysFile = (host: Host) => `${pathsOf(host).home}/.ssh/authorized_keys`;

/** The text of authorized_keys. Throws when it would not come back as it was. */
export function authorizedKeys(host: Host, file = keysFile(host)): string {
  const content = host.read(file) ?? "";
  const line = content.split("\n").findIndex((one) => one.includes("\ufffd"));
  if (line >= 0)
    throw new PikuError(
      `${file} line ${line + 1} is not UTF-8`,
      "it is probably the name at the end of the key; mend it",
    );
  return content;
}

/** Adds keys to authorized_keys; what is there stays byte for byte. Gives the keys that were not there before. */
export function addKeys(host: Host, keys: readonly Key[], accessOf?: (key: Key) => Access | undefined): Key[] {
  const paths = pathsOf(host);
  const file = keysFile(host);
  const before = authorizedKeys(host, file);
  const known = new Set(parseKeyLines(before).map(({ blob }) => blob));
  const added = keys.filter(
    ({ blob }, index) => !known.has(blob) && keys.findIndex((key) => key.blob === blob) === index,
  );
  if (added.length > 0) {
    const lines = added.map((key) => `${keyLine(host, paths, key, accessOf?.(key))}\n`).join("");
    host.mkdir(`${paths.home}/.ssh`, 0o700);
    host.write(file, before + (before === "" || before.endsWith("\n") ? "" : "\n") + lines, 0o600);
  }
  return added;
}
