/** A launcher of piku's, as uWSGI names it. */
const launcher = String.raw`exec sh /\S+/releases/\S+/run-\d+/[\w-]+\.\d+\.sh`;
const clockTime = String.raw`\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4} - `;

/**
 * What uWSGI 2.0 itself prints, as its source has it (core/uwsgi.c, master.c, master_utils.c,
 * daemons.c, cron.c, hooks.c): whole lines, so that no line of an app is taken for one of them. Not
 * among them is what tells that an app was killed, or why it could not be loaded.
 */
const lines = [
  String.raw`\*\*\* Operational MODE: [\w+ -]+ \*\*\*`,
  String.raw`\*\*\* uWSGI is running in multiple interpreter mode \*\*\*`,
  String.raw`\*\*\* WARNING: you are running uWSGI as root !!! \(use the --uid flag\) \*\*\* ?`,
  "uWSGI running as root, you can use --uid/--gid/--chroot options",
  "!{14} WARNING !{14}",
  "!{11} END OF WARNING !{10}",
  String.raw`no request plugin is loaded, you will not be able to manage requests\.`,
  String.raw`you may need to install the package for your language of choice, or simply load it with --plugin\.`,
  String.raw`WSGI app \d+ \(mountpoint='[^']*'\) ready in \d+ seconds on interpreter 0x[\da-f]+ pid: \d+( \(default app\))?`,
  String.raw`running "(write|append):/\S+/releases/\S+ (ready|\.)" \([\w -]+\)\.\.\.`,
  String.raw`spawned uWSGI master process \(pid: \d+\)`,
  String.raw`spawned uWSGI worker \d+ (\(and the only\) )?\(pid: \d+, cores: \d+\)`,
  String.raw`Respawned uWSGI worker \d+ \(new pid: \d+\)`,
  String.raw`worker \d+ buried after \d+ seconds`,
  String.raw`worker \d+ killed successfully \(pid: \d+\)`,
  String.raw`Gracefully killing worker \d+ \(pid: \d+\)\.\.\.`,
  String.raw`\.\.\.(brutally|gracefully) killing workers\.\.\.`,
  String.raw`\.\.\.The work of process \d+ is done\. Seeya!`,
  String.raw`SIGINT\/SIG(TERM|QUIT) received\.\.\.killing workers\.\.\.`,
  String.raw`(${clockTime})?received message \d+ from emperor`,
  String.raw`(${clockTime})?graceful shutdown triggered\.\.\.`,
  String.raw`goodbye to uWSGI\.`,
  // Of what nobody else waits for, behind a wall.
  String.raw`subprocess \d+ (exited with code|was terminated by signal) \d+`,
  // The request of a health check (answer.ts).
  String.raw`127\.0\.0\.1 - - \[[^\]]+\] "GET \S+ HTTP/1\.[01]" \d+ \d+ "-" "piku" \d+ms`,
  String.raw`\[deadlock-detector\] a process holding a robust mutex died\. recovering\.\.\.`,
  String.raw`announcing my loyalty to the Emperor\.\.\.`,
  String.raw`cheap mode enabled: waiting for socket connection\.\.\.`,
  String.raw`workers have been inactive for more than \d+ seconds \(\d+-\d+\)`,
  String.raw`going cheap\.\.\.`,
  String.raw`uWSGI worker \d+ cheaped\.`,
  String.raw`\[uwsgi-daemons\] (re)?spawning "${launcher}" \(uid: \d+ gid: \d+\)`,
  String.raw`\[uwsgi-daemons\] throttling "${launcher}" for \d+ seconds`,
  String.raw`\[uwsgi-daemons\] stopping daemon \(pid: \d+\): ${launcher}`,
  String.raw`\[uwsgi-daemons\] daemon did not die in time, killing \(pid: \d+\): ${launcher}`,
  String.raw`\[uwsgi-cron\] command "${launcher}" registered as cron task`,
  String.raw`(${clockTime})?\[uwsgi-cron\] running "${launcher}" \(pid \d+\)`,
  String.raw`\[uwsgi-cron\] command "${launcher}" running with pid \d+ exited after \d+ second\(s\)`,
];

const pattern = new RegExp(`^(${lines.join("|")})$`);

// Longer ones would cost time, and none of uWSGI's has more with two paths in it.
const maxLetters = 10_000;

/** Whether a line of a worker's log is uWSGI's own and not the app's. */
export const isOfUwsgi = (line: string) => line.length <= maxLetters && pattern.test(line);

const starts =
  /^(\*\*\* Starting uWSGI .* \*\*\*|compiled with version: .*|os: Linux-.*|nodename: .*|machine: .*|clock source: .*|pcre jit .*|detected number of CPU cores: \d+|current working directory: .*|writing pidfile to .*|detected binary path: .*|chdir\(\) to .*|set(gid|uid)\(\) to \d+|your processes number limit is \d+|your memory page size is \d+ bytes|detected max file descriptor number: \d+|lock engine: .*|thunder lock: .*|uwsgi socket \d+ (bound|inherited) .*|Python version: .*|Python main interpreter initialized at 0x.*|PEP 405 virtualenv detected: .*|Set PythonHome to .*|python threads support enabled|your server socket listen backlog is limited to .*|your mercy for graceful operations on workers is .*|mapped \d+ bytes .*)$/;

/** Whether a line from before an app is loaded says nothing about why that failed. */
export const isOfStart = (line: string) => starts.test(line) || isOfUwsgi(line);
