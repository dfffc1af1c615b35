import type { Host } from "../host/host.ts";
import type { Board } from "./remotes.ts";
import type { Listed } from "./speak.ts";
import { destinationOf } from "./ssh.ts";

/**
 * The name by which visitors find an app, and which somebody has to point to another board;
 * undefined for an app that is found by a board's address, or by mDNS, which follows by itself.
 */
export function nameToFollow({
  url,
  ownPort,
}: Pick<Listed, "url" | "ownPort">): string | undefined {
  const name = /^https?:\/\/([a-z\d-]+(?:\.[a-z\d-]+)+)(?::\d+)?\//i.exec(url ?? "")?.[1];
  return ownPort !== undefined || name === undefined || /\.local$|^[\d.]+$/.test(name)
    ? undefined
    : name;
}

/**
 * Waits until a name leads to the new board: until ssh there has the new board's host keys
 * (ssh-keyscan(1)), so that no other program is needed and no web page has to tell boards apart.
 * Gives why that was not seen, within so many minutes; undefined when it was.
 */
export function waitUntilFollows(
  host: Host,
  name: string,
  old: Board,
  fresh: Board,
  minutes: number,
): string | undefined {
  const destination = destinationOf(host, fresh);
  const own = keysOf(host, destination);
  if (own === "") return `ssh-keyscan sees no host key of ${fresh.address}, to know it by`;
  if (own === keysOf(host, destinationOf(host, old)))
    return "both boards have the same ssh host keys, as copied cards do";
  const until = host.now() + minutes * 60_000;
  while (keysOf(host, { ...destination, name }) !== own) {
    if (host.now() >= until) return `${name} does not lead to ${fresh.address}`;
    host.sleep(2000);
  }
  return undefined;
}

/** The host keys that ssh shows at an address, without its name; none where it does not answer. */
function keysOf(host: Host, { name, port }: { name: string; port: string }): string {
  const shown = host.capture(["ssh-keyscan", "-T", "5", "-p", port, "--", name]).stdout;
  const keys = shown.split("\n").flatMap((line) => /^[^#\s]\S* (.+)$/.exec(line)?.[1] ?? []);
  return keys.sort().join("\n");
}
