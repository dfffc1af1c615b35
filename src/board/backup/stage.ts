import { parseAppName } from "../../app/app.ts";
import { withLock } from "../../app/locks.ts";
import { type Paths, pathsOf } from "../../app/paths.ts";
import type { Host } from "../../host/host.ts";
import { PikuError } from "../../text/errors.ts";

/** The folder of all stages. */
const stagesOf = ({ root }: Paths) => `${root}/.backup`;

/**
 * A folder, the stage, for a process that makes or reads a backup; gone in the end. Each has its
 * own, so that nobody waits for a client that sends or reads nothing. A key that is bound to apps
 * has one for each of them (`typed`), so that it cannot fill the disk with any number of them.
 */
export function withStage<T>(
  host: Host,
  typed: string | undefined,
  action: (stage: string) => T,
): T {
  // A client that goes away must not leave its files behind.
  host.ignoreHangup();
  const isBound = host.env().PIKU_KEY_APPS !== undefined && typed !== undefined;
  const stage = `${stagesOf(pathsOf(host))}/${isBound ? `app.${parseAppName(typed)}` : `call.${host.pid}`}`;
  const lock = withBackupLock(host, (paths) => {
    dropStages(host, paths);
    if (host.stat(stage))
      throw new PikuError(
        `another backup or restore of app '${typed}' is under way`,
        "wait for it to finish, or stop it where it was started",
      );
    host.mkdir(`${stage}/files`, 0o700);
    return host.lock(`${stage}/lock`);
  });
  try {
    return action(stage);
  } finally {
    host.remove(`${stage}/files`);
    lock?.release();
    dropStage(host);
  }
}

/** Removes what a power cut, or the end of a process, left of backups and restores. */
export const dropStage = (host: Host) => withBackupLock(host, (paths) => dropStages(host, paths));

/** Only one process at a time makes or removes stages. */
const withBackupLock = <T>(host: Host, action: (paths: Paths) => T): T =>
  withLock(host, pathsOf(host), "backup", undefined, "", () => action(pathsOf(host)));

function dropStages(host: Host, paths: Paths): void {
  for (const name of host.list(stagesOf(paths))) {
    const stage = `${stagesOf(paths)}/${name}`;
    const lock = host.stat(stage)?.type === "directory" ? host.lock(`${stage}/lock`) : undefined;
    if (!lock && host.stat(`${stage}/lock`)) continue;
    host.remove(stage);
    lock?.release();
  }
  if (host.list(stagesOf(paths)).length === 0) host.remove(stagesOf(paths));
}

/** Seconds after which watch.sh ends the transfer to or from a client that has stopped. */
export const idleSeconds = "120";

/** Throws where that has happened. */
export function refuseIdle(host: Host, stage: string, did: "read" | "sent"): void {
  if (host.stat(`${stage}/idle`))
    throw new PikuError(
      `the other end has ${did} nothing for ${idleSeconds} seconds`,
      did === "sent"
        ? "nothing was restored; try again"
        : "the backup is not whole: do not keep it",
    );
}
