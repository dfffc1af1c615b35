import { defaultPortsIn, serverNamesIn } from "./directives.ts";
import { PikuError } from "./errors.ts";
import type { Host } from "./host/host.ts";
import type { Ports } from "./machine.ts";
import type { Paths } from "./paths.ts";
import { commandLines } from "./processes.ts";
import { text } from "./text.ts";

/** How this nginx is told to speak HTTP/2: by an option of `listen`, by a directive of its own, or not at all. */
export type Http2 = "listen" | "directive" | "none";

/** What this machine's nginx can do. Throws when there is none. */
export function askNginx(host: Host): { http2: Http2; version: number[] } {
  const { status, stderr } = host.capture(["nginx", "-V"]);
  if (status !== 0)
    throw new PikuError("nginx is not installed on the server", "on the server: sudo apt install nginx-light");
  const version = (/nginx\/([\d.]+)/.exec(stderr)?.[1] ?? "0").split(".").map(Number);
  if (!stderr.includes("--with-http_v2_module")) return { http2: "none", version };
  return { http2: atLeast(version, [1, 25, 1]) ? "directive" : "listen", version };
}

/** Whether a version is this one, or a later one. */
export function atLeast(version: readonly number[], wanted: readonly number[]): boolean {
  const at = wanted.findIndex((part, i) => part !== (version[i] ?? 0));
  return at < 0 || (version[at] ?? 0) > wanted[at]!;
}

/** The sites that piku's folder holds: app -> text. */
export const readSites = (host: Host, paths: Paths): Map<string, string> =>
  new Map(
    host
      .list(paths.nginx)
      .filter((name) => name.endsWith(".conf") && !name.startsWith("."))
      .map((name) => [name.slice(0, -".conf".length), host.read(`${paths.nginx}/${name}`) ?? ""]),
  );

/** Refuses a server name that another app's site has, wherever in a file it stands. */
export function refuseTakenNames(
  names: readonly string[],
  app: string,
  sites: ReadonlyMap<string, string>,
  hostname?: string,
): void {
  for (const [other, site] of sites) {
    if (other === app) continue;
    const theirs = serverNamesIn(site, hostname);
    const taken = names.find((name) => theirs.has(name));
    if (taken)
      throw new PikuError(
        `the server name '${taken}' belongs to app '${other}'`,
        "take another one (NGINX_SERVER_NAME, or the file of NGINX_INCLUDE_FILE), or take it away from that app first",
      );
  }
}

/** Refuses a second site that answers for unknown names: nginx has one for each port, and refuses all sites otherwise. */
export function refuseSecondDefault(host: Host, app: string, sites: ReadonlyMap<string, string>, ports: Ports): void {
  const isTaken = (text: string) => defaultPortsIn(text).some((port) => Object.values(ports).includes(port));
  const other = [...sites].find(([name, site]) => name !== app && isTaken(site))?.[0];
  if (other)
    throw new PikuError(
      `app '${other}' answers for unknown names already`,
      `take NGINX_DEFAULT away from it first: config:set ${other} NGINX_DEFAULT=false`,
    );
  const file = ["/etc/nginx/sites-enabled", "/etc/nginx/conf.d"]
    .flatMap((folder) => host.list(folder).map((name) => `${folder}/${name}`))
    .find((path) => isTaken(host.read(path) ?? ""));
  if (file)
    throw new PikuError(
      `the server's own nginx answers for unknown names already, by ${file}`,
      `on the server: sudo rm ${file} && sudo systemctl reload nginx; or take \`default_server\` out of it`,
    );
}

/** A site as a user who may neither bind port 80 nor write nginx's logs can test it: with its ports moved up, and without logs. */
const asUser = (site: string) =>
  site
    .replace(
      /^(\s*listen\s+(?:[^\s;]*:)?)(\d{1,4})(?=[\s;])/gm,
      (_, before: string, port: string) => `${before}${Number(port) + 50_000}`,
    )
    .replace(/^\s*(access|error)_log \S+\/nginx\.\1\.log;$/gm, "");

/**
 * Asks nginx whether these sites would do together, in a folder of their own: `nginx -t` binds, and reads the system's
 * file, which a user who is not root may not. Gives nginx's complaint, or undefined when it has none.
 */
export function testSites(
  host: Host,
  paths: Paths,
  sites: ReadonlyMap<string, string>,
  version: readonly number[],
): string | undefined {
  const folder = stagingOf(paths);
  host.remove(`${folder}/sites`);
  host.mkdir(`${folder}/sites`, 0o700);
  for (const [app, site] of sites) host.write(`${folder}/sites/${app}.conf`, asUser(site), 0o600);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${folder}/temp;`,
  );
  const main = text`
    pid ${folder}/nginx.pid;
    ${host.list("/etc/nginx/modules-enabled").length > 0 && "include /etc/nginx/modules-enabled/*.conf;"}
    events {}
    http {
      access_log off;
      server_names_hash_bucket_size 128;
      ${temporary.join("\n")}
      include ${folder}/sites/*.conf;
    }`;
  host.write(`${folder}/nginx.conf`, main, 0o600);
  // Older ones complain of a log in /var/log that they may not open, and go on.
  const log = atLeast(version, [1, 19, 5]) ? ["-e", "stderr"] : [];
  const ran = host.capture(["nginx", "-t", "-q", ...log, "-c", `${folder}/nginx.conf`]);
  if (ran.status === 0) return undefined;
  const complaint = ran.stderr.split("\n").find((line) => line.includes("[emerg]")) ?? ran.stderr.trim();
  return complaint.replace(/^.*\[emerg\]\s*(\d+#\d+:\s*)?/, "").replaceAll(`${folder}/sites/`, "");
}

/** Where a site waits for its test, on the same file system as the live ones but not seen by what watches their folder. */
export const stagingOf = (paths: Paths) => `${paths.root}/.nginx-test`;

/** nginx's worker processes: master -> its workers. Those that are leaving are left out. */
function nginxWorkers(host: Host): Map<number, Set<number>> {
  const masters = new Map<number, Set<number>>();
  for (const { pid, parent, title } of commandLines(host, (title) => title.startsWith("nginx: worker process"))) {
    if (title.includes("is shutting down")) continue;
    masters.set(parent, (masters.get(parent) ?? new Set()).add(pid));
  }
  return masters;
}

/** Shows a change to what watches the folder of sites. */
export function pokeNginx(host: Host, paths: Paths): void {
  host.write(`${paths.nginx}/.poke`, "");
  host.remove(`${paths.nginx}/.poke`);
}

/** Whether nginx runs and takes requests. */
export const isNginxUp = (host: Host) => nginxWorkers(host).size > 0;

const reloadPatience = 10_000;
const pokeAfter = 2_500;

/**
 * Has nginx read its files again and waits until it did: every worker from before is gone or leaving, and a new one
 * is there. `change` puts the files in place. `command` is PIKU_NGINX_RELOAD; without one something on the machine watches the
 * folder of sites, and is shown a change again where it has missed one. Throws with nginx's own line.
 */
export function reloadNginx(host: Host, paths: Paths, command: string | undefined, change: () => void): void {
  const before = nginxWorkers(host);
  change();
  const ran = command ? host.capture(["sh", "-c", command]) : undefined;
  if (ran && ran.status !== 0)
    throw new PikuError(`nginx did not reload: ${ran.stderr.trim().split("\n").at(-1) ?? ""}`);
  // Nobody runs nginx yet, on a card that is being prepared for example: it will read the files when it starts.
  if (before.size === 0) return;
  const start = host.ticks();
  for (let poked = start; host.ticks() - start < reloadPatience; host.sleep(20)) {
    const now = nginxWorkers(host);
    const took = [...before].some(([master, workers]) => {
      const left = now.get(master);
      return left !== undefined && left.size > 0 && [...workers].every((pid) => !left.has(pid));
    });
    if (took) return;
    if (!command && host.ticks() - poked > pokeAfter) {
      poked = host.ticks();
      pokeNginx(host, paths);
    }
  }
  throw new PikuError(
    "nginx did not read its new configuration within 10 seconds",
    "on the server: systemctl status nginx piku-nginx.path",
  );
}
