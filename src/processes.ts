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

/** A process's parent and group; undefined when it is gone, or a zombie. proc(5): the name may hold blanks and brackets. */
export function statOf(host: Host, pid: number): Omit<Process, "title"> | undefined {
  const fields = host
    .read(`/proc/${pid}/stat`)
    ?.replace(/^.*\) /s, "")
    .split(" ");
  if (!fields || fields[0] === "Z" || fields[0] === "X") return undefined;
  return { pid, parent: Number(fields[1]), group: Number(fields[2]) };
}

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
  address: string;
  port: number;
  state: string;
}

/** The TCP sockets of the machine whose own port is this one (/proc/net/tcp, both families). */
function tcpSockets(host: Host, port: number): Socket[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((file) =>
    (host.read(file) ?? "").split("\n").flatMap((line) => {
      const [, local = "", , state = ""] = line.trim().split(/\s+/);
      return local.endsWith(suffix) ? [{ address: local.slice(0, -suffix.length), port, state }] : [];
    }),
  );
}

const established = "01";
const listening = "0A";

/** Whether something listens on this TCP port. */
export const isListening = (host: Host, port: number) =>
  tcpSockets(host, port).some(({ state }) => state === listening);

/** How many connections to this TCP port are open. */
export const connectionsTo = (host: Host, port: number) =>
  tcpSockets(host, port).filter(({ state }) => state === established).length;

/** How many connections to this unix socket are open (/proc/net/unix: state 03 is connected). */
export const connectionsToSocket = (host: Host, path: string) =>
  (host.read("/proc/net/unix") ?? "").split("\n").filter((line) => {
    const fields = line.trim().split(/\s+/);
    return fields[5] === "03" && fields[7] === path;
  }).length;
