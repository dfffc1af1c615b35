import { readDifferently } from "../app/env-file.ts";
import type { Host } from "../host/host.ts";
import { runningNginx } from "../site/reload.ts";
import { addressesOf, serverName } from "../site/site.ts";
import { voiceOf } from "../text/output.ts";
import type { Plan } from "./plan.ts";
import type { Recorder } from "./transcript.ts";

/** What the first deploy over the original's has to say about settings that it read otherwise. */
export function tellDifferences({ host }: Recorder, { source, settings }: Plan): void {
  const keys = readDifferently(source.read("ENV")).filter((key) => key in settings);
  if (keys.length > 0)
    voiceOf(host).warn(
      `the former piku kept quotes and comments of ENV in the values of ${keys.join(", ")}; they are taken off now.`,
    );
}

/** Where the app is now, or how it gets a name. */
export function whereabouts(host: Host, { app, site, workers, settings, reload }: Plan): string[] {
  const server = serverName(host);
  if (site)
    return [
      `-----> ${addressesOf(site, server).join(" and ")}`,
      ...(runningNginx(host, app.paths, reload).way === "none"
        ? [
            "       Nobody sees it yet, since nginx is not running on the server: sudo systemctl start piku-web",
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
