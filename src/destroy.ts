import { clientPairs, findClient, publicNames } from "./acme.ts";
import type { App } from "./app.ts";
import { explain } from "./errors.ts";
import type { Host } from "./host/host.ts";
import { withTurn } from "./locks.ts";
import { stop } from "./recovery.ts";
import { parseServerSettings } from "./settings.ts";
import { parseServerNames, siteNames } from "./site.ts";
import { removeSite } from "./switch.ts";
import { certificateNames } from "./tls.ts";
import { parseVassal } from "./uwsgi.ts";
import { voiceOf } from "./voice.ts";

/** Removes an app: its processes first, its site next, its files last. What it wrote into its data folder stays. */
export function destroy(host: Host, app: App): void {
  const { paths } = app;
  // A push that is live already has its branch still to be moved, in a repository that must be there.
  withTurn(host, paths, "push", app, "destroy", () =>
    withTurn(host, paths, "deploy", app, "destroy", () => removeApp(host, app)),
  );
}

function removeApp(host: Host, app: App): void {
  const { paths } = app;
  const voice = voiceOf(host);
  stop(host, app);
  forgetCertificate(host, app);
  if (host.stat(app.site)) {
    voice.log(`--> Removing file '${app.site}'`);
    removeSite(host, app);
  }
  // The work tree last: while it is there, so is the app.
  const folders = [app.repo, app.envs, app.logs, app.releases, `${paths.acme}/${app.name}`, app.tree];
  for (const folder of folders.filter((path) => host.stat(path))) {
    voice.log(`--> Removing folder '${folder}'`);
    host.remove(folder);
  }
  const files = [
    ...["sock", "key", "crt"].map((ending) => `${paths.nginx}/${app.name}.${ending}`),
    ...host
      .list(paths.sockets)
      .filter((name) => ownsSocket(app.name, name))
      .map((name) => `${paths.sockets}/${name}`),
    ...host
      .list(paths.available)
      .filter((name) => parseVassal(name, host.read(`${paths.available}/${name}`) ?? "")?.app === app.name)
      .map((name) => `${paths.available}/${name}`),
  ];
  for (const file of files.filter((path) => host.stat(path))) {
    voice.log(`--> Removing file '${file}'`);
    host.remove(file);
  }
  for (const folder of [app.data, app.cache].filter((path) => host.stat(path)))
    voice.log(`==> Preserving folder '${folder}'`);
}

/** Has the client that got an app's certificate let go of it, or it would be renewed for ever. */
function forgetCertificate(host: Host, app: App): void {
  const settings = parseServerSettings(host.read(`${app.envs}/LIVE_ENV`) ?? "");
  try {
    const redirected = parseServerNames(settings.NGINX_REDIRECT_FROM);
    const names = publicNames(certificateNames({ names: siteNames(settings), redirected }), settings.ACME_ROOT_CA);
    const client = names.length > 0 ? findClient(host, app, settings) : undefined;
    if (!client || clientPairs(host, client, names).length === 0) return;
    for (const call of client.forget(names[0]!)) host.capture(["timeout", "60", ...call]);
  } catch (error) {
    // Names that the original took and piku does not: none of its certificates has them.
    voiceOf(host).warn(`its certificate is not given back: ${explain(error).message}`);
  }
}

/** Whether a name in the folder of sockets is this app's, and not one of an app whose name begins with it. */
const ownsSocket = (app: string, name: string) =>
  name.startsWith(`${app}.`) && /^(b|html|\d+(-\d+)?\.sock)$/.test(name.slice(app.length + 1));
