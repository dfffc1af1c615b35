import { printable } from "./app.ts";
import { PikuError } from "./errors.ts";
import type { Host } from "./host/host.ts";
import type { Site } from "./nginx.ts";
import { parseSettings, type Settings } from "./settings.ts";

/** Settings of the machine's ENV file that are piku's own and no app's. */
const machineKeys = ["PIKU_HTTP_PORT", "PIKU_HTTPS_PORT", "PIKU_NGINX_RELOAD"];

/** The machine's settings: for the apps, and piku's own. Throws with file and line. */
export function readMachine(host: Host, file: string): { settings: Settings; reload?: string; ports: Site["ports"] } {
  const all = parseSettings(host.read(file) ?? "", file);
  const settings = Object.fromEntries(Object.entries(all).filter(([key]) => !machineKeys.includes(key)));
  const port = (key: string, usual: number) => portNumber(all[key] ?? String(usual), `${file}: ${key}`, 1);
  return {
    settings,
    reload: all.PIKU_NGINX_RELOAD || undefined,
    ports: { http: port("PIKU_HTTP_PORT", 80), https: port("PIKU_HTTPS_PORT", 443) },
  };
}

/** A port as somebody wrote it. Throws, naming `what`, for one that is none or below `least`. */
export function portNumber(value: string, what: string, least = 1024): number {
  const port = /^\d{1,5}$/.test(value) ? Number(value) : 0;
  if (port < least || port > 65_535)
    throw new PikuError(`${what} is '${printable(value)}'`, `a port is a number from ${least} to 65535`);
  return port;
}
