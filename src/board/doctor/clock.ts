import type { Host } from "../../host/host.ts";
import type { Check } from "./check.ts";

// A board without a clock of its own begins in the past.
const firstRelease = Date.UTC(2025, 0, 1);

/** Whether the clock is right. */
export const clock: Check = (host) => {
  const synchronised = isSynchronised(host);
  if (synchronised !== false && host.now() >= firstRelease)
    return [{ says: synchronised ? "synchronised" : "unknown whether it is synchronised" }];
  return [
    {
      says: `the clock is not synchronised; it shows ${new Date(host.now()).toISOString()}`,
      remedy: "sudo timedatectl set-ntp true; certificates and cron jobs depend on it",
    },
  ];
};

/**
 * Whether the clock is set by the network (systemd's timedatectl, or what its timesyncd leaves);
 * undefined where nothing tells.
 */
function isSynchronised(host: Host): boolean | undefined {
  if (host.stat("/run/systemd/timesync/synchronized")) return true;
  const argv = ["timedatectl", "show", "--property=NTPSynchronized", "--value"];
  const told = host.capture(argv).stdout.trim();
  return told === "yes" ? true : told === "no" ? false : undefined;
}
