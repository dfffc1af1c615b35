/**
 * What a hostile app tries behind its wall. Each row is a line of shell that ends with status 0
 * where it got through; it runs as each kind of process, as a step of the build and by `run`.
 * $P is piku's folder, $V a process of the app `bank`, whose secret is `topsecret123`.
 */
export const attempts: readonly [what: string, line: string][] = [
  // ---- read ----
  ["read another app's files", "cat $P/apps/bank/app.py"],
  ["list the apps", "ls $P/apps | grep -vx $APP"],
  ["read another app's data", "cat $P/data/bank/ledger"],
  ["read another app's settings", "grep -r topsecret12[3] $P/envs"],
  ["read the settings of its release", "grep -r topsecret12[3] $P/releases"],
  ["read the board's settings", "cat $P/ENV"],
  ["list another app's repository", "ls $P/repos/bank"],
  ["clone another app's repository", "git clone -q file://$P/repos/bank /tmp/bank$$"],
  ["read the keys that let people in", "grep . /home/piku/.ssh/authorized_keys"],
  ["read a key of TLS", "cat $P/nginx/*.key"],
  ["read another app's logs", "cat $P/logs/bank/*"],
  [
    "read what the former piku or a backup left",
    "ls -d $P/destroyed $P/web $P/locks $P/plugins $P/acme",
  ],
  ["read the environment of a process", "cat /proc/$V/environ"],
  ["read the environment of any process", "grep -l topsecret12[3] /proc/[0-9]*/environ"],
  [
    "look through a process at its files",
    "grep -r topsecret12[3] /proc/[0-9]*/root/home/piku/.piku/envs",
  ],
  ["look through a process at its directory", "cat /proc/$V/cwd/app.py"],
  ["see what another app runs", "grep -l bank[:]wsgi /proc/[0-9]*/cmdline"],
  ["read a process's memory", "head -c 1 /proc/$V/mem"],
  ["read another app's /tmp", "cat /tmp/bank-secret /var/tmp/bank-secret /dev/shm/bank-secret"],
  ["read another person's terminal", "ls /dev/pts/[0-9]*"],
  // ---- write ----
  ["write a vassal", "mkdir -p $P/uwsgi-enabled; echo PWNED >$P/uwsgi-enabled/pwned_web.1.ini"],
  ["write a site", "mkdir -p $P/nginx; echo PWNED >$P/nginx/pwned.conf"],
  ["write a hook of the board's", "mkdir -p $P/hooks; echo PWNED >$P/hooks/pre-deploy"],
  ["write a hook of git's", "echo PWNED >$P/repos/mallory/hooks/pre-receive"],
  ["write a plugin", "mkdir -p $P/plugins; echo PWNED >$P/plugins/pwned"],
  ["write its own record", "echo PWNED >$P/releases/mallory/1.json"],
  ["write which release is live", "echo PWNED >$P/releases/mallory/live"],
  [
    "write its own vassal's copy",
    "for f in $P/releases/mallory/run-*/*_*.ini; do echo PWNED >>$f && exit; done; false",
  ],
  [
    "replace its own vassal's copy",
    "for f in $P/releases/mallory/run-*/*_*.ini; do mv $f /tmp && exit; done; false",
  ],
  [
    "write down another process as its own",
    "for f in $P/releases/mallory/run-*/*.pid; do echo $V >$f && exit; done; false",
  ],
  ["write its own settings", "echo PWNED=1 >>$P/envs/mallory/ENV"],
  ["have git run something", "git -C $P/apps/mallory config core.fsmonitor PWNED"],
  ["put another .git in its place", "mv $P/apps/mallory/.git $P/apps/mallory/git"],
  ["write into the log of uWSGI's emperor", "ls -l /proc/[0-9]*/fd | grep -F uwsgi/uwsgi.log"],
  ["write the wall itself", "echo PWNED >>$P/uwsgi/wall.sh"],
  [
    "write piku's program",
    "head -c 4 /home/piku/piku | grep -q ELF && echo PWNED >>/home/piku/piku",
  ],
  // ---- processes ----
  ["signal a process", "kill -0 $V"],
  ["end a process", "kill -9 $V"],
  [
    "trace a process",
    `python3 -c 'import ctypes, os; os._exit(ctypes.CDLL(None).ptrace(16, int(os.environ["V"]), 0, 0) and 1)'`,
  ],
  ["have a process killed first", "echo 1000 >/proc/$V/oom_score_adj"],
  ["enter a process's namespaces", "nsenter -t $V -m true"],
  // ---- sockets, and who takes orders ----
  [
    "connect to another app's socket",
    "curl -s --max-time 2 --unix-socket $P/sockets/bank.1.sock http://x/",
  ],
  ["see another app's socket", "ls $P/sockets | grep bank"],
  ["give orders to this user's systemd", "ls /run/user/*/*"],
  ["leave a job to cron", "echo '* * * * * touch /tmp/PWNED' | crontab -"],
  [
    "have systemd start something",
    "timeout 5 systemd-run --user true || timeout 5 systemd-run true",
  ],
  // ---- out of the wall ----
  ["take the wall down", "umount $P || umount -l /home/piku"],
  [
    "take it down in a namespace of its own",
    "unshare -Urm sh -c 'umount -l $P || umount -l /home/piku'",
  ],
  ["mount something", "mount -t tmpfs tmpfs /mnt"],
  ["become root", "sudo -n true || su -c true </dev/null"],
  [
    "become somebody by a program with rights",
    "cp /bin/dash /tmp/s$$ && chmod 4755 /tmp/s$$ && grep -q 'NoNewPrivs:.*0' /proc/self/status",
  ],
  ["have any right of root's", "! grep -q '^CapEff:.*0000000000000000' /proc/self/status"],
  ["get every right back", "! grep -q '^CapBnd:.*0000000000000000' /proc/self/status"],
  [
    "lift a limit of memory",
    "for f in $(find /sys/fs/cgroup -name memory.max -writable | head -n 3); do echo max >$f && exit; done; false",
  ],
  [
    "leave its control group",
    "for f in $(find /sys/fs/cgroup -name cgroup.procs -writable | head -n 3); do echo $$ >$f && exit; done; false",
  ],
];

const quoted = (line: string) => `'${line.replaceAll("'", `'\\''`)}'`;

/** The script that tries them all and writes down what came of each, into the app's data. */
export const attack = `export P=/home/piku/.piku
out=/home/piku/.piku/data/$APP/tried.$1
: >$out.new
try() {
  if timeout 20 sh -c "$2" >/tmp/said.$$ 2>&1 </dev/null; then
    echo "BROKEN $1: $(head -c 200 /tmp/said.$$ | tr '\\n' ' ')"
  else echo "held $1"; fi >>$out.new
}
${attempts.map(([what, line]) => `try ${quoted(what)} ${quoted(line)}`).join("\n")}
mv $out.new $out
`;
