import type { Settings } from "../app/env-file.ts";
import {
  bindingLimit,
  leastOf,
  limited,
  limitsOf,
  type Resource,
  stepLimits,
} from "../app/limits.ts";
import type { Paths } from "../app/paths.ts";
import type { Host } from "../host/host.ts";
import { PikuError } from "../text/errors.ts";
import { emperors } from "./emperor.ts";
import { controllers, findGroups, hasNamespaces, isJava } from "./limits.ts";
import { namespaceRemedy } from "./namespaces.ts";
import type { Worker } from "./worker.ts";

/** What keeps the board from a limit, and what to do about it on the server. */
export interface Fault {
  says: string;
  remedy: string;
}

const boots = ["/boot/firmware/cmdline.txt", "/boot/cmdline.txt"];
const commandLine = (host: Host) => {
  const file = boots.find((one) => host.stat(one));
  return file ? `the line in ${file}` : "GRUB_CMDLINE_LINUX in /etc/default/grub, sudo update-grub";
};

/**
 * Why the board cannot limit this by control groups; undefined where it can, and where no emperor
 * runs that could tell.
 */
export function groupFault(host: Host, paths: Paths, resource: Resource): Fault | undefined {
  if (emperors(host, paths).length === 0) return undefined;
  const controller = controllers[resource];
  const groups = findGroups(host, paths);
  if (groups?.controllers.includes(controller)) return undefined;
  if (!host.stat("/run/systemd/system"))
    return {
      says: "the server has no systemd, which hands control groups to services",
      remedy: "it takes a distribution with systemd",
    };
  const all = host.read("/sys/fs/cgroup/cgroup.controllers");
  if (all === undefined)
    return {
      says: "the server has no control groups of version 2",
      remedy: `add systemd.unified_cgroup_hierarchy=1 to ${commandLine(host)}, then sudo reboot`,
    };
  if (!all.trim().split(" ").includes(controller))
    return {
      says: `the server's kernel has its '${controller}' controller off`,
      remedy: `add cgroup_enable=${controller} to ${commandLine(host)}, then sudo reboot`,
    };
  return {
    says: "the service of uWSGI's emperor may make no control groups",
    remedy: "run install.sh again, then sudo reboot",
  };
}

/** Why the board cannot count the processes of one app without control groups. */
export function namespaceFault(host: Host): Fault | undefined {
  if (hasNamespaces(host)) return undefined;
  return {
    says: "the server's kernel gives piku no user namespaces to count an app's processes in",
    remedy:
      namespaceRemedy(host) ??
      "it needs Linux 5.14 or later with CONFIG_USER_NS, and no container around it",
  };
}

/** Why these workers cannot have a limit that they ask for, and what the limit is. */
function faultOf(host: Host, paths: Paths, workers: readonly Worker[], resource: Resource) {
  const asked = workers.filter(
    ({ settings, kind }) => leastOf(limitsOf(settings, kind))[resource] !== undefined,
  );
  const group = asked.length > 0 ? groupFault(host, paths, resource) : undefined;
  if (!group) return undefined;
  const java = asked.find(({ kind, command }) => kind === "jwsgi" || isJava(command));
  const faults: Record<Resource, () => Fault | undefined> = {
    cpu: () => group,
    processes: () => {
      const fault = namespaceFault(host);
      return fault && { says: `${group.says}, and ${fault.says}`, remedy: group.remedy };
    },
    memory: () =>
      java && {
        says: `Java reserves more than it uses, and ${group.says}`,
        remedy: group.remedy,
      },
  };
  const fault = faults[resource]();
  const worker = resource === "memory" ? java : asked[0];
  return (
    fault && worker && { ...fault, limit: bindingLimit(worker.settings, worker.kind, resource)! }
  );
}

/** Refuses limits that this board cannot keep, with what to change on it. */
export function refuseLimits(host: Host, paths: Paths, workers: readonly Worker[]): void {
  for (const resource of Object.keys(controllers) as Resource[]) {
    const fault = faultOf(host, paths, workers, resource);
    if (fault)
      throw new PikuError(
        `${fault.limit} cannot be kept: ${fault.says}`,
        `on the server: ${fault.remedy}`,
      );
  }
}

/** What is not limited although it is asked for: steps of piku's own, which no group can hold. */
export function limitDoubts(host: Host, settings: Settings, builds: readonly string[]): string[] {
  const asked = limited(stepLimits(settings, "build"));
  const java = builds.some(isJava);
  const fault = asked.includes("processes") ? namespaceFault(host) : undefined;
  return [
    ...(asked.includes("memory") && java
      ? ["PIKU_MEMORY does not count for this build: Java reserves more than it uses"]
      : []),
    ...(fault ? [`PIKU_PROCESSES does not count for builds, release and run: ${fault.says}`] : []),
  ];
}
