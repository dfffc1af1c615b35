import { PikuError } from "../text/errors.ts";
import { printable } from "../text/text.ts";

interface Field {
  name: string;
  min: number;
  max: number;
  names?: string[];
}

const cronMonths = "jan feb mar apr may jun jul aug sep oct nov dec".split(" ");
const cronDays = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const cronFields: Field[] = [
  { name: "minute", min: 0, max: 59 },
  { name: "hour", min: 0, max: 23 },
  { name: "day of the month", min: 1, max: 31 },
  { name: "month", min: 1, max: 12, names: ["", ...cronMonths] },
  { name: "day of the week", min: 0, max: 7, names: cronDays },
];

const nicknames: Record<string, string> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};

const cronExample =
  "a cron line is 'minute hour day month weekday command', such as '*/15 * * * * python3 job.py'";
const otherNames =
  "kinds whose name begins with cron run by the clock; for a program that runs all the time take another name, such as worker";

/** What other programs take for a time, and what to write here. The first pattern counts. */
const otherTimes: readonly [pattern: RegExp, says: string, hint: string][] = [
  [
    /^@reboot\b/,
    "@reboot is no time of the clock",
    "a line `worker: COMMAND` starts with the app, also after a reboot; `release: COMMAND` runs at each deploy",
  ],
  [
    /^@every\b/,
    "@every is not known here",
    "write */5 * * * * for every five minutes, 0 * * * * or @hourly for every hour",
  ],
  [
    /^@/,
    "it begins with no time that is known here",
    `@hourly, @daily, @weekly, @monthly and @yearly are; ${cronExample}`,
  ],
  [
    /^([\w*,/?-]+\s+){5}[\d*?][\d*?,/-]*\s/,
    "it has more than five fields of time",
    `leave out seconds and year: ${cronExample}`,
  ],
];

/**
 * When a cron worker runs: the values of each field, or undefined where every value matches; and
 * its command.
 */
export interface Cron {
  minute?: number[];
  hour?: number[];
  day?: number[];
  month?: number[];
  weekday?: number[];
  /**
   * * Whether a day must match both day and weekday, as it must where one of them begins with `*`;
   * one is enough otherwise (crontab(5)).
   */
  bothDays?: boolean;
  command: string;
}

/**
 * Reads `minute hour day month weekday command` (crontab(5): numbers, names, lists, ranges, steps,
 * `@daily` and its like). Throws with `where` and the name of the invalid field.
 */
export function parseCron(line: string, where: string): Cron {
  const nickname = /^(@\w+)\s+(.+)$/.exec(line);
  const expanded =
    nickname && Object.hasOwn(nicknames, nickname[1]!)
      ? `${nicknames[nickname[1]!]} ${nickname[2]}`
      : line;
  const [, says, instead] = otherTimes.find(([pattern]) => pattern.test(expanded)) ?? [];
  const hint = instead ?? (/^[\d*]/.test(line) ? cronExample : `${otherNames}; ${cronExample}`);
  const words = /^(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s+(.+)$/.exec(expanded);
  if (says || !words)
    throw new PikuError(
      `${where}: '${printable(line)}' is not a cron line${says ? `: ${says}` : ""}`,
      hint,
    );
  const [minute, hour, day, month, weekday] = cronFields.map((field, i) => {
    const values = fieldValues(words[i + 1]!, field);
    if (!values)
      throw new PikuError(
        `${where}: invalid ${field.name} '${printable(words[i + 1]!)}' (${field.min} to ${field.max})`,
        hint,
      );
    return values === "any" ? undefined : values;
  });
  const sundays = weekday && [...new Set(weekday.map((value) => value % 7))].sort((a, b) => a - b);
  const bothDays = words[3]!.startsWith("*") || words[5]!.startsWith("*");
  const command = words[6]!;
  // Where either is enough, one that matches all days makes it every day.
  if (!bothDays && !(day && sundays)) return { minute, hour, month, command };
  return {
    minute,
    hour,
    day,
    month,
    weekday: sundays,
    bothDays: (day && sundays && bothDays) || undefined,
    command,
  };
}

/** The values of one cron field, sorted; "any" for all of them; undefined for an invalid field. */
function fieldValues(word: string, field: Field): number[] | "any" | undefined {
  if (word === "*" || word === "*/1") return "any";
  const values = new Set<number>();
  for (const part of word.split(",")) {
    const [, from, to, step] = /^(\*|\w+)(?:-(\w+))?(?:\/(\d+))?$/.exec(part) ?? [];
    if (from === undefined || (from === "*" && to !== undefined)) return undefined;
    const first = from === "*" ? field.min : fieldNumber(from, field);
    const open = from === "*" || (step !== undefined && to === undefined);
    const last =
      to !== undefined
        ? fieldNumber(to, field)
        : open
          ? field.max - (field.names === cronDays ? 1 : 0)
          : first;
    const by = step === undefined ? 1 : Number(step);
    if (first === undefined || last === undefined || first > last || by < 1) return undefined;
    for (let value = first; value <= last; value += by) values.add(value);
  }
  const all = field.max - field.min + (field.names === cronDays ? 0 : 1);
  const distinct = new Set(
    [...values].map((value) => (field.names === cronDays ? value % 7 : value)),
  );
  return distinct.size === all ? "any" : [...values].sort((a, b) => a - b);
}

function fieldNumber(word: string, field: Field): number | undefined {
  const named = field.names?.indexOf(word.toLowerCase().slice(0, 3)) ?? -1;
  if (named >= 0 && word.length === 3) return named;
  const value = /^\d{1,2}$/.test(word) ? Number(word) : Number.NaN;
  return value >= field.min && value <= field.max ? value : undefined;
}

// A line such as `0 0 29 2 *` runs every four years, or eight.
const maxSteps = 12 * 366;

/**
 * When a cron line runs next after this moment, in milliseconds since 1970, by the clock of the
 * board; undefined for a day that never comes.
 */
export function nextRun(cron: Cron, now: number): number | undefined {
  const has = (values: number[] | undefined, value: number) =>
    values === undefined || values.includes(value);
  const isDay = (at: Date) => {
    const [day, weekday] = [has(cron.day, at.getDate()), has(cron.weekday, at.getDay())];
    const fits = cron.day && cron.weekday && !cron.bothDays ? day || weekday : day && weekday;
    return fits && has(cron.month, at.getMonth() + 1);
  };
  let at = new Date(now);
  at.setSeconds(60, 0);
  for (let step = 0; step < maxSteps; step++) {
    const [year, month, day, hour] = [at.getFullYear(), at.getMonth(), at.getDate(), at.getHours()];
    if (!isDay(at)) at = new Date(year, month, day + 1);
    else if (!has(cron.hour, hour)) at = new Date(year, month, day, hour + 1);
    else if (!has(cron.minute, at.getMinutes())) at = new Date(at.getTime() + 60_000);
    else return at.getTime();
  }
  return undefined;
}
