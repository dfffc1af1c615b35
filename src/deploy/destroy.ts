import { type App, remainsOf } from "../app/app.ts";
import { liveSettings } from "../app/live.ts";
import { withLock } from "../app/locks.ts";
import { isStopped } from "../app/releases.ts";
import { setting } from "../app/settings.ts";
import type { Host } from "../host/host.ts";
import { authorityOf, clientPairs, findClient, publicNames } from "../site/acme.ts";
import { certificateNames } from "../site/certificate.ts";
import { cacheFoldersIn } from "../site/directives.ts";
import { isBelow, removeCache } from "../site/folders.ts";
import { siteNames } from "../site/names.ts";
import { removeSite } from "../site/switch.ts";
import { explain } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { parseVassal } from "../workers/worker.ts";
import { expireKept, keepAside, partsOf, purgeKept, readKept } from "./kept.ts";
import { minFree } from "./space.ts";
import { stop } from "./stop.ts";

/**
 * Removes an app: its processes first, its site next, its files last. What it wrote into its data
 * folder stays. `keeps`: the rest is kept aside for a day, as far as the disk has room for it, so
 * that it can be undone. Returns whether it is.
 */
export function destroy(host: Host, app: App, keeps: boolean): boolean {
  const { paths } = app;
  // After a push has gone live git still has to move its branch, and needs the repository for it.
  withLock(host, paths, "push", app, "destroy", () =>
    withLock(host, paths, "deploy", app, "destroy", () => removeApp(host, app, keeps)),
  );
  expireKept(host, paths, minFree.doctor);
  return keeps && readKept(host, app) !== undefined;
}

function removeApp(host: Host, app: App, keeps: boolean): void {
  const { paths } = app;
  const voice = voiceOf(host);
  // Somebody else may have destroyed it meanwhile: what is kept of it must stay.
  if (keeps) remainsOf(host, app.name);
  const wasStopped = isStopped(host, app);
  stop(host, app);
  forgetCertificate(host, app);
  // Earlier versions accepted any folder, even that of another app.
  const elsewhere = cacheFoldersIn(host.read(app.site) ?? "").filter(
    (folder) => !isBelow(folder, paths.root),
  );
  if (host.stat(app.site)) {
    voice.log(`--> Removing file '${app.site}'`);
    removeSite(host, app);
  }
  removeCaches(host, app, elsewhere);
  const below = (folder: string, isIts: (name: string) => boolean) =>
    host
      .list(folder)
      .filter(isIts)
      .map((name) => `${folder}/${name}`);
  const isVassal = (folder: string) => (name: string) =>
    name.startsWith(app.name) &&
    parseVassal(name, host.read(`${folder}/${name}`) ?? "")?.app === app.name;
  const files = [
    ...below(paths.sockets, (name) => ownsSocket(app.name, name) || name === `${app.name}~`),
    ...below(paths.available, isVassal(paths.available)),
  ];
  for (const file of files) {
    voice.log(`--> Removing file '${file}'`);
    host.remove(file);
  }
  removeParts(host, app, keeps, wasStopped);
  if (host.stat(app.data)) voice.log(`==> Preserving folder '${app.data}'`);
}

/** Moves everything else aside, or removes it. */
function removeParts(host: Host, app: App, keeps: boolean, wasStopped: boolean): void {
  const voice = voiceOf(host);
  const parts = partsOf(host, app, app.paths.nginx).map(([, path]) => path);
  for (const path of parts) {
    const type = host.stat(path)?.type;
    if (type) voice.log(`--> Removing ${type === "directory" ? "folder" : "file"} '${path}'`);
    if (!keeps) host.remove(path);
  }
  if (!keeps) return;
  try {
    keepAside(host, app, wasStopped);
  } catch (error) {
    voice.warn(`nothing of it is kept to undo this: ${explain(error).message}`);
    purgeKept(host, app);
    for (const path of parts) host.remove(path);
  }
}

/**
 * Removes what nginx has cached for an app, here and elsewhere. Says how to remove what piku may
 * not remove.
 */
function removeCaches(host: Host, app: App, elsewhere: readonly string[]): void {
  const voice = voiceOf(host);
  const attempt = (folder: string, remove: () => boolean) => {
    try {
      if (remove()) voice.log(`--> Removing folder '${folder}'`);
      else voice.log(`==> Preserving folder '${folder}'`);
    } catch {
      voice.warn(
        `'${folder}' stays: some of it is nginx's own. On the server: sudo rm -r ${folder}`,
      );
    }
  };
  if (host.stat(app.cache)) {
    attempt(app.cache, () => {
      removeBusy(host, app.cache);
      return true;
    });
  }
  for (const folder of elsewhere.filter((path) => host.stat(path)))
    attempt(folder, () => removeCache(host, folder));
}

/** Removes a folder that a retiring nginx worker may still be writing to. */
function removeBusy(host: Host, folder: string): void {
  for (let round = 1; host.stat(folder); round++) {
    try {
      host.remove(folder);
    } catch (error) {
      if (round === 5) throw error;
      host.sleep(100);
    }
  }
}

/** Makes the ACME client forget an app's certificate; it would go on renewing it for ever. */
function forgetCertificate(host: Host, app: App): void {
  const settings = liveSettings(host, app);
  try {
    const redirected = setting(settings, "NGINX_REDIRECT_FROM");
    const names = publicNames(
      certificateNames({ names: siteNames(settings), redirected }),
      authorityOf(host, settings),
    );
    const client = names.length > 0 ? findClient(host, app, settings) : undefined;
    if (!client || clientPairs(host, client, names).length === 0) return;
    for (const call of client.forget(names[0]!)) host.capture(["timeout", "60", ...call]);
  } catch (error) {
    // Names that the original accepted and piku does not: no certificate of piku's has them.
    voiceOf(host).warn(`its certificate is not given back: ${explain(error).message}`);
  }
}

/**
 * Whether a name in the folder of sockets is this app's, and not one of an app whose name begins
 * with it.
 */
const ownsSocket = (app: string, name: string) =>
  name.startsWith(`${app}.`) && /^(b|\d+(-\d+)?\.(sock|http))$/.test(name.slice(app.length + 1));
