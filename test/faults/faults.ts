import { host } from "#host";

/** What changes the world: before any of these something may go wrong. */
const effects = [
  "write",
  "note",
  "sync",
  "mkdir",
  "chmod",
  "remove",
  "rename",
  "move",
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
const procfile = (of: number, name: string) => host.read(`/proc/${of}/${name}`) ?? "";
const shell = (line: string) => capture(["sh", "-c", line, root]);

/**
 * Beside the board, what of it would be there after a power cut however much of the rest is lost:
 * all of it when the command began and when it last synced the disk, and each file that it has
 * synced by itself since. What other programs sync does not count.
 */
const durable = `${root}.durable`;
const copy = (from: string, to: string) =>
  shell(`mkdir -p "$(dirname '${to}')" && rm -rf '${to}' && cp -a '${from}' '${to}'`);
const pin = (path: string) => {
  if (path.startsWith(`${root}/`)) copy(path, durable + path.slice(root.length));
};
const keepAll = () => copy(root, durable);
const pins: Record<string, (...words: string[]) => unknown> = {
  write: pin,
  rename: (_, to) => pin(to!),
  sync: keepAll,
};

/**
 * What is done to the process, or to the disk below it; `full` is only pretended, by the calls
 * themselves.
 */
const faults: Record<string, () => unknown> = {
  kill: () => signal(pid, "KILL"),
  // What serves the push would go on, and write.
  power: () => {
    const above = (of: number) => Number(/^PPid:\s+(\d+)/m.exec(procfile(of, "status"))?.[1]);
    for (const one of [above(above(pid)), above(pid)])
      if (/receive-pack|\/piku\0/.test(procfile(one, "cmdline"))) signal(one, "KILL");
    signal(pid, "KILL");
  },
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
  if (fault === "power") keepAll();
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
      const done = real(...words);
      if (fault === "power") pins[name]?.(...(words as string[]));
      return done;
    };
    Object.assign(host, { [name]: wrapped });
  }
}
