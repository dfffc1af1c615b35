import { defineCommand } from "citty";
import { printable } from "../app.ts";
import { PikuError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { readMachine } from "../machine.ts";
import { pathsOf } from "../paths.ts";
import { voiceOf } from "../voice.ts";

export const update = (host: Host) =>
  defineCommand({
    meta: {
      description: "Put a new release of piku in the place of this one",
      example: "piku update --from https://example.com/piku",
    },
    args: {
      from: {
        type: "string",
        description: "a folder or a URL with SHA256SUMS and the executables; PIKU_RELEASES in ~/.piku/ENV unless given",
      },
    },
    run({ args }) {
      const paths = pathsOf(host);
      const from = args.from ?? readMachine(host, paths.settings).releases;
      if (!from)
        throw new PikuError(
          "it is not known where releases of piku are",
          `say it once, in ${paths.settings}: PIKU_RELEASES=https://…`,
        );
      if (!/^(https?:\/)?\/[^\s]+$/.test(from))
        throw new PikuError(`'${printable(from)}' is neither a folder nor a URL`);
      const voice = voiceOf(host);
      voice.log("Updating piku...");
      const fresh = `${host.self}.new`;
      try {
        fetch(host, from, fresh);
        const told = host.capture([fresh, "--version"]);
        if (told.status !== 0) throw new PikuError(`the new release does not run here: ${told.stderr.trim()}`);
        host.remove(`${host.self}.old`);
        const kept = host.capture(["cp", "-p", host.self, `${host.self}.old`]);
        if (kept.status !== 0) throw new PikuError(`the present release cannot be kept: ${kept.stderr.trim()}`);
        host.rename(fresh, host.self);
        voice.log(`Update successful: ${told.stdout.trim()}`);
      } finally {
        host.remove(fresh);
      }
      voice.log("Done.");
    },
  });

/** Gets the executable of this target and checks it against SHA256SUMS. */
function fetch(host: Host, from: string, file: string): void {
  const name = `piku-${host.target}`;
  const get = (what: string, to: string) => {
    const argv = from.startsWith("/")
      ? ["cp", `${from}/${what}`, to]
      : ["curl", "-fsSL", "--retry", "2", "-o", to, `${from}/${what}`];
    const ran = host.capture(argv);
    if (ran.status !== 0)
      throw new PikuError(`'${what}' could not be got from ${from}: ${ran.stderr.trim().split("\n").at(-1)}`);
  };
  const sums = `${file}.sums`;
  try {
    get("SHA256SUMS", sums);
    const wanted = host
      .read(sums)
      ?.split("\n")
      .find((line) => line.endsWith(` ${name}`) || line.endsWith(`*${name}`))
      ?.split(/\s/)[0];
    if (!wanted) throw new PikuError(`the release at ${from} has no ${name}`);
    get(name, file);
    const sum = host.capture(["sha256sum", file]).stdout.split(" ")[0];
    if (sum !== wanted)
      throw new PikuError(
        `${name} is not the file that SHA256SUMS speaks of`,
        "try again; the download may have been cut short",
      );
    host.chmod(file, 0o755);
  } finally {
    host.remove(sums);
  }
}
