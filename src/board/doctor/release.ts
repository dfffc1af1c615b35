import { version } from "../../../package.json" with { type: "json" };
import type { Host } from "../../host/host.ts";
import { everyProcess } from "../../host/processes.ts";
import { serviceCommand } from "../../host/services.ts";
import { emperors } from "../../workers/emperor.ts";
import { newerRelease, refusedRelease } from "../newer.ts";
import { compareVersions } from "../release.ts";
import { type Check, type Examined, type Finding, installAgain, when } from "./check.ts";

/** Whether this piku, what install.sh made around it, and the programs that run are the newest. */
export const release: Check = (host, board) => {
  const newer = newerRelease(host, board.paths);
  const refused = refusedRelease(host, board.paths);
  const notes: Finding[] = [
    { says: newer ? `this is piku ${version}, and ${newer} is out: update` : `piku ${version}` },
    ...oldServices(host, board),
  ];
  return [
    ...notes,
    ...when(
      refused !== undefined,
      `piku ${refused} was taken back by PIKU_UPDATE=auto, since something was wrong with it`,
      "update tries it again",
    ),
    ...oldPrograms(host, board),
  ];
};

/** install.sh notes which piku it was of. */
function oldServices(host: Host, { settings }: Examined): Finding[] {
  const installed = host.readFrom("/usr/local/lib/piku/version", 0).text.trim();
  return /^[\w.-]+$/.test(installed) && compareVersions(installed, version) < 0
    ? [
        {
          says: `the services are those of piku ${installed}; to renew them, ${installAgain(settings?.releases)}`,
        },
      ]
    : [];
}

/** Programs that were upgraded since they were started: what the old ones had for faults is still there. */
function oldPrograms(host: Host, { nginx, paths }: Examined): Finding[] {
  const running = [
    { file: "/usr/sbin/nginx", unit: "piku-web", pid: nginx.way === "own" ? nginx.master : 0 },
    { file: "/usr/bin/uwsgi", unit: "uwsgi-piku", pid: emperors(host, paths)[0] ?? 0 },
  ];
  const every = everyProcess(host);
  const changedAt = (file: string) =>
    Number(host.capture(["stat", "-L", "-c", "%Z", file]).stdout) * 1000;
  return running.flatMap(({ file, unit, pid }) => {
    const began = every.find((one) => one.pid === pid)?.began;
    const changed = changedAt(file);
    // A board without a battery begins in the past: then nothing is known.
    return when(
      began !== undefined && changed > began + 1000 && changed <= host.now(),
      `${file} was upgraded, and ${unit} still runs the former one`,
      `sudo ${serviceCommand(host, "restart", unit)}`,
    );
  });
}
