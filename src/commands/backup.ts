import { defineCommand } from "citty";
import { appOf, isAppName, namedApp, remainsOf } from "../app/app.ts";
import { type Paths, pathsOf } from "../app/paths.ts";
import type { Manifest } from "../board/backup/manifest.ts";
import { readBackup } from "../board/backup/read.ts";
import { restoreBackup } from "../board/backup/restore.ts";
import { withStage } from "../board/backup/stage.ts";
import { writeBackup } from "../board/backup/write.ts";
import type { Host } from "../host/host.ts";
import { PikuError, usageError } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { printable } from "../text/text.ts";
import { absolute } from "./setup.ts";

const someApp = {
  type: "positional",
  description: "the app's name; the whole board unless given",
  required: false,
} as const;

export const backup = (host: Host) =>
  defineCommand({
    meta: {
      description: "Write a backup of an app, or of the board, to stdout",
      example: "ssh piku@host backup blog >blog.tar.gz",
    },
    args: {
      app: someApp,
      verify: {
        type: "boolean",
        description: "say whether a backup is whole: a file of the server's, or stdin",
      },
    },
    run({ args }) {
      if (args.verify) return verify(host, args.app);
      if (host.isTerminal(1))
        throw usageError(
          "a backup is no text",
          "send it to a file: ssh piku@host backup >board.tar.gz",
        );
      const paths = pathsOf(host);
      const apps =
        args.app === undefined
          ? everyName(host, paths).map((name) => appOf(paths, name))
          : [remainsOf(host, args.app)];
      writeBackup(host, apps, args.app === undefined);
    },
  });

/** The names of all apps of which there is anything, if only data. */
function everyName(host: Host, { apps, repos, envs, data }: Paths): string[] {
  const names = [
    ...new Set([apps, repos, envs, data].flatMap((folder) => host.list(folder))),
  ].sort();
  const odd = names.filter((name) => !isAppName(name) && !name.startsWith("."));
  if (odd.length > 0)
    host.complain(
      `Warning: left out, since no app can be called so: ${odd.map(printable).join(", ")}`,
    );
  return names.filter(isAppName);
}

function verify(host: Host, file: string | undefined): void {
  const path = file === undefined || file === "-" ? undefined : absolute(host, file);
  if (path !== undefined && !host.stat(path))
    throw new PikuError(`there is no file '${path}' on the server`);
  const manifest = withStage(host, file, (stage) => readBackup(host, stage, path, "piku.json"));
  voiceOf(host).log(`-----> It is whole. ${renderManifest(manifest)}`);
}

/** What a backup holds; somebody else may have written what it says of itself. */
export const renderManifest = ({ created, board, apps }: Manifest) =>
  `Of ${printable(created.slice(0, 16).replace("T", " "))} UTC: ${[...apps.map(({ name }) => printable(name)), ...(board ? ["and what belongs to all apps"] : [])].join(", ")}.`;

export const restore = (host: Host) =>
  defineCommand({
    meta: {
      description: "Restore a backup from stdin, or one app of it, and deploy",
      example: "ssh piku@host restore <board.tar.gz",
    },
    args: {
      app: {
        ...someApp,
        description: "the only app to restore; all that the backup has unless given",
      },
      force: { type: "boolean", description: "destroy the apps that are there, and their data" },
    },
    run({ args }) {
      const only = args.app === undefined ? undefined : namedApp(host, args.app);
      if (host.isTerminal(0))
        throw usageError("the backup comes from stdin", "ssh piku@host restore <board.tar.gz");
      withStage(host, only?.name, (stage) => {
        const manifest = readBackup(host, stage);
        voiceOf(host).log(`-----> The backup is whole. ${renderManifest(manifest)}`);
        restoreBackup(host, stage, manifest, only, args.force === true);
      });
    },
  });
