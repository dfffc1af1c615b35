import type { Settings } from "../../app/env-file.ts";
import { isUwsgiKind } from "../../app/procfile.ts";
import { setting } from "../../app/settings.ts";
import { text } from "../../text/text.ts";
import { renderVassal } from "../../workers/ini.ts";
import { kindOptions } from "../../workers/kinds.ts";
import { execLine, shellFor } from "../../workers/launcher.ts";
import { containerPort, type Exported } from "./exported.ts";

/** Where the image has the files of nginx and uWSGI. */
const optionsFolder = "/etc/piku";

/** nginx and uWSGI know what a signal means to the first process of a container; tini tells others. */
const firstProcess = ["tini", "--"];

/** The command of a kind as a container runs it. */
export function commandOf({ own }: Exported, kind: string, line: string): string[] {
  if (isUwsgiKind(kind)) return ["uwsgi", "--ini", `${optionsFolder}/${kind}.ini`];
  if (kind === "static")
    return ["nginx", "-e", "stderr", "-g", "daemon off;", "-c", `${optionsFolder}/static.conf`];
  return [...firstProcess, ...shellFor(own, execLine(line))];
}

/** Packages that the kinds need beside what their commands call. */
export const kindPackages = ({ procfile }: Exported): string[] =>
  Object.keys(procfile.workers).flatMap((kind) =>
    kind === "static"
      ? ["nginx"]
      : isUwsgiKind(kind)
        ? ["media-types", ...(kind === "rwsgi" ? ["ruby-rack"] : [])]
        : ["tini"],
  );

/** The files with the options of uWSGI and nginx, by name. */
export function optionsFiles(exported: Exported): Record<string, string> {
  const kinds = Object.entries(exported.procfile.workers).filter(([kind]) => isUwsgiKind(kind));
  return {
    ...Object.fromEntries(
      kinds.map(([kind, line]) => [`${kind}.ini`, iniOf(exported, kind, line)]),
    ),
    ...(exported.front === "static" ? { "static.conf": siteOf(exported) } : {}),
  };
}

/** uWSGI's options as on the board, but that it answers http, and serves what nginx serves there. */
function iniOf(
  { app, all, environment, mappings, number }: Exported,
  kind: string,
  command: string,
) {
  const virtualenv = kind === "wsgi" ? environment : undefined;
  const worker = { kind, ordinal: 1, command, release: number, settings: all, virtualenv };
  return renderVassal([
    ...kindOptions[kind]!(app, worker),
    ...mappings.map(({ url, folder }) => ["static-map", `${url || "/"}=${folder}`] as const),
    ["master", "true"],
    ["die-on-term", "true"],
    ["processes", setting(all, "UWSGI_PROCESSES")],
    ["http-socket", `0.0.0.0:${containerPort}`],
  ]);
}

/** nginx for an app of files only. */
const siteOf = ({ mappings, all }: Exported) => text`
  error_log stderr;
  pid /tmp/nginx.pid;
  events {}
  http {
    include /etc/nginx/mime.types;
    access_log /dev/stdout;
    ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((one) => `${one}_temp_path /tmp/${one};`).join("\n")}
    server {
      listen ${containerPort};
      ${mappings.map(({ url, folder }) => `location ${url}/ { alias "${folder}/"; try_files $uri $uri/ ${catchAll(all)}=404; }`).join("\n")}
    }
  }
`;

const catchAll = (settings: Settings) => {
  const file = setting(settings, "NGINX_CATCH_ALL");
  return file ? `/${file.replace(/^\//, "")} ` : "";
};

/** What a container is told beside the app's settings: where to listen, if it is asked. */
export const listeningSettings = ({ front }: Exported, kind: string): Settings => ({
  ...(kind === front ? { PORT: String(containerPort), BIND_ADDRESS: "0.0.0.0" } : {}),
  PROC_TYPE: kind,
});
