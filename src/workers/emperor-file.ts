import type { Paths } from "../app/paths.ts";
import type { Host } from "../host/host.ts";
import { voiceOf } from "../text/output.ts";
import { emperorLog, emperorPidfile } from "./emperor.ts";
import { onDemand } from "./idle.ts";
import { renderVassal } from "./ini.ts";
import { heldBeside } from "./worker.ts";

/** The emperor's own configuration: only what an emperor needs, since a board has little memory. */
export const renderEmperor = (paths: Paths) =>
  renderVassal([
    ["chdir", paths.uwsgi],
    ["emperor", paths.enabled],
    ["emperor-pidfile", emperorPidfile(paths)],
    // The emperor kills a vassal that takes longer than this to stop; a worker's own grace period
    // is shorter.
    ["emperor-curse-tolerance", 3600],
    ["emperor-graceful-shutdown", "true"],
    ["emperor-no-blacklist", "true"],
    // It holds the sockets of those that sleep (PIKU_IDLE), and its vassals know by the variable.
    ["emperor-on-demand-extension", heldBeside],
    ["env", `${onDemand}=true`],
    // What does not end within this time when the emperor does, it kills; and for one that sleeps it
    // would say kill(-1): everything that this user runs. systemd has a shorter time.
    ["reload-mercy", 999_999],
    // log-maxsize would need a master process of 3 MB; `piku daily` rotates the log instead.
    ["logto", emperorLog(paths)],
  ]);

/**
 * Writes the emperor's file. One with a second hard link is shared with another service, which
 * would no longer see what is written here.
 */
export function writeEmperor(host: Host, paths: Paths): void {
  const file = `${paths.uwsgi}/uwsgi.ini`;
  if (host.read(file) === renderEmperor(paths)) return;
  const isShared = Number(host.capture(["stat", "-c", "%h", file]).stdout) > 1;
  if (isShared)
    voiceOf(host).warn(
      `${file} is shared with another service (a hard link), and was left as it is.`,
    );
  else host.write(file, renderEmperor(paths));
}
