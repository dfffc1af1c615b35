import { type App, appOf, isAppName, namedApp, remainsOf } from "../app/app.ts";
import { readBoardSettings } from "../app/board-settings.ts";
import { boundApps } from "../app/caller.ts";
import { type Paths, pathsOf } from "../app/paths.ts";
import { isStopped } from "../app/releases.ts";
import type { BackupManifest } from "../board/backup/manifest.ts";
import { readBackup } from "../board/backup/read.ts";
import { restoreBackup } from "../board/backup/restore.ts";
import { withStage } from "../board/backup/stage.ts";
import { writeBackup } from "../board/backup/write.ts";
import type { Host } from "../host/host.ts";
import { isGuarded } from "../repository/guard.ts";
import { PikuError, usageError } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { printable } from "../text/text.ts";
import { wallOf } from "../workers/isolation.ts";
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
    refuseRunning(host, apps);
    writeBackup(host, apps, args.app === undefined);
  },
});

/**
 * What reads an app's files is outside of its wall, and while the app runs a directory may become a
 * link to another app's: a key bound to apps would get those.
 */
function refuseRunning(host: Host, apps: readonly App[]): void {
  const running = apps.find((app) => isGuarded(host, app) && !isStopped(host, app));
  if (boundApps(host) === undefined || !running) return;
  throw new PikuError(
    `app '${running.name}' is isolated, and with this key it is only backed up while it is stopped`,
    `stop ${running.name}; afterwards: restart ${running.name}`,
  );
}

/**
 * A backup holds files that piku itself goes by, and whoever has a key bound to apps may have
 * written it.
 */
function refuseRestore(host: Host): void {
  const { settings } = readBoardSettings(host, pathsOf(host).settings);
  if (boundApps(host) === undefined || !wallOf(settings, {})) return;
  throw new PikuError(
    "this board isolates its apps, and a key for some of them cannot restore a backup here",
    "ask whoever looks after the board",
  );
}

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
    refuseRestore(host);
    if (host.isTerminal(0))
      throw usageError("the backup comes from stdin", "ssh piku@board restore <board.tar.gz");
    withStage(host, only?.name, (stage) => {
      const manifest = readBackup(host, stage);
      voiceOf(host).log(`-----> The backup is whole. ${renderManifest(manifest)}`);
      restoreBackup(host, stage, manifest, only, args.force === true);
    });
  },
});
