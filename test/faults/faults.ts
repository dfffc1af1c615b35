import { host } from "#host";

/** What changes the world: before any of these something may go wrong. */
const effects = [
  "write",
  "note",
  "mkdir",
  "chmod",
  "remove",
  "rename",
  "link",
  "run",
  "capture",
  "start",
  "detach",
  "signal",
] as const satisfies readonly (keyof typeof host)[];

/** What a full disk refuses. */
const writes: string[] = ["write", "note", "append", "mkdir", "link"];

/**
 * `<root>/fault` says `COMMAND N FAULT`: to the process that runs this command, that is done before
 * the N-th change that it makes, and what it was about to do then is written to `<root>/fault.log`.
 * In the place of N, `remove:journal.json` is the first change of this kind of a file with such a
 * name.
 */
const env = host.env();
const root = env.PIKU_ROOT || `${env.HOME}/.piku`;
const [command = "", at = "", fault = "kill"] = host.read(`${root}/fault`)?.trim().split(" ") ?? [];
const given =
  env.SSH_ORIGINAL_COMMAND && host.args.length === 0
    ? env.SSH_ORIGINAL_COMMAND.split(" ")[0]
    : host.args[0];

const { append, signal, pid, capture } = host;
const shell = (line: string) => capture(["sh", "-c", line, root]);

/**
 * What is done to the process, or to the disk below it; `full` is only pretended, by the calls
 * themselves.
 */
const faults: Record<string, () => unknown> = {
  kill: () => signal(pid, "KILL"),
  term: () => signal(pid, "TERM"),
  hup: () => signal(pid, "HUP"),
  full: () => {},
  // What has files open goes on writing; whatever is opened from here on is on a disk that cannot
  // be written.
  readonly: () => shell('mount --bind "$0" "$0" && mount -o remount,bind,ro "$0"'),
  // A disk in memory takes as a limit what is in use.
  inodes: () =>
    shell(
      'set -- $(df --output=iused,target "$0" | tail -n 1) && mount -o "remount,nr_inodes=$(($1 + 2))" "$2"',
    ),
};

if (command !== "" && given === command) {
  const [kind, file] = at.split(":");
  let count = 0;
  let struck = false;
  for (const name of effects) {
    const real = host[name] as (...words: unknown[]) => unknown;
    const wrapped = (...words: unknown[]) => {
      count++;
      if (
        !struck &&
        (count === Number(at) || (name === kind && String(words[0]).endsWith(`/${file}`)))
      ) {
        struck = true;
        append(
          `${root}/fault.log`,
          `${fault} at ${count}: ${name} ${JSON.stringify(words[0]).slice(0, 120)}\n`,
        );
        faults[fault]!();
      }
      if (fault === "full" && struck && writes.includes(name))
        throw new Error(`ENOSPC: ${name} '${words[0]}'`);
      return real(...words);
    };
    Object.assign(host, { [name]: wrapped });
  }
}
