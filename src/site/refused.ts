import type { Paths } from "../app/paths.ts";
import type { Host } from "../host/host.ts";
import { voiceOf } from "../text/output.ts";
import { printable } from "../text/text.ts";
import moveJunk from "./move-junk.sh" with { type: "text" };
import { appsWithSite, isPlainFile, nginxLogs } from "./nginx.ts";

/**
 * Where a refused site is set aside: nginx does not read files of this name. The reason lies beside
 * it.
 */
export const refusedSite = ({ nginx }: Paths, name: string) => `${nginx}/${name}.refused`;
const refusalFile = ({ nginx }: Paths, name: string) => `${nginx}/${name}.refusal`;

/** Sets a site aside and records the reason. */
export function setAside(host: Host, paths: Paths, name: string, why: string): void {
  host.write(refusalFile(paths, name), `${why}\n`);
  host.remove(refusedSite(paths, name));
  host.rename(`${paths.nginx}/${name}.conf`, refusedSite(paths, name));
}

/**
 * Sets aside whatever is named like a site and is not a regular file, such as a folder or a pipe,
 * for which nginx would wait for ever. Returns which. What no app can be named goes to nginx's own
 * folder. Pipes in the place of logs are removed.
 */
export function setStrangeAside(host: Host, paths: Paths): Map<string, string> {
  const { logs, nginx, web } = paths;
  const isOdd = (name: string) => name.length > 200 || /[^ -~]/.test(name);
  if (appsWithSite(host, paths).some(isOdd))
    host.capture(["sh", "-c", moveJunk], { env: { ...host.env(), nginx, web } });
  for (const app of host.list(logs)) clearLogs(host, `${logs}/${app}`);
  const strange = appsWithSite(host, paths).filter(
    (name) => !isPlainFile(host, `${nginx}/${name}.conf`),
  );
  const why = "it is not a file";
  for (const name of strange) setAside(host, paths, name, why);
  return new Map(strange.map((name) => [name, why]));
}

/**
 * Removes what an app has put in the place of nginx's logs: nginx would write through a link, and
 * wait for a pipe.
 */
export function clearLogs(host: Host, folder: string): void {
  for (const name of nginxLogs) {
    const file = `${folder}/nginx.${name}.log`;
    const type = host.stat(file)?.type;
    if (type !== undefined && type !== "file") host.remove(file);
  }
}

/** Deletes a site that was set aside. */
export function forgetRefused(host: Host, paths: Paths, name: string): void {
  host.remove(refusedSite(paths, name));
  host.remove(refusalFile(paths, name));
}

/** Prints which sites were set aside, and what to do. */
export function tellAside(host: Host, aside: ReadonlyMap<string, string>): void {
  for (const [name, why] of aside)
    voiceOf(host).warn(
      `nginx refuses the site of '${printable(name)}', which was set aside: ${why}. To have it back: deploy ${printable(name)}`,
    );
}

/** Restores a site that was set aside, unless there is a newer one. */
export function bringSiteBack(host: Host, paths: Paths, name: string): void {
  const site = `${paths.nginx}/${name}.conf`;
  if (!host.stat(site)) host.rename(refusedSite(paths, name), site);
  forgetRefused(host, paths, name);
}

/** The sites that are set aside, and why. */
export const refusedSites = (host: Host, paths: Paths): Map<string, string> =>
  new Map(
    appsWithSite(host, paths, ".refused").map((name) => [
      name,
      host.read(refusalFile(paths, name))?.trim() || "it does not say why",
    ]),
  );

/**
 * Renames logs and caches that belong to another user: piku's nginx could not write to them and
 * would refuse its files.
 */
export function leaveAside(host: Host, { cache, logs }: Paths): string[] {
  // The original's caches are the apps' own folders; a folder of another user is renamed as a
  // whole.
  const others = (folder: string, ...words: string[]) =>
    host
      .capture([
        ...["find", folder, "-mindepth", "1", "-maxdepth", "2", ...words],
        ...["!", "-user", String(host.uid), "-print", "-prune"],
      ])
      .stdout.split("\n")
      .filter((path) => path !== "" && !/\.former(\.\d+)?$/.test(path));
  const found = [
    ...others(cache, "-type", "d"),
    ...others(logs, "-type", "f", "-name", "nginx.*.log"),
  ];
  for (const path of found)
    host.rename(path, path.endsWith(".log") ? `${path}.old` : formerName(host, path));
  return found;
}

/** An unused name: a folder does not replace another. */
function formerName(host: Host, path: string): string {
  let name = `${path}.former`;
  for (let count = 2; host.stat(name); count++) name = `${path}.former.${count}`;
  return name;
}
