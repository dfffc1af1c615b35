import { expect, test } from "bun:test";
import { Cron as Reference } from "croner";
import { type Cron, parseCron } from "../../../src/app/cron.ts";
import {
  parseProcfile,
  parseScale,
  parseScaling,
  planScaling,
  renderScaling,
  type Scaling,
  type Workers,
} from "../../../src/app/procfile.ts";
import type { PikuError } from "../../../src/text/errors.ts";
import { cronTimes } from "../../../src/workers/cron.ts";
import { randomBelow } from "../../e2e/seed.ts";

test.each<[string, Workers]>([
  ["web: node .", { web: "node ." }],
  ["# note\n\nworker: x:y", { worker: "x:y" }],
  ["web: a\r\nworker: b\r\n", { web: "a", worker: "b" }],
  ["\ufeffweb: a\n", { web: "a" }],
  ["  web :  a  b \t\n", { web: "a  b" }],
  ["web:a", { web: "a" }],
  ["  # indented note\nweb: a # not a note", { web: "a # not a note" }],
  ["web: tab\there", { web: "tab\there" }],
  ["web: ünïcode '€'", { web: "ünïcode '€'" }],
  ["static: /", { static: "/" }],
  ["wsgi: app:app", { wsgi: "app:app" }],
  ["cron: */5 * * * * a", { cron: "*/5 * * * * a" }],
  ["cron-1: @daily a\ncron2: 0 0 * * 0 b", { "cron-1": "@daily a", cron2: "0 0 * * 0 b" }],
  ["my_worker-2: a", { "my_worker-2": "a" }],
  ["constructor: a\ntoString: b", { constructor: "a", toString: "b" } as unknown as Workers],
  [`${"k".repeat(40)}: a`, { ["k".repeat(40)]: "a" }],
  [`web: a\n${"#".repeat(65_000)}`, { web: "a" }],
])("%j", (content, workers) => {
  expect(parseProcfile(content)).toEqual({
    workers,
    preflight: undefined,
    release: undefined,
    warnings: [],
  });
});

test("the order of the kinds is the file's", () => {
  expect(Object.keys(parseProcfile("web: a\nworker: b\nalpha: c").workers)).toEqual([
    "web",
    "worker",
    "alpha",
  ]);
});

test("preflight and release are no workers", () => {
  expect(parseProcfile("preflight: a\nweb: b\nrelease: c")).toEqual({
    workers: { web: "b" },
    preflight: "a",
    release: "c",
    warnings: [],
  });
});

test.each<[string, Workers, string[]]>([
  [
    "web: a\nweb: b",
    { web: "b" },
    ["Procfile line 2: there are several 'web' workers, only the last one is used."],
  ],
  ["web: a\nwsgi: b", { wsgi: "b" }, ["found both 'wsgi' and 'web' workers, disabling 'web'."]],
  [
    "jwsgi: a\nweb: b\nx: c",
    { jwsgi: "a", x: "c" },
    ["found both 'jwsgi' and 'web' workers, disabling 'web'."],
  ],
])("%j warns", (content, workers, warnings) => {
  expect(parseProcfile(content)).toEqual({
    workers,
    preflight: undefined,
    release: undefined,
    warnings,
  });
});

test.each([
  ["", "Procfile has no workers"],
  ["\n# nothing\n", "Procfile has no workers"],
  ["\0\x01\x02", "Procfile is not a text file"],
  ["web: \ufffd", "Procfile is not a text file"],
  [`web: ${"a".repeat(70_000)}`, "Procfile is larger than 64 KB"],
  ["web: a\nnonsense", "Procfile line 2: 'nonsense' is not 'kind: command'"],
  ["\r\n\r\nweb\r\n", "Procfile line 3: 'web' is not 'kind: command'"],
  ["web:", "Procfile line 1: 'web:' is not 'kind: command'"],
  ["web:   \n", "Procfile line 1: 'web:' is not 'kind: command'"],
  [": a", "Procfile line 1: invalid kind of worker ''"],
  ["we b: a", "Procfile line 1: invalid kind of worker 'we b'"],
  ["../web: a", "Procfile line 1: invalid kind of worker '../web'"],
  ["web.1: a", "Procfile line 1: invalid kind of worker 'web.1'"],
  ["-web: a", "Procfile line 1: invalid kind of worker '-web'"],
  ["wéb: a", "Procfile line 1: invalid kind of worker 'wéb'"],
  [`${"k".repeat(41)}: a`, `Procfile line 1: invalid kind of worker '${"k".repeat(41)}'`],
  ["web: a\rworker: b", "Procfile line 1: the command contains a control character"],
  ["web: a\x1b[0m", "Procfile line 1: the command contains a control character"],
  ["web: a\n\ncron: 99 * * * * a", "Procfile line 3: invalid minute '99' (0 to 59)"],
  ["cron1: job.py", "Procfile line 1: 'job.py' is not a cron line"],
  [
    Array.from({ length: 51 }, (_, i) => `w${i}: a`).join("\n"),
    "Procfile has more than 50 kinds of worker",
  ],
])("%#: refused", (content, message) => {
  expect(() => parseProcfile(content)).toThrow(message);
});

const range = (first: number, last: number, step = 1) =>
  Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, i) => first + i * step);
const any = {
  minute: undefined,
  hour: undefined,
  day: undefined,
  month: undefined,
  weekday: undefined,
};

test.each<[string, Partial<Cron>]>([
  ["* * * * * a  b", { command: "a  b" }],
  ["*/1 * * * * a", {}],
  ["0 0 * * * a", { minute: [0], hour: [0] }],
  ["59 23 31 12 7 a", { minute: [59], hour: [23], day: [31], month: [12], weekday: [0] }],
  ["00 09 01 * * a", { minute: [0], hour: [9], day: [1] }],
  ["*/15 * * * * a", { minute: [0, 15, 30, 45] }],
  ["*/7 * * * * a", { minute: range(0, 56, 7) }],
  ["1-5 * * * * a", { minute: range(1, 5) }],
  ["1-10/3 * * * * a", { minute: [1, 4, 7, 10] }],
  ["50/4 * * * * a", { minute: [50, 54, 58] }],
  ["5,1,3,3 * * * * a", { minute: [1, 3, 5] }],
  ["1-3,2-5,*/30 * * * * a", { minute: [0, 1, 2, 3, 4, 5, 30] }],
  ["7-7 * * * * a", { minute: [7] }],
  ["* */6 * * * a", { hour: [0, 6, 12, 18] }],
  ["* * */10 * * a", { day: [1, 11, 21, 31] }],
  ["* * * */5 * a", { month: [1, 6, 11] }],
  ["* * * * */2 a", { weekday: [0, 2, 4, 6] }],
  ["* * * jan,DEC,Feb-apr * a", { month: [1, 2, 3, 4, 12] }],
  ["* * * * mon-fri a", { weekday: range(1, 5) }],
  ["* * * * Sun,sat a", { weekday: [0, 6] }],
  ["* * * * 5-7 a", { weekday: [0, 5, 6] }],
  ["* * * * 0,7 a", { weekday: [0] }],
  ["*\t*  * * *\ta", {}],
  ["@hourly a", { minute: [0] }],
  ["@daily a  b", { minute: [0], hour: [0], command: "a  b" }],
  ["@midnight a", { minute: [0], hour: [0] }],
  ["@weekly a", { minute: [0], hour: [0], weekday: [0] }],
  ["@monthly a", { minute: [0], hour: [0], day: [1] }],
  ["@yearly a", { minute: [0], hour: [0], day: [1], month: [1] }],
  ["@annually a", { minute: [0], hour: [0], day: [1], month: [1] }],
])("cron %s", (line, expected) => {
  expect(parseCron(line, "here")).toEqual({ ...any, command: "a", ...expected });
});

const least = [0, 0, 1, 1, 0];
const most = [59, 23, 31, 12, 7];
const fieldNames = ["minute", "hour", "day of the month", "month", "day of the week"];

/** A cron line with one field that is not `*`. */
const lineWith = (field: number, word: string) =>
  `${["*", "*", "*", "*", "*"].with(field, word).join(" ")} a`;

test.each(
  range(0, 4).flatMap((field) =>
    [
      ...[
        String(most[field]! + 1),
        "100",
        "-1",
        "1-",
        "-",
        "*-5",
        "5-1",
        "1-2-3",
        "1.5",
        "",
        "a",
        "*/0",
        "1-5/0",
      ],
      ...[
        "*/-1",
        "*/",
        "*/a",
        "/5",
        "1,",
        ",1",
        "1,,2",
        "1,x",
        "**",
        "?",
        "L",
        "1#2",
        "0x1",
        "1e1",
        "+1",
        "٣",
      ],
      ...[
        `1-${most[field]! + 1}`,
        `1,${most[field]! + 1}`,
        "constructor",
        "januar",
        "sunday",
        "ja",
        "mo",
      ],
      ...(least[field] === 1 ? ["0", "0-5", "0,1"] : []),
      ...(field === 3 ? ["mon", "0-jan"] : ["jan"]),
      ...(field === 4 ? [] : ["sun"]),
    ]
      .filter((word) => word !== "")
      .map(
        (word) =>
          [
            lineWith(field, word),
            word,
            fieldNames[field]!,
            `(${least[field]} to ${most[field]})`,
          ] as const,
      ),
  ),
)("cron %s is refused", (line, word, name, bounds) => {
  expect(() => parseCron(line, "Procfile line 9")).toThrow(
    `Procfile line 9: invalid ${name} '${word}' ${bounds}`,
  );
});

test.each([
  "",
  "a",
  "* * * * *",
  "* * * * * ",
  "@daily",
  "@reboot a",
  "@hour a b",
  "@constructor a",
])("cron %j is no cron line", (line) => {
  expect(() => parseCron(line, "here")).toThrow(`here: '${line}' is not a cron line`);
});

/** Whether a cron job runs on a day: crontab(5)'s rule for the two fields of days. */
function runsOn({ day, month, weekday }: Cron, date: Date): boolean {
  const fits = (values: number[] | undefined, value: number) => !values || values.includes(value);
  const either =
    day && weekday && (day.includes(date.getUTCDate()) || weekday.includes(date.getUTCDay()));
  const both = fits(day, date.getUTCDate()) && fits(weekday, date.getUTCDay());
  return fits(month, date.getUTCMonth() + 1) && (either || both);
}

const start = Date.UTC(2023, 2, 1);
const dates = range(0, 730).map((days) => new Date(start + days * 86_400_000));

/** Every minute of two years in which a job runs, as days and as minutes of a day. */
const minutesOf = (cron: Cron) => ({
  days: dates.filter((date) => runsOn(cron, date)).map((date) => date.toISOString().slice(0, 10)),
  minutes: (cron.hour ?? range(0, 23)).flatMap((hour) =>
    (cron.minute ?? range(0, 59)).map((minute) => hour * 60 + minute),
  ),
});

/**
 * The same from croner. A day's minutes are the same every day, so one day is looked at in full.
 */
function minutesOfReference(pattern: string) {
  const cron = new Reference(pattern, { timezone: "UTC", paused: true });
  const first = cron.nextRun(new Date(start - 1));
  if (!first) return { days: [], minutes: [] };
  const offset = first.getTime() % 86_400_000;
  const midnight = first.getTime() - offset;
  return {
    days: dates
      .filter((date) => cron.match(new Date(date.getTime() + offset)))
      .map((date) => date.toISOString().slice(0, 10)),
    minutes: range(0, 1439).filter((minute) => cron.match(new Date(midnight + minute * 60_000))),
  };
}

/**
 * Random fields within what both know: croner takes `5/15` for a fault, and a step on a day for no
 * restriction.
 */
function randomField(random: (count: number) => number, field: number): string {
  const [low, high] = [least[field]!, field === 4 ? 6 : most[field]!];
  const number = () => low + random(high - low + 1);
  const part = () => {
    const [a, b] = [number(), number()].sort((x, y) => x - y);
    const step = `/${1 + random(high - low)}`;
    return [
      `${a}`,
      `${a}-${b}`,
      `${a}-${b}${step}`,
      ...(field === 2 || field === 4 ? [] : [`*${step}`]),
    ][random(field === 2 || field === 4 ? 3 : 4)]!;
  };
  return random(3) === 0 ? "*" : Array.from({ length: 1 + random(3) }, part).join(",");
}

test("cron: 150 random lines run in the same minutes of two years as croner's", () => {
  const random = randomBelow(7);
  for (let i = 0; i < 150; i++) {
    const pattern = range(0, 4)
      .map((field) => randomField(random, field))
      .join(" ");
    expect([pattern, minutesOf(parseCron(`${pattern} a`, "here"))]).toEqual([
      pattern,
      minutesOfReference(pattern),
    ]);
  }
}, 60_000);

// Each of them is a line in a vassal, and uWSGI looks at every one of them every second.
test.each(["0-59 0-23 1-31 1-12 * a", "*/01 0-23 * * * a", "1-58 1-22 2-30 2-11 * a"])(
  "cron %s does not become a file of megabytes",
  (line) => {
    let count = 0;
    try {
      count = cronTimes(parseCron(line, "here")).length;
    } catch {}
    expect(count).toBeLessThan(2000);
  },
);

test.each<[string, Scaling]>([
  ["", {}],
  ["web:1\nworker:2\n", { web: 1, worker: 2 }],
  [" web : 3 \r\n\nnonsense\nx:-1\ny:1.5\nz:99999", { web: 3 }],
  ["cron-1:0", { "cron-1": 0 }],
])("SCALING %j", (content, scaling) => {
  expect(parseScaling(content)).toEqual(scaling);
});

test("SCALING comes back as it was written", () => {
  const scaling = { web: 2, "my-worker_1": 0, constructor: 3 };
  expect(renderScaling(scaling)).toBe("web:2\nmy-worker_1:0\nconstructor:3\n");
  expect(parseScaling(renderScaling(scaling))).toEqual(scaling);
});

const workers = { web: "a", worker: "b", cron1: "* * * * * c", static: "/" };

test.each<[Workers, Scaling, Scaling, Scaling]>([
  [workers, {}, {}, { web: 1, worker: 1, cron1: 1, static: 1 }],
  [workers, { web: 3, gone: 2 }, {}, { web: 3, worker: 1, cron1: 1, static: 1 }],
  [
    workers,
    { web: 3, worker: 0 },
    { worker: 2, cron1: 0 },
    { web: 3, worker: 2, cron1: 0, static: 1 },
  ],
  [workers, {}, { web: 0 }, { web: 0, worker: 1, cron1: 1, static: 1 }],
  [
    { constructor: "a", valueOf: "b" } as unknown as Workers,
    {},
    {},
    { constructor: 1, valueOf: 1 } as unknown as Scaling,
  ],
])("planScaling(%j, %j, %j)", (kinds, was, changes, expected) => {
  expect(planScaling(kinds, was, changes)).toEqual(expected);
});

test.each<[Scaling, string]>([
  [{ wrong: 1 }, "worker type 'wrong' is not in the Procfile"],
  [{ toString: 1 } as unknown as Scaling, "worker type 'toString' is not in the Procfile"],
  [{ cron1: 2 }, "'cron1' can only be scaled to 0 or 1"],
  [{ static: 2 }, "'static' can only be scaled to 0 or 1"],
])("planScaling refuses %j", (changes, message) => {
  expect(() => planScaling(workers, {}, changes)).toThrow(message);
});

test.each<[string[], Scaling]>([
  [["web=2"], { web: 2 }],
  [["web=0", "my-worker_1=64"], { web: 0, "my-worker_1": 64 }],
  [["web=007"], { web: 7 }],
  [["web=1", "web=2"], { web: 2 }],
])("parseScale(%j)", (words, expected) => {
  expect(parseScale(words)).toEqual(expected);
});

test.each<[string, string, number]>([
  ["web=-1", "cannot scale type 'web' below 0", 2],
  ["web=65", "cannot scale type 'web' above 64", 2],
  ["web=99999999999999999999", "cannot scale type 'web' above 64", 2],
  ["web", "malformed setting 'web'", 2],
  ["web=", "malformed setting 'web='", 2],
  ["web=1.5", "malformed setting 'web=1.5'", 2],
  ["web=two", "malformed setting 'web=two'", 2],
  ["=1", "malformed setting '=1'", 2],
  ["web:2", "malformed setting 'web:2'", 2],
  ["../x=1", "malformed setting '../x=1'", 2],
])("parseScale refuses %s", (word, message, exitCode) => {
  expect(() => parseScale([word])).toThrow(expect.objectContaining({ message, exitCode }));
});

test.each([
  ["node worker.js", "not a cron line", "take another name, such as worker"],
  ["node a.js --b c d e f", "invalid minute 'node'", "take another name, such as worker"],
  ["* * * * * * a b", "more than five fields", "leave out seconds and year"],
  ["0 */5 * * * * a", "more than five fields", "leave out seconds and year"],
  ["0 30 9 * * 1-5 a", "more than five fields", "leave out seconds and year"],
  ["@reboot a", "@reboot is no time of the clock", "starts with the app, also after a reboot"],
  ["@every 5m a", "@every is not known", "*/5 * * * *"],
  ["@fortnightly a", "no time that is known", "@hourly, @daily, @weekly"],
  ["* * * * *", "not a cron line", "'minute hour day month weekday command'"],
])("cron %s says what to write", (line, message, hint) => {
  const thrown = (() => {
    try {
      return parseCron(line, "here");
    } catch (error) {
      return error;
    }
  })() as PikuError;
  expect(thrown.message).toContain(message);
  expect(thrown.hint).toContain(hint);
});

test("a command that begins with a number or a word is no sixth field", () => {
  expect(parseCron("0 9 * * 1 7z a b", "").command).toBe("7z a b");
  expect(parseCron("0 9 * * 1 ./2048 x", "").command).toBe("./2048 x");
  expect(parseCron("0 9 * * 1 2048", "").command).toBe("2048");
});
