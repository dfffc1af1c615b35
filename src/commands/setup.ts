import { appOf, listApps } from "../app/app.ts";
import { withLock } from "../app/locks.ts";
import { closedFolders, folders, ownFolders, pathsOf } from "../app/paths.ts";
import { addKeys, maxKeysBytes, readKeys, warnOfLoginLines } from "../board/keys.ts";
import { closeToOthers } from "../board/rights.ts";
import { giveBack, takeOver } from "../board/takeover.ts";
import { findTool } from "../host/tools.ts";
import { writeMain } from "../site/main-file.ts";
import { PikuError } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { writeEmperor } from "../workers/emperor-file.ts";
import { typedPath } from "./arguments.ts";
import { command } from "./command.ts";

export const setup = command({
  name: "setup",
  group: "The board",
  description: "Create ~/.piku; take over keys and hooks of piku.py",
  examples: ["ssh piku@board setup"],
  args: {
    undo: {
      type: "boolean",
      description: "give keys and hooks back, and remove the timer; apps stay",
    },
  },
  run({ args, host }) {
    const voice = voiceOf(host);
    const paths = pathsOf(host);
    if (args.undo) return giveBack(host, paths);
    for (const name of [...folders, ...ownFolders]) {
      const folder = `${paths.root}/${name}`;
      if (host.stat(folder)) continue;
      voice.log(`Creating '${folder}'.`);
      host.mkdir(folder, closedFolders.includes(name) ? 0o700 : 0o755);
    }
    // Version 1 tested sites in there.
    host.remove(`${paths.root}/.nginx-test`);
    const taken = takeOver(host, paths);
    if (taken > 0) voice.log(`Keys taken over from the former piku: ${taken}.`);
    closeToOthers(
      host,
      paths,
      listApps(host, paths).map((name) => appOf(paths, name)),
    );
    writeEmperor(host, paths);
    // It is written again whenever nginx starts, so it can wait until nginx is there.
    if (findTool(host, "nginx")) writeMain(host, paths);
  },
});

export const setupSsh = command({
  name: "setup:ssh",
  group: "The board",
  description: "Add public keys of a file on the board, or of stdin (-)",
  examples: ["ssh piku@board setup:ssh - <~/.ssh/id_ed25519.pub"],
  args: {
    file: {
      type: "positional",
      description: "a file on the board with public keys, or - for stdin",
      required: true,
    },
  },
  run({ args, host }) {
    const name = args.file;
    const content =
      name === "-" ? host.stdin(maxKeysBytes) : host.read(typedPath(host, name), maxKeysBytes);
    if (content === undefined) throw new PikuError(`public key file '${name}' not found.`);
    const keys = readKeys(host, content, name === "-" ? "stdin" : name);
    const added = withLock(host, pathsOf(host), "machine", undefined, "", () =>
      addKeys(host, keys),
    );
    for (const { fingerprint } of added) voiceOf(host).log(`Adding key '${fingerprint}'.`);
    for (const { fingerprint } of keys.filter((key) => !added.includes(key)))
      voiceOf(host).log(`Key '${fingerprint}' has already been added.`);
    warnOfLoginLines(
      host,
      keys.map(({ blob }) => blob),
    );
  },
});
