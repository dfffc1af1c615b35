import type { Host } from "./host.ts";

/**
 * The command for root that does something with a service of the init that this machine has:
 * systemd, or OpenRC (rc-service(8)).
 */
export const serviceCommand = (
  host: Host,
  verb: "start" | "restart" | "status",
  service: string,
): string =>
  host.stat("/run/openrc/softlevel")
    ? `rc-service ${service} ${verb}`
    : `systemctl ${verb} ${service}`;
