import type { App } from "../app/app.ts";
import { isShellName, type Settings } from "../app/env-file.ts";
import { shellQuote, singleQuoted } from "../text/text.ts";
import { cronGuard } from "./cron.ts";
import { filesOf, markName, type Worker } from "./worker.ts";

/**
 * Values that uWSGI's envdir cannot carry: it strips trailing whitespace. What takes its place
 * carries one line, so the end of several is stripped.
 */
export const cutByEnvdir = (value: string) => /^[^\n]*[ \t]$/.test(value);

/** The files of a wsgi worker's envdir, named by variable: the value and a newline. */
export const envdirFiles = (settings: Settings): Settings =>
  Object.fromEntries(
    Object.entries(settings).flatMap(([key, value]) =>
      cutByEnvdir(value) ? [] : [[key, `${value}\n`]],
    ),
  );

// Words that cannot follow `exec`, and characters that make a line more than one simple command.
const shellWords =
  /^(\.|:|!|\[|\{|\(|alias|break|case|cd|command|continue|eval|exec|exit|export|for|if|read|readonly|return|set|shift|source|test|time|times|trap|ulimit|umask|unset|until|wait|while)$/;
const compound = /[;&|<>()`\n]/;

/**
 * Prefixes a simple command of the Procfile with `exec`, so that uWSGI signals its process and not
 * a shell.
 */
export function execLine(command: string): string {
  const [, assignments = "", rest = ""] =
    /^((?:[A-Za-z_]\w*=[^\s'"$]*\s+)*)(.*)$/s.exec(command) ?? [];
  const first = rest.split(/\s/)[0]!;
  const simple =
    !compound.test(command) &&
    first !== "" &&
    !shellWords.test(first) &&
    !/^[A-Za-z_]\w*=/.test(first);
  return simple ? `${assignments}exec ${rest}` : command;
}

/**
 * The shell script that starts a daemon or a cron job. It exports the settings and the mark of its
 * processes, records its process id, and execs the command. The Procfile's command is the only text in it that the shell
 * interprets.
 */
export function renderLauncher(app: App, worker: Worker): string {
  const files = filesOf(app, worker);
  const exports = Object.entries({ ...worker.settings, [markName]: files.mark }).flatMap(
    ([key, value]) => (isShellName(key) ? [`export ${key}=${singleQuoted(value)}\n`] : []),
  );
  // A second start means that the process has ended.
  const note = `printf . >>${files.starts}\necho $$ >${files.daemon}\n`;
  const line = worker.cron ? worker.cron.command : execLine(worker.command);
  const carried = withOddNames(worker.settings, shellFor(worker.settings, line));
  return [
    "# Written by piku; changes are lost.\n",
    "unset UWSGI_EMPEROR_FD UWSGI_RELOADS UWSGI_ORIGINAL_PROC_NAME\n",
    worker.cron ? cronGuard(worker.cron) + noteRun(files) : note,
    // Before the settings: it sets PWD and OLDPWD, which may be among them.
    `cd ${shellQuote(app.tree)} || exit 1\n`,
    ...exports,
    `${carried[0] === "env" ? `${worker.cron ? "" : "exec "}${carried.map(singleQuoted).join(" ")}` : line}\n`,
  ].join("");
}

/** Notes when a cron job begins, and its exit status: uWSGI knows neither. */
const noteRun = ({ began, ended }: { began: string; ended: string }) =>
  `: >${began}\ntrap 'echo $? >${ended}' EXIT\n`;

/**
 * A command that gets the settings whose names no shell can export, such as Spring's
 * `spring.datasource.url`, too. Debian's `sh` drops them from its environment: what is to hand them
 * on has to be bash.
 */
export function withOddNames(settings: Settings, argv: string[]): string[] {
  const odd = Object.entries(settings).flatMap(([key, value]) =>
    isShellName(key) ? [] : [`${key}=${value}`],
  );
  return odd.length > 0 ? ["env", ...odd, ...argv] : argv;
}

/** The command that has a shell read a line, and hands these settings on. */
export const shellFor = (settings: Settings, line: string): string[] => [
  Object.keys(settings).every(isShellName) ? "sh" : "bash",
  "-c",
  line,
];
