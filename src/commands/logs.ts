import { defineCommand } from "citty";
import { findApp } from "../app/app.ts";
import type { Host } from "../host/host.ts";
import { siteLogs } from "../site/logs.ts";
import { PikuError, usageError } from "../text/errors.ts";
import { parseSpan, printable } from "../text/text.ts";
import {
  deployLogs,
  type Line,
  type Log,
  lastLines,
  newestLogs,
  withoutStarts,
  workerLogs,
} from "../workers/logs.ts";
import { appArg } from "./arguments.ts";

const history = 20;
const mostLogs = 200;

/** Bytes that are read of a log at once while it is followed. */
const piece = 256 * 1024;

/** One log that is followed. */
interface Followed {
  label: string;
  file: string;
  read: Log["read"];
  inode: number;
  offset: number;
  /** Lines of uWSGI's that may be those of a start: shown when nothing follows them. */
  held: string[];
  /**
   * Where reading ended in files that had this name before, by their inodes: one of them may come
   * back.
   */
  left: Map<number, number>;
}

/** Shows lines of a log, in the order of their times. */
type Show = (lines: readonly (Line & { label: string })[]) => void;

export const logs = (host: Host) =>
  defineCommand({
    meta: {
      description: "Show an app's last log lines and follow its logs",
      example: "piku logs blog web",
    },
    args: {
      app: appArg,
      process: {
        type: "positional",
        description:
          "a kind of worker, or one of its processes such as web.1; all of them unless given",
        required: false,
      },
      lines: {
        type: "string",
        alias: "n",
        description: "so many of the last lines, of all logs together",
      },
      since: { type: "string", description: "what is no older than 90s, 15m, 1h, 2d" },
      "no-follow": { type: "boolean", description: "end when that has been shown" },
      times: { type: "boolean", alias: "t", description: "with the time in front of each line" },
      nginx: {
        type: "boolean",
        description: "also what nginx wrote about its site, where NGINX_LOG is set",
      },
      deploys: { type: "boolean", description: "also what the app's deploys said" },
    },
    run({ args, rawArgs }) {
      const app = findApp(host, args.app);
      const kind = args.process;
      if (kind !== undefined && !/^([\w-]+(\.\d+)?|\*)$/.test(kind))
        throw usageError(`'${printable(kind)}' cannot be a kind of worker`);
      if (args.lines !== undefined && !/^\d{1,7}$/.test(args.lines))
        throw usageError(`'${printable(args.lines)}' is no number of lines`);
      const span = args.since === undefined ? undefined : parseSpan(args.since);
      if (args.since !== undefined && span === undefined)
        throw usageError(
          `'${printable(args.since)}' is no span of time`,
          "write 90s, 15m, 1h or 2d",
        );
      const wanted = ({ label }: Log) =>
        kind === undefined || kind === "*" || label === kind || label.startsWith(`${kind}.`);
      if (args.nginx && siteLogs(host, app).length === 0)
        throw new PikuError(
          `nginx keeps no log of its own for app '${app.name}'`,
          `from now on: config:set ${app.name} NGINX_LOG=true`,
        );
      const findAll = () => [
        ...workerLogs(host, app).filter(wanted),
        ...(args.nginx ? siteLogs(host, app) : []),
        ...(args.deploys ? deployLogs(host, app) : []),
      ];
      const find = () => newestLogs(host, findAll(), mostLogs);
      const found = find();
      if (found.length === 0) return host.complain(`No logs found for app '${app.name}'.`);
      const width = Math.max(...found.map(({ label }) => label.length));
      const show: Show = (lines) => {
        for (const { time, label, text } of [...lines].sort((a, b) => a.time - b.time)) {
          const shown = host.isTerminal(1)
            ? `\u001b[36m${label.padEnd(width)}\u001b[0m`
            : label.padEnd(width);
          host.say(
            `${args.times ? `${new Date(time).toISOString().slice(0, 19)}Z ` : ""}${shown} | ${text}`,
          );
        }
      };
      const most =
        args.lines !== undefined
          ? Number(args.lines)
          : span !== undefined
            ? Number.POSITIVE_INFINITY
            : history;
      const last = found.map((log) => ({
        log,
        ...lastLines(host, log, most, span === undefined ? 0 : host.now() - span),
      }));
      const lines = last.flatMap(({ log: { label }, lines }) =>
        lines.map((line) => ({ ...line, label })),
      );
      const inOrder = lines.sort((a, b) => a.time - b.time);
      show(args.lines === undefined ? inOrder : inOrder.slice(Math.max(0, inOrder.length - most)));
      if (rawArgs.includes("--no-follow")) return;
      follow(
        host,
        last.map(({ log, offset }) => followed(host, log, offset)),
        find,
        show,
      );
    },
  });

const followed = (host: Host, { label, file, read }: Log, offset: number): Followed => ({
  label,
  file,
  read,
  offset,
  held: [],
  inode: host.stat(file)?.inode ?? 0,
  left: new Map(),
});

/**
 * Shows what is added to these logs, and to those that there will be, until nobody reads any more.
 */
function follow(host: Host, logs: Followed[], find: () => Log[], show: Show): void {
  const reader = host.parent();
  // Nothing tells that a client has gone but the end of whoever started us, or a write that fails.
  while (host.parent() === reader) {
    const before = logs.map(({ offset }) => offset);
    show(logs.flatMap((log) => added(host, log)));
    // They may have more than was read at once.
    if (logs.every(({ offset }, i) => offset - before[i]! < piece / 2)) host.sleep(500);
    for (const log of find())
      if (logs.every(({ file }) => file !== log.file)) logs.push(followed(host, log, 0));
  }
}

/**
 * What has been added to a log since it was looked at last, also to the file that had its name
 * until now.
 */
function added(host: Host, log: Followed): (Line & { label: string })[] {
  const entry = host.stat(log.file);
  let rest = "";
  if (entry && entry.inode !== log.inode) {
    const folder = log.file.slice(0, log.file.lastIndexOf("/"));
    const files = host.list(folder).map((name) => `${folder}/${name}`);
    const former = files.find(
      (file) => file.startsWith(log.file) && host.stat(file)?.inode === log.inode,
    );
    const last = former
      ? host.readFrom(former, log.offset, false, piece)
      : { text: "", offset: log.offset };
    rest = last.text;
    log.left.set(log.inode, last.offset);
    Object.assign(log, { inode: entry.inode, offset: log.left.get(entry.inode) ?? 0 });
  } else if (entry && entry.size < log.offset) log.offset = 0;
  const { text, offset } = host.readFrom(log.file, log.offset, false, piece);
  log.offset = offset;
  const news = `${rest}${text}`.split("\n").slice(0, -1);
  const { said, starting } = withoutStarts([...log.held, ...news]);
  log.held = news.length > 0 ? starting : [];
  const lines = log.read(news.length > 0 ? said : [...said, ...starting], host.now());
  return lines.map((line) => ({ ...line, label: log.label }));
}
