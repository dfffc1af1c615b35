import type { Host } from "../../host/host.ts";
import { isListening } from "../../host/processes.ts";
import { isStuck } from "../../site/reload.ts";
import { type Check, type Examined, findings, installAgain, when } from "./check.ts";

/** Whether the nginx that serves the sites runs, as it is meant to, and takes changes. */
export const nginx: Check = (host, board) => {
  const { way } = board.nginx;
  const isOwn = way === "own" || (way === "none" && board.settings?.nginx !== "shared");
  const unit = isOwn ? "piku-web" : "nginx";
  const remedy = `sudo systemctl restart ${unit}; \`sudo journalctl -u ${unit}\` tells why`;
  if (way === "none") return [{ says: "nginx is not running", remedy }];
  const state = way === "own" ? unitState(host, "piku-web.service") : undefined;
  return findings(isOwn ? "nginx runs, and is piku's own" : "nginx runs, shared with others", [
    ...when(
      board.nginx.way === "own" && isStuck(host, board.nginx.master),
      "nginx's master is stuck waiting for one of its files, so no site can change",
      remedy,
    ),
    ...sitePorts(board)
      .filter((port) => !isListening(host, port))
      .map((port) => ({ says: `nothing listens on port ${port}`, remedy })),
    ...when(
      state !== undefined && state !== "active",
      `nginx runs, but not by its unit, which is ${state}`,
      remedy,
    ),
    ...fromVersionOne(host, board),
    ...notOwn(host, board),
  ]);
};

/** The ports of all sites. */
const sitePorts = ({ sites, settings }: Examined) =>
  sites.size > 0 ? Object.values(settings?.ports ?? {}) : [];

/** What is wrong with root's nginx as piku's version 1 used it: a unit watches the sites. */
function fromVersionOne(host: Host, { nginx: { way }, settings }: Examined) {
  if (way !== "watched" || settings?.reload !== undefined) return [];
  return [
    ...when(
      unitState(host, "piku-nginx.path") === "failed",
      "the unit that makes nginx read changed sites has failed, so no site can change",
      "sudo systemctl reset-failed 'piku-nginx.*' && sudo systemctl restart piku-nginx.path",
    ),
    {
      says: "nginx's master is root and reads what an app may write, as an older piku installed it",
      remedy: installAgain(settings?.releases),
    },
  ];
}

/** Why nginx stayed a shared one when this piku was installed, where it was not meant to. */
function notOwn(host: Host, { nginx: { way }, settings }: Examined) {
  const reason = host.read("/usr/local/lib/piku/shared-because")?.trim() ?? "";
  return when(
    reason !== "" && settings?.nginx !== "shared" && way !== "own",
    `nginx could not become piku's own: ${reason}`,
    `fix that, then ${installAgain(settings?.releases)}`,
  );
}

/**
 * What systemd says of a unit of ours: `active`, `failed`, ...; undefined where there is no such
 * unit.
 */
const unitState = (host: Host, unit: string): string | undefined =>
  host.stat(`/etc/systemd/system/${unit}`)
    ? host.capture(["systemctl", "is-active", unit]).stdout.trim()
    : undefined;
