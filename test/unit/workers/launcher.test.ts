// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are the shell's.
import { afterAll, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { App } from "../../../src/app/app.ts";
import type { Settings } from "../../../src/app/env-file.ts";
import { execLine, renderLauncher } from "../../../src/workers/launcher.ts";
import { filesOf, type Worker } from "../../../src/workers/worker.ts";
import { appBelow, workerOf } from "./example.ts";

const app = appBelow("/p");
const folder = fs.mkdtempSync(join(tmpdir(), "piku-uwsgi-"));
afterAll(() => fs.rmSync(folder, { recursive: true }));

/** The same numbers in every run. */
function randomFrom(seed: number) {
  let state = seed;
  return (count: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * count);
  };
}

const nasty = [
  "%",
  "(",
  ")",
  "%d",
  "%(",
  "$(",
  "@(",
  "$(PATH)",
  "@(exec://id)",
  "%(x y)",
  "$",
  "@",
  "'",
  '"',
  "`",
  "\\",
  ";",
  "#",
  "[",
  "]",
  "=",
  "{",
  "}",
  " ",
  "  ",
  "\t",
  "a",
  "uid",
  "pikulp",
  "pikunil",
  "ü",
  "€",
  "\u00a0",
  "%%",
  "!",
  "|",
  "&",
  "<",
  ">",
  "*",
  "~",
  "://",
];

function randomSettings(count: number, pieces: readonly string[], seed: number): Settings {
  const random = randomFrom(seed);
  const values = Array.from({ length: count }, () =>
    Array.from({ length: random(10) }, () => pieces[random(pieces.length)]).join(""),
  );
  return Object.fromEntries(values.map((value, i) => [`K${i}`, value]));
}

/** The variables that `env -0` printed. */
const readEnvironment = (output: string): Settings =>
  Object.fromEntries(
    output
      .split("\0")
      .filter(Boolean)
      .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );

const path = process.env.PATH ?? "";
test.each([
  ["python3 app.py", "exec python3 app.py"],
  ["A=1 B=x/y python3 app.py --port $PORT", "A=1 B=x/y exec python3 app.py --port $PORT"],
  ["gunicorn app:app -b 127.0.0.1:${PORT}", "exec gunicorn app:app -b 127.0.0.1:${PORT}"],
  ["node 'my app.js' # note", "exec node 'my app.js' # note"],
  ["./run", "exec ./run"],
  ["A='x y' python3 app.py", "A='x y' python3 app.py"],
  ["A=$B python3 app.py", "A=$B python3 app.py"],
  ["A=1", "A=1"],
  ["A=1 ", "A=1 "],
  ["cd x && y", "cd x && y"],
  ["a; b", "a; b"],
  ["a | b", "a | b"],
  ["a &", "a &"],
  ["a > log 2>&1", "a > log 2>&1"],
  ["(a)", "(a)"],
  ["{ a; }", "{ a; }"],
  ["if a; then b; fi", "if a; then b; fi"],
  ["exec a", "exec a"],
  [". ./env.sh", ". ./env.sh"],
  ["! a", "! a"],
  ["$(which a) b", "$(which a) b"],
  ["`which a` b", "`which a` b"],
  ["while true", "while true"],
])("execLine: %s", (command, expected) => {
  expect(execLine(command)).toBe(expected);
});

/** An app in a real folder, with the folders that a launcher writes to. */
function realApp(name: string): App {
  const real = appBelow(join(folder, name));
  for (const dir of [real.tree, join(real.releases, "run-7")])
    fs.mkdirSync(dir, { recursive: true });
  return real;
}

const launch = (real: App, worker: Worker, env: Settings = {}) => {
  const { launcher } = filesOf(real, worker);
  fs.writeFileSync(launcher, renderLauncher(real, worker));
  const ran = Bun.spawnSync(["sh", launcher], { env: { PATH: path, ...env }, stderr: "pipe" });
  return {
    pid: ran.pid,
    status: ran.exitCode,
    stdout: ran.stdout.toString(),
    stderr: ran.stderr.toString(),
  };
};

test("a launcher's text", () => {
  const worker = workerOf({ command: "python3 app.py", settings: { A: "it's", PORT: "20001" } });
  expect(renderLauncher(app, worker)).toBe(`# Written by piku; changes are lost.
unset UWSGI_EMPEROR_FD UWSGI_RELOADS UWSGI_ORIGINAL_PROC_NAME
printf . >>/p/releases/blog/run-7/web.1.starts
echo $$ >/p/releases/blog/run-7/web.1.daemon
cd /p/apps/blog || exit 1
export A='it'\\''s'
export PORT='20001'
exec python3 app.py
`);
});

test("a launcher gives 500 settings to the letter, and becomes the command", () => {
  const settings = {
    ...randomSettings(500, [...nasty, "\x01", "\x7f", "\x0c"], 8),
    EMPTY: "",
    BIG: "x'".repeat(50_000),
    PATH: `${path}:/late`,
    IFS: ":",
    A: "1 ",
  };
  const real = realApp("exports");
  const ran = launch(real, workerOf({ command: "env -0", settings }), {
    UWSGI_RELOADS: "1",
    UWSGI_EMPEROR_FD: "3",
    INHERITED: "yes",
  });
  const { PWD, OLDPWD: _, ...got } = readEnvironment(ran.stdout);
  expect([PWD, got]).toEqual([real.tree, { ...settings, INHERITED: "yes" }]);
  const files = filesOf(real, workerOf({}));
  expect([files.daemon, files.starts].map((file) => fs.readFileSync(file, "utf8"))).toEqual([
    `${ran.pid}\n`,
    ".",
  ]);
});

test("a launcher that is started again says so", () => {
  const real = realApp("again");
  const worker = workerOf({ kind: "worker", command: "A=1 B=2 printenv A B" });
  expect(launch(real, worker).stdout).toBe("1\n2\n");
  expect(launch(real, worker).status).toBe(0);
  expect(fs.readFileSync(filesOf(real, worker).starts, "utf8")).toBe("..");
});

test.each([
  ["exit 3", 3],
  ["false || exit 4", 4],
  ["./no-such-command-here", 127],
])("a launcher ends as its command does: %s", (command, status) => {
  expect(launch(realApp("status"), workerOf({ command })).status).toBe(status);
});

test("a launcher without the app's folder starts nothing", () => {
  const real = realApp("gone");
  fs.rmSync(real.tree, { recursive: true });
  expect(launch(real, workerOf({ command: "echo started" }))).toEqual(
    expect.objectContaining({ status: 1, stdout: "" }),
  );
});

// Some shells hold these to be theirs, and end where they are set.
test.each(["UID", "EUID", "PPID", "OPTIND", "LINENO", "RANDOM", "_", "PS4", "ENV", "HISTSIZE"])(
  "a launcher lives with a setting called %s",
  (key) => {
    expect(
      launch(
        realApp("names"),
        workerOf({ command: "printenv DONE", settings: { [key]: "1", DONE: "yes" } }),
      ).stdout,
    ).toBe("yes\n");
  },
);
// A `date` in front of the real one, so that a launcher believes what day it is.
// crontab(5), and the original: a field that begins with `*` does not name days, so both must fit.
