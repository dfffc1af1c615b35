import { defineCommand } from "citty";
import { appOf, listApps } from "../app/app.ts";
import { withTurn } from "../app/locks.ts";
import { closed, folders, ownFolders, type Paths, pathsOf } from "../app/paths.ts";
import {
  addKeys,
  authorizedKeys,
  keysFile,
  largestKeys,
  parseKeyLines,
  readKeys,
} from "../board/keys.ts";
import { closeToOthers } from "../board/rights.ts";
import { giveBack, takeOver } from "../board/takeover.ts";
import type { Host } from "../host/host.ts";
import { findTool } from "../host/tools.ts";
import { writeMain } from "../site/main-file.ts";
import { PikuError } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { renderEmperor } from "../workers/emperor.ts";

export const setup = (host: Host) =>
  defineCommand({
    meta: {
      description:
        "Make piku's folders and the files of the emperor and nginx; the original's keys and hooks become its own",
      example: "piku setup",
    },
    args: {
      undo: {
        type: "boolean",
        description: "take keys, hooks and the timer away again; apps stay",
      },
    },
    run({ args }) {
      const voice = voiceOf(host);
      const paths = pathsOf(host);
      if (args.undo) return giveBack(host, paths);
      for (const name of [...folders, ...ownFolders]) {
        const folder = `${paths.root}/${name}`;
        if (host.stat(folder)) continue;
        voice.log(`Creating '${folder}'.`);
        host.mkdir(folder, closed.includes(name) ? 0o700 : 0o755);
      }
      // Version 1 tried sites in there.
      host.remove(`${paths.root}/.nginx-test`);
      const taken = takeOver(host, paths);
      if (taken > 0) voice.log(`Keys of the former piku that are this one's now: ${taken}.`);
      closeToOthers(
        host,
        paths,
        listApps(host, paths).map((name) => appOf(paths, name)),
      );
      writeEmperor(host, paths);
      // Without nginx there is nothing to write it for; it is written again whenever nginx starts.
      if (findTool(host, "nginx")) writeMain(host, paths);
    },
  });

/**
 * Writes the emperor's file; one with a second name belongs to another service, which would no
 * longer see what is written here.
 */
function writeEmperor(host: Host, paths: Paths): void {
  const file = `${paths.uwsgi}/uwsgi.ini`;
  if (host.read(file) === renderEmperor(paths)) return;
  const isShared = Number(host.capture(["stat", "-c", "%h", file]).stdout) > 1;
  if (isShared)
    voiceOf(host).warn(`${file} has a second name, so another service uses it; it stays as it is.`);
  else host.write(file, renderEmperor(paths));
}

export const setupSsh = (host: Host) =>
  defineCommand({
    meta: {
      description: "Let a public key push and give commands (- for stdin)",
      example: "piku setup:ssh id_ed25519.pub",
    },
    args: {
      file: { type: "positional", description: "a file with public keys, or -", required: true },
    },
    run({ args, rawArgs }) {
      const name = rawArgs[0] === "-" ? "-" : args.file;
      const content =
        name === "-" ? host.stdin(largestKeys) : host.read(absolute(host, name), largestKeys);
      if (content === undefined) throw new PikuError(`public key file '${name}' not found.`);
      const keys = readKeys(host, content, name === "-" ? "stdin" : name);
      const added = withTurn(host, pathsOf(host), "machine", undefined, "", () =>
        addKeys(host, keys),
      );
      for (const { fingerprint } of added) voiceOf(host).log(`Adding key '${fingerprint}'.`);
      for (const { fingerprint } of keys.filter((key) => !added.includes(key)))
        voiceOf(host).log(`Key '${fingerprint}' is there already.`);
      warnOfPlain(
        host,
        keys.map(({ blob }) => blob),
      );
    },
  });

export const absolute = (host: Host, path: string) =>
  path.startsWith("/") ? path : `${host.env().PWD ?? ""}/${path}`;

/**
 * A copy of a key without a command in front would be found first, and its owner's pushes would not
 * reach piku.
 */
export function warnOfPlain(host: Host, blobs: readonly string[]): void {
  for (const { at, blob, hasForcedCommand } of parseKeyLines(authorizedKeys(host)))
    if (blobs.includes(blob) && !hasForcedCommand)
      voiceOf(host).warn(
        `${keysFile(host)} line ${at + 1} has this key without a command: pushes with it do not reach piku. Remove that line, and add the key again.`,
      );
}
