import type { App } from "../app/app.ts";
import type { Settings } from "../app/env-file.ts";
import {
  type LimitedStep,
  leastOf,
  limited,
  limitsOf,
  type Resource,
  stepLimits,
} from "../app/limits.ts";
import type { Paths } from "../app/paths.ts";
import type { Host } from "../host/host.ts";
import { killedForMemory } from "../host/processes.ts";
import { shellQuote } from "../text/text.ts";
import { emperors } from "./emperor.ts";
import script from "./limits.sh" with { type: "text" };
import { filesOf, type Worker } from "./worker.ts";

/** The controller of cgroup v2 that limits a resource. */
export const controllers: Record<Resource, string> = {
  memory: "memory",
  processes: "pids",
  cpu: "cpu",
};

const limitsOfWorker = ({ settings, kind }: Pick<Worker, "settings" | "kind">) =>
  limitsOf(settings, kind);

/** Whether a worker has any limit. */
export const isLimited = (worker: Pick<Worker, "settings" | "kind">) =>
  limited(leastOf(limitsOfWorker(worker))).length > 0;

/**
 * The groups of a worker below that of the emperor's service: one of its release, since two of them
 * run side by side during a deploy, and in it one of its own.
 */
const groupOf = (
  { name }: App,
  { kind, ordinal, release }: Pick<Worker, "kind" | "ordinal" | "release">,
) => ({
  group: `${name}-${release}`,
  worker: `${kind}.${ordinal}`,
});

/**
 * The script that a worker with limits is started by: it enters its control groups, or limits each
 * of its processes, and becomes what its arguments say. It decides that itself, since it also runs
 * when the board was started anew, with other controllers perhaps.
 */
export function renderLimitScript(app: App, worker: Worker): string {
  const limits = limitsOfWorker(worker);
  const each = leastOf(limits);
  const values: Record<string, string | number | undefined> = {
    log: filesOf(app, worker).log,
    ...groupOf(app, worker),
    wanted: limited(each)
      .map((resource) => controllers[resource])
      .join(" "),
    app_memory: limits.app.memory,
    app_processes: limits.app.processes,
    app_cpu: limits.app.cpu,
    memory: limits.own.memory,
    processes: limits.own.processes,
    cpu: limits.own.cpu,
    each_memory: each.memory && Math.floor(each.memory / 1024),
    each_processes: each.processes,
  };
  const lines = Object.entries(values).map(
    ([name, value]) => `${name}=${value === undefined ? "" : shellQuote(String(value))}\n`,
  );
  return `# Written by piku; changes are lost.\n${lines.join("")}${script}`;
}

/** What starts a command within the limits of a worker, whose script becomes it. */
export const limitArgv = (app: App, worker: Worker, command: readonly string[]): string[] => [
  "sh",
  filesOf(app, worker).limits,
  ...command,
];

/**
 * Whether a command runs on Java, which reserves far more memory than it uses, so that it does not
 * start within a limit of each process.
 */
export const isJava = (command: string) =>
  /(^|[\s/])(java|mvnw?|gradlew?|lein|clj|clojure)(\s|$)/.test(command);

/** What a step of piku's own is started by, so that each process of it has its limits. */
export function limitStep(
  host: Host,
  settings: Settings,
  step: LimitedStep,
  argv: string[],
): string[] {
  const { memory, processes } = stepLimits(settings, step);
  const words = [
    ...(memory === undefined || isJava(argv.join(" ")) ? [] : [`--data=${memory}`]),
    ...(processes === undefined || !hasNamespaces(host) ? [] : [`--nproc=${processes}`]),
  ];
  if (words.length === 0) return argv;
  const space = words.some((word) => word.startsWith("--nproc"))
    ? ["unshare", "--user", "--map-current-user"]
    : [];
  return [...space, "prlimit", ...words, ...argv];
}

/**
 * Whether processes can be counted for an app alone without control groups: in a user namespace of
 * its own, from Linux 5.14 on. A kernel before it counts all processes of piku's user.
 */
export const hasNamespaces = (host: Host) =>
  host.capture([
    ...["unshare", "--user", "--map-current-user", "prlimit", "--nproc=4"],
    ...["sh", "-c", "true | true"],
  ]).status === 0;

/** Where the control groups of this board's workers are, and which controllers they can have. */
export interface Groups {
  /** The folder of the emperor's service. */
  unit: string;
  controllers: readonly string[];
}

const tree = "/sys/fs/cgroup";

/** The folder of the emperor's service among the control groups. */
function unitOf(host: Host, paths: Paths): string | undefined {
  const [emperor] = emperors(host, paths);
  const own = emperor && /^0::(\/.*)$/m.exec(host.read(`/proc/${emperor}/cgroup`) ?? "")?.[1];
  return own ? `${tree}${own.replace(/\/emperor$/, "")}` : undefined;
}

/** The control groups that the emperor's service may make; undefined where it may make none. */
export function findGroups(host: Host, paths: Paths): Groups | undefined {
  const unit = unitOf(host, paths);
  if (!unit?.endsWith(".service") || host.uid === 0) return undefined;
  if (host.capture(["test", "-w", `${unit}/cgroup.procs`]).status !== 0) return undefined;
  const listed = host.read(`${unit}/cgroup.controllers`) ?? "";
  return { unit, controllers: listed.trim().split(" ") };
}

/** What a worker uses of its limits, as its control group counts it. */
export interface Use {
  /** Bytes, and processes; undefined where the kernel does not count them. */
  memory?: number;
  processes?: number;
  /** How many of its processes were ended because they needed more memory. */
  ended: number;
}

/** What a worker uses of its limits; undefined for one that is in no group. */
export function useOf(
  host: Host,
  app: App,
  vassal: Pick<Worker, "kind" | "ordinal" | "release">,
): Use | undefined {
  const { group, worker } = groupOf(app, vassal);
  const folder = `${unitOf(host, app.paths)}/${group}/${worker}`;
  if (!host.stat(folder)) return undefined;
  const number = (file: string) => {
    const text = host.read(`${folder}/${file}`)?.trim();
    return text === undefined || text === "" ? undefined : Number(text);
  };
  return {
    memory: number("memory.current"),
    processes: number("pids.current"),
    ended: endedIn(host, folder),
  };
}

/**
 * How many processes the kernel has ended so far because the server's memory had run out, without
 * those that were over a limit of their own.
 */
export function killedWithoutLimit(host: Host, paths: Paths): number {
  const unit = unitOf(host, paths);
  const groups = unit && host.stat(`${unit}/emperor`) ? host.list(unit) : [];
  const ofLimits = groups
    .filter((name) => /-\d+$/.test(name))
    .reduce((sum, name) => sum + endedIn(host, `${unit}/${name}`), 0);
  return killedForMemory(host) - ofLimits;
}

/** How many processes of a group were ended because they needed more memory. */
const endedIn = (host: Host, folder: string) =>
  Number(/^oom_kill (\d+)/m.exec(host.read(`${folder}/memory.events`) ?? "")?.[1] ?? 0);

/** Removes the groups of an app's workers that have ended; those with a process in them stay. */
export function removeGroups(host: Host, app: App): void {
  const unit = unitOf(host, app.paths);
  // Without a worker that has limits nobody has moved the emperor.
  if (!unit || !host.stat(`${unit}/emperor`)) return;
  const groups = host.list(unit).filter((name) => /^(.*)-\d+$/.exec(name)?.[1] === app.name);
  const folders = groups.flatMap((group) => [
    ...host
      .list(`${unit}/${group}`)
      .filter((name) => /^[\w-]+\.\d+$/.test(name))
      .map((name) => `${unit}/${group}/${name}`),
    `${unit}/${group}`,
  ]);
  if (folders.length > 0) host.capture(["rmdir", ...folders]);
}
