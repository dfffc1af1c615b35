import type { Host } from "../host/host.ts";
import { apps, ps } from "./apps.ts";
import type { Commands } from "./arguments.ts";
import { backup, restore } from "./backup.ts";
import { completion } from "./completion.ts";
import {
  config,
  configExport,
  configGet,
  configImport,
  configLive,
  configSet,
  configUnset,
} from "./config.ts";
import { daily } from "./daily.ts";
import {
  deployAgain,
  deployCancel,
  restart,
  restartKind,
  retireApp,
  scale,
  stopApp,
} from "./deploy.ts";
import { destroyApp } from "./destroy.ts";
import { doctor } from "./doctor.ts";
import { gitHook, gitReceivePack, gitUploadPack } from "./git.ts";
import { keys, keysAdd, keysRemove } from "./keys.ts";
import { logs } from "./logs.ts";
import { maintenanceOff, maintenanceOn } from "./maintenance.ts";
import { recoverAll } from "./recover.ts";
import { releases, releasesOutput, rollback } from "./releases.ts";
import { run } from "./run.ts";
import { scp, sftp } from "./scp.ts";
import { setup, setupSsh } from "./setup.ts";
import { update } from "./update.ts";
import { web } from "./web.ts";

/**
 * Every command, in the order of the help page: the public ones, then the internal ones. `incoming`
 * is the folder of a push's objects, for the hook.
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
