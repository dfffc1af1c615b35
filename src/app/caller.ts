import type { Host } from "../host/host.ts";
import { printable } from "../text/text.ts";
import { keysFile, parseKeyLines } from "./authorized-keys.ts";
import { isPrivate } from "./networks.ts";

/**
 * Whoever gave this command: the name and the fingerprint of the ssh key, or the user of this
 * machine. A key without a name of its own goes by its comment, as `keys` lists it.
 */
export function callerOf(host: Host): string {
  const { FINGERPRINT, NAME = "default", USER, LOGNAME } = host.env();
  if (!FINGERPRINT) return USER ?? LOGNAME ?? `user ${host.uid}`;
  return `${NAME === "default" ? (commentOf(host, FINGERPRINT) ?? NAME) : NAME} ${FINGERPRINT}`;
}

/** The comment behind the key with this fingerprint in authorized_keys(5). */
function commentOf(host: Host, fingerprint: string): string | undefined {
  try {
    const lines = parseKeyLines(host.read(keysFile(host)) ?? "");
    const comment = lines.find((line) => line.fingerprint === fingerprint)?.comment;
    return comment ? printable(comment) : undefined;
  } catch {
    return undefined;
  }
}

/** The apps that the caller's key is bound to (`PIKU_KEY_APPS` of its line); undefined: all. */
export const boundApps = (host: Host): string[] | undefined => host.env().PIKU_KEY_APPS?.split(",");

/** The name alone of what `callerOf` gave, for people. */
export const callerName = (who: string): string => who.replace(/ SHA256:\S+$/, "");

/** The address from which the caller came by ssh (ssh(1): SSH_CLIENT); undefined for others. */
export const callerAddress = (host: Host): string | undefined =>
  /^[0-9a-fA-F.:]+(?= )/.exec(host.env().SSH_CLIENT ?? "")?.[0];

/** Whether the caller reached the board at an address of a private network, such as a home's. */
export const isCalledPrivately = (host: Host): boolean => isPrivate(calledAddress(host));

/** The board's own address, as the caller knows it (ssh(1): SSH_CONNECTION). */
export const calledAddress = (host: Host): string =>
  host.env().SSH_CONNECTION?.split(" ")[2] ?? "SERVER";

/** How the caller logs in to the board: `piku@192.168.1.5`. */
export const boardLogin = (host: Host): string =>
  `${host.env().USER ?? "piku"}@${calledAddress(host)}`;
