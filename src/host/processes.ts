import type { Host, ProcessFacts } from "./host.ts";
import { restOfLine } from "./lines.ts";

/** One process of the machine, as /proc shows it to everybody. */
export interface Process {
  pid: number;
  parent: number;
  group: number;
  title: string;
}

/** The ids of all processes; one may be gone when it is looked at. */
const processIds = (host: Host): number[] =>
  host
    .list("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);

/** Processes whose command line passes the test; its words are joined with spaces. */
export const commandLines = (host: Host, fits: (title: string) => boolean): Process[] =>
  processIds(host).flatMap((pid) => {
    const title = titleOf(host, pid);
    if (!fits(title)) return [];
    const stat = statOf(host, pid);
    return stat ? [{ ...stat, title }] : [];
  });

/**
 * The fields of a process's stat after its name, which may contain spaces and brackets (proc(5)):
 * state, parent, group, session, ...; undefined when it is gone, or a zombie.
 */
function statFields(host: Host, pid: number): string[] | undefined {
  const stat = host.read(`/proc/${pid}/stat`);
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  return !fields || fields[0] === "Z" || fields[0] === "X" ? undefined : fields;
}

/** A process's parent and group; undefined when it is gone, or a zombie. */
export function statOf(host: Host, pid: number): Omit<Process, "title"> | undefined {
  const fields = statFields(host, pid);
  return fields && { pid, parent: Number(fields[1]), group: Number(fields[2]) };
}

/** `Host.processes` by the files below /proc. */
export const readProcesses = (host: Host): ProcessFacts[] =>
  processIds(host).flatMap((pid) => {
    const fields = statFields(host, pid)?.map(Number);
    if (!fields) return [];
    const [, parent, group, session] = fields as [number, number, number, number];
    const ticks = fields.slice(11, 15).reduce((sum, value) => sum + value, 0);
    return [{ pid, parent, group, session, ticks, began: fields[19]! }];
  });

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

/** When the machine was started, milliseconds since 1970 by its clock as it is set now. */
export const bootTime = (host: Host) =>
  host.now() - Number((host.read("/proc/uptime") ?? "").split(" ")[0]) * 1000;

/** Every process that is alive. */
export function everyProcess(host: Host): Running[] {
  const booted = bootTime(host);
  return host.processes().map(({ pid, parent, group, ticks, began }) => ({
    pid,
    parent,
    group,
    cpu: tick * ticks,
    began: Math.round(booted + tick * began),
  }));
}

/**
 * Finds these processes, those of their groups where they lead one, and all that descends from them;
 * for many questions about one look at the machine.
 */
export function familiesIn(every: readonly Running[]): (roots: readonly number[]) => Running[] {
  const known = new Map(every.map((one) => [one.pid, one]));
  const children = Map.groupBy(every, ({ parent }) => parent);
  const members = Map.groupBy(every, ({ group }) => group);
  return (roots) => {
    const family = new Set(
      roots.flatMap((pid) => [known.get(pid) ?? [], members.get(pid) ?? []].flat()),
    );
    // A set also goes through what is added on the way.
    for (const { pid } of family) for (const child of children.get(pid) ?? []) family.add(child);
    return [...family];
  };
}

/** The same for one question. */
export const familyOf = (every: readonly Running[], roots: readonly number[]) =>
  familiesIn(every)(roots);

/**
 * Bytes of memory that a process has (proc(5): VmRSS, in kilobytes whatever the size of a page is).
 */
export const memoryOf = (host: Host, pid: number) =>
  1024 * Number.parseInt(restOfLine(host.read(`/proc/${pid}/status`) ?? "", "VmRSS:") ?? "0", 10);

const maxCommandLine = 64 * 1024;

/**
 * The words of a process's command line, as many as are in its first 64 KB: a process can have one
 * of megabytes. Empty when it is gone.
 */
export const wordsOf = (host: Host, pid: number): string[] =>
  host.readFrom(`/proc/${pid}/cmdline`, 0, true, maxCommandLine).text.split("\0");

/** The same words joined with spaces. */
export const titleOf = (host: Host, pid: number) => wordsOf(host, pid).join(" ").trim();

/** What a look at a process gives, or `nothing` for one of another user, or one that is gone. */
function ofAnother<T>(nothing: T, look: () => T): T {
  try {
    return look();
  } catch {
    return nothing;
  }
}

// What the kernel takes at most for one (execve(2)): a quarter of a stack of 8 MB.
const maxEnvironment = 2 * 1024 * 1024;

/**
 * The value of a variable in the environment that a process was started with (proc(5)), whatever it
 * has made of that since; undefined where there is none, and for another user's process.
 */
export const startedWith = (host: Host, pid: number, name: string): string | undefined =>
  ofAnother("", () => host.readFrom(`/proc/${pid}/environ`, 0, true, maxEnvironment).text)
    .split("\0")
    .find((line) => line.startsWith(`${name}=`))
    ?.slice(name.length + 1);

/** What a process was started from, its directory, or what it has open; undefined for another user's. */
export const linkOf = (host: Host, pid: number, link: "exe" | "cwd" | "fd/0" | "fd/3") =>
  ofAnother(undefined, () => host.readLink(`/proc/${pid}/${link}`));

/** The groups of a session in which a process is alive. */
export function groupsOf(host: Host, session: number): number[] {
  const members = host.processes().filter((one) => one.session === session);
  return [...new Set(members.map(({ group }) => group))];
}

/** Those of these groups in which a process is alive. */
export function aliveOf(host: Host, groups: readonly number[]): number[] {
  const alive = new Set(groups.length > 0 ? host.processes().map(({ group }) => group) : []);
  return groups.filter((group) => alive.has(group));
}

/**
 * Ends process groups: TERM, and KILL after `grace` milliseconds. `alive`: those that are alive, as
 * a look at the machine shows now.
 */
export function endGroups(host: Host, alive: () => number[], grace: number): void {
  const until = host.ticks() + grace;
  for (const group of alive()) host.signal(-group, "TERM");
  while (alive().length > 0 && host.ticks() < until) host.sleep(50);
  // Again and again: a process that forks while it is being killed leaves a child that was not
  // there yet.
  for (let groups = alive(), tries = 0; groups.length > 0 && tries < 100; tries++) {
    for (const group of groups) host.signal(-group, "KILL");
    host.sleep(10);
    groups = alive();
  }
}

/** Whether a process is alive. */
export const isAlive = (host: Host, pid: number) => statOf(host, pid) !== undefined;

/** The ids of a process in each namespace from ours to its own (proc(5): NSpid). */
const idsAcross = (host: Host, pid: number) =>
  (restOfLine(host.read(`/proc/${pid}/status`) ?? "", "NSpid:\t") ?? "").split("\t");

/**
 * The id here of a child that knows itself as `own`: in a namespace of processes of its own
 * (pid_namespaces(7)) it has another one. Undefined when it is gone.
 */
export function childKnownAs(host: Host, parent: number, own: number): number | undefined {
  if (idsAcross(host, parent).length < 2) return own;
  return processIds(host).find(
    (pid) => statOf(host, pid)?.parent === parent && idsAcross(host, pid).at(-1) === String(own),
  );
}

/** The number in a file that a process wrote about itself. */
export function pidIn(host: Host, file: string): number | undefined {
  const pid = Number(host.read(file)?.trim() || Number.NaN);
  return Number.isInteger(pid) && pid > 1 ? pid : undefined;
}

/** The tables of this machine's TCP sockets, one for each family (proc(5)). */
const tcpTables = ["/proc/net/tcp", "/proc/net/tcp6"];

// `sl: local-address:port remote-address:port state …`, numbers in hexadecimal.
const socketLine = /^ *\d+: ([0-9A-F]+):([0-9A-F]{4}) \S+ ([0-9A-F]{2}) /;
const listening = "0A";
const established = "01";

/** A TCP socket that listens. */
export interface Listener {
  /** As people write it; that of IPv4 also where the socket is of both families. */
  address: string;
  port: number;
  inode: string;
}

/**
 * An address of /proc/net/tcp: words of four bytes, each in the order of the machine, which is
 * little-endian wherever piku runs.
 */
function readAddress(hexadecimal: string): string {
  const bytes = (hexadecimal.match(/.{8}/g) ?? []).flatMap((word) => word.match(/../g)!.reverse());
  const isMapped = bytes.slice(0, 12).join("") === "00000000000000000000FFFF";
  if (bytes.length === 4 || isMapped)
    return bytes
      .slice(-4)
      .map((byte) => Number.parseInt(byte, 16))
      .join(".");
  const groups = (bytes.join("").match(/.{4}/g) ?? []).map((group) =>
    Number.parseInt(group, 16).toString(16),
  );
  return groups.join(":").replace(/(^|:)0(:0)+(:|$)/, "::");
}

/**
 * Gives the TCP sockets that listen to `test` until it is true for one; whether it was. The kernel
 * lists them first (tcp_seq_next in net/ipv4/tcp_ipv4.c, Linux 4.4 and later), so reading ends at
 * the first that does not listen: a busy machine has tens of thousands of others, most of them in
 * TIME_WAIT.
 */
const someListener = (host: Host, test: (listener: Listener) => boolean) =>
  tcpTables.some((file) => {
    let isFound = false;
    host.search(file, (lines) =>
      lines.split("\n").some((line) => {
        const [, address, port, state] = socketLine.exec(line) ?? [];
        if (address === undefined || port === undefined) return false;
        if (state !== listening) return true;
        isFound = test({
          address: readAddress(address),
          port: Number.parseInt(port, 16),
          inode: line.trim().split(/\s+/)[9]!,
        });
        return isFound;
      }),
    );
    return isFound;
  });

/** Whether something listens on this TCP port, at any address. */
export const isListening = (host: Host, port: number) =>
  someListener(host, (listener) => listener.port === port);

/**
 * Whether a TCP connection to this address and port is accepted: what listens at another address of
 * the machine does not count. An address that is a name counts as any.
 */
export function isReached(host: Host, asked: string, port: number): boolean {
  const [bare] = asked.match(/[^[\]]+/) ?? [];
  const address = bare === undefined || /^(0\.0\.0\.0|::)$/.test(bare) ? "127.0.0.1" : bare;
  const isNumber = /^[\d.]+$|:/.test(address);
  return someListener(host, (listener) => {
    if (listener.port !== port) return false;
    if (!isNumber || listener.address === address) return true;
    if (listener.address === "::")
      // A socket of IPv6 alone (IPV6_V6ONLY) looks the same; it leaves the port of IPv4 free.
      return address.includes(":") || !host.canBind(address, port);
    return listener.address === "0.0.0.0" && !address.includes(":");
  });
}

/** The TCP sockets on which one of these processes listens. */
export function listenersOf(host: Host, pids: readonly number[]): Listener[] {
  const links = new Set(
    pids.flatMap((pid) =>
      ofAnother([], () =>
        host
          .list(`/proc/${pid}/fd`)
          .map((descriptor) => host.readLink(`/proc/${pid}/fd/${descriptor}`)),
      ),
    ),
  );
  const found: Listener[] = [];
  someListener(host, (listener) => {
    if (links.has(`socket:[${listener.inode}]`)) found.push(listener);
    return false;
  });
  return found;
}

/**
 * Whether there is a connection to this TCP port. Established connections stand among those in
 * TIME_WAIT, so all of the table has to be looked through: by a search for the port, which costs
 * less than the kernel takes to write the table.
 */
export function hasConnections(host: Host, port: number): boolean {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, "0")} `;
  return tcpTables.some((file) =>
    host.search(file, (lines) => {
      for (let at = lines.indexOf(wanted); at >= 0; at = lines.indexOf(wanted, at + 1)) {
        // After a local port come the remote address and the state; after a remote one no such
        // state.
        if (lines.startsWith(`${established} `, lines.indexOf(" ", at + wanted.length) + 1))
          return true;
      }
      return false;
    }),
  );
}

/** Whether one of the sockets with this path passes a test of its line in /proc/net/unix. */
const someSocket = (host: Host, path: string, test: (fields: string[]) => boolean) =>
  host.search("/proc/net/unix", (lines) => {
    const ending = ` ${path}\n`;
    for (let at = lines.indexOf(ending); at >= 0; at = lines.indexOf(ending, at + 1)) {
      if (test(lines.slice(lines.lastIndexOf("\n", at) + 1, at).split(/\s+/))) return true;
    }
    return false;
  });

/** Whether there is a connection to this unix socket (/proc/net/unix: state 03 is connected). */
export const isSocketConnected = (host: Host, path: string) =>
  someSocket(host, path, (fields) => fields.at(-2) === "03");

/** Whether somebody listens at this unix socket (/proc/net/unix: the flag of SO_ACCEPTCON). */
export const isSocketHeld = (host: Host, path: string) =>
  someSocket(host, path, (fields) => fields.at(-4) === "00010000");

/**
 * How many processes the kernel has ended so far because memory had run out (proc(5):
 * /proc/vmstat).
 */
export const killedForMemory = (host: Host) =>
  Number(/^oom_kill (\d+)/m.exec(host.read("/proc/vmstat") ?? "")?.[1] ?? 0);
