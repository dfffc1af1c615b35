import type { App } from "../app/app.ts";
import { closedFolders, type Paths } from "../app/paths.ts";
import type { Host } from "../host/host.ts";

/**
 * A file or a folder that other users should not see into: its permission bits, and the most that
 * they may be.
 */
export interface Mode {
  path: string;
  mode: number;
  most: number;
}

/**
 * What holds settings and keys, and what sshd looks at before it believes a key (sshd_config(5):
 * StrictModes).
 */
export function modesOf(host: Host, paths: Paths, apps: readonly App[]): Mode[] {
  const looked: [string, number][] = [
    [paths.home, 0o755],
    [`${paths.home}/.ssh`, 0o755],
    [`${paths.home}/.ssh/authorized_keys`, 0o644],
    ...apps.flatMap((app): [string, number][] => [
      [`${app.envs}/ENV`, 0o600],
      [`${app.envs}/LIVE_ENV`, 0o600],
      [`${paths.nginx}/${app.name}.key`, 0o600],
    ]),
    ...closedFolders.map((name): [string, number] => [`${paths.root}/${name}`, 0o700]),
  ];
  return looked.flatMap(([path, most]) => {
    const entry = host.stat(path);
    return entry && entry.type !== "link" ? [{ path, mode: entry.mode, most }] : [];
  });
}

/**
 * Closes all of that to others: the original left it open. What is another user's stays as it is,
 * and `doctor` reports it.
 */
export function closeToOthers(host: Host, paths: Paths, apps: readonly App[]): void {
  for (const { path, mode, most } of modesOf(host, paths, apps)) {
    if ((mode & ~most) === 0) continue;
    try {
      host.chmod(path, mode & most);
    } catch {
      // EPERM: doctor reports what belongs to another user.
    }
  }
}
