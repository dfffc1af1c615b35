import { type App, appOf, listApps } from "../app/app.ts";
import { keysFile } from "../app/authorized-keys.ts";
import { withLock } from "../app/locks.ts";
import type { Paths } from "../app/paths.ts";
import type { Host } from "../host/host.ts";
import { ensureRepository } from "../repository/push.ts";
import { linesOf, shellQuote } from "../text/text.ts";
import { dailyFiles } from "../workers/daily.ts";
import { authorizedKeys, forcedOptions } from "./keys.ts";

/**
 * Where the original's instructions put it, and where it still is once this executable has taken
 * over.
 */
export const originalOf = (paths: Paths) => `${paths.home}/piku.py`;

const originalOptions = "no-agent-forwarding,no-user-rc,no-X11-forwarding,no-port-forwarding";
const originalLine = new RegExp(
  String.raw`^command="FINGERPRINT=(\S+) NAME=(\S+) \S*piku(?:\.py)? \$SSH_ORIGINAL_COMMAND",${originalOptions} `,
);
const ourLine =
  /^restrict,pty,(?:expiry-time="[^"]*",)?command="exec env -u BUN_OPTIONS -u BUN_BE_BUN FINGERPRINT=(\S+) NAME=(\S+) (?:\\"|[^"])*" /;

/** A line of the original's in authorized_keys(5) as ours, anything else as it is. */
export const ourKeyLine = (host: Host, paths: Paths, line: string) =>
  line.replace(
    originalLine,
    (_, fingerprint, name) => `${forcedOptions(host, paths, fingerprint, { name })} `,
  );

/**
 * A line of ours as the original's; undefined when there is no original to go back to, and for a
 * key that is bound to apps or expires: the original would give it full access, without an end.
 */
export function originalKeyLine(paths: Paths, line: string, isThere: boolean): string | undefined {
  const isLess = /PIKU_KEY_APPS=|^restrict,pty,expiry-time=/.test(line);
  if (ourLine.test(line) && (!isThere || isLess)) return undefined;
  return line.replace(
    ourLine,
    (_, fingerprint, name) =>
      `command="FINGERPRINT=${fingerprint} NAME=${name} ${originalOf(paths)} $SSH_ORIGINAL_COMMAND",${originalOptions} `,
  );
}

/**
 * Makes the keys and the hooks of a machine that runs the original ours. Returns the number of
 * keys.
 */
export function takeOver(host: Host, paths: Paths): number {
  for (const app of repositories(host, paths)) ensureRepository(host, app);
  return changeKeys(host, paths, (line) => ourKeyLine(host, paths, line));
}

/**
 * Undoes that, and removes the timer. Apps, their settings and what runs stay. With the original in
 * its old place, keys and hooks are the original's again.
 */
export function giveBack(host: Host, paths: Paths): void {
  const original = host.realPath(originalOf(paths)) ?? originalOf(paths);
  const isThere = host.readFrom(original, 0, true, 1000).text.startsWith("#!");
  for (const app of repositories(host, paths)) {
    const hook = `${app.repo}/hooks/pre-receive`;
    if (/ git-hook /.test(host.read(hook) ?? "")) host.remove(hook);
    if (isThere) host.write(`${app.repo}/hooks/post-receive`, originalHook(app), 0o755);
  }
  changeKeys(host, paths, (line) => originalKeyLine(paths, line, isThere));
  host.remove(dailyFiles(paths).vassal);
}

/**
 * The hook by which the original is called after a push. It writes it for new repositories only.
 */
const originalHook = ({ name, paths }: App) =>
  `#!/bin/sh\nPIKU_ROOT=${shellQuote(paths.root)} exec ${originalOf(paths)} git-hook ${name}\n`;

const repositories = (host: Host, paths: Paths): App[] =>
  listApps(host, paths)
    .map((name) => appOf(paths, name))
    .filter(({ repo }) => host.stat(`${repo}/HEAD`));

/**
 * Writes authorized_keys with some of its lines changed, or removed; returns how many were. All
 * others stay byte for byte.
 */
const changeKeys = (
  host: Host,
  paths: Paths,
  change: (line: string) => string | undefined,
): number =>
  withLock(host, paths, "machine", undefined, "", () => {
    const file = keysFile(host);
    const before = linesOf(host.read(file) ?? "", file);
    const after = before.map(change);
    const changed = before.filter((line, index) => line !== after[index]).length;
    if (changed === 0) return 0;
    authorizedKeys(host, file);
    host.write(file, after.filter((line) => line !== undefined).join("\n"), 0o600);
    return changed;
  });
