import { runCommand } from "citty";
import { isKnown } from "../app/app.ts";
import { pathsOf } from "../app/paths.ts";
import type { Host } from "../host/host.ts";
import type { Push } from "../repository/push.ts";
import { usageError } from "../text/errors.ts";
import { nearest, printable } from "../text/text.ts";
import { apps, ps } from "./apps.ts";
import { readWords, takesApp } from "./arguments.ts";
import { backup, restore } from "./backup.ts";
import { branches } from "./branches.ts";
import type { Call, Command } from "./command.ts";
import { completion } from "./completion.ts";
import { configImport, configSet, configUnset } from "./config.ts";
import { config, configExport, configGet, configLive } from "./config-show.ts";
import { daily } from "./daily.ts";
import {
  deployCancel,
  deployCommand,
  psRestart,
  restart,
  retireCommand,
  stopCommand,
} from "./deploy.ts";
import { destroyCommand } from "./destroy.ts";
import { doctor } from "./doctor.ts";
import { exportApp } from "./export.ts";
import { gitHook, gitReceivePack, gitUploadPack } from "./git.ts";
import { help, renderCommandHelp, version } from "./help.ts";
import { keys, keysAdd, keysRemove } from "./keys.ts";
import { logs } from "./logs.ts";
import { maintenanceOff, maintenanceOn } from "./maintenance.ts";
import { refreshPage } from "./page.ts";
import { findPlugin, listPlugins, type Plugin, runPlugin } from "./plugins.ts";
import { recoverCommand } from "./recover.ts";
import { releases, releasesOutput, rollback } from "./releases.ts";
import { run } from "./run.ts";
import { psScale } from "./scale.ts";
import { scp, sftp } from "./scp.ts";
import { setup, setupSsh } from "./setup.ts";
import { refuseForeign } from "./ssh.ts";
import { update } from "./update.ts";
import { web } from "./web.ts";

/** Every command, in the order in which its heading of the help page lists it. */
export const commands: readonly Command[] = [
  apps,
  destroyCommand,
  exportApp,
  logs,
  maintenanceOff,
  maintenanceOn,
  ps,
  psRestart,
  psScale,
  restart,
  run,
  stopCommand,

  branches,
  deployCommand,
  deployCancel,
  releases,
  releasesOutput,
  rollback,

  config,
  configExport,
  configGet,
  configImport,
  configLive,
  configSet,
  configUnset,

  backup,
  completion(() => commands),
  doctor,
  help(() => commands, findNamed),
  keys,
  keysAdd,
  keysRemove,
  restore,
  setup,
  setupSsh,
  update,
  version,

  daily,
  gitHook,
  gitReceivePack,
  gitUploadPack,
  recoverCommand,
  retireCommand,
  scp,
  sftp,
  web,
];

const toSeeUrls = "ssh -t piku@board apps shows each app's address";
const toCreate = "git push piku@board:APP main makes an app of that name";
const toName = "config:set APP NGINX_SERVER_NAME=... gives an app its addresses";
const toOpenShell = "ssh -t piku@board run APP bash opens a shell in an app's directory";

/** What people try for which there is no command of its own, and what does it instead. */
export const instead: Readonly<Record<string, string>> = {
  url: toSeeUrls,
  urls: toSeeUrls,
  open: toSeeUrls,
  create: toCreate,
  "apps:create": toCreate,
  push: toCreate,
  domain: toName,
  domains: toName,
  "domains:add": toName,
  "domains:set": toName,
  shell: toOpenShell,
  bash: toOpenShell,
  sh: toOpenShell,
  ssh: toOpenShell,
  maintenance: "maintenance:on APP closes an app's site, maintenance:off APP opens it again",
};

/**
 * The command or the plugin of a name. Other words for a command come last: a board's own plugin
 * may be called so. Throws a usage error, with what may have been meant.
 */
function findNamed(host: Host, name: string): Command | Plugin {
  // A laptop with Windows has no home that paths of a board could lie in.
  const found =
    commands.find((command) => command.name === name) ??
    findPlugin(host, pathsOf(host), name) ??
    commands.find(({ alias }) => alias?.includes(name));
  if (found) return found;
  if (name.startsWith("git-lfs-"))
    throw usageError(
      "this server keeps no files of Git LFS",
      "push the files themselves: git lfs untrack '*.jpg' (what .gitattributes says); git add --renormalize .; git commit",
    );
  const near = nearest(name, [
    ...commands.map((command) => command.name),
    ...listPlugins(host, pathsOf(host)).map((plugin) => plugin.name),
  ]);
  const hint = Object.hasOwn(instead, name) ? instead[name] : near && `did you mean '${near}'?`;
  throw usageError(`there is no command '${printable(name)}'`, hint ?? "`help` lists them");
}

/**
 * The words behind a command's name, without an app's in front of them: the original's client
 * script puts it there for any command that it does not know, such as `doctor`.
 */
function withoutApp(host: Host, found: Command, words: readonly string[]): readonly string[] {
  const [app, ...rest] = words;
  if (app === undefined || found.passthrough) return words;
  if (takesApp(found)) return rest[0] === "--global" && isKnown(host, app) ? rest : words;
  try {
    readWords(found, words.filter(isNotNoColour));
    return words;
  } catch {
    return isKnown(host, app) ? rest : words;
  }
}

const isNotNoColour = (word: string) => !/^--no-colou?r$/.test(word);

/** The words without `--no-color`, which any command takes. */
function withoutColours(host: Host, words: readonly string[]): readonly string[] {
  const left = words.filter(isNotNoColour);
  if (left.length < words.length) host.setEnv({ ...host.env(), NO_COLOR: "1" });
  return left;
}

/**
 * Runs the command, or the plugin, that these words ask for; `help` for none. `push` is what
 * git tells its hook. Throws what the command throws, and usage errors.
 */
export async function dispatch(
  host: Host,
  [name = "help", ...all]: readonly string[],
  push?: Push,
): Promise<void> {
  const found = findNamed(host, name);
  if (!("group" in found)) {
    refuseForeign(host, name, {}, true);
    return runPlugin(host, pathsOf(host), found, name, all);
  }
  const refresh = () => refreshPage(host, found.name);
  await runCommandOf(found, { host, push }, withoutApp(host, found, all), refresh);
}

/**
 * Runs a row of the table with the words behind its name, or shows its help. `afterwards`: what is
 * done once it has run, whether it went well or not. Throws what the command throws, and usage errors.
 */
export async function runCommandOf(
  found: Command,
  call: Call,
  all: readonly string[],
  afterwards?: () => void,
): Promise<void> {
  const { host } = call;
  const words = found.passthrough ? all : withoutColours(host, all);
  const asksForHelp = words.length === 1 && /^(-h|--help)$/.test(words[0]!);
  const rawArgs = found.passthrough && !asksForHelp ? ["--", ...words] : [...words];
  const given = readWords(found, rawArgs);
  if (given.help) return host.say(renderCommandHelp(found));
  if (!found.forEveryKey) refuseForeign(host, found.name, given, found.passthrough === true);
  const { args, run } = found;
  try {
    await runCommand(
      { args, run: ({ args, data }) => run({ ...data, args, words: args._ }) },
      { rawArgs, data: call },
    );
  } finally {
    afterwards?.();
  }
}
