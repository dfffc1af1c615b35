import { type App, appOf, readOfAny } from "../app/app.ts";
import { readScaling } from "../app/live.ts";
import type { Paths } from "../app/paths.ts";
import { numbersOf, readableNumber, releaseFiles } from "../app/releases.ts";
import type { Entry, Host } from "../host/host.ts";

import {
  type Line,
  logMark,
  readLines,
  reasonsOf,
  stampLength,
  startBegins,
  startEdges,
  startsDaemon,
  timesIn,
  withoutTimes,
  withoutUwsgi,
  workersBegin,
} from "./log-lines.ts";
import { isOfUwsgi } from "./uwsgi-lines.ts";
import { filesOf, type Worker } from "./worker.ts";

// The output of an old process would bury why the new one fails. A process keeps writing to the
// file that it has opened, even after it has been renamed.
const asideName = /^(.+\.log)\.before-(\d+)$/;

/** The name that `setLogAside` gives to the log from before a release. */
const logBefore = (log: string, release: number) => `${log}.before-${release}`;

/** Renames the present log, so that a worker about to start begins a new one. */
export function setLogAside(host: Host, app: App, worker: Worker): void {
  const { log } = filesOf(app, worker);
  if (host.stat(log)?.size) host.move(log, logBefore(log, worker.release));
}

/**
 * Restores the logs from before a release that did not go live, and appends what that release
 * wrote.
 */
export function restoreLogs(host: Host, app: App, release: number): void {
  for (const name of host.list(app.logs)) {
    const [, log, number] = asideName.exec(name) ?? [];
    if (log === undefined || Number(number) !== release) continue;
    const [former, fresh] = [`${app.logs}/${name}`, `${app.logs}/${log}`];
    if (isTurned(host, fresh)) host.rename(former, `${fresh}.old`);
    else {
      for (
        let piece = host.readFrom(fresh, 0, true);
        piece.text !== "";
        piece = host.readFrom(fresh, piece.offset, true)
      )
        host.append(former, piece.text);
      host.rename(former, fresh);
    }
  }
}

/**
 * Whether the live release's uWSGI has just rotated: it renamed the new process's log to `.old` by
 * mistake and continued in this one.
 */
function isTurned(host: Host, log: string): boolean {
  const said = host.readFrom(log, 0, true, 1024).text;
  return said.startsWith(logMark) && !said.startsWith(startBegins, stampLength);
}

const maxNewestBytes = 1024 * 1024;

/** What a process that has just been started wrote; only the last 1 MB of it. */
export function newestLog(host: Host, app: App, worker: Worker): string {
  const { log } = filesOf(app, worker);
  const file = isTurned(host, log) ? `${log}.old` : log;
  const start = Math.max(0, (host.stat(file)?.size ?? 0) - maxNewestBytes);
  return withoutTimes(host.readFrom(file, start, true, maxNewestBytes).text);
}

/** Removes logs from before releases other than the live one. */
export function forgetLogs(host: Host, app: App, live: number): void {
  for (const name of host.list(app.logs)) {
    const number = asideName.exec(name)?.[2];
    if (number !== undefined && Number(number) !== live) host.remove(`${app.logs}/${name}`);
  }
}

/** Whether a line is what uWSGI says of an app that could not be loaded. */
export const isGameOver = (line: string) =>
  /^(unable to load app \d+ \(mountpoint='|\*\*\* no app loaded\. GAME OVER \*\*\*$)/.test(line);

/** The lines of a new process's log that come from the app and not from uWSGI. */
export function saidByApp(log: string): string[] {
  const lines = log.split("\n").filter((line) => line.trim() !== "");
  const at = [
    lines.findIndex(startsDaemon),
    lines.findIndex((line) => line.startsWith(workersBegin)),
  ];
  const start = at.find((index) => index >= 0);
  const said = start === undefined ? [] : lines.slice(start + 1);
  // The emperor may have started it a second time already.
  const again = said.findIndex((line) => line.startsWith(startBegins));
  const once =
    start === undefined
      ? reasonsOf(lines)
      : (again < 0 ? said : said.slice(0, again)).filter((line) => !isOfUwsgi(line));
  const own = once.filter((line) => !isGameOver(line));
  return own.length > 0 ? own : once;
}

/**
 * A log that can be shown: its label, its file, its rotated files, and how its lines are parsed.
 */
export interface Log {
  label: string;
  file: string;
  former: string[];
  /** Whether uWSGI's own lines are to be shown as well. */
  isWhole?: boolean;
  read(raw: readonly string[], before: number): Line[];
}

/** The logs of an app's workers. */
export function workerLogs(host: Host, app: App): Log[] {
  const names = host.list(app.logs);
  const former = new Map<string, string[]>();
  for (const name of names) {
    const log = name.endsWith(".old") ? name.slice(0, -".old".length) : asideName.exec(name)?.[1];
    if (log === undefined) continue;
    const files = former.get(log);
    if (files) files.push(`${app.logs}/${name}`);
    else former.set(log, [`${app.logs}/${name}`]);
  }
  return names.flatMap((name) => {
    const label = /^([\w-]+\.\d+)\.log$/.exec(name)?.[1];
    return label
      ? [{ label, file: `${app.logs}/${name}`, former: former.get(name) ?? [], read: readLines }]
      : [];
  });
}

/** The newest `most` of some logs, in their order: an app can create any number of files. */
export function newestLogs(host: Host, logs: readonly Log[], most: number): Log[] {
  if (logs.length <= most) return [...logs];
  const newest = logs
    .map((log) => ({ log, modified: host.stat(log.file)?.modified ?? 0 }))
    .sort((a, b) => b.modified - a.modified)
    .slice(0, most);
  const wanted = new Set(newest.map(({ log }) => log));
  return logs.filter((log) => wanted.has(log));
}

/** The transcripts of an app's deploys, as logs. */
export const deployLogs = (host: Host, app: App): Log[] =>
  numbersOf(host, app)
    .map((number) => ({
      label: `deploy.${number}`,
      file: releaseFiles(app, number).transcript,
      former: [],
      read: readLines,
    }))
    .filter(({ file }) => host.stat(file));

// How much is read of an oversized log.
const maxReadBytes = 4 * 1024 * 1024;
const maxShownLines = 50_000;
const maxFormerLogs = 20;

/** The last lines of a text. The text is not split as a whole: 4 MB can be two million lines. */
function endOf(text: string, most: number): string[] {
  let from = text.length - 1;
  for (let lines = 0; lines < most && from >= 0; lines++) from = text.lastIndexOf("\n", from - 1);
  return text
    .slice(from + 1)
    .split("\n")
    .slice(0, -1);
}

/**
 * The last lines of a log, at least `most` where there are so many, without uWSGI's own. To know
 * those takes time, so only the end is looked at where it tells the same as all: it is not within a
 * start of uWSGI, and has lines to spare of which one tells its time.
 */
function saidIn(text: string, most: number): string[] {
  const linesOf = (last: readonly string[]) => {
    const { said, starting } = withoutUwsgi(last);
    return [...said, ...reasonsOf(starting)];
  };
  const near = endOf(text, Math.min(maxShownLines, 50 * most + 1000));
  const edge = near.find((line) => startEdges.some((words) => line.includes(words)));
  if (edge === undefined || edge.includes(startBegins)) {
    const said = linesOf(near);
    if (said.slice(0, -most).some((line) => line.includes(logMark))) return said;
  }
  return linesOf(endOf(text, maxShownLines));
}

/**
 * The last lines of a log, at most `most` and none from before `since`; and the offset up to which
 * its file was read.
 */
export function lastLines(
  host: Host,
  log: Log,
  most: number,
  since: number,
): { lines: Line[]; offset: number } {
  const modified = (file: string) => host.stat(file)?.modified ?? 0;
  const former = log.former
    .map((file) => ({ file, modified: modified(file) }))
    .sort((a, b) => b.modified - a.modified)
    .slice(0, maxFormerLogs)
    .map(({ file }) => file);
  let lines: Line[] = [];
  let offset = host.stat(log.file)?.size ?? 0;
  for (const file of [log.file, ...former]) {
    if (lines.length >= most || modified(file) < since) continue;
    const start = Math.max(0, (host.stat(file)?.size ?? 0) - maxReadBytes);
    const read = host.readFrom(file, start, false, maxReadBytes);
    const whole = start > 0 ? read.text.slice(read.text.indexOf("\n") + 1) : read.text;
    const raw = log.isWhole ? endOf(whole, maxShownLines) : saidIn(whole, most);
    const from = Math.max(0, raw.length - most);
    const marked =
      raw.findLast((line, i) => i < from && line.includes(logMark)) ??
      raw.find((line) => line.includes(logMark));
    const before = timesIn(marked ?? "").at(-1) ?? modified(file);
    lines = [...log.read(raw.slice(from), before), ...lines];
    if (file === log.file) offset = read.offset;
  }
  const inOrder = lines.filter(({ time }) => time >= since).sort((a, b) => a.time - b.time);
  return { lines: inOrder.slice(-most), offset };
}

/**
 * Which files to delete, the oldest first, so that `files` and `kept` have at most `most` bytes
 * together.
 */
export function surplus(
  files: readonly (Entry & { path: string })[],
  kept: number,
  most: number,
): string[] {
  let sum = files.reduce((total, { size }) => total + size, kept);
  return [...files]
    .sort((a, b) => a.modified - b.modified)
    .filter(({ size }) => {
      const isTooMuch = sum > most;
      if (isTooMuch) sum -= size;
      return isTooMuch;
    })
    .map(({ path }) => path);
}

const nginxLogFile = /^nginx\.(access|error)\.log$/;

const maxAllBytes = 200 * 1024 * 1024;

/**
 * Keeps the logs and transcripts of all apps within 200 MB by deleting the oldest ones that are no
 * longer written to. Logs in use are bounded by themselves: uWSGI rotates a log at
 * UWSGI_LOG_MAXSIZE and keeps one old file.
 */
export function boundLogs(host: Host, paths: Paths): void {
  const entries = (files: string[]) =>
    files.flatMap((path) => {
      const entry = host.stat(path);
      return entry ? [{ ...entry, path }] : [];
    });
  const all = host.list(paths.logs).map((name) => {
    const app = appOf(paths, name);
    const scaling = readScaling(host, app, readOfAny);
    const isWritten = (file: string) => {
      if (nginxLogFile.test(file)) return true;
      const [, kind, ordinal] = /^([\w-]+)\.(\d+)\.log$/.exec(file) ?? [];
      return kind !== undefined && Number(ordinal) <= (scaling[kind] ?? 0);
    };
    const live = readableNumber(host, app);
    const names = host.list(app.logs);
    const transcripts = deployLogs(host, app).map(({ file }) => file);
    const [last = "", present = ""] = [
      transcripts.at(-1),
      live === undefined ? "" : releaseFiles(app, live).transcript,
    ];
    const inUse = (path: string) => path === last || path === present;
    const path = (file: string) => `${app.logs}/${file}`;
    return {
      loose: entries([
        ...names.filter((file) => !isWritten(file)).map(path),
        ...transcripts.filter((file) => !inUse(file)),
      ]),
      held: entries([...names.filter(isWritten).map(path), ...transcripts.filter(inUse)]),
    };
  });
  const held = all.flatMap((app) => app.held).reduce((sum, { size }) => sum + size, 0);
  for (const path of surplus(
    all.flatMap(({ loose }) => loose),
    held,
    maxAllBytes,
  ))
    host.remove(path);
}
