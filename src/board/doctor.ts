import { type App, appOf, listApps, printable } from "../app/app.ts";
import { type Machine, readMachine } from "../app/board-settings.ts";
import { isHeld } from "../app/locks.ts";
import { folders, ownFolders, type Paths } from "../app/paths.ts";
import { readableNumber, readJournal, releasedSite } from "../app/releases.ts";
import { appsWithWorkers, isStopped } from "../deploy/recover.ts";
import { memoryLeft } from "../deploy/space.ts";
import type { Host } from "../host/host.ts";
import { everyProcess, isListening, killedForMemory } from "../host/processes.ts";
import { readCertificate } from "../site/certificate.ts";
import { listensIn, serverNamesIn } from "../site/directives.ts";
import { readComplaint, refusedSites, webFiles } from "../site/main-file.ts";
import { readSites } from "../site/nginx.ts";
import { isStuck, type Running, runningNginx } from "../site/reload.ts";
import { explain } from "../text/errors.ts";
import { shellQuote } from "../text/text.ts";
import { listVassals, requireEmperor } from "../workers/start.ts";
import { type KeyLine, parseKeyLines } from "./keys.ts";
import { type Mode, modesOf } from "./rights.ts";
import { surveyProcesses } from "./status.ts";

/** What a check has found: a fact, or what is wrong and what to do about it. */
export interface Finding {
  says: string;
  /** What puts it right; without one nothing is wrong. */
  remedy?: string;
}

/** The nginx that serves the sites: which one it is, which it is meant to be, and how the units stand that have to do with it. */
interface Nginx {
  way: Running["way"];
  wanted?: "own" | "shared";
  /** Whether its master no longer takes signals, as one does that waits for a pipe among its files. */
  isStuck: boolean;
  /** Whether it reloads by a command of the administrator's. */
  isByHand: boolean;
  /** What systemd says of piku-web.service, and of the unit of version 1 that watches the sites; undefined where there is none. */
  web?: string;
  watch?: string;
  /** Why it stayed a shared one when this piku was installed. */
  because?: string;
  /** What has this board installed anew. */
  installer: string;
}

/** A process of an app that is to run. `answers`: whether somebody listens where requests are sent. */
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
  /** How many sites there are, what nginx had against them when it read them last, and those that are set aside with the reason. */
  sites: number;
  complaint?: string;
  refused: [app: string, why: string][];
  /** Apps whose live release has a site that is not there, and those whose site is another than it made. */
  lost: string[];
  altered: string[];
  /** What nginx itself answers in the place of an app, by the app: 502 and the like; `nothing` where it does not answer. */
  unanswered: [app: string, status: string][];
  /** Ports of all sites that nobody listens on. */
  deaf: number[];
  workers: Worker[];
  /** For each app with a site, when its certificate ends, milliseconds since 1970; undefined for one that nginx refuses. */
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
  /** Names without an app, those of them that have nothing but settings for a first push, and apps whose deploy was cut off. */
  leftovers: string[];
  waiting: string[];
  unfinished: string[];
}

/** The checks, in the order in which they are shown. Each gives what it has found, at least one finding. */
export const checks: Record<string, (board: Board) => Finding[]> = {
  tools({ tools }) {
    const missing = Object.keys(tools).filter((name) => tools[name] === undefined);
    const there = Object.values(tools).filter((version) => version !== undefined);
    return findings(
      there.join(", "),
      missing.map((name) => ({
        says: `${name} is not installed`,
        remedy: `sudo apt install ${packages[name]}`,
      })),
    );
  },
  settings: ({ settings }) => findings("what is there for all apps can be read", settings ? [settings] : []),
  emperor: ({ emperor }) => findings("uWSGI's emperor runs", emperor ? [emperor] : []),
  nginx: ({ nginx, deaf }) => {
    const { way, wanted, isStuck, isByHand, web, watch, because, installer } = nginx;
    const [unit, name] =
      way === "own" || (way === "none" && wanted !== "shared") ? ["piku-web", "own"] : ["nginx", "shared"];
    const remedy = `sudo systemctl restart ${unit}; \`sudo journalctl -u ${unit}\` tells why`;
    if (way === "none") return [{ says: "nginx is not running", remedy }];
    const isOld = way === "watched" && !isByHand;
    return findings(name === "own" ? "nginx runs, and is piku's own" : "nginx runs, shared with others", [
      ...(isStuck
        ? [{ says: "nginx's master waits for ever for one of its files, so no site can change", remedy }]
        : []),
      ...deaf.map((port) => ({ says: `nobody listens on port ${port}`, remedy })),
      ...(web !== undefined && way === "own" && web !== "active"
        ? [{ says: `nginx runs, but not by its unit, which is ${web}`, remedy }]
        : []),
      ...(isOld && watch === "failed"
        ? [
            {
              says: "the unit that has nginx read changed sites has failed, so no site can change",
              remedy: "sudo systemctl reset-failed 'piku-nginx.*' && sudo systemctl restart piku-nginx.path",
            },
          ]
        : []),
      ...(isOld
        ? [
            {
              says: "nginx's master is root and reads what an app may write: an older piku installed it so",
              remedy: installer,
            },
          ]
        : []),
      ...(because !== undefined && wanted !== "shared" && way !== "own"
        ? [{ says: `nginx could not become piku's own: ${because}`, remedy: `mend that; then ${installer}` }]
        : []),
    ]);
  },
  sites: ({ sites, complaint, refused, lost, altered, unanswered }) =>
    findings(`${sites} ${sites === 1 ? "site" : "sites"}, which nginx takes`, [
      ...(complaint
        ? [
            {
              says: `nginx refused its files when it read them last: ${complaint}`,
              remedy: "deploy that app again, or destroy it",
            },
          ]
        : []),
      ...refused.map(([app, why]) => ({
        says: `the site of '${printable(app)}' is set aside, since nginx refuses it: ${why}`,
        remedy: `deploy ${printable(app)}, or destroy it`,
      })),
      ...lost.map((app) => ({ says: `app '${app}' has no site, but its release had one`, remedy: `restart ${app}` })),
      ...altered.map((app) => ({
        says: `the site of app '${app}' is not the one that its release made`,
        remedy: `restart ${app} makes it anew; what is to stay of it belongs into NGINX_INCLUDE_FILE`,
      })),
      ...unanswered.map(([app, status]) => ({
        says: `visitors of app '${app}' get ${status === "nothing" ? "no answer" : `${status} from nginx`}`,
        remedy: `logs ${app} tells why; restart ${app}`,
      })),
    ]),
  processes: ({ workers }) =>
    findings(
      `${workers.length} of ${workers.length} are up`,
      workers
        .filter(({ up, answers }) => !up || !answers)
        .map(({ app, process, up }) => ({
          says: `${process} of app '${app}' ${up ? "does not answer" : "is down"}`,
          remedy: `logs ${app} ${process} tells why; restart ${app}`,
        })),
    ),
  certificates: ({ certificates, now }) => {
    const days = (until: number) => Math.floor((until - now) / 86_400_000);
    const good = certificates.map(({ app, until }) => `${app} ${days(until ?? now)} days`);
    return findings(
      good.length > 0 ? `left: ${good.join(", ")}` : "there are none",
      certificates
        .filter(({ until }) => until === undefined || days(until) < soon)
        .map(({ app, until }) => ({
          says:
            until === undefined
              ? `the certificate of app '${app}' is missing, or its key is another's`
              : until < now
                ? `the certificate of app '${app}' has ended`
                : `the certificate of app '${app}' ends in ${days(until)} days`,
          remedy: `deploy ${app} says why it is not renewed`,
        })),
    );
  },
  disk: ({ disk: { bytes, inodes } }) => {
    const room = `${Math.floor(bytes / 1024 / 1024)} MB free`;
    const remedy = "`destroy` an app that is not needed, or make room";
    return findings(`${room}${Number.isFinite(inodes) ? `, ${inodes} more files` : ""}`, [
      ...(bytes < leastBytes ? [{ says: `only ${room}`, remedy }] : []),
      ...(inodes < leastInodes ? [{ says: `room for only ${inodes} more files`, remedy }] : []),
    ]);
  },
  memory: ({ memory, killed }) =>
    findings(
      `${memory === undefined ? "unknown" : `${memory} MB left`}${killed > 0 ? `; ${killed} processes were ended for want of it since the board was started` : ""}`,
      memory !== undefined && memory < 64
        ? [
            {
              says: `only ${memory} MB left`,
              remedy: "ps shows who has it; fewer processes, PIKU_OVERLAP=false, or swap",
            },
          ]
        : [],
    ),
  clock: ({ synchronised, now }) =>
    synchronised === false || now < firstRelease
      ? [
          {
            says: `the clock is not synchronised; it shows ${new Date(now).toISOString()}`,
            remedy: "sudo timedatectl set-ntp true; certificates and cron lines go by it",
          },
        ]
      : [{ says: synchronised ? "synchronised" : "nothing tells whether it is synchronised" }],
  power: ({ throttled }) =>
    throttled === undefined
      ? [{ says: "this board does not tell" }]
      : findings(
          "enough, and cool",
          bits.filter(({ mask }) => throttled & mask).map(({ says, remedy }) => ({ says, remedy })),
        ),
  writable: ({ mounts, root }) => {
    const place = mountOf(mounts, root);
    return place?.options.includes("ro")
      ? [
          {
            says: `${place.folder} can only be read`,
            remedy: "the kernel does that to a card with errors (dmesg tells): make a backup, then check or replace it",
          },
        ]
      : [{ says: `${place?.folder ?? "/"} can be written` }];
  },
  keys: ({ keys, home }) => {
    const plain = plainCopies(keys);
    const file = `${home}/.ssh/authorized_keys`;
    const [lines, have, them] = plain.length > 1 ? ["lines", "have", "those lines"] : ["line", "has", "that line"];
    return findings(
      "no plain key stands before its restricted copy",
      plain.length === 0
        ? []
        : [
            {
              says: `${lines} ${plain.join(", ")} of ${file} ${have} a key without a command, before the line that leads to piku`,
              // One command: without a line, those below have other numbers.
              remedy: `remove ${them}: sed -i '${plain.map((line) => `${line}d`).join(";")}' ${file}`,
            },
          ],
    );
  },
  rights: ({ modes, foreign, missing, root }) =>
    findings("as they should be", [
      ...missing.map((path) => ({ says: `${path} is missing`, remedy: "setup makes it" })),
      ...foreign.map((path) => ({
        says: `${path} belongs to another user`,
        remedy: `sudo chown -R --reference=${shellQuote(root)} ${shellQuote(path)}`,
      })),
      ...openToOthers(modes),
    ]),
  leftovers: ({ leftovers, waiting, unfinished }) =>
    findings(waiting.length > 0 ? `none; settings wait for a first push of ${waiting.join(", ")}` : "none", [
      ...unfinished.map((app) => ({
        says: `a deploy of app '${app}' was cut off`,
        remedy: `recover, or restart ${app}`,
      })),
      ...leftovers.map((name) => ({
        says: `'${name}' has settings or a repository, but is no app`,
        remedy: `push it, or destroy ${name}`,
      })),
    ]),
};

/** One finding for all of them: a board of the original's has dozens, and one command closes them. */
function openToOthers(modes: readonly Mode[]): Finding[] {
  const open = modes.filter(({ mode, most }) => (mode & ~most) !== 0);
  const [first] = open;
  if (!first) return [];
  if (open.length === 1)
    return [
      { says: `${first.path} is open to others`, remedy: `chmod ${first.most.toString(8)} ${shellQuote(first.path)}` },
    ];
  return [{ says: `${first.path} and ${open.length - 1} more are open to others`, remedy: "setup closes them" }];
}

const findings = (fine: string, wrong: Finding[]): Finding[] => (wrong.length > 0 ? wrong : [{ says: fine }]);

const packages: Record<string, string> = {
  git: "git",
  uwsgi: "uwsgi-core uwsgi-plugin-python3",
  nginx: "nginx-light",
  openssl: "openssl",
  curl: "curl",
  "ssh-keygen": "openssh-client",
  tar: "tar",
  flock: "util-linux",
};

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

const soon = 7;
const leastBytes = 250 * 1024 * 1024;
const leastInodes = 2000;
// A board without a clock of its own begins in the past.
const firstRelease = Date.UTC(2025, 0, 1);

const supply = "use the supply that came with the board, and a short cable";
const cooling = "give it a heat sink, or air";

/** What the bits of the firmware mean (vcgencmd get_throttled): what is, and what has been since the board was started. */
const bits = [
  { mask: 0x1, says: "the voltage is too low right now", remedy: supply },
  { mask: 0x10000, says: "the voltage has been too low since the board was started", remedy: supply },
  { mask: 0x6, says: "the processor is slowed down right now", remedy: `${supply}; ${cooling}` },
  { mask: 0x8, says: "the board is too hot right now", remedy: cooling },
  { mask: 0x80000, says: "the board has been too hot since it was started", remedy: cooling },
];

/** The file system that a path is on, from the text of /proc/mounts: the deepest one, and of those the last. */
export function mountOf(mounts: string, path: string): { folder: string; options: string[] } | undefined {
  const all = mounts.split("\n").flatMap((line) => {
    const [, folder, , options] = line.split(" ");
    return folder && options ? [{ folder, options: options.split(",") }] : [];
  });
  const holds = ({ folder }: { folder: string }) => `${path}/`.startsWith(folder === "/" ? "/" : `${folder}/`);
  return all
    .filter(holds)
    .reduce<(typeof all)[number] | undefined>(
      (best, one) => (best && best.folder.length > one.folder.length ? best : one),
      undefined,
    );
}

/** Numbers of the lines of authorized_keys that have a key without a command, while a later one has it with piku's: sshd takes the first. */
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
    tools: Object.fromEntries(Object.entries(versions).map(([name, argv]) => [name, versionOf(host, name, argv)])),
    settings: complaintOf(() => readMachine(host, paths.settings)),
    emperor: complaintOf(() => requireEmperor(host, paths)),
    nginx,
    sites: sites.size,
    complaint: nginx.way === "own" ? lastComplaint(host, paths) : undefined,
    refused: [...refused],
    lost: released.filter(({ name }) => !sites.has(name) && !refused.has(name)).map(({ name }) => name),
    altered: released.filter(({ name, site }) => sites.has(name) && sites.get(name) !== site).map(({ name }) => name),
    unanswered:
      nginx.way === "none"
        ? []
        : askSites(host, new Map([...sites].filter(([name]) => meant.some((app) => app.name === name)))),
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
        const pair = { certificate: `${paths.nginx}/${name}.crt`, key: `${paths.nginx}/${name}.key` };
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
    missing: [...folders, ...ownFolders].map((name) => `${paths.root}/${name}`).filter((path) => !host.stat(path)),
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
  const from = releases?.startsWith("http") ? `curl -fsSL ${releases}/install.sh | sudo sh` : "sudo sh install.sh";
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

/** What systemd says of a unit of ours: `active`, `failed`, ...; undefined where there is no such unit. */
const unitState = (host: Host, unit: string): string | undefined =>
  host.stat(`/etc/systemd/system/${unit}`) ? host.capture(["systemctl", "is-active", unit]).stdout.trim() : undefined;

/** What our nginx had against its files when it read them last, of the end of its log. */
function lastComplaint(host: Host, paths: Paths): string | undefined {
  const { errors } = webFiles(paths);
  const end = host.readFrom(errors, Math.max(0, (host.stat(errors)?.size ?? 0) - 262_144)).text;
  const begins = [": reconfiguring\n", ": start worker processes\n"];
  return readComplaint(paths, end.slice(Math.max(0, ...begins.map((line) => end.lastIndexOf(line)))));
}

const mostAsked = 200;
// What nginx says where an app does not answer. What an app answers is the app's own affair.
const fromNginx = ["502", "504"];

/** Asks nginx for each of these sites, as a visitor would, in one call; what came instead of an answer of the app's. */
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
    return status === "000" ? [[name, "nothing"]] : fromNginx.includes(status) ? [[name, status]] : [];
  });
}

/** Where a site's last server, the one that asks the app, can be reached on the board itself; undefined for names that are patterns only. */
export function addressIn(site: string): { scheme: string; host: string; address: string; port: number } | undefined {
  const server = site.slice(Math.max(0, site.lastIndexOf("\nserver {")));
  const listen = listensIn(server).find((one) => !one.startsWith("["));
  const [, address = "", port = ""] = /^(.*):(\d+)$/.exec(listen ?? "") ?? [];
  const names = [...serverNamesIn(server)].map((name) => name.replace(/^\*\./, "piku.").replace(/^_$/, "piku.invalid"));
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

const portsOf = (host: Host, paths: Paths): number[] => Object.values(readable(host, paths)?.ports ?? {});

/** Whether the clock follows others (systemd's timedatectl, or what its timesyncd leaves); undefined where nothing tells. */
function isSynchronised(host: Host): boolean | undefined {
  if (host.stat("/run/systemd/timesync/synchronized")) return true;
  const told = host.capture(["timedatectl", "show", "--property=NTPSynchronized", "--value"]).stdout.trim();
  return told === "yes" ? true : told === "no" ? false : undefined;
}

/** What a Raspberry Pi's firmware says of its power; its driver tells only of the voltage, but everybody. */
function throttledBits(host: Host): number | undefined {
  const told = /throttled=0x([0-9a-f]+)/i.exec(host.capture(["vcgencmd", "get_throttled"]).stdout)?.[1];
  if (told !== undefined) return Number.parseInt(told, 16);
  const sensors = "/sys/class/hwmon";
  const sensor = host.list(sensors).find((name) => host.read(`${sensors}/${name}/name`)?.trim() === "rpi_volt");
  return sensor === undefined ? undefined : Number(host.read(`${sensors}/${sensor}/in0_lcrit_alarm`) ?? 0);
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
