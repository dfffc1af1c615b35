import { runCommand } from "citty";
import { isKnown } from "../app/app.ts";
import { pathsOf } from "../app/paths.ts";
import type { Host } from "../host/host.ts";
import type { Push } from "../repository/push.ts";
import { usageError } from "../text/errors.ts";
import { nearest, printable } from "../text/text.ts";
import { readWords, takesApp } from "./arguments.ts";
import type { Call, Command } from "./command.ts";
import { refreshPage } from "./page.ts";
import { findPlugin, listPlugins, type Plugin, runPlugin } from "./plugins.ts";
import { refuseForeign } from "./ssh.ts";

type Rows = Readonly<Record<string, () => Promise<Command>>>;

/** What nobody types. */
const internal: Rows = {
  daily: async () => (await import("./daily.ts")).daily,
  "git-hook": async () => (await import("./git.ts")).gitHook,
  "git-receive-pack": async () => (await import("./git.ts")).gitReceivePack,
  "git-upload-pack": async () => (await import("./git.ts")).gitUploadPack,
  recover: async () => (await import("./recover.ts")).recoverCommand,
  retire: async () => (await import("./retire.ts")).retireCommand,
  scp: async () => (await import("./scp.ts")).scp,
  sftp: async () => (await import("./scp.ts")).sftp,
  web: async () => (await import("./web.ts")).web,
};

/**
 * Every command by its name, in the order in which its heading of the help page lists it. Only
 * the one that is called is loaded: reading all of them takes a slow board longer than their work.
 */
const rows: Rows = {
  apps: async () => (await import("./apps.ts")).apps,
  destroy: async () => (await import("./destroy.ts")).destroyCommand,
  export: async () => (await import("./export.ts")).exportApp,
  logs: async () => (await import("./logs.ts")).logs,
  "maintenance:off": async () => (await import("./maintenance.ts")).maintenanceOff,
  "maintenance:on": async () => (await import("./maintenance.ts")).maintenanceOn,
  ps: async () => (await import("./apps.ts")).ps,
  "ps:restart": async () => (await import("./deploy.ts")).psRestart,
  "ps:scale": async () => (await import("./scale.ts")).psScale,
  restart: async () => (await import("./deploy.ts")).restart,
  run: async () => (await import("./run.ts")).run,
  stop: async () => (await import("./deploy.ts")).stopCommand,

  branches: async () => (await import("./branches.ts")).branches,
  deploy: async () => (await import("./deploy.ts")).deployCommand,
  "deploy:cancel": async () => (await import("./deploy.ts")).deployCancel,
  releases: async () => (await import("./releases.ts")).releases,
  "releases:output": async () => (await import("./releases.ts")).releasesOutput,
  rollback: async () => (await import("./rollback.ts")).rollback,

  config: async () => (await import("./config-show.ts")).config,
  "config:export": async () => (await import("./config.ts")).configExport,
  "config:get": async () => (await import("./config-show.ts")).configGet,
  "config:import": async () => (await import("./config.ts")).configImport,
  "config:live": async () => (await import("./config-show.ts")).configLive,
  "config:set": async () => (await import("./config.ts")).configSet,
  "config:unset": async () => (await import("./config.ts")).configUnset,

  backup: async () => (await import("./backup.ts")).backup,
  completion: async () => (await import("./completion.ts")).completion(everyCommand),
  doctor: async () => (await import("./doctor.ts")).doctor,
  help: async () => (await import("./help.ts")).help(everyCommand, findNamed),
  keys: async () => (await import("./keys.ts")).keys,
  "keys:add": async () => (await import("./keys.ts")).keysAdd,
  "keys:remove": async () => (await import("./keys.ts")).keysRemove,
  restore: async () => (await import("./backup.ts")).restore,
  setup: async () => (await import("./setup.ts")).setup,
  "setup:ssh": async () => (await import("./setup.ts")).setupSsh,
  update: async () => (await import("./update.ts")).update,
  "--version": async () => (await import("./help.ts")).version,

  ...internal,
};

/** Every row, for help, completion and the client. */
export const everyCommand = (): Promise<readonly Command[]> =>
  Promise.all(Object.values(rows).map((load) => load()));

/** Whether this is the name of a command that nobody types. */
export const isInternal = (name: string) => Object.hasOwn(internal, name);

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
async function findNamed(host: Host, name: string): Promise<Command | Plugin> {
  // A laptop with Windows has no home that paths of a board could lie in.
  const found = Object.hasOwn(rows, name)
    ? await rows[name]!()
    : findPlugin(host, pathsOf(host), name);
  if (found) return found;
  const called = (await everyCommand()).find(({ alias }) => alias?.includes(name));
  if (called) return called;
  if (name.startsWith("git-lfs-"))
    throw usageError(
      "this server keeps no files of Git LFS",
      "push the files themselves: git lfs untrack '*.jpg' (what .gitattributes says); git add --renormalize .; git commit",
    );
  const near = nearest(name, [
    ...Object.keys(rows),
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
  const found = await findNamed(host, name);
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
  afterwards?: () => Promise<void>,
): Promise<void> {
  const { host } = call;
  const words = found.passthrough ? all : withoutColours(host, all);
  const asksForHelp = words.length === 1 && /^(-h|--help)$/.test(words[0]!);
  const rawArgs = found.passthrough && !asksForHelp ? ["--", ...words] : [...words];
  const given = readWords(found, rawArgs);
  if (given.help) return host.say((await import("./help.ts")).renderCommandHelp(found));
  if (!found.forEveryKey) refuseForeign(host, found.name, given, found.passthrough === true);
  const { args, run } = found;
  try {
    await runCommand(
      { args, run: ({ args, data }) => run({ ...data, args, words: args._ }) },
      { rawArgs, data: call },
    );
  } finally {
    await afterwards?.();
  }
}
