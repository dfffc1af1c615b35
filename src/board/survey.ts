import { type App, appOf, listApps } from "../app/app.ts";
import { boardWarnings, type Machine, readMachine } from "../app/board-settings.ts";
import { isHeld } from "../app/locks.ts";
import { folders, ownFolders, type Paths } from "../app/paths.ts";
import { isStopped, readableNumber, readJournal, releasedSite } from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { everyProcess, isListening, killedForMemory } from "../host/processes.ts";
import { memoryLeft } from "../host/space.ts";
import { readCertificate } from "../site/certificate.ts";
import { listensIn, serverNamesIn } from "../site/directives.ts";
import { readComplaint, webFiles } from "../site/main-file.ts";
import { readSites } from "../site/nginx.ts";
import { refusedSites } from "../site/refused.ts";
import { isStuck, type Running, runningNginx } from "../site/reload.ts";
import { explain, PikuError } from "../text/errors.ts";
import { appsWithWorkers, listVassals, requireEmperor } from "../workers/emperor.ts";
import { type KeyLine, parseKeyLines } from "./keys.ts";
import { type Mode, modesOf } from "./rights.ts";
import { surveyProcesses } from "./status.ts";

/**
 * The nginx that serves the sites: which one it is, which it is meant to be, and how the units
 * stand that have to do with it.
 */
interface Nginx {
  way: Running["way"];
  wanted?: "own" | "shared";
  /**
   * Whether its master no longer takes signals, as one does that waits for a pipe among its files.
   */
  isStuck: boolean;
  /** Whether it reloads by a command of the administrator's. */
  isByHand: boolean;
  /**
   * What systemd says of piku-web.service, and of the unit of version 1 that watches the sites;
   * undefined where there is none.
   */
  web?: string;
  watch?: string;
  /** Why it stayed a shared one when this piku was installed. */
  because?: string;
  /** What has this board installed anew. */
  installer: string;
}

/**
 * A process of an app that is to run. `answers`: whether somebody listens where requests are sent.
 */
interface Worker {
  app: string;
  process: string;
  up: boolean;
  answers: boolean;
}

/** What the checks are made of. Everything in it can be seen by piku's user, who is not root. */
export interface Board {
  /** Milliseconds since 1970. */
  now: number;
  home: string;
  root: string;
  /** What each program says about its version; undefined for one that is not there. */
  tools: Record<string, string | undefined>;
  /** What is wrong with the machine's ENV file. */
  settings?: Finding;
  /** What keeps uWSGI's emperor from starting workers. */
  emperor?: Finding;
  nginx: Nginx;
  /**
   * How many sites there are, what nginx had against them when it read them last, and those that
   * are set aside with the reason.
   */
  sites: number;
  complaint?: string;
  refused: [app: string, why: string][];
  /**
   * Apps whose live release has a site that is not there, and those whose site is another than it
   * made.
   */
  lost: string[];
  altered: string[];
  /**
   * What nginx itself answers in the place of an app, by the app: 502 and the like; `nothing` where
   * it does not answer.
   */
  unanswered: [app: string, status: string][];
  /** Ports of all sites that nobody listens on. */
  deaf: number[];
  workers: Worker[];
  /**
   * For each app with a site, when its certificate ends, milliseconds since 1970; undefined for one
   * that nginx refuses.
   */
  certificates: { app: string; until?: number }[];
  disk: { bytes: number; inodes: number };
  /** Megabytes; undefined where the kernel does not say. */
  memory?: number;
  /** Processes that were ended for want of memory since the machine was started. */
  killed: number;
  /** Undefined where nothing tells. */
  synchronised?: boolean;
  /** The bits of the Raspberry Pi's firmware (vcgencmd get_throttled); undefined elsewhere. */
  throttled?: number;
  /** Text of /proc/mounts. */
  mounts: string;
  /** Text of authorized_keys. */
  keys: string;
  /** Files and folders that should be closed to others: path, and permission bits. */
  modes: Mode[];
  missing: string[];
  /** Paths that belong to somebody else. */
  foreign: string[];
  /**
   * Names without an app, those of them that have nothing but settings for a first push, and apps
   * whose deploy was cut off.
   */
  leftovers: string[];
  waiting: string[];
  unfinished: string[];
}

/**
 * The file system that a path is on, from the text of /proc/mounts: the deepest one, and of those
 * the last.
 */
export function mountOf(
  mounts: string,
  path: string,
): { folder: string; options: string[] } | undefined {
  const all = mounts.split("\n").flatMap((line) => {
    const [, folder, , options] = line.split(" ");
    return folder && options ? [{ folder, options: options.split(",") }] : [];
  });
  const holds = ({ folder }: { folder: string }) =>
    `${path}/`.startsWith(folder === "/" ? "/" : `${folder}/`);
  return all
    .filter(holds)
    .reduce<(typeof all)[number] | undefined>(
      (best, one) => (best && best.folder.length > one.folder.length ? best : one),
      undefined,
    );
}

/**
 * Numbers of the lines of authorized_keys that have a key without a command, while a later one has
 * it with piku's: sshd takes the first.
 */
export function plainCopies(keys: string): number[] {
  const lines = parseKeyLines(keys);
  const isCopy = ({ blob, at, isTied }: KeyLine) =>
    !isTied && lines.some((other) => other.blob === blob && other.isTied && other.at > at);
  return lines.filter(isCopy).map(({ at }) => at + 1);
}

/** Looks at everything that the checks are made of. */
export function surveyBoard(host: Host, paths: Paths): Board {
  const apps = listApps(host, paths).map((name) => appOf(paths, name));
  const every = everyProcess(host);
  const working = appsWithWorkers(host, paths);
  // What the original stopped has no workers either, and no record that tells.
  const meant = apps.filter((app) =>
    readableNumber(host, app) === undefined ? working.has(app.name) : !isStopped(host, app),
  );
  const sites = readSites(host, paths);
  const nginx = surveyNginx(host, paths);
  const refused = refusedSites(host, paths);
  const released = meant.flatMap(({ name }) => {
    const site = releasedSite(host, paths, name);
    return site === undefined ? [] : [{ name, site }];
  });
  const vassals = listVassals(host, paths).map(({ app }) => app);
  const begun = [...host.list(paths.repos), ...vassals];
  const appless = [...new Set([...begun, ...host.list(paths.envs)])].filter((name) =>
    apps.every((app) => app.name !== name),
  );
  const waiting = appless.filter(
    (name) => !begun.includes(name) && host.list(`${paths.envs}/${name}`).join() === "ENV",
  );
  return {
    now: host.now(),
    home: paths.home,
    root: paths.root,
    tools: Object.fromEntries(
      Object.entries(versions).map(([name, argv]) => [name, versionOf(host, name, argv)]),
    ),
    settings: complaintOf(() => checkSettings(host, paths.settings)),
    emperor: complaintOf(() => requireEmperor(host, paths)),
    nginx,
    sites: sites.size,
    complaint: nginx.way === "own" ? lastComplaint(host, paths) : undefined,
    refused: [...refused],
    lost: released
      .filter(({ name }) => !sites.has(name) && !refused.has(name))
      .map(({ name }) => name),
    altered: released
      .filter(({ name, site }) => sites.has(name) && sites.get(name) !== site)
      .map(({ name }) => name),
    unanswered:
      nginx.way === "none"
        ? []
        : askSites(
            host,
            new Map([...sites].filter(([name]) => meant.some((app) => app.name === name))),
          ),
    deaf: sites.size > 0 ? portsOf(host, paths).filter((port) => !isListening(host, port)) : [],
    workers: meant.flatMap((app) =>
      surveyProcesses(host, app, every).map(({ process: name, up, port }) => ({
        app: app.name,
        process: name,
        up,
        // What listens on a socket shows in what nginx answers.
        answers: !host.stat(app.site) || port === undefined || isListening(host, port),
      })),
    ),
    certificates: apps
      .filter((app) => host.stat(app.site))
      .map(({ name }) => {
        const pair = {
          certificate: `${paths.nginx}/${name}.crt`,
          key: `${paths.nginx}/${name}.key`,
        };
        return { app: name, until: readCertificate(host, pair)?.until };
      }),
    disk: host.free(host.stat(paths.root) ? paths.root : paths.home),
    memory: memoryLeft(host),
    killed: killedForMemory(host),
    synchronised: isSynchronised(host),
    throttled: throttledBits(host),
    mounts: host.read("/proc/mounts") ?? "",
    keys: host.read(`${paths.home}/.ssh/authorized_keys`) ?? "",
    modes: modesOf(host, paths, apps),
    missing: [...folders, ...ownFolders]
      .map((name) => `${paths.root}/${name}`)
      .filter((path) => !host.stat(path)),
    foreign: foreignPaths(host, paths),
    leftovers: appless.filter((name) => !waiting.includes(name)),
    waiting,
    unfinished: apps
      .filter((app) => isUnfinished(host, app) && !isHeld(host, paths, "deploy", app))
      .map(({ name }) => name),
  };
}

function versionOf(host: Host, name: string, argv: string[]): string | undefined {
  const { status, stdout, stderr } = host.capture(argv);
  if (status !== 0) return undefined;
  const version = /\d+(\.\d+)+\w*/.exec(stdout || stderr)?.[0];
  return argv[0] === "sh" || !version ? name : `${name} ${version}`;
}

function complaintOf(attempt: () => void): Finding | undefined {
  try {
    attempt();
    return undefined;
  } catch (error) {
    const { message, hint } = explain(error);
    return { says: message, remedy: (hint ?? "").replace(/^on the server: /, "") };
  }
}

/** Throws for the board's ENV file when it cannot be read, or when something in it is doubtful. */
function checkSettings(host: Host, file: string): void {
  readMachine(host, file);
  const [doubt] = boardWarnings(host, file);
  if (doubt) throw new PikuError(`${file}: ${doubt}`, `change ${file}`);
}

/** Whether a deploy was cut off; also where its journal cannot be read. */
function isUnfinished(host: Host, app: App): boolean {
  try {
    return readJournal(host, app) !== undefined;
  } catch {
    return true;
  }
}

function surveyNginx(host: Host, paths: Paths): Nginx {
  const { nginx: wanted, reload, releases } = readable(host, paths) ?? {};
  const from = releases?.startsWith("http")
    ? `curl -fsSL ${releases}/install.sh | sudo sh`
    : "sudo sh install.sh";
  const running = runningNginx(host, paths, reload);
  return {
    way: running.way,
    isStuck: running.way === "own" && isStuck(host, running.master),
    wanted,
    isByHand: reload !== undefined,
    web: unitState(host, "piku-web.service"),
    watch: unitState(host, "piku-nginx.path"),
    because: host.read("/usr/local/lib/piku/shared-because")?.trim() || undefined,
    installer: `run piku's install.sh once more: ${from}`,
  };
}

/**
 * What systemd says of a unit of ours: `active`, `failed`, ...; undefined where there is no such
 * unit.
 */
const unitState = (host: Host, unit: string): string | undefined =>
  host.stat(`/etc/systemd/system/${unit}`)
    ? host.capture(["systemctl", "is-active", unit]).stdout.trim()
    : undefined;

/** What our nginx had against its files when it read them last, of the end of its log. */
function lastComplaint(host: Host, paths: Paths): string | undefined {
  const { errors } = webFiles(paths);
  const end = host.readFrom(errors, Math.max(0, (host.stat(errors)?.size ?? 0) - 262_144)).text;
  const begins = [": reconfiguring\n", ": start worker processes\n"];
  return readComplaint(
    paths,
    end.slice(Math.max(0, ...begins.map((line) => end.lastIndexOf(line)))),
  );
}

const mostAsked = 200;
// What nginx says where an app does not answer. What an app answers is the app's own affair.
const fromNginx = ["502", "504"];

/**
 * Asks nginx for each of these sites, as a visitor would, in one call; what came instead of an
 * answer of the app's.
 */
function askSites(host: Host, sites: ReadonlyMap<string, string>): [app: string, status: string][] {
  const asked = [...sites].slice(0, mostAsked).flatMap(([name, site]) => {
    const url = addressIn(site);
    return url ? [{ name, ...url }] : [];
  });
  if (asked.length === 0) return [];
  const words = asked.flatMap(({ host: server, address, port, scheme }) => [
    ...["--resolve", `${server}:${port}:${address}`],
    ...["-o", "/dev/null", `${scheme}://${server}:${port}/.well-known/piku`],
  ]);
  const { stdout } = host.capture([
    "curl",
    "-sk",
    "--noproxy",
    "*",
    "--max-time",
    "10",
    "-w",
    "%{http_code}\\n",
    ...words,
  ]);
  const statuses = stdout.split("\n");
  return asked.flatMap(({ name }, i): [string, string][] => {
    const status = statuses[i] || "000";
    return status === "000"
      ? [[name, "nothing"]]
      : fromNginx.includes(status)
        ? [[name, status]]
        : [];
  });
}

/**
 * Where a site's last server, the one that asks the app, can be reached on the board itself;
 * undefined for names that are patterns only.
 */
export function addressIn(
  site: string,
): { scheme: string; host: string; address: string; port: number } | undefined {
  const server = site.slice(Math.max(0, site.lastIndexOf("\nserver {")));
  const listen = listensIn(server).find((one) => !one.startsWith("["));
  const [, address = "", port = ""] = /^(.*):(\d+)$/.exec(listen ?? "") ?? [];
  const names = [...serverNamesIn(server)].map((name) =>
    name.replace(/^\*\./, "piku.").replace(/^_$/, "piku.invalid"),
  );
  const host = names.find((name) => /^[\w.-]+$/.test(name));
  if (port === "" || !host) return undefined;
  const isSecure = new RegExp(`^\\s*listen\\s+\\S*${port}\\s[^;]*\\bssl\\b`, "m").test(server);
  return {
    scheme: isSecure ? "https" : "http",
    host,
    address: address === "*" ? "127.0.0.1" : address,
    port: Number(port),
  };
}

/** The board's settings, where they can be read. */
function readable(host: Host, paths: Paths): Machine | undefined {
  try {
    return readMachine(host, paths.settings);
  } catch {
    return undefined;
  }
}

const portsOf = (host: Host, paths: Paths): number[] =>
  Object.values(readable(host, paths)?.ports ?? {});

/**
 * Whether the clock follows others (systemd's timedatectl, or what its timesyncd leaves); undefined
 * where nothing tells.
 */
function isSynchronised(host: Host): boolean | undefined {
  if (host.stat("/run/systemd/timesync/synchronized")) return true;
  const told = host
    .capture(["timedatectl", "show", "--property=NTPSynchronized", "--value"])
    .stdout.trim();
  return told === "yes" ? true : told === "no" ? false : undefined;
}

/**
 * What a Raspberry Pi's firmware says of its power; its driver tells only of the voltage, but
 * everybody.
 */
function throttledBits(host: Host): number | undefined {
  const told = /throttled=0x([0-9a-f]+)/i.exec(
    host.capture(["vcgencmd", "get_throttled"]).stdout,
  )?.[1];
  if (told !== undefined) return Number.parseInt(told, 16);
  const sensors = "/sys/class/hwmon";
  const sensor = host
    .list(sensors)
    .find((name) => host.read(`${sensors}/${name}/name`)?.trim() === "rpi_volt");
  return sensor === undefined
    ? undefined
    : Number(host.read(`${sensors}/${sensor}/in0_lcrit_alarm`) ?? 0);
}

/** The first few paths that are somebody else's. What nginx keeps, tries and writes is nginx's. */
const foreignPaths = (host: Host, paths: Paths) =>
  host
    .capture([
      "find",
      ...[paths.root, "-maxdepth", "3", "-path", paths.cache, "-prune"],
      ...["-o", "!", "-user", String(host.uid), "!", "-name", "nginx.*.log*", "-print"],
    ])
    .stdout.split("\n")
    .filter((path) => path !== "")
    .slice(0, 5);

/** What a check has found: a fact, or what is wrong and what to do about it. */
export interface Finding {
  says: string;
  /** What puts it right; without one nothing is wrong. */
  remedy?: string;
}

/** How each program is asked for its version; those that have none to tell are only looked for. */
const versions: Record<string, string[]> = {
  git: ["git", "--version"],
  uwsgi: ["uwsgi", "--version"],
  nginx: ["nginx", "-v"],
  openssl: ["openssl", "version"],
  curl: ["curl", "--version"],
  "ssh-keygen": ["sh", "-c", "command -v ssh-keygen"],
  tar: ["sh", "-c", "command -v tar"],
  flock: ["sh", "-c", "command -v flock"],
};
