import { isOfStart, isOfUwsgi } from "./uwsgi-lines.ts";

/** A line of a log: its time in milliseconds since 1970, and its text. */
export interface Line {
  time: number;
  text: string;
}

/** What uWSGI puts in front of each chunk of output, and of its time (vassal.ts). */
export const logMark = "\x1e";
const stamp = new RegExp(
  `${logMark}(\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d)([+-]\\d\\d)(\\d\\d) `,
  "g",
);
export const stampLength = `${logMark}2026-11-25T12:00:00+0000 `.length;

/** What was said, as it was said. */
export const withoutTimes = (log: string) => log.replace(stamp, "");

export const timesIn = (raw: string) =>
  [...raw.matchAll(stamp)].map(([, time, hours, minutes]) =>
    Date.parse(`${time}${hours}:${minutes}`),
  );

/**
 * The lines of a log with their times. A chunk of output may be several lines, or part of one.
 * `before`: the time of lines without a mark.
 */
export function readLines(raw: readonly string[], before: number): Line[] {
  let time = before;
  return raw.map((line) => {
    if (!line.includes(logMark)) return { time, text: line };
    const times = timesIn(line);
    const began = line.startsWith(logMark) ? (times[0] ?? time) : time;
    time = times.at(-1) ?? time;
    return { time: began, text: withoutTimes(line) };
  });
}

export const startBegins = "*** Starting uWSGI ";
export const workersBegin = "*** Operational MODE: ";
const daemonBegins = "[uwsgi-daemons] spawning ";
/** Words of the lines with which a start of uWSGI begins and ends. */
export const startEdges = [startBegins, workersBegin, daemonBegins];
// Not one of the app's own (UWSGI_INCLUDE_FILE).
export const startsDaemon = (line: string) => line.startsWith(daemonBegins) && isOfUwsgi(line);

/**
 * The lines of a log that the app has written, without uWSGI's own. Of a failed start stays what
 * says why; `starting` are the lines of one at the end that is not complete.
 */
export function withoutUwsgi(raw: readonly string[]): { said: string[]; starting: string[] } {
  const said: string[] = [];
  let began = -1;
  let isOver = true;
  let time = "";
  const keepReason = () => {
    if (!isOver) said.push(...reasonsOf(said.splice(began)));
  };
  for (const line of raw) {
    const head = line.startsWith(logMark) ? line.slice(0, stampLength) : "";
    const text = line.slice(head.length);
    if (text.startsWith(startBegins)) {
      keepReason();
      [began, isOver] = [said.length, false];
    }
    const isDaemon = startsDaemon(text);
    const ends = began >= 0 && (text.startsWith(workersBegin) || isDaemon);
    if (isOver && !ends && isOfUwsgi(withoutTimes(text))) {
      // One chunk may contain both uWSGI's lines and the app's.
      time = head || time;
      continue;
    }
    said.push(head === "" ? time + line : line);
    time = "";
    if (!ends) continue;
    const first = said[began]!;
    if (first.startsWith(logMark)) time = first.slice(0, stampLength);
    said.length = began;
    isOver = true;
    if (isDaemon) began = -1;
  }
  return isOver
    ? { said, starting: [] }
    : { said: said.slice(0, began), starting: said.slice(began) };
}

/** The lines of a failed start that are not the same for each. */
export function reasonsOf(starting: readonly string[]): string[] {
  let time = "";
  return starting.flatMap((line) => {
    const head = line.startsWith(logMark) ? line.slice(0, stampLength) : "";
    time = head || time;
    if (isOfStart(withoutTimes(line))) return [];
    const kept = head === "" ? time + line : line;
    time = "";
    return [kept];
  });
}
