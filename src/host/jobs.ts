import type { Exec, Host, Job } from "./host.ts";

/**
 * The line that a job is. Its arguments: status file, log file, then the command. It is run in a
 * session of its own; descriptor 3 is what `start` waits for, so that the session and its `.pid`
 * file exist once `start` is done. The traps (which the command does not inherit) let this shell
 * outlive a TERM to the group and write the status down.
 */
const job = `
trap : TERM INT HUP
exec 3>&1 </dev/null >>"$2" 2>&1
echo "$$" >"$1.pid" || exit
exec 3>&-
(shift 2; exec "$@")
echo "$?" >"$1.tmp" && mv -f "$1.tmp" "$1"
`;

/**
 * `$(...)` ends when the job has closed descriptor 3; what runs behind `&` is no group leader, so
 * setsid need not fork.
 */
const launch = `: $(setsid sh -c "$0" piku-job "$@" &)`;

/** Starts a child in a session of its own; see `Host.start`. */
export function startJob(
  host: Host,
  argv: readonly string[],
  { log, status, cwd, env }: Exec & { log: string; status: string },
): Job {
  host.remove(status);
  host.remove(`${status}.pid`);
  host.append(log, "");
  const ran = host.capture(["sh", "-c", launch, job, status, log, ...argv], { cwd, env });
  if (sessionOf(host, { status }) === undefined && host.read(status) === undefined) {
    throw new Error(`cannot start '${argv[0]}': ${ran.stderr.trim() || `status ${ran.status}`}`);
  }
  return { status };
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
  const until = host.ticks() + grace;
  for (const group of groupsOf(host, session)) host.signal(-group, "TERM");
  while (groupsOf(host, session).length > 0 && host.ticks() < until) host.sleep(20);
  // Again and again: a process that forks while it is being killed leaves a child that was not
  // there yet.
  for (let groups = groupsOf(host, session), tries = 0; groups.length > 0 && tries < 100; tries++) {
    for (const group of groups) host.signal(-group, "KILL");
    host.sleep(10);
    groups = groupsOf(host, session);
  }
}

function statusOf(host: Host, { status }: Job): number | undefined {
  const text = host.read(status)?.trim();
  return text ? Number.parseInt(text, 10) : undefined;
}

function sessionOf(host: Host, { status }: Job): number | undefined {
  const session = Number.parseInt(host.read(`${status}.pid`) ?? "", 10);
  return session > 1 ? session : undefined;
}

/**
 * The shell that runs the line above names its status file; a later process with the same number
 * does not.
 */
const isLeader = (host: Host, session: number, { status }: Job) =>
  (readProc(host, `${session}/cmdline`) ?? "").split("\0").includes(status);

/**
 * Whether the number now belongs to something that came later: another process, or all of it is
 * from before the reboot.
 */
function isSomeoneElses(host: Host, session: number, job: Job): boolean {
  if (isLeader(host, session, job)) return false;
  const stat = parseStat(readProc(host, `${session}/stat`));
  if (stat && stat.state !== "Z") return true;
  const started = host.stat(`${job.status}.pid`)?.modified ?? 0;
  const uptime = Number.parseFloat(readProc(host, "uptime") ?? "") * 1000;
  return started < host.now() - uptime;
}

/** The process groups of a session that have somebody alive in them. */
function groupsOf(host: Host, session: number): number[] {
  const stats = host
    .list("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => parseStat(readProc(host, `${pid}/stat`)));
  const members = stats.filter(
    (stat) => stat?.session === session && stat.state !== "Z" && stat.state !== "X",
  );
  return [...new Set(members.map((stat) => stat!.group))];
}

/** A process may go away while we read about it, which shows as ESRCH. */
function readProc(host: Host, path: string): string | undefined {
  try {
    return host.read(`/proc/${path}`);
  } catch {
    return undefined;
  }
}

/** `123 (a name) S parent group session ...`, where the name may hold anything. */
function parseStat(text: string | undefined) {
  if (!text) return undefined;
  const [state, , group, session] = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state, group: Number(group), session: Number(session) };
}
