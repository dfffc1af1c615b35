import { calledAddress } from "../app/caller.ts";
import { readDifferently } from "../app/env-grammar.ts";
import type { Release } from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { serviceCommand } from "../host/services.ts";
import { isClosed } from "../site/maintenance.ts";
import { runningNginx } from "../site/reload.ts";
import { certify } from "../site/renew.ts";
import { addressesOf, type Site } from "../site/site.ts";
import { voiceOf } from "../text/output.ts";
import { hasAvahi } from "../workers/daily.ts";
import type { Generation } from "./generation.ts";
import type { Plan } from "./plan.ts";
import type { Recorder } from "./transcript.ts";

/** Prints the warnings of a deploy before it changes anything. */
export function warn({ host }: Recorder, plan: Plan, live: Release | undefined): void {
  const voice = voiceOf(host);
  for (const warning of plan.warnings) voice.warn(warning);
  // The first deploy over one of the original's: name the values that it read differently.
  const keys =
    live?.number === 0
      ? readDifferently(plan.source.read("ENV")).filter((key) => key in plan.settings)
      : [];
  if (keys.length > 0)
    voice.warn(
      `the former piku kept quotes and comments of ENV in the values of ${keys.join(", ")}; they are taken off now.`,
    );
}

/** Says that a release is live and where, and gets its site a certificate. */
export function announce(host: Host, plan: Plan, { release, kept }: Generation): void {
  const { app, site, settings, machine, target } = plan;
  const voice = voiceOf(host);
  voice.log(`-----> Release ${release.number} of app '${app.name}' is live.`);
  if (site && site.ownPort === undefined)
    certify(host, { app, site, settings, reload: machine.reload });
  for (const line of appAddresses(host, plan)) voice.log(line);
  if (site?.idle)
    voice.log(
      `-----> Visitors see that it is stopped; to start it: ps:scale ${app.name} ${site.idle}=1`,
    );
  if (isClosed(host, app))
    voice.log(`-----> Visitors do not see it yet; to open it: maintenance:off ${app.name}`);
  if (target.only === undefined && kept.some(({ cron }) => !cron))
    voice.log(
      `-----> Workers go on as they are (PIKU_AUTO_RESTART); restart them with: restart ${app.name}`,
    );
}

/** The addresses of a site; that of a port by the board's name in mDNS too, where avahi runs. */
function addressesIn(host: Host, site: Site): string[] {
  const addresses = addressesOf(site, calledAddress(host));
  const name = host.read("/proc/sys/kernel/hostname")?.trim().split(".")[0];
  return site.ownPort !== undefined && hasAvahi(host) && name
    ? [...addresses, ...addressesOf(site, `${name}.local`)]
    : addresses;
}

/** Where the app is now, or how it gets a name. */
function appAddresses(host: Host, { app, site, workers, settings, machine }: Plan): string[] {
  const server = calledAddress(host);
  if (site)
    return [
      `-----> ${addressesIn(host, site).join(" and ")}`,
      ...(runningNginx(host, app.paths, machine.reload).way === "none"
        ? [
            `       Nobody sees it yet, since nginx is not running on the server: sudo ${serviceCommand(host, "start", "piku-web")}`,
          ]
        : []),
    ];
  const login = `${host.env().USER ?? "piku"}@${server}`;
  const remedy = `       To give it a name: ssh ${login} config:set ${app.name} NGINX_SERVER_NAME=${app.name}.example.com`;
  const listen = workers.find(({ listen }) => listen && "port" in listen)?.listen;
  if (listen && "port" in listen) {
    const only = listen.address.startsWith("127.") ? ", on the server itself only" : "";
    return [`-----> It listens on http://${listen.address}:${listen.port}/${only}.`, remedy];
  }
  return settings.NGINX_STATIC_PATHS || workers.length === 0
    ? ["-----> Nothing is served yet: it has no server name.", remedy]
    : [];
}
