import type { App } from "../app/app.ts";
import { boardLogin, calledAddress } from "../app/caller.ts";
import { readDifferently } from "../app/env-grammar.ts";
import { isStopped, type Journal, type Release, readableLive } from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { serviceCommand } from "../host/services.ts";
import type { TreeChange } from "../repository/change.ts";
import { isClosed } from "../site/maintenance.ts";
import { runningNginx } from "../site/reload.ts";
import { certify } from "../site/renew.ts";
import { addressesOf, type Site } from "../site/site.ts";
import { voiceOf } from "../text/output.ts";
import { printable, someOf } from "../text/text.ts";
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

/** What became of a deploy that was ended halfway, for the next command on the app. */
export const renderInterrupted = (
  { name }: App,
  { release, cause }: Journal,
  live: Release | undefined,
): string => {
  const what = `-----> The last deploy of app '${name}' (${release}${cause && `, ${cause}`}) was interrupted`;
  if (live?.number === release) return `${what} when it was live already.`;
  return `${what} and is undone${live ? `: release ${live.number} is live.` : "."}`;
};

/** What becomes of files that the app has written. */
export const renderOwn = ({ left, removed, took, restored }: TreeChange): string[] =>
  [
    [left, "Left as the app has changed it"],
    [removed, "Left as the app's own, though the commit removes it"],
    [took?.names ?? [], "Replaced, though the app has changed it (a rollback brings it back)"],
    [[...restored.keys()], "Back as the app had changed it"],
  ].flatMap(([names, what]) =>
    names!.length > 0 ? [`-----> ${what}: ${someOf(names as readonly string[])}`] : [],
  );

/** Says that a release is live and where, and gets its site a certificate. Its address stands last. */
export function announce(
  host: Host,
  plan: Plan,
  { release, kept }: Generation,
  live: Release | undefined,
): void {
  const { app, site, settings, machine, target, cause } = plan;
  const voice = voiceOf(host);
  voice.log(`-----> Release ${release.number} of app '${app.name}' is live.`);
  if (target.back)
    voice.log(
      `       It is again as release ${target.back.number} was: ${shownCommit(target.back)}`,
    );
  if (cause === "push" && live?.branch && live.branch !== target.branch)
    voice.log(
      `-----> This was branch '${target.branch}'; to go back to '${live.branch}': ssh ${boardLogin(host)} deploy ${app.name} ${live.branch}`,
    );
  if (site && site.ownPort === undefined)
    certify(host, { app, site, settings, reload: machine.reload });
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
  for (const line of appAddresses(host, plan)) voice.log(line);
}

/** A release's commit, as people know it: `f6ae6e8 "First"`. */
export const shownCommit = ({ commit, subject }: Release): string =>
  `${commit?.slice(0, 7) ?? "no commit"}${subject ? ` "${printable(subject)}"` : ""}`;

/** What a deploy that failed has left as it was. */
export function renderUnchanged(host: Host, app: App): string {
  const live = readableLive(host, app);
  if (!live) return `-----> Nothing of app '${app.name}' is live: mend it and push again`;
  const release = `release ${live.number} (${shownCommit(live).replace(" ", ", ")})`;
  const isSeen = host.stat(app.site) !== undefined && !isClosed(host, app);
  const still = isSeen ? `visitors still see ${release}` : `${release} is still live`;
  const what = isStopped(host, app) ? `the app is still stopped, at ${release}` : still;
  return `-----> Nothing has changed: ${what}.`;
}

/** The addresses of a site; that of a port by the board's name in mDNS too, where avahi runs. */
export function addressesIn(
  host: Host,
  site: Pick<Site, "names" | "ports" | "ownPort" | "httpsOnly">,
): string[] {
  const addresses = addressesOf(site, calledAddress(host));
  const name = host.read("/proc/sys/kernel/hostname")?.trim().split(".")[0];
  return site.ownPort !== undefined && hasAvahi(host) && name
    ? [...addresses, ...addressesOf(site, `${name}.local`)]
    : addresses;
}

/** Where the app is now, or how it gets a name. */
function appAddresses(host: Host, { app, site, workers, settings, machine }: Plan): string[] {
  if (site)
    return [
      `-----> ${addressesIn(host, site).join(" and ")}`,
      ...(runningNginx(host, app.paths, machine.reload).way === "none"
        ? [
            `       Nobody sees it yet, since nginx is not running on the server: sudo ${serviceCommand(host, "start", "piku-web")}`,
          ]
        : []),
    ];
  const remedy = `       To give it a name: ssh ${boardLogin(host)} config:set ${app.name} NGINX_SERVER_NAME=${app.name}.example.com`;
  const listen = workers.find(({ listen }) => listen && "port" in listen)?.listen;
  if (listen && "port" in listen) {
    const only = listen.address.startsWith("127.") ? ", on the server itself only" : "";
    return [`-----> It listens on http://${listen.address}:${listen.port}/${only}.`, remedy];
  }
  return settings.NGINX_STATIC_PATHS || workers.length === 0
    ? ["-----> Nothing is served yet: it has no server name.", remedy]
    : [];
}
