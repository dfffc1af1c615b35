import { appOf, isAppName, namedApp, remainsOf } from "../app/app.ts";
import { type Paths, pathsOf } from "../app/paths.ts";
import type { BackupManifest } from "../board/backup/manifest.ts";
import { readBackup } from "../board/backup/read.ts";
import { restoreBackup } from "../board/backup/restore.ts";
import { withStage } from "../board/backup/stage.ts";
import { writeBackup } from "../board/backup/write.ts";
import type { Host } from "../host/host.ts";
import { PikuError, usageError } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { printable } from "../text/text.ts";
import { typedPath } from "./arguments.ts";
import { command } from "./command.ts";

const someApp = {
  type: "positional",
  description: "the app's name; the whole board unless given",
  required: false,
} as const;

export const backup = command({
  name: "backup",
  group: "The board",
  description: "Write a backup of an app, or of the board, to stdout",
  details:
    "It holds all that cannot be made again: repositories, settings, data and files that apps wrote.",
  examples: [
    "ssh piku@board backup blog >blog.tar.gz",
    "ssh piku@board backup >board.tar.gz",
    "ssh piku@board backup --verify <board.tar.gz",
  ],
  args: {
    app: someApp,
    verify: {
      type: "boolean",
      description: "check a backup instead: a file on the server, or stdin",
    },
  },
  run({ args, host }) {
    if (args.verify) return verify(host, args.app);
    if (host.isTerminal(1))
      throw usageError(
        "a backup is binary and does not go to a terminal",
        "send it to a file: ssh piku@board backup >board.tar.gz",
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
    host.sayError(
      `Warning: left out, since these are not valid app names: ${odd.map(printable).join(", ")}`,
    );
  return names.filter(isAppName);
}

function verify(host: Host, file: string | undefined): void {
  const path = file === undefined || file === "-" ? undefined : typedPath(host, file);
  if (path !== undefined && !host.stat(path))
    throw new PikuError(`file '${path}' not found on the server`);
  const manifest = withStage(host, file, (stage) => readBackup(host, stage, path, "piku.json"));
  voiceOf(host).log(`-----> It is whole. ${renderManifest(manifest)}`);
}

/** What a backup holds; somebody else may have written what it says of itself. */
export const renderManifest = ({ created, board, apps }: BackupManifest) =>
  `Of ${printable(created.slice(0, 16).replace("T", " "))} UTC: ${[...apps.map(({ name }) => printable(name)), ...(board ? ["and what belongs to all apps"] : [])].join(", ")}.`;

export const restore = command({
  name: "restore",
  group: "The board",
  description: "Restore a backup from stdin, or one app of it, and deploy",
  details:
    "The whole backup is checked first. An app that exists stays as it is unless --force is given.",
  examples: ["ssh piku@board restore <board.tar.gz", "ssh piku@board restore blog <board.tar.gz"],
  args: {
    app: {
      ...someApp,
      description: "the only app to restore; all of the backup unless given",
    },
    force: { type: "boolean", description: "replace apps that exist, and their data" },
  },
  run({ args, host }) {
    const only = args.app === undefined ? undefined : namedApp(host, args.app);
    if (host.isTerminal(0))
      throw usageError("the backup comes from stdin", "ssh piku@board restore <board.tar.gz");
    withStage(host, only?.name, (stage) => {
      const manifest = readBackup(host, stage);
      voiceOf(host).log(`-----> The backup is whole. ${renderManifest(manifest)}`);
      restoreBackup(host, stage, manifest, only, args.force === true);
    });
  },
});
