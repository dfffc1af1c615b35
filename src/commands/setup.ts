import { defineCommand } from "citty";
import { PikuError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { closed, folders, pathsOf } from "../paths.ts";
import { addKeys, readKeys } from "../ssh.ts";
import { renderEmperor } from "../uwsgi.ts";
import { voiceOf } from "../voice.ts";

export const setup = (host: Host) =>
  defineCommand({
    meta: { description: "Make piku's folders and the emperor's file", example: "piku setup" },
    run() {
      const voice = voiceOf(host);
      const paths = pathsOf(host);
      for (const name of [...folders, "releases", "sockets", "locks"]) {
        const folder = `${paths.root}/${name}`;
        if (host.stat(folder)) continue;
        voice.log(`Creating '${folder}'.`);
        host.mkdir(folder, closed.includes(name) ? 0o700 : 0o755);
      }
      const file = `${paths.uwsgi}/uwsgi.ini`;
      if (host.read(file) !== renderEmperor(paths)) host.write(file, renderEmperor(paths));
    },
  });

export const setupSsh = (host: Host) =>
  defineCommand({
    meta: {
      description: "Let a public key push and give commands (- for stdin)",
      example: "piku setup:ssh id_ed25519.pub",
    },
    args: { file: { type: "positional", description: "a file with public keys, or -", required: true } },
    run({ args, rawArgs }) {
      const name = rawArgs[0] === "-" ? "-" : args.file;
      const content = name === "-" ? host.stdin() : host.read(absolute(host, name));
      if (content === undefined) throw new PikuError(`public key file '${name}' not found.`);
      const keys = readKeys(host, content, name === "-" ? "stdin" : name);
      const added = addKeys(host, keys);
      for (const { fingerprint } of added) voiceOf(host).log(`Adding key '${fingerprint}'.`);
      for (const { fingerprint } of keys.filter((key) => !added.includes(key)))
        voiceOf(host).log(`Key '${fingerprint}' is there already.`);
      warnOfPlain(
        host,
        keys.map(({ blob }) => blob),
      );
    },
  });

const absolute = (host: Host, path: string) => (path.startsWith("/") ? path : `${host.env().PWD ?? ""}/${path}`);

/** A copy of a key without a command in front would be found first, and its owner's pushes would not reach piku. */
function warnOfPlain(host: Host, blobs: readonly string[]): void {
  const file = `${pathsOf(host).home}/.ssh/authorized_keys`;
  const lines = (host.read(file) ?? "").split("\n");
  for (const [index, line] of lines.entries()) {
    if (blobs.some((blob) => line.includes(blob)) && !line.includes("command=") && !line.startsWith("#")) {
      voiceOf(host).warn(
        `${file} line ${index + 1} has this key without a command: pushes with it do not reach piku. Remove that line, and add the key again.`,
      );
    }
  }
}
