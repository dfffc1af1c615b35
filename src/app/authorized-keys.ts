import type { Host } from "../host/host.ts";
import { linesOf } from "../text/text.ts";
import { pathsOf } from "./paths.ts";

/** The file of the keys that may log in. */
export const keysFile = (host: Host) => `${pathsOf(host).home}/.ssh/authorized_keys`;

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
  /** Whether the key runs a command instead of a login shell. */
  hasForcedCommand: boolean;
  /** Undefined for a line that neither piku nor the original wrote. */
  access?: Access;
  /** What such a line tells the command of its key. */
  fingerprint?: string;
}

const typeNames =
  "ssh-(?:ed25519|rsa)|ecdsa-sha2-nistp(?:256|384|521)|sk-(?:ssh-ed25519|ecdsa-sha2-nistp256)@openssh\\.com";
/** The types of keys that may log in. */
export const keyTypes = new RegExp(`^(${typeNames})$`);
const keyPattern = new RegExp(`^\\s*(${typeNames})\\s+([A-Za-z0-9+/]+={0,3})(?=\\s|$)`);

/** The lines of authorized_keys that are keys; all others are left out. */
export const parseKeyLines = (content: string): KeyLine[] =>
  linesOf(content, "authorized_keys").flatMap((line, at) => {
    const text = line.trim();
    const first = text.slice(0, endOfOptions(text));
    const options = keyTypes.test(first) ? "" : first;
    const rest = text.slice(options.length);
    const [found, type, blob] = keyPattern.exec(rest) ?? [];
    if (found === undefined || text.startsWith("#") || (options !== "" && !/^\s/.test(rest)))
      return [];
    const comment = rest.slice(found.length).trim();
    if (/[\r\u2028\u2029]/.test(comment)) return [];
    const hasForcedCommand = /(^|,)command="/.test(options);
    const key = { type: type!, blob: blob!, comment };
    const access = accessOf(options);
    const fingerprint = access && /\bFINGERPRINT=(\S{1,100}) /.exec(options)?.[1];
    return [{ at, ...key, hasForcedCommand, access, fingerprint }];
  });

// Piece by piece, as in `splitWords`: one pattern for a whole word remembers where each of its
// letters began.
const optionPiece = /[^\s"]+|"[^"\\]*(?:\\.[^"\\]*)*"/y;

/** The length of the first word of a line; quotes in it may contain spaces (sshd(8)). */
function endOfOptions(line: string): number {
  let at = 0;
  do {
    optionPiece.lastIndex = at;
    if (optionPiece.test(line)) at = optionPiece.lastIndex;
    else break;
  } while (at < line.length);
  return at;
}

/** What the options in front of a key say of it, where piku or the original wrote them. */
function accessOf(options: string): Access | undefined {
  const about = (pattern: RegExp) => pattern.exec(options)?.[1];
  const name = about(/command="[^"]*\bFINGERPRINT=\S{1,100} NAME=([\w.@+-]+)/);
  if (!name) return undefined;
  return {
    name,
    added: about(/\bPIKU_KEY_ADDED=([\d-]+)/),
    apps: about(/\bPIKU_KEY_APPS=([\w.,-]+)/)?.split(","),
    until: about(/\bexpiry-time="(\d+Z?)"/),
  };
}
