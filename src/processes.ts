import type { Host } from "./host/host.ts";

/** One process of the machine, as /proc shows it to everybody. */
export interface Process {
  pid: number;
  parent: number;
  group: number;
  title: string;
}

/** Processes whose command line passes the test; its words are joined with blanks. */
export const commandLines = (host: Host, fits: (title: string) => boolean): Process[] =>
  host
    .list("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const title = titleOf(host, Number(name));
      if (!fits(title)) return [];
      const stat = statOf(host, Number(name));
      return stat ? [{ ...stat, title }] : [];
    });

/** The fields of a process's stat behind its name, which may hold blanks and brackets (proc(5)); undefined when it is gone, or a zombie. */
function statFields(host: Host, pid: number): string[] | undefined {
  const fields = host
    .read(`/proc/${pid}/stat`)
    ?.replace(/^.*\) /s, "")
    .split(" ");
  return !fields || fields[0] === "Z" || fields[0] === "X" ? undefined : fields;
}

/** A process's parent and group; undefined when it is gone, or a zombie. */
export function statOf(host: Host, pid: number): Omit<Process, "title"> | undefined {
  const fields = statFields(host, pid);
  return fields && { pid, parent: Number(fields[1]), group: Number(fields[2]) };
}

/** A process as `Status` counts it. */
export interface Running {
  pid: number;
  parent: number;
  group: number;
  /** Milliseconds of CPU time, with that of its children that have ended. */
  cpu: number;
  /** When it began, milliseconds since 1970. */
  began: number;
}

// USER_HZ of proc(5), the same on every machine that piku is for.
const tick = 10;

/** Every process that is alive. */
export function everyProcess(host: Host): Running[] {
  const uptime = Number((host.read("/proc/uptime") ?? "").split(" ")[0]) * 1000;
  const booted = host.now() - uptime;
  return host.list("/proc").flatMap((name) => {
    const fields = /^\d+$/.test(name) ? statFields(host, Number(name)) : undefined;
    if (!fields) return [];
    const [parent, group] = [Number(fields[1]), Number(fields[2])];
    const cpu = tick * fields.slice(11, 15).reduce((sum, value) => sum + Number(value), 0);
    return [{ pid: Number(name), parent, group, cpu, began: Math.round(booted + tick * Number(fields[19])) }];
  });
}

/** These processes, those of their groups where they lead one, and all that descends from them. */
export function familyOf(every: readonly Running[], roots: readonly number[]): Running[] {
  const family = new Set<number>();
  for (let before = -1; before < family.size; ) {
    before = family.size;
    for (const { pid, parent, group } of every)
      if (roots.includes(pid) || roots.includes(group) || family.has(parent)) family.add(pid);
  }
  return every.filter(({ pid }) => family.has(pid));
}

/** Bytes of memory that a process has (proc(5): VmRSS, in kilobytes whatever the size of a page is). */
export const memoryOf = (host: Host, pid: number) =>
  1024 * Number(/^VmRSS:\s+(\d+)/m.exec(host.read(`/proc/${pid}/status`) ?? "")?.[1] ?? 0);

/** A process's command line, its words joined with blanks; empty when it is gone. */
export const titleOf = (host: Host, pid: number) =>
  (host.read(`/proc/${pid}/cmdline`) ?? "").replaceAll("\0", " ").trim();

/** Whether anybody of a process group is alive. */
export const isGroupAlive = (host: Host, group: number) =>
  host.list("/proc").some((name) => /^\d+$/.test(name) && statOf(host, Number(name))?.group === group);

/** Whether a process is there and alive. */
export const isAlive = (host: Host, pid: number) => statOf(host, pid) !== undefined;

/** The number in a file that a process wrote about itself. */
export function pidIn(host: Host, file: string): number | undefined {
  const pid = Number(host.read(file)?.trim() || Number.NaN);
  return Number.isInteger(pid) && pid > 1 ? pid : undefined;
}

interface Socket {
  port: number;
  state: string;
  inode: string;
}

/** The TCP sockets of the machine, both families (proc(5): /proc/net/tcp). */
const tcpSockets = (host: Host): Socket[] =>
  ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((file) =>
    (host.read(file) ?? "")
      .split("\n")
      .slice(1)
      .flatMap((line) => {
        const fields = line.trim().split(/\s+/);
        const port = Number.parseInt(fields[1]?.split(":")[1] ?? "", 16);
        return Number.isNaN(port) ? [] : [{ port, state: fields[3]!, inode: fields[9]! }];
      }),
  );

const established = "01";
const listening = "0A";

/** Whether something listens on this TCP port. */
export const isListening = (host: Host, port: number) =>
  tcpSockets(host).some((socket) => socket.port === port && socket.state === listening);

/** The TCP ports on which a process, or one of its group, listens. */
export function listeningPorts(host: Host, group: number): number[] {
  const members = host
    .list("/proc")
    .filter((name) => /^\d+$/.test(name) && statOf(host, Number(name))?.group === group);
  const links = members.flatMap((pid) =>
    host.list(`/proc/${pid}/fd`).map((descriptor) => host.readLink(`/proc/${pid}/fd/${descriptor}`)),
  );
  const isTheirs = ({ state, inode }: Socket) => state === listening && links.includes(`socket:[${inode}]`);
  return [
    ...new Set(
      tcpSockets(host)
        .filter(isTheirs)
        .map(({ port }) => port),
    ),
  ];
}

/** How many connections to this TCP port are open. */
export const connectionsTo = (host: Host, port: number) =>
  tcpSockets(host).filter((socket) => socket.port === port && socket.state === established).length;

/** How many connections to this unix socket are open (/proc/net/unix: state 03 is connected). */
export const connectionsToSocket = (host: Host, path: string) =>
  (host.read("/proc/net/unix") ?? "").split("\n").filter((line) => {
    const fields = line.trim().split(/\s+/);
    return fields[5] === "03" && fields[7] === path;
  }).length;

/** How many processes the kernel has ended so far because memory had run out (proc(5): /proc/vmstat). */
export const killedForMemory = (host: Host) =>
  Number(/^oom_kill (\d+)/m.exec(host.read("/proc/vmstat") ?? "")?.[1] ?? 0);
