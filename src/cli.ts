import { apps, ps } from "./commands/apps.ts";
import type { Commands } from "./commands/arguments.ts";
import { backup, restore } from "./commands/backup.ts";
import { completion } from "./commands/completion.ts";
import {
  config,
  configExport,
  configGet,
  configImport,
  configLive,
  configSet,
  configUnset,
} from "./commands/config.ts";
import { daily } from "./commands/daily.ts";
import { deployAgain, deployCancel, restart, restartKind, retireApp, scale, stopApp } from "./commands/deploy.ts";
import { destroyApp } from "./commands/destroy.ts";
import { doctor } from "./commands/doctor.ts";
import { gitHook, gitReceivePack, gitUploadPack } from "./commands/git.ts";
import { keys, keysAdd, keysRemove } from "./commands/keys.ts";
import { logs } from "./commands/logs.ts";
import { maintenanceOff, maintenanceOn } from "./commands/maintenance.ts";
import { recoverAll } from "./commands/recover.ts";
import { releases, releasesOutput, rollback } from "./commands/releases.ts";
import { run } from "./commands/run.ts";
import { scp, sftp } from "./commands/scp.ts";
import { setup, setupSsh } from "./commands/setup.ts";
import { update } from "./commands/update.ts";
import { web } from "./commands/web.ts";
import type { Host } from "./host/host.ts";

/**
 * Every command, in the order of the help page: the public ones, then the internal ones. `incoming` is the folder of a
 * push's objects, for the hook.
 */
export const commandsOf = (host: Host, incoming?: string): Commands => ({
  apps: apps(host),
  backup: backup(host),
  completion: completion(host, () => commandsOf(host)),
  config: config(host),
  "config:export": configExport(host),
  "config:get": configGet(host),
  "config:import": configImport(host),
  "config:live": configLive(host),
  "config:set": configSet(host),
  "config:unset": configUnset(host),
  deploy: deployAgain(host),
  "deploy:cancel": deployCancel(host),
  destroy: destroyApp(host),
  doctor: doctor(host),
  keys: keys(host),
  "keys:add": keysAdd(host),
  "keys:remove": keysRemove(host),
  logs: logs(host),
  "maintenance:off": maintenanceOff(host),
  "maintenance:on": maintenanceOn(host),
  ps: ps(host),
  "ps:restart": restartKind(host),
  "ps:scale": scale(host),
  releases: releases(host),
  "releases:output": releasesOutput(host),
  restart: restart(host),
  restore: restore(host),
  rollback: rollback(host),
  run: run(host),
  setup: setup(host),
  "setup:ssh": setupSsh(host),
  stop: stopApp(host),
  update: update(host),
  daily: daily(host),
  "git-hook": gitHook(host, incoming),
  "git-receive-pack": gitReceivePack(host),
  "git-upload-pack": gitUploadPack(host),
  recover: recoverAll(host),
  retire: retireApp(host),
  scp: scp(host),
  sftp: sftp(host),
  web: web(host),
});

/** Commands whose words are another program's: `--help` among them is not for piku. */
export const passesOn = ["run", "scp", "sftp"];
