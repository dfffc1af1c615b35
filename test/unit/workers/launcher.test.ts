// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are the shell's.
import { expect, test } from "bun:test";
import * as fs from "node:fs";
import { execLine, renderLauncher } from "../../../src/workers/launcher.ts";
import { filesOf } from "../../../src/workers/worker.ts";
import {
  appBelow,
  launch,
  nasty,
  path,
  randomSettings,
  readEnvironment,
  realApp,
  temporaryFolder,
  workerOf,
} from "./example.ts";

const app = appBelow("/p");
const folder = temporaryFolder();

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

test.each([
  ["python3 app.py", "exec python3 app.py"],
  ["a && b", "a && b"],
])(
  "a launcher hands on what no shell can export, and values of several lines: %s",
  (command, line) => {
    const settings = { "spring.x-y": "it's\n1", A: "b\nc" };
    const end = `exec 'env' 'spring.x-y=it'\\''s\n1' 'bash' '-c' '${line}'\n`;
    const text = renderLauncher(app, workerOf({ command, settings }));
    expect(text).toContain("\nexport A='b\nc'\n");
    expect(text.slice(-end.length)).toBe(end);
  },
);

test("a launcher's text", () => {
  const worker = workerOf({ command: "python3 app.py", settings: { A: "it's", PORT: "20001" } });
  expect(renderLauncher(app, worker)).toBe(`# Written by piku; changes are lost.
unset UWSGI_EMPEROR_FD UWSGI_RELOADS UWSGI_ORIGINAL_PROC_NAME
printf . >>/p/releases/blog/run-7/web.1.starts
echo $$ >/p/releases/blog/run-7/web.1.daemon
cd /p/apps/blog || exit 1
export A='it'\\''s'
export PORT='20001'
export PIKU_PROCESS='/p/releases/blog/run-7/web.1'
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
  const real = realApp(folder, "exports");
  const ran = launch(real, workerOf({ command: "env -0", settings }), {
    UWSGI_RELOADS: "1",
    UWSGI_EMPEROR_FD: "3",
    INHERITED: "yes",
  });
  const { PWD, OLDPWD: _, ...got } = readEnvironment(ran.stdout);
  const files = filesOf(real, workerOf({}));
  const given = { ...settings, PIKU_PROCESS: files.mark, INHERITED: "yes" };
  expect([PWD, got]).toEqual([real.tree, given]);
  expect([files.daemon, files.starts].map((file) => fs.readFileSync(file, "utf8"))).toEqual([
    `${ran.pid}\n`,
    ".",
  ]);
});

test("a launcher that is started again says so", () => {
  const real = realApp(folder, "again");
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
  expect(launch(realApp(folder, "status"), workerOf({ command })).status).toBe(status);
});

test("a launcher without the app's folder starts nothing", () => {
  const real = realApp(folder, "gone");
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
        realApp(folder, "names"),
        workerOf({ command: "printenv DONE", settings: { [key]: "1", DONE: "yes" } }),
      ).stdout,
    ).toBe("yes\n");
  },
);
