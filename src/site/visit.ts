import type { Host } from "../host/host.ts";
import { askStatus } from "../host/http.ts";
import { splitAddress } from "../text/text.ts";
import { listensIn, serverNamesIn } from "./directives.ts";

/**
 * Where a site's last server, the one that asks the app, can be reached on the board itself;
 * undefined for names that are patterns only.
 */
export function addressIn(
  site: string,
): { scheme: string; host: string; address: string; port: number } | undefined {
  // What it listens to, and its names, come before its locations.
  const server = site.slice(Math.max(0, site.lastIndexOf("\nserver {"))).split("\n  location")[0]!;
  const listen = listensIn(server)
    .map(splitAddress)
    .find((one) => !one.address.startsWith("["));
  const names = [...serverNamesIn(server)].map((name) =>
    name.replace(/^\*\./, "piku.").replace(/^_$/, "piku.invalid"),
  );
  // A site on a port of its own answers by any name.
  const host = names.length === 0 ? "localhost" : names.find((name) => /^[\w.-]+$/.test(name));
  if (!listen || !host) return undefined;
  const { address, port } = listen;
  const isSecure = new RegExp(`^\\s*listen\\s+\\S*${port}\\s[^;]*\\bssl\\b`, "m").test(server);
  return {
    scheme: isSecure ? "https" : "http",
    host,
    address: address === "*" ? "127.0.0.1" : address,
    port,
  };
}

const visitPatience = 5;

/**
 * Asks nginx for a page of a site, as a visitor would, and gives the status of the answer; `000` for
 * none within 5 seconds. Undefined where nginx is not there, or cannot be asked by a name.
 */
export function visit(host: Host, site: string, page: string): string | undefined {
  const to = addressIn(site);
  if (!to) return undefined;
  const url = `${to.scheme}://${to.host}:${to.port}${page}`;
  const there = ["-k", "--resolve", `${to.host}:${to.port}:${to.address}`];
  const { status, exit } = askStatus(host, url, visitPatience, there);
  // No program, or nobody who accepts.
  return exit === 127 || exit === 7 ? undefined : status;
}
