import type { Cron } from "../app/cron.ts";

const maxTimes = 100;

/** Which fields of a cron line are given to uWSGI, and which the launcher checks. */
function divideCron(cron: Cron): { byUwsgi: number[][]; byLauncher: Partial<Cron> } {
  const { day, weekday, month, hour, bothDays } = cron;
  // If both a day and a weekday are given uWSGI runs the job on either, which is right unless both
  // must match.
  const apart = day && weekday && (bothDays || day.length + weekday.length > 2);
  const any = [-1];
  const minutes = uwsgiField(cron.minute, 60);
  const byUwsgi = [
    minutes,
    uwsgiField(hour, 24),
    (!apart && day) || any,
    month ?? any,
    (!apart && weekday) || any,
  ];
  if (byUwsgi.reduce((product, values) => product * values.length, 1) <= maxTimes) {
    return { byUwsgi, byLauncher: apart ? { day, weekday } : {} };
  }
  return { byUwsgi: [minutes, any, any, any, any], byLauncher: cron };
}

/** The values of a field that starts at 0; -n for every n-th of `size`. */
function uwsgiField(values: number[] | undefined, size: number): number[] {
  if (!values) return [-1];
  const step = values[1] ?? 0;
  const isStep =
    values[0] === 0 &&
    step > 1 &&
    values.length === Math.ceil(size / step) &&
    values.every((value, i) => value === i * step);
  return isStep ? [-step] : values;
}

/**
 * The times of a cron worker in uWSGI's format: five numbers, -1 for any and -n for every n. uWSGI
 * has no lists, so one cron line becomes several; where that would be too many, or uWSGI cannot
 * express it, the launcher checks the rest.
 */
export const cronTimes = (cron: Cron): string[] =>
  divideCron(cron).byUwsgi.reduce<string[]>(
    (times, field) => times.flatMap((time) => field.map((value) => `${time} ${value}`.trim())),
    [""],
  );

/** Shell lines that end a cron job which uWSGI started at a time that does not match. */
export function cronGuard(cron: Cron): string {
  const { hour, day, month, weekday } = divideCron(cron).byLauncher;
  const fits = (values: number[], field: string) =>
    `case ,${values.join(",")}, in *,${field},*) ;; *) false ;; esac`;
  const [hours, days, months, weekdays] = [hour, day, month, weekday].map(
    (values, i) => values && fits(values, `$${i + 1}`),
  );
  const either =
    days && weekdays && !cron.bothDays ? [`{ ${days}; } || ${weekdays}`] : [days, weekdays];
  const tests = [hours, months, ...either].filter((test) => test !== undefined);
  return tests.length === 0
    ? ""
    : `set -- $(date '+%-H %-d %-m %w')\n${tests.map((test) => `{ ${test}; } || exit 0\n`).join("")}`;
}
