import { appOf, findApp, listApps } from "../app/app.ts";
import { boundApps } from "../app/caller.ts";
import { pathsOf } from "../app/paths.ts";
import type { AppStatus, ProcessStatus } from "../board/status.ts";
import { everyProcess } from "../host/processes.ts";
import { PikuError } from "../text/errors.ts";
import { hasColours } from "../text/output.ts";
import { ago, columns, span, spoken } from "../text/text.ts";
import type { Stray } from "../workers/detached.ts";
import { appsWithWorkers, isUp } from "../workers/emperor.ts";
import { appArg, command, jsonArg } from "./command.ts";

export const apps = command({
  name: "apps",
  group: "Apps",
  description: "List apps; a '*' marks those that run",
  details: "On a terminal it also shows each app's release, commit, age, processes and address.",
  examples: ["ssh piku@board apps", "ssh -t piku@board apps"],
  alias: ["list", "ls", "apps:list"],
  forEveryKey: true,
  args: { json: jsonArg },
  async run({ args, host }) {
    const paths = pathsOf(host);
    const bound = boundApps(host);
    const isShown = (name: string) => !bound || bound.includes(name);
    const working = appsWithWorkers(host, paths);
    const names = listApps(host, paths, working).filter(isShown);
    const survey = async () => (await import("../board/status.ts")).surveyApps(host, paths, names);
    if (args.json) return host.say(JSON.stringify(await survey()));
    if (names.length === 0) return host.sayError("There are no applications deployed.");
    if (!host.isTerminal(1)) {
      host.say(
        names
          .map((name) => `${isUp(host, appOf(paths, name), working) ? "*" : " "}${name}`)
          .join("\n"),
      );
    } else for (const line of renderApps(await survey(), host.now())) host.say(line);
  },
});

/** Apps as a table for people. `now`: milliseconds since 1970. */
const renderApps = (all: readonly AppStatus[], now: number) =>
  columns([
    [" APP", "RELEASE", "COMMIT", "AGE", "UP", "URL"],
    ...all.map(({ app, running, release, commit, since, up, asleep, wanted, url }) => [
      `${running ? "*" : " "}${app}`,
      release === undefined ? "-" : String(release),
      commit?.slice(0, 7) ?? "-",
      since ? span(now - Date.parse(since)) : "-",
      `${up}/${wanted}${asleep ? " asleep" : ""}`,
      url ?? "-",
    ]),
  ]);

export const ps = command({
  name: "ps",
  group: "Apps",
  description: "Show the processes of an app, or of all apps",
  details:
    "First how many there are to be of each kind; then each process: up and since when, asleep (`PIKU_IDLE`) or down, restarts since its release, memory, CPU time and port.",
  examples: ["ssh piku@board ps blog", "ssh piku@board ps"],
  alias: ["status", "info", "apps:info"],
  args: {
    app: { ...appArg, description: "the app's name; all apps unless given", required: false },
    json: jsonArg,
  },
  async run({ args, host }) {
    const paths = pathsOf(host);
    const app = args.app === undefined ? undefined : findApp(host, args.app);
    const scaling = app && host.read(`${app.envs}/SCALING`);
    if (app && scaling === undefined)
      throw new PikuError(
        `no workers found for app '${app.name}'.`,
        "it has never been live; push it again to see why",
      );
    const { lookAtAll, surveyProcesses } = await import("../board/status.ts");
    const { straysOf } = await import("../workers/detached.ts");
    const every = everyProcess(host);
    const named = app ? [app] : listApps(host, paths).map((name) => appOf(paths, name));
    const seen = lookAtAll(host, paths, every);
    const all = named.flatMap((one) => surveyProcesses(host, one, seen));
    const strays = straysOf(host, paths, every).filter(
      (stray) => app === undefined || stray.app === app.name,
    );
    if (args.json)
      return host.say(JSON.stringify(all.map((one) => ({ ...one, ...detachedOf(one, strays) }))));
    if (scaling) host.say(scaling.trim());
    for (const line of renderProcesses(all, host.now(), app === undefined))
      host.say(hasColours(host, 1) ? line.replace(/ down\b/, "\u001b[31m$&\u001b[0m") : line);
    for (const stray of strays) host.say(renderStray(stray, app === undefined));
  },
});

function detachedOf({ app, process }: ProcessStatus, strays: readonly Stray[]) {
  const its = strays.filter((stray) => stray.app === app && stray.process === process);
  return its.length > 0 ? { detached: its.map(({ pid }) => pid) } : {};
}

/** A process beside those that the app is to have, as a line without a colon. */
const renderStray = ({ app, pid, program, process, isLeft }: Stray, named: boolean) =>
  `${named ? `${app}  ` : ""}${program.replaceAll(":", "?")} (${pid}) ${
    !process
      ? "runs in its directory, and nobody looks after it"
      : isLeft
        ? `is left of ${process}, which has ended`
        : `was started by ${process} in a session of its own`
  }`;

/**
 * Processes as lines that explain themselves, with their app's name in front where there are
 * several. Without a colon in them: scripts know the lines `kind:count`, which come first, by
 * theirs. `now`: milliseconds since 1970.
 */
const renderProcesses = (all: readonly ProcessStatus[], now: number, named: boolean) =>
  columns(
    all.map(({ app, process, up, since, restarts, cpu, port, ...more }) => [
      ...(named ? [app] : []),
      process,
      more.asleep
        ? "asleep"
        : up
          ? `up ${since ? span(now - Date.parse(since)) : ""}`.trimEnd()
          : "down",
      restarts === undefined ? "" : `${restarts} ${restarts === 1 ? "restart" : "restarts"}`,
      renderMemory(more),
      cpu === undefined
        ? ""
        : `${cpu < 10 ? cpu.toFixed(1) : Math.round(cpu)} s CPU${more.cpuLimit ? `, at most ${more.cpuLimit}%` : ""}`,
      port === undefined ? renderRuns(more, now) : `port ${port}`,
      renderUse(more),
    ]),
  );

const of = (limit: number | string | undefined) => (limit === undefined ? "" : ` of ${limit}`);

const megabytes = (bytes: number) => Math.round(bytes / 1024 / 1024);

const renderMemory = ({ memory, memoryLimit }: Partial<ProcessStatus>) =>
  memory === undefined ? "" : `${megabytes(memory)}${of(memoryLimit && megabytes(memoryLimit))} MB`;

/** What else there is to say of a process with limits. */
const renderUse = ({ processes, processLimit, endedForMemory }: Partial<ProcessStatus>) =>
  [
    ...(processes === undefined || processLimit === undefined
      ? []
      : [`${processes} of ${processLimit} processes`]),
    ...(endedForMemory ? [`${endedForMemory} ended over the memory limit`] : []),
  ].join(", ");

/** When a cron line ran last and will run next. */
function renderRuns({ lastRun, lastStatus, nextRun }: Partial<ProcessStatus>, now: number): string {
  const last = lastRun && `ran ${ago(now - Date.parse(lastRun))}`;
  const status = lastStatus === undefined ? "" : `exit status ${lastStatus}`;
  const next = nextRun && `next in ${spoken(Math.max(1000, Date.parse(nextRun) - now))}`;
  return [last, last && status, next].filter(Boolean).join(", ");
}
