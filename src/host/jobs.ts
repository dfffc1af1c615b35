import type { Exec, Host, Job } from "./host.ts";
import script from "./job.sh" with { type: "text" };
import { bootTime, endGroups, groupsOf, isAlive, pidIn, wordsOf } from "./processes.ts";
import { waitUntil } from "./wait.ts";

/** Starts a child in a session of its own; see `Host.start`. */
export function startJob(
  host: Host,
  launch: (argv: readonly string[], how: Exec) => number,
  argv: readonly string[],
  { log, status, cwd, env }: Exec & { log: string; status: string },
): Job {
  host.remove(status);
  host.remove(`${status}.pid`);
  host.append(log, "");
  const pid = launch(["sh", "-c", script, "piku-job", status, log, ...argv], { cwd, env });
  const job = { status };
  const isThere = () => sessionOf(host, job) !== undefined || statusOf(host, job) !== undefined;
  waitUntil(host, () => isThere() || !isAlive(host, pid), { every: 1 });
  if (!isThere()) throw new Error(`cannot start '${argv[0]}': '${status}' cannot be written`);
  return job;
}

/** The exit status of a job, or undefined while it runs; see `Host.poll`. */
export function pollJob(host: Host, job: Job): number | undefined {
  const before = statusOf(host, job);
  if (before !== undefined) return before;
  const session = sessionOf(host, job);
  if (session !== undefined && isLeader(host, session, job)) return undefined;
  // It may have written its status down between the two looks.
  return statusOf(host, job) ?? 137;
}

/** Ends a job's session; see `Host.end`. */
export function endJob(host: Host, job: Job, grace: number): void {
  const session = sessionOf(host, job);
  if (session === undefined || isSomeoneElses(host, session, job)) return;
  endGroups(host, () => groupsOf(host, session), grace);
}

function statusOf(host: Host, { status }: Job): number | undefined {
  const text = host.read(status)?.trim();
  return text ? Number.parseInt(text, 10) : undefined;
}

const sessionOf = (host: Host, { status }: Job) => pidIn(host, `${status}.pid`);

/**
 * The shell that runs `job.sh` names its status file; a later process with the same number does
 * not.
 */
const isLeader = (host: Host, session: number, { status }: Job) =>
  wordsOf(host, session).includes(status);

/**
 * Whether the number now belongs to something that came later: another process, or all of it is
 * from before the reboot.
 */
function isSomeoneElses(host: Host, session: number, job: Job): boolean {
  if (isLeader(host, session, job)) return false;
  if (isAlive(host, session)) return true;
  return (host.stat(`${job.status}.pid`)?.modified ?? 0) < bootTime(host);
}
