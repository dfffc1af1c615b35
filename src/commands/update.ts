import { defineCommand } from "citty";
import { readMachine } from "../app/board-settings.ts";
import { withTurn } from "../app/locks.ts";
import { pathsOf } from "../app/paths.ts";
import type { Host } from "../host/host.ts";
import { PikuError } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { printable } from "../text/text.ts";

export const update = (host: Host) =>
  defineCommand({
    meta: {
      description: "Put a new release of piku in the place of this one",
      example: "piku update --from https://example.com/piku",
    },
    args: {
      from: {
        type: "string",
        description:
          "a folder or a URL with SHA256SUMS and the executables; PIKU_RELEASES in ~/.piku/ENV unless given",
      },
      rollback: {
        type: "boolean",
        description: "back to the release that the last update replaced",
      },
    },
    run({ args }) {
      withTurn(host, pathsOf(host), "update", undefined, "", () => replace(host, args));
    },
  });

function replace(host: Host, args: { from?: string; rollback?: boolean }): void {
  const voice = voiceOf(host);
  const fresh = `${host.self}.new`;
  // One that was cut off may have left the earlier release under this name, and what is fetched
  // would be written into it.
  host.remove(fresh);
  try {
    if (args.rollback) takeOld(host, fresh);
    else {
      const from = sourceOf(host, args.from);
      voice.log("Updating piku...");
      fetch(host, from, fresh);
    }
    const told = host.capture([fresh, "--version"]);
    if (told.status !== 0)
      throw new PikuError(`that release does not run here: ${told.stderr.trim()}`);
    // A name may reach the disk before what it stands for.
    host.capture(["sync", fresh]);
    linkFile(host, host.self, oldOf(host));
    host.rename(fresh, host.self);
    voice.log(`${args.rollback ? "Back again" : "Update successful"}: ${told.stdout.trim()}`);
  } finally {
    host.remove(fresh);
  }
  voice.log("Done.");
}

const oldOf = (host: Host) => `${host.self}.old`;

/** Gives a file a second name: an executable may have 110 MB, and a card little room. */
function linkFile(host: Host, file: string, name: string): void {
  const ran = host.capture(["ln", "-f", file, name]);
  if (ran.status !== 0)
    throw new PikuError(`the present release cannot be kept: ${ran.stderr.trim()}`);
}

function takeOld(host: Host, fresh: string): void {
  if (!host.stat(oldOf(host)))
    throw new PikuError("there is no earlier release here to go back to");
  linkFile(host, oldOf(host), fresh);
}

/**
 * Where releases are: what was typed, or PIKU_RELEASES. Throws when it is neither a folder nor a
 * URL.
 */
function sourceOf(host: Host, typed: string | undefined): string {
  const { settings } = pathsOf(host);
  const from = typed ?? readMachine(host, settings).releases;
  if (!from)
    throw new PikuError(
      "it is not known where releases of piku are",
      `say it once, in ${settings}: PIKU_RELEASES=https://…`,
    );
  if (!/^(https?:\/)?\/[^\s]+$/.test(from))
    throw new PikuError(`'${printable(from)}' is neither a folder nor a URL`);
  return from;
}

/** Gets the executable of this target and checks it against SHA256SUMS. */
function fetch(host: Host, from: string, file: string): void {
  const name = `piku-${host.target}`;
  const get = (what: string, to: string) => {
    const argv = from.startsWith("/")
      ? ["cp", `${from}/${what}`, to]
      : ["curl", "-fsSL", "--retry", "2", "-o", to, `${from}/${what}`];
    const ran = host.capture(argv);
    if (ran.status !== 0)
      throw new PikuError(
        `'${what}' could not be got from ${from}: ${ran.stderr.trim().split("\n").at(-1)}`,
      );
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
