import { readOfAny } from "../../app/app.ts";
import { limitedIn, type Resource } from "../../app/limits.ts";
import { liveSettings } from "../../app/live.ts";
import { groupFault, namespaceFault } from "../../workers/limits-board.ts";
import { type Check, findings } from "./check.ts";

const without: Record<Resource, string> = {
  memory: "PIKU_MEMORY goes for each process by itself",
  processes: "PIKU_PROCESSES is counted in a user namespace of each worker",
  cpu: "PIKU_CPU has no effect",
};

/** Whether the board can keep the limits that it or an app asks for. */
export const limits: Check = (host, { paths, expected, settings }) => {
  const asked = new Set(
    [
      settings?.settings ?? {},
      ...expected.map((app) => liveSettings(host, app, readOfAny)),
    ].flatMap(limitedIn),
  );
  if (asked.size === 0) return [{ says: "none are asked for" }];
  const processes = asked.has("processes") ? namespaceFault(host) : undefined;
  return findings("all that are asked for are kept for each app", [
    ...[...asked].flatMap((resource) => {
      const fault = groupFault(host, paths, resource);
      return fault ? [{ says: `${without[resource]}: ${fault.says}`, remedy: fault.remedy }] : [];
    }),
    ...(processes
      ? [
          {
            says: `builds, release and run have no PIKU_PROCESSES: ${processes.says}`,
            remedy: processes.remedy,
          },
        ]
      : []),
  ]);
};
