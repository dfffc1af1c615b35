import { host } from "#host";

/** What changes the world: before any of these a process may be ended. */
const effects = [
  "write",
  "mkdir",
  "chmod",
  "remove",
  "rename",
  "link",
  "run",
  "capture",
  "start",
  "signal",
] as const satisfies readonly (keyof typeof host)[];

/** What a full disk refuses. */
const writes: string[] = ["write", "append", "mkdir", "link"];

/**
 * `<root>/fault` says `COMMAND N`: the process that runs this command is killed before the N-th change that it makes, and what
 * it was about to do then is written to `<root>/fault.log`. With a third word, `full`, the disk is full for it from there on.
 */
const env = host.env();
const root = env.PIKU_ROOT || `${env.HOME}/.piku`;
const [command = "", at = "", fault = "kill"] = host.read(`${root}/fault`)?.trim().split(" ") ?? [];
const given =
  env.SSH_ORIGINAL_COMMAND && host.args.length === 0 ? env.SSH_ORIGINAL_COMMAND.split(" ")[0] : host.args[0];

if (command !== "" && given === command) {
  const { append, signal, pid } = host;
  let count = 0;
  for (const name of effects) {
    const real = host[name] as (...words: unknown[]) => unknown;
    const wrapped = (...words: unknown[]) => {
      if (++count === Number(at)) {
        append(`${root}/fault.log`, `${fault} at ${count}: ${name} ${JSON.stringify(words[0]).slice(0, 120)}\n`);
        if (fault === "kill") signal(pid, "KILL");
      }
      if (fault === "full" && count >= Number(at) && writes.includes(name))
        throw new Error(`ENOSPC: ${name} '${words[0]}'`);
      return real(...words);
    };
    Object.assign(host, { [name]: wrapped });
  }
}
