import { version } from "../../package.json" with { type: "json" };
import { pathsOf } from "../app/paths.ts";
import type { Host } from "../host/host.ts";

/** Commands after which the board's page is made anew, whether they went well or not. */
const changing: ReadonlySet<string> = new Set([
  "config:import",
  "config:set",
  "config:unset",
  "daily",
  "deploy",
  "destroy",
  "git-hook",
  "maintenance:off",
  "maintenance:on",
  "ps:restart",
  "ps:scale",
  "recover",
  "restart",
  "restore",
  "rollback",
  "setup",
  "stop",
  "web",
]);

/** Makes the board's page anew after a command that may have changed what it tells. */
export async function refreshPage(host: Host, command: string): Promise<void> {
  if (!changing.has(command)) return;
  try {
    const { writeBoardPage } = await import("../board/page.ts");
    writeBoardPage(host, pathsOf(host), version);
  } catch {
    // A page is never a reason for a command to fail; the next change makes it anew.
  }
}
