/**
 * Laws of what is read and written, for whatever anybody may send. Told by both engines; PIKU_LONG
 * tries more.
 */
import { Cron as Reference } from "croner";
import { host } from "#host";
import { appOf, findApp, namedApp, parseAppName } from "../../src/app/app.ts";
import { readBoardSettings } from "../../src/app/board-settings.ts";
import { type Cron, parseCron } from "../../src/app/cron.ts";
import {
  changeServerSettings,
  parseServerLines,
  parseServerSettings,
  renderSettings,
} from "../../src/app/env-file.ts";
import {
  changeSettings,
  layersOf,
  parseSettings,
  readAssignments,
  readDifferently,
  renderAssignment,
} from "../../src/app/env-grammar.ts";
import { parseAssignments, parseImport } from "../../src/app/import.ts";
import { pathsOf } from "../../src/app/paths.ts";
import { parseProcfile, parseScale, parseScaling, planScaling } from "../../src/app/procfile.ts";
import { layered } from "../../src/app/settings.ts";
import { addKeys, readKeys } from "../../src/board/keys.ts";
import { originalKeyLine, ourKeyLine } from "../../src/board/takeover.ts";
import { readWords } from "../../src/commands/arguments.ts";
import { everyCommand } from "../../src/commands/index.ts";
import { calledWords, parseSshCommand } from "../../src/commands/ssh.ts";
import { branchToDeploy, parseUpdates } from "../../src/repository/push.ts";
import { renderSite } from "../../src/site/render.ts";
import { planSite } from "../../src/site/site.ts";
import { refuseLinksOut } from "../../src/site/static.ts";
import { expandVars, literal, nearest, shellQuote, splitWords } from "../../src/text/text.ts";
import { cronTimes } from "../../src/workers/cron.ts";
import { escapeValue, renderVassal } from "../../src/workers/ini.ts";
import { renderLauncher } from "../../src/workers/launcher.ts";
import { parseOptions } from "../../src/workers/options.ts";
import { vassalPairs } from "../../src/workers/vassal.ts";
import { parseVassal, type Worker } from "../../src/workers/worker.ts";
import { memoryHost } from "../host/memory.ts";
import { demand, fc, hold, hostile, seed, unlessRefused } from "./hold.ts";
import { allowedFolders, demandSite, siteSettings } from "./site.ts";

const commands = await everyCommand();

host.say(`PIKU_SEED=${seed}`);

const memory = () => memoryHost({ env: { HOME: "/home/piku" } });
const paths = pathsOf(memory());
const app = appOf(paths, "blog");
const isSafeName = (name: string) => /^[A-Za-z0-9][\w.-]{0,59}$/.test(name) && !name.includes("..");

// ---- the ssh command line ----

hold("an ssh command is words, or refused", hostile(300_000), (line) => {
  const words = unlessRefused(() => calledWords([], { SSH_ORIGINAL_COMMAND: line }));
  demand(words === undefined || words.every((word) => typeof word === "string"), "words", words);
});

const quoted = fc.constantFrom<(word: string) => string>(
  (word) => `'${word.replaceAll("'", "'\\''")}'`,
  (word) => `"${word.replace(/["\\$`]/g, "\\$&")}"`,
  (word) =>
    word === "" ? "''" : word.replace(/[\s\S]/gu, (one) => (one === "\n" ? "'\n'" : `\\${one}`)),
);
const written = fc.array(fc.tuple(hostile(2000), quoted, fc.constantFrom(" ", "  ", "\t", "\n")), {
  maxLength: 6,
});

hold("quoted words come back to the letter", written, (words) => {
  const line = words.map(([word, quote, blank]) => quote(word) + blank).join("");
  const wanted = words.map(([word]) => word);
  if (wanted[0] === "run") return;
  demand(
    JSON.stringify(parseSshCommand(line)) === JSON.stringify(wanted),
    "words",
    line,
    parseSshCommand(line),
  );
});

hold("what `run` runs comes to the letter", hostile(5000), (command) => {
  const words = parseSshCommand(`run blog -- ${command}`);
  demand((words[3] ?? "") === command.replace(/^[ \t\r\n]+/, ""), "command", words);
});

hold("a word that is no command", hostile(300_000), (word) => {
  nearest(word, ["apps", "config:set", "deploy", "destroy", "git-receive-pack", "releases:output"]);
  for (const command of commands.filter(({ name }) => /^(logs|config:set)$/.test(name)))
    unlessRefused(() => readWords(command, [word, word]));
});

// ---- names ----

hold("an app's name stays below its folder, or is refused", hostile(5000), (typed) => {
  const name = unlessRefused(() => parseAppName(typed));
  if (name === undefined) return;
  demand(
    isSafeName(name) && parseAppName(name) === name && shellQuote(name) === name,
    "name",
    name,
  );
});

hold("no app is found outside of the folder of apps", hostile(300), (typed) => {
  const board = memoryHost({
    env: { HOME: "/home/piku" },
    files: {
      "/home/piku/.piku/apps/blog/Procfile": "",
      "/home/piku/.piku/secret/x": "",
      "/home/piku/.ssh/x": "",
    },
  });
  for (const find of [findApp, namedApp]) {
    const found = unlessRefused(() => find(board, typed));
    if (found)
      demand(
        isSafeName(found.name) && found.tree === `${paths.apps}/${found.name}`,
        "app",
        found.name,
      );
  }
});

// ---- Procfile ----

const manyLines = (line: fc.Arbitrary<string>) =>
  fc.oneof(
    hostile(70_000),
    fc.array(line, { maxLength: 8 }).map((lines) => lines.join("\n")),
  );
const kind = fc.oneof(
  fc.constantFrom(
    "web",
    "wsgi",
    "jwsgi",
    "rwsgi",
    "php",
    "static",
    "worker",
    "cron",
    "release",
    "constructor",
    "__proto__",
  ),
  hostile(50),
);
const procfile = manyLines(
  fc.tuple(kind, hostile(66_000)).map(([one, command]) => `${one}: ${command}`),
);

const workerOf = (
  kind: string,
  command: string,
  settings: Record<string, string> = {},
): Worker => ({
  kind,
  ordinal: 1,
  command,
  release: 7,
  settings,
  cron: kind.startsWith("cron") ? parseCron(command, "Procfile") : undefined,
});

/** Every line of a vassal is one option, and nothing in it is left that uWSGI would replace. */
function demandPlain(text: string): void {
  for (const line of text.split("\n")) {
    if (line.startsWith("log-encoder = format \x1e$")) continue;
    demand(/^(\[uwsgi\]|;.*|[a-z0-9-]+ = [^\x00-\x08\x0a-\x1f\x7f]*|)$/.test(line), "line", line);
    if (/^(log-format|jvm-classpath|set-placeholder) /.test(line)) continue;
    const rest = line.replaceAll("%%", "").replaceAll("%(pikulp)", "").replaceAll("%(pikunil)", "");
    demand(!/[%(]/.test(rest), "something that uWSGI replaces", line);
  }
}

hold(
  "a Procfile's kinds are names and its commands lines, or it is refused",
  procfile,
  (content) => {
    const read = unlessRefused(() => parseProcfile(content));
    for (const warning of read?.warnings ?? [])
      demand(!/[\x00-\x1f]/.test(warning), "warning", warning);
    for (const [name, command] of Object.entries(read?.workers ?? {})) {
      demand(
        /^[A-Za-z0-9][\w-]{0,39}$/.test(name) && command !== "" && !/[\n\0]/.test(command),
        "worker",
        name,
        command,
      );
      const vassal = unlessRefused(() =>
        renderVassal(vassalPairs(app, workerOf(name, command), { uid: 1000 })),
      );
      if (vassal !== undefined) demandPlain(vassal);
      const file = `blog_${name}.1-7.ini`;
      const owner = parseVassal(file, vassal ?? "project = blog\n");
      demand(owner?.app === "blog" && owner.kind === name, "owner", owner);
    }
    if (read) planScaling(read.workers, parseScaling(content));
  },
);

const words = fc.array(hostile(200), { maxLength: 4 });
hold("what ps:scale gets", words, (list) => {
  const scaling = unlessRefused(() => parseScale(list)) ?? {};
  for (const count of Object.values(scaling))
    demand(Number.isInteger(count) && count >= 0 && count <= 64, "count", count);
});

// ---- cron ----

const number = fc.integer({ min: 0, max: 65 }).map(String);
const part = fc.oneof(
  { weight: 4, arbitrary: number },
  { weight: 2, arbitrary: fc.tuple(number, number).map(([a, b]) => `${a}-${b}`) },
  {
    weight: 2,
    arbitrary: fc.tuple(number, number, number).map(([a, b, step]) => `${a}-${b}/${step}`),
  },
  { weight: 2, arbitrary: number.map((step) => `*/${step}`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      "*",
      "sun",
      "MON",
      "jan",
      "Dec",
      "7",
      "0",
      "mon-fri",
      "*/0",
      "5/15",
      "1-",
      "-1",
      "60",
      "99999999999999999999",
    ),
  },
);
const field = fc.oneof(
  { weight: 2, arbitrary: fc.constant("*") },
  {
    weight: 3,
    arbitrary: fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join(",")),
  },
);
const cronLine = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.array(field, { minLength: 5, maxLength: 5 }).map((fields) => fields.join(" ")),
  },
  {
    weight: 1,
    arbitrary: fc
      .array(fc.oneof(field, hostile(8)), { minLength: 4, maxLength: 6 })
      .map((fields) => fields.join(" ")),
  },
  { weight: 1, arbitrary: hostile(60_000) },
);

/** Whether a cron line fits a moment, by crontab(5). */
function fits(cron: Cron, date: Date): boolean {
  const has = (values: number[] | undefined, value: number) =>
    values === undefined || values.includes(value);
  const [day, weekday] = [has(cron.day, date.getUTCDate()), has(cron.weekday, date.getUTCDay())];
  const days = cron.day && cron.weekday && !cron.bothDays ? day || weekday : day && weekday;
  return (
    has(cron.minute, date.getUTCMinutes()) &&
    has(cron.hour, date.getUTCHours()) &&
    has(cron.month, date.getUTCMonth() + 1) &&
    days
  );
}

hold("a cron line is read into times of the clock, or refused", cronLine, (line) => {
  const cron = unlessRefused(() => parseCron(`${line} a b`, "Procfile line 1"));
  if (!cron) return;
  const ranges: [number[] | undefined, number, number][] = [
    [cron.minute, 0, 59],
    [cron.hour, 0, 23],
    [cron.day, 1, 31],
    [cron.month, 1, 12],
    [cron.weekday, 0, 6],
  ];
  for (const [values, low, high] of ranges)
    for (const value of values ?? []) demand(value >= low && value <= high, "value", value, line);
  demand(cronTimes(cron).length <= 100, "times", cronTimes(cron).length);
});

// croner takes `5/15` for a fault, and a step on a day, or a list with a `*` in it, for no
// restriction.
const bothKnow = (line: string) =>
  line
    .split(" ")
    .every(
      (one, i) =>
        !/(^|,)\w+\/|[2-9],\*|\*,/.test(one) &&
        !(i >= 2 && i !== 3 && /\*/.test(one) && one !== "*") &&
        !(one.includes("*") && one.includes(",")),
    );
function known(line: string): Reference | undefined {
  try {
    return new Reference(line, { timezone: "UTC", paused: true });
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}
const moments = fc.array(fc.integer({ min: 0, max: 2_000_000 }), { minLength: 8, maxLength: 8 });
// croner needs Intl, which QuickJS has not.
if (host.engine.startsWith("bun"))
  hold("a cron line runs when croner says", fc.tuple(cronLine, moments), ([line, minutes]) => {
    const cron = unlessRefused(() => parseCron(`${line} a`, "Procfile line 1"));
    if (cron?.command !== "a" || !bothKnow(line) || line.startsWith("@")) return;
    const reference = known(line);
    if (!reference) return;
    for (const minute of minutes) {
      const date = new Date(Date.UTC(2027, 0, 1) + minute * 60_000);
      demand(fits(cron, date) === reference.match(date), "croner says otherwise", line, date);
    }
  });

// ---- settings ----

const key = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      "A",
      "B",
      "C_1",
      "__proto__",
      "constructor",
      "PORT",
      "PATH",
      "LD_PRELOAD",
    ),
  },
  { weight: 1, arbitrary: hostile(20) },
);
const envFile = manyLines(
  fc
    .tuple(
      fc.constantFrom("", "export ", "# ", "  "),
      key,
      fc.constantFrom("=", " = ", "='", '="', " "),
      hostile(66_000),
      fc.constantFrom("", "'", '"', " # x"),
    )
    .map((parts) => parts.join("")),
);
const isKey = (name: string) => /^[A-Za-z_][\w.-]*$/.test(name);
const demandSettings = (settings: Record<string, string>) => {
  for (const [name, value] of Object.entries(settings))
    demand(isKey(name) && !/[\r\0]/.test(value) && value.length <= 100_000, "setting", name, value);
};

hold("an ENV file is settings, or refused", fc.tuple(envFile, envFile), ([one, two]) => {
  const layers = [one, two].map((content) => unlessRefused(() => parseSettings(content)) ?? {});
  for (const settings of layers) demandSettings(settings);
  unlessRefused(() => readDifferently(one));
  const live = unlessRefused(() => layered({ HOME: "/home/piku" }, layers));
  if (!live) return;
  demandSettings(live);
  const again = parseServerSettings(renderSettings(live));
  demand(JSON.stringify(again) === JSON.stringify(live), "LIVE_ENV", live, again);
});

hold(
  "what config:set sets is there to the letter, and all else stays",
  fc.tuple(envFile, key, hostile(120_000)),
  ([file, typed, value]) => {
    const set = unlessRefused(() => parseAssignments([`${typed}=${value}`]));
    if (!set) return;
    demandSettings(set);
    const [name, given] = Object.entries(set)[0]!;
    const changed = unlessRefused(() => changeServerSettings(file, set));
    if (changed === undefined) return;
    demand(parseServerSettings(changed)[name] === given, "value", name, given);
    const others = (content: string) =>
      parseServerLines(content).filter((line) => !("key" in line && line.key === name));
    demand(
      JSON.stringify(others(file)) === JSON.stringify(others(changed)),
      "others",
      file,
      changed,
    );
  },
);

// What does not begin with `{`, which config:import takes for JSON.
const plainFile = envFile.filter((file) => !/^\ufeff?\s*\{/.test(file));
hold("config:import reads what an app's ENV would give it", plainFile, (file) => {
  const base = { HOME: "/home/piku", PORT: "80" };
  const lines = unlessRefused(() => readAssignments(file, "ENV"));
  const imported = unlessRefused(() => parseImport(file, base).settings);
  if (!lines?.length || !imported) return;
  // A name that comes twice is one setting on the server.
  if (layersOf(lines).length > 1) return;
  const [ours, theirs] = [layersOf(lines), [imported]].map((layers) =>
    JSON.stringify(unlessRefused(() => layered(base, layers))),
  );
  demand(ours === theirs, "config:import", file, ours, theirs);
});

hold(
  "what config:export prints, config:import reads to the letter",
  fc.tuple(key, hostile(20_000)),
  ([name, value]) => {
    if (!unlessRefused(() => parseAssignments([`${name}=${value}`]))) return;
    if (!isKey(name)) return;
    const known = { HOME: "/x", A: "y", [name]: value };
    const line = renderAssignment(name, value, known);
    const back = unlessRefused(() => parseImport(line, known).settings);
    if (back) demand(back[name] === value, "value", line, value, back);
  },
);

hold(
  "a value that config:set --global writes is read again, and nothing else changes",
  fc.tuple(envFile, hostile(50_000)),
  ([file, value]) => {
    const before = unlessRefused(() => parseSettings(file));
    const changed = before && unlessRefused(() => changeSettings(file, { NEW_ONE: value }, "ENV"));
    if (changed === undefined) return;
    const after = parseSettings(changed);
    demand(after.NEW_ONE === value, "value", value, after.NEW_ONE);
    demand(
      JSON.stringify({ ...after, NEW_ONE: 1 }) === JSON.stringify({ ...before, NEW_ONE: 1 }),
      "others",
      file,
    );
    demand(
      parseSettings(changeSettings(changed, { NEW_ONE: null }, "ENV")).NEW_ONE === undefined,
      "gone",
    );
  },
);

hold("a value with its dollars kept comes back from expandVars", hostile(100_000), (value) => {
  demand(expandVars(literal(value), { HOME: "/x", A: "y" }) === value, "value", value);
});

hold("a launcher gives a value to the letter", hostile(100_000), (value) => {
  if (/[\n\r\0]/.test(value)) return;
  const text = renderLauncher(app, workerOf("web", "true", { A: value }));
  const line = text.split("\n").find((one) => one.startsWith("export "))!;
  demand(splitWords(line).words[1] === `A=${value}`, "line", line);
});

hold("a vassal gives a value to the letter, or it is refused", hostile(100_000), (value) => {
  const escaped = unlessRefused(() => escapeValue(value, "the value"));
  if (escaped === undefined) return;
  demandPlain(`a = ${escaped}\n`);
  const told = escaped
    .replaceAll("%(pikunil)", "")
    .replaceAll("%(pikulp)", "(")
    .replaceAll("%%", "%");
  demand(told === value, "value", value, told);
});

hold(
  "the options of UWSGI_INCLUDE_FILE are one line each, and none that is piku's",
  hostile(66_000, ["harakiri = ", "uid = ", "socket="]),
  (content) => {
    for (const [option, value] of unlessRefused(() => parseOptions(content, "uwsgi.txt")) ?? [])
      demand(
        /^[\w-]+$/.test(option) && !/[\n\r\0]/.test(value) && option !== "uid",
        "option",
        option,
        value,
      );
  },
);

hold(
  "the machine's ENV file",
  envFile.chain((content) =>
    hostile(300, ["a.", "-"]).map((domain) => `PIKU_DOMAIN=${domain}\n${content}`),
  ),
  (content) => {
    const board = memoryHost({ files: { "/ENV": content } });
    const machine = unlessRefused(() => readBoardSettings(board, "/ENV"));
    demand(!machine?.domain || /^[a-z0-9.-]+$/i.test(machine.domain), "domain", machine?.domain);
  },
);

// ---- nginx ----

hold(
  "a site has the directives that are meant and no others, or is refused",
  siteSettings,
  (asked) => {
    const ports = { http: 80, https: 443 };
    const machine = {
      http2: "listen",
      countsSent: true,
      ipv6: true,
      ports,
      folders: allowedFolders,
    } as const;
    const site = unlessRefused(() =>
      planSite(app, asked.workers, asked.settings, machine, asked.backend),
    );
    if (!site) return;
    demandSite(site, renderSite(site));
    unlessRefused(() =>
      refuseLinksOut(app, site.statics, new Map([["public/x", asked.workers.static ?? ""]])),
    );
  },
);

// ---- keys ----

const keyWord = fc.constantFrom(
  "ssh-ed25519",
  "ssh-rsa",
  "AAAAC3NzaC1lZDI1NTE5AAAAIA",
  'command="sh"',
  "restrict,pty",
  "# ",
  "\n",
  " ",
  "name@host",
  "no-pty ",
);
const keyFile = fc.oneof(
  hostile(60_000, ["ssh-ed25519 ", "AAAA"]),
  fc.array(fc.oneof(keyWord, hostile(20)), { maxLength: 12 }).map((list) => list.join(" ")),
  fc
    .array(
      fc.tuple(
        fc.string({ unit: fc.constantFrom(..."ABCabc012+/"), minLength: 4, maxLength: 12 }),
        hostile(40),
      ),
      {
        maxLength: 4,
      },
    )
    .map((list) =>
      list.map(([blob, name]) => `ssh-ed25519 ${blob} ${name.replaceAll("\n", " ")}\n`).join(""),
    ),
);

hold(
  "every line that setup:ssh adds has a command of ours, and what was there stays",
  fc.tuple(keyFile, keyFile),
  ([before, content]) => {
    const board = memoryHost({
      env: { HOME: "/home/piku" },
      files: { "/home/piku/.ssh/authorized_keys": before },
      answer: (argv) =>
        argv[0] === "ssh-keygen" ? { stdout: "256 SHA256:abc+/= 0 (ED25519)" } : undefined,
    });
    const added = unlessRefused(() => addKeys(board, readKeys(board, content, "id.pub")));
    const after = board.read("/home/piku/.ssh/authorized_keys")!;
    demand(after.startsWith(before), "what was there", before, after);
    const lines = after
      .slice(before.length)
      .split("\n")
      .filter((line) => line !== "");
    demand(lines.length === (added?.length ?? 0), "lines", lines, added);
    for (const line of lines)
      demand(
        /^restrict,pty,command="exec env -u BUN_OPTIONS -u BUN_BE_BUN FINGERPRINT=\S+ NAME=default \S+" ssh-ed25519 [\w+/]+={0,3}( [^\x00-\x1f]*)?$/.test(
          line,
        ) || /^restrict,pty,command="[^"]*" ssh-rsa /.test(line),
        "line",
        line,
      );
  },
);

const board = memory();
hold("lines of authorized_keys that are not the original's stay", keyFile, (content) => {
  for (const line of content.split("\n")) {
    if (!line.includes("FINGERPRINT="))
      demand(ourKeyLine(board, paths, line) === line, "line", line);
    originalKeyLine(paths, line, true);
  }
});

// ---- git ----

hold(
  "what git tells a hook",
  hostile(3000, ["0".repeat(40), "a".repeat(40), " refs/heads/", "\n"]),
  (input) => {
    const { update } = branchToDeploy(parseUpdates(input));
    demand(
      update === undefined || /^[0-9a-f]{40}([0-9a-f]{24})?$/.test(update.after),
      "commit",
      update,
    );
  },
);
