import { type App, appOf, listApps } from "./app.ts";
import { explain } from "./errors.ts";
import { listVassals, requireEmperor } from "./generation.ts";
import type { Host } from "./host/host.ts";
import { isHeld, withTurn } from "./locks.ts";
import { readMachine } from "./machine.ts";
import { askNginx, isNginxUp, readSites, stagingOf, testSites } from "./nginx.ts";
import { closed, folders, type Paths } from "./paths.ts";
import { everyProcess, isListening, isSocketOpen, killedForMemory } from "./processes.ts";
import { appsWithWorkers, isUp } from "./recovery.ts";
import { readJournal } from "./releases.ts";
import { memoryLeft } from "./room.ts";
import { type KeyLine, parseKeyLines } from "./ssh.ts";
import { surveyProcesses } from "./status.ts";
import { shellQuote } from "./text.ts";
import { readCertificate } from "./tls.ts";
import { isInside, socketLink } from "./uwsgi.ts";

/** What a check has found: a fact, or what is wrong and what to do about it. */
export interface Finding {
  says: string;
  /** What puts it right; without one nothing is wrong. */
  remedy?: string;
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
  nginx: boolean;
  /** How many sites there are, and what nginx has against them. */
  sites: number;
  complaint?: string;
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
  modes: { path: string; mode: number; most: number }[];
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
  nginx: ({ nginx, deaf }) =>
    !nginx
      ? [{ says: "nginx is not running", remedy: "sudo systemctl start nginx" }]
      : findings(
          "nginx runs",
          deaf.map((port) => ({
            says: `nobody listens on port ${port}`,
            remedy: "sudo systemctl reload nginx; `sudo nginx -t` tells what it has against it",
          })),
        ),
  sites: ({ sites, complaint }) =>
    complaint
      ? [{ says: `nginx refuses the sites: ${complaint}`, remedy: "deploy that app again, or destroy it" }]
      : [{ says: `${sites} ${sites === 1 ? "site" : "sites"}, which nginx takes` }],
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
      ...modes
        .filter(({ mode, most }) => (mode & ~most) !== 0)
        .map(({ path, most }) => ({
          says: `${path} is open to others`,
          remedy: `chmod ${most.toString(8)} ${shellQuote(path)}`,
        })),
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
  const running = apps.filter((app) => isUp(host, app, working));
  const sites = readSites(host, paths);
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
    nginx: isNginxUp(host),
    sites: sites.size,
    complaint: siteComplaint(host, paths, sites),
    deaf: sites.size > 0 ? portsOf(host, paths).filter((port) => !isListening(host, port)) : [],
    workers: running.flatMap((app) =>
      surveyProcesses(host, app, every).map(({ process: name, kind, up, port }) => ({
        app: app.name,
        process: name,
        up,
        answers: !host.stat(app.site) || answers(host, app, kind, Number(name.split(".")[1]), port),
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
    missing: [...new Set([...folders, ...closed])]
      .map((name) => `${paths.root}/${name}`)
      .filter((path) => !host.stat(path)),
    foreign: foreignPaths(host, paths),
    leftovers: appless.filter((name) => !waiting.includes(name)),
    waiting,
    unfinished: apps
      .filter((app) => readJournal(host, app) && !isHeld(host, paths, "deploy", app))
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

/** What nginx has against the sites that there are, tried in a folder of their own. */
function siteComplaint(host: Host, paths: Paths, sites: Map<string, string>): string | undefined {
  if (sites.size === 0) return undefined;
  const attempt = () => testSites(host, paths, sites, askNginx(host).version);
  let complaint: string | undefined;
  const failed = complaintOf(() => {
    complaint = withTurn(host, paths, "machine", undefined, "", attempt);
  });
  return complaint ?? failed?.says;
}

function portsOf(host: Host, paths: Paths): number[] {
  try {
    return Object.values(readMachine(host, paths.settings).ports);
  } catch {
    return [];
  }
}

/** Whether somebody listens where nginx sends the requests for a worker; true for one that gets none. */
function answers(host: Host, app: App, kind: string, ordinal: number, port: number | undefined): boolean {
  if (port !== undefined) return isListening(host, port);
  const socket = isInside(kind) ? host.realPath(socketLink(app, ordinal)) : undefined;
  return !isInside(kind) || (socket !== undefined && isSocketOpen(host, socket));
}

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

/** What holds settings and keys, and what sshd looks at before it believes a key (StrictModes). */
function modesOf(host: Host, paths: Paths, apps: readonly App[]): Board["modes"] {
  const looked: [string, number][] = [
    [paths.home, 0o755],
    [`${paths.home}/.ssh`, 0o755],
    [`${paths.home}/.ssh/authorized_keys`, 0o644],
    ...apps.flatMap((app): [string, number][] => [
      [`${app.envs}/ENV`, 0o600],
      [`${app.envs}/LIVE_ENV`, 0o600],
      [`${paths.nginx}/${app.name}.key`, 0o600],
    ]),
    ...closed.map((name): [string, number] => [`${paths.root}/${name}`, 0o700]),
  ];
  return looked.flatMap(([path, most]) => {
    const entry = host.stat(path);
    return entry && entry.type !== "link" ? [{ path, mode: entry.mode, most }] : [];
  });
}

/** The first few paths that are somebody else's. What nginx keeps, tries and writes is nginx's. */
const foreignPaths = (host: Host, paths: Paths) =>
  host
    .capture([
      "find",
      ...[paths.root, "-maxdepth", "3", "(", "-path", paths.cache, "-o", "-path", stagingOf(paths), ")", "-prune"],
      ...["-o", "!", "-user", String(host.uid), "!", "-name", "nginx.*.log*", "-print"],
    ])
    .stdout.split("\n")
    .filter((path) => path !== "")
    .slice(0, 5);
