import { type App, findApp, remainsOf } from "../app/app.ts";
import { readScaling } from "../app/live.ts";
import type { Host } from "../host/host.ts";
import { siteLogs } from "../site/logs.ts";
import { PikuError } from "../text/errors.ts";
import { hasColours } from "../text/output.ts";
import { nearest, parseSpan } from "../text/text.ts";
import { noteLimits } from "../workers/limits-notes.ts";
import { deployLogs, type Log, lastLines, newestLogs, workerLogs } from "../workers/logs.ts";
import { type Arguments, appArg, command } from "./command.ts";
import { followLogs, type Labelled } from "./follow.ts";

const defaultLines = 20;
const maxLogs = 200;

const logsArgs = {
  app: appArg,
  process: {
    type: "positional",
    description: "a kind of worker, or one process such as web.1; all of them unless given",
    required: false,
    pattern: /^([\w-]+(\.\d+)?|\*)$/,
  },
  lines: {
    type: "string",
    alias: ["n", "tail"],
    valueHint: "NUMBER",
    description: "show this many of the last lines, of all logs together",
    pattern: /^\d{1,7}$/,
  },
  since: {
    type: "string",
    valueHint: "AGE",
    description: "show lines at most this old: 90s, 15m, 1h, 2d",
    pattern: /^\d{1,6}[smhd]$/,
  },
  follow: {
    type: "boolean",
    alias: "f",
    default: true,
    negativeDescription: "end once the last lines have been shown",
  },
  times: { type: "boolean", alias: "t", description: "show each line's time in front of it" },
  all: { type: "boolean", alias: "raw", description: "also show what uWSGI says of itself" },
  nginx: {
    type: "boolean",
    description: "also show what nginx logs about the app's site, if NGINX_LOG is set",
  },
  deploys: { type: "boolean", description: "also show what the app's deploys printed" },
} as const satisfies Arguments;

export const logs = command({
  name: "logs",
  group: "Apps",
  description: "Show an app's last log lines and follow its logs",
  details:
    "Without --lines or --since these are the last 20 lines of each process, in the order of their times.",
  examples: [
    "ssh piku@board logs blog",
    "ssh piku@board logs blog web -n 5",
    "ssh piku@board logs blog --since 1h --no-follow",
  ],
  alias: ["log", "tail"],
  args: logsArgs,
  run({ args, host }) {
    const app = remainsOf(host, args.app);
    refuseUnknown(host, app, args);
    if (args.nginx && siteLogs(host, app).length === 0)
      throw new PikuError(
        `nginx keeps no log of its own for app '${app.name}'`,
        `from now on: config:set ${app.name} NGINX_LOG=true`,
      );
    const find = () => newestLogs(host, findLogs(host, app, args), maxLogs);
    const found = find();
    if (found.length === 0 && !(args.follow && liveKinds(host, app).length > 0))
      return host.sayError(`No logs found for app '${app.name}'.`);
    const width = Math.max(0, ...found.map(({ label }) => label.length));
    const show = (lines: readonly Labelled[]) => {
      for (const line of [...lines].sort((a, b) => a.time - b.time))
        host.say(renderLine(line, width, args.times === true, hasColours(host, 1)));
    };
    const span = args.since === undefined ? undefined : parseSpan(args.since);
    const most =
      args.lines === undefined
        ? span === undefined
          ? defaultLines
          : Number.POSITIVE_INFINITY
        : Number(args.lines);
    const last = found.map((log) => ({
      log,
      ...lastLines(host, log, most, span === undefined ? 0 : host.now() - span),
    }));
    const lines = last
      .flatMap(({ log: { label }, lines }) => lines.map((line) => ({ ...line, label })))
      .sort((a, b) => a.time - b.time);
    show(args.lines === undefined ? lines : lines.slice(Math.max(0, lines.length - most)));
    const notes = noteLimits(host, app);
    const showNotes = (said: readonly Labelled[]) =>
      show(
        notes(said)
          .filter(({ label }) => found.some((log) => log.label === label))
          .map((note) => ({ ...note, time: host.now() })),
      );
    if (most > 0) showNotes(lines);
    if (lines.length === 0 && most > 0)
      host.sayError(
        args.follow
          ? "Nothing yet; waiting (Ctrl-C ends)."
          : `Nothing yet${args.all || args.since ? "" : "; --all also shows what uWSGI says"}.`,
      );
    if (args.follow)
      followLogs(host, last, find, (news) => {
        show(news);
        if (news.length > 0) showNotes(news);
      });
  },
});

interface WantedLogs {
  process?: string;
  nginx?: boolean;
  deploys?: boolean;
  all?: boolean;
}

const kindOf = (label: string) => label.replace(/\.\d+$/, "");

/** The kinds of processes that the live release has. */
const liveKinds = (host: Host, app: App) =>
  Object.keys(readScaling(host, app)).filter((kind) => kind !== "static");

/** The logs that were asked for; without a wish those of the live release, if there is one. */
function findLogs(host: Host, app: App, { process, nginx, deploys, all }: WantedLogs): Log[] {
  const kinds = liveKinds(host, app);
  const isWanted = ({ label }: Log) =>
    process === undefined || process === "*"
      ? kinds.length === 0 || kinds.includes(kindOf(label))
      : label === process || label.startsWith(`${process}.`);
  const whole = (log: Log): Log => ({ ...log, isWhole: true });
  return [
    ...workerLogs(host, app)
      .filter(isWanted)
      .map((log) => (all ? whole(log) : log)),
    ...(nginx ? siteLogs(host, app).map(whole) : []),
    ...(deploys ? deployLogs(host, app).map(whole) : []),
  ];
}

/** Refuses a process that an app neither has nor ever had, and an app of which nothing is left. */
function refuseUnknown(host: Host, app: App, { process, deploys }: WantedLogs): void {
  if (host.stat(app.tree) === undefined && !deploys) findApp(host, app.name);
  if (process === undefined || process === "*") return;
  const scaling = readScaling(host, app);
  const live = liveKinds(host, app).flatMap((kind) =>
    Array.from({ length: scaling[kind]! }, (_, i) => `${kind}.${i + 1}`),
  );
  const known = [...live, ...workerLogs(host, app).map(({ label }) => label)];
  if (known.some((label) => label === process || kindOf(label) === process)) return;
  const near = nearest(process, [...live, ...live.map(kindOf)]);
  throw new PikuError(
    `app '${app.name}' has no process '${process}'`,
    near ? `did you mean '${near}'?` : live.length > 0 ? `it has ${live.join(", ")}` : undefined,
  );
}

/** One line of a log, with the log's name in a column of so many letters in front. */
function renderLine(
  { time, label, text }: Labelled,
  width: number,
  showsTime: boolean,
  inColour: boolean,
): string {
  const when = showsTime ? `${new Date(time).toISOString().slice(0, 19)}Z ` : "";
  const name = label.padEnd(width);
  return `${when}${inColour ? `\u001b[36m${name}\u001b[0m` : name} | ${text}`;
}
