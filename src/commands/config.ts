import { type App, appOf, findApp, listApps, namedApp } from "../app/app.ts";
import { boardWarnings, readBoardSettings } from "../app/board-settings.ts";
import {
  changeServerSettings,
  changeSettings,
  parseServerSettings,
  parseSettings,
  type Settings,
} from "../app/env-file.ts";
import { maxImportBytes, parseAssignments, parseImport } from "../app/import.ts";
import { liveSettings } from "../app/live.ts";
import { withLock } from "../app/locks.ts";
import { masked, type Origin, originsOf } from "../app/origins.ts";
import { pathsOf } from "../app/paths.ts";
import { liveRelease, nextNumber, type Release, releaseFiles } from "../app/releases.ts";
import { layered, settingWarnings } from "../app/settings.ts";
import { deploy } from "../deploy/deploy.ts";
import { planDeploy } from "../deploy/plan.ts";
import { recover } from "../deploy/recover.ts";
import type { Host } from "../host/host.ts";
import { fileOf } from "../repository/commit.ts";
import { commitOf } from "../repository/worktree.ts";
import { Ended, usageError } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { shellQuote } from "../text/text.ts";
import { appArg, command, jsonArg } from "./command.ts";
import { withHashedPassword } from "./password.ts";
import { sameAgain, serverSettings } from "./redeploy.ts";

const settingArg = {
  type: "positional",
  description: "the setting's name",
  required: true,
} as const;
const globalArg = {
  type: "boolean",
  description: "for all apps, in ~/.piku/ENV; no app's name is given then",
} as const;
const restartArg = {
  type: "boolean",
  default: true,
  negativeDescription: "keep them for the next deploy or restart",
} as const;

/**
 * The app of a command that also makes sense before its first push, once it has settings. Throws
 * when there is neither.
 */
function configuredApp(host: Host, typed: string): App {
  const app = namedApp(host, typed);
  return host.stat(`${app.envs}/ENV`) ? app : findApp(host, typed);
}

/** Prints one of an app's files of settings. */
function show(host: Host, app: App, file: string): void {
  const content = host.read(`${app.envs}/${file}`)?.trim();
  if (content) host.say(content);
  else host.sayError(`Warning: app '${app.name}' has no settings on the server.`);
}

const settingsOf = (host: Host, file: string) => parseServerSettings(host.read(file) ?? "");

/** The ENV of an app's repository, as the live release has it. */
function shippedSettings(host: Host, app: App): Settings {
  const id = liveRelease(host, app)?.commit ?? commitOf(host, app.tree);
  return id ? parseSettings(fileOf(host, { id, app }, "ENV") ?? "", "ENV") : {};
}

/** Prints where each of an app's settings comes from. */
function showOrigins(
  host: Host,
  app: App,
  show: (origin: Origin) => string,
  json: boolean | undefined,
): void {
  const layers = {
    host: readBoardSettings(host, app.paths.settings).settings,
    repository: shippedSettings(host, app),
    server: settingsOf(host, `${app.envs}/ENV`),
  };
  const number = liveRelease(host, app)?.number;
  const deployed = number === undefined ? {} : settingsOf(host, releaseFiles(app, number).settings);
  const origins = originsOf(liveSettings(host, app), layers, deployed);
  if (json) host.say(JSON.stringify(origins.map((origin) => ({ ...origin, value: show(origin) }))));
  else
    for (const origin of origins)
      host.say(`${origin.from.padEnd(10)}  ${origin.key}=${show(origin)}`);
  const waiting = origins.filter(({ isLive }) => !isLive).map(({ key }) => key);
  if (waiting.length > 0)
    host.sayError(
      `Warning: app '${app.name}' gets ${waiting.join(", ")} with its next deploy or restart.`,
    );
}

export const config = command({
  name: "config",
  group: "Settings",
  description: "Show an app's settings on the server",
  details: "With --all each line begins with where the setting comes from.",
  examples: ["ssh piku@board config blog", "ssh piku@board config blog --all"],
  alias: ["env", "config:show", "config:list"],
  args: {
    app: appArg,
    all: {
      type: "boolean",
      description: "all settings of its processes, and where each comes from; secrets are masked",
    },
    reveal: { type: "boolean", description: "with --all: show secrets" },
    json: jsonArg,
  },
  run({ args, host }) {
    const app = configuredApp(host, args.app);
    if (args.all)
      return showOrigins(host, app, args.reveal ? ({ value }) => value : masked, args.json);
    if (args.json) return host.say(JSON.stringify(settingsOf(host, `${app.envs}/ENV`)));
    show(host, app, "ENV");
  },
});

export const configExport = command({
  name: "config:export",
  group: "Settings",
  description: "Print an app's settings on the server, quoted for a shell",
  examples: ["ssh piku@board config:export blog >settings.txt"],
  args: { app: appArg, json: jsonArg },
  run({ args, host }) {
    const settings = settingsOf(host, `${configuredApp(host, args.app).envs}/ENV`);
    if (args.json) return host.say(JSON.stringify(settings, null, 2));
    for (const [key, value] of Object.entries(settings)) host.say(`${key}=${shellQuote(value)}`);
  },
});

export const configGet = command({
  name: "config:get",
  group: "Settings",
  description: "Print the value of one setting",
  details: "Exit status 1 when it is not set.",
  examples: ["ssh piku@board config:get blog DEBUG"],
  alias: ["get", "env:get"],
  args: { app: appArg, setting: settingArg },
  run({ args, host }) {
    const settings = parseServerSettings(serverSettings(host, configuredApp(host, args.app)));
    if (!Object.hasOwn(settings, args.setting)) throw new Ended(1);
    host.say(settings[args.setting]!);
  },
});

/**
 * Deploys an app with its settings changed; nothing is kept of a change with which it does not run.
 * Before the first push they are kept for it: an app may need them to start at all. `later`: they
 * are kept for whatever deploys it next, once the plan for it has been looked at.
 */
function change(
  host: Host,
  app: App,
  cause: string,
  changes: Record<string, string | null>,
  later = false,
): void {
  const changed = () => changeServerSettings(serverSettings(host, app), changes);
  const target = (live: Release | undefined) => ({
    ...sameAgain(host, app, live),
    serverSettings: changed(),
    builds: true,
    releases: true,
    changed: Object.keys(changes),
  });
  const kept = withLock(host, app.paths, "deploy", app, cause, () => {
    const isThere = host.stat(app.tree) !== undefined;
    if (isThere && !later) return undefined;
    recover(host, app);
    const live = liveRelease(host, app);
    if (isThere) planDeploy(host, { cause, target: target(live) }, live, nextNumber(host, app));
    host.mkdir(app.envs);
    host.write(`${app.envs}/ENV`, changed(), 0o600);
    for (const doubt of settingWarnings(parseServerSettings(changed()), "app"))
      voiceOf(host).warn(doubt);
    return isThere
      ? `Kept for the next deploy or restart of '${app.name}'.`
      : `App '${app.name}' is not deployed yet; this is kept for its first push.`;
  });
  if (kept) voiceOf(host).log(kept);
  else deploy(host, { app, cause, target });
}

/** Changes the settings of all apps, and says which of them are affected; none is deployed. */
function changeGlobal(host: Host, changes: Record<string, string | null>): void {
  const paths = pathsOf(host);
  const voice = voiceOf(host);
  const keys = Object.keys(changes);
  withLock(host, paths, "machine", undefined, "", () => {
    const content = changeSettings(host.read(paths.settings) ?? "", changes, paths.settings);
    const { settings } = readBoardSettings(host, paths.settings, content);
    // Refused here, since each deploy would fail with more than an app can get.
    if (keys.some((key) => changes[key] !== null)) layered({}, [settings]);
    for (const doubt of boardWarnings(host, paths.settings, content)) voice.warn(doubt);
    for (const key of keys)
      voice.log(`${changes[key] === null ? "Unsetting" : "Setting"} ${key} for all apps`);
    host.write(paths.settings, content, host.stat(paths.settings)?.mode ?? 0o600);
  });
  const apps = listApps(host, paths).map((name) => ({
    name,
    overrides: overriddenKeys(host, appOf(paths, name), keys),
  }));
  const affected = apps.filter(({ overrides }) => overrides.length < keys.length);
  if (affected.length > 0)
    voice.start(
      `This takes effect with the next deploy or restart of: ${affected.map(({ name }) => name).join(", ")}`,
    );
  for (const { name, overrides } of apps)
    if (overrides.length > 0)
      voice.log(`       App '${name}' has its own ${overrides.join(", ")}.`);
}

/** Those of these settings that an app sets itself, in its repository or on the server. */
function overriddenKeys(host: Host, app: App, keys: readonly string[]): string[] {
  try {
    const settings = { ...shippedSettings(host, app), ...settingsOf(host, `${app.envs}/ENV`) };
    return keys.filter((key) => Object.hasOwn(settings, key));
  } catch {
    // The original deployed an ENV that is refused today.
    return [];
  }
}

export const configSet = command({
  name: "config:set",
  group: "Settings",
  description: "Set settings of an app and deploy it with them",
  details:
    "This also works before an app's first push. With --global, apps take it with their next deploy or restart.",
  examples: [
    "ssh piku@board config:set blog DEBUG=1 COLOUR=red",
    `ssh piku@board config:set blog "GREETING='good morning'"`,
    "ssh piku@board config:set --global PIKU_DOMAIN=example.com",
  ],
  alias: ["set", "env:set"],
  args: {
    app: appArg,
    settings: {
      type: "positional",
      description: "KEY=value, one or more",
      required: false,
      many: true,
    },
    restart: restartArg,
    global: globalArg,
  },
  run({ args, words, host }) {
    if (args.global) return changeGlobal(host, withHashedPassword(host, parseAssignments(words)));
    const settings = parseAssignments(afterApp(words, "DEBUG=1"));
    set(host, args.app, "config:set", settings, args.restart);
  },
});

export const configImport = command({
  name: "config:import",
  group: "Settings",
  description: "Set settings from stdin: KEY='value' lines, or JSON",
  details: "Nothing is set when a line is wrong.",
  examples: ["ssh piku@board config:import blog <settings.txt"],
  args: { app: appArg, restart: restartArg },
  run({ args, host }) {
    const { name } = namedApp(host, args.app);
    set(host, name, "config:import", parseImport(host.stdin(maxImportBytes)), args.restart);
  },
});

function set(
  host: Host,
  typed: string,
  cause: string,
  settings: Settings,
  restarts: boolean | undefined,
): void {
  for (const key of Object.keys(settings)) voiceOf(host).log(`Setting ${key} for '${typed}'`);
  change(host, namedApp(host, typed), cause, withHashedPassword(host, settings), !restarts);
}

/** The words behind the app's name; at least one. */
function afterApp(words: readonly string[], example: string): readonly string[] {
  if (words.length < 2)
    throw usageError("<settings> is missing", `such as ${example} behind the app's name`);
  return words.slice(1);
}

export const configUnset = command({
  name: "config:unset",
  group: "Settings",
  description: "Remove settings of an app and deploy it without them",
  examples: [
    "ssh piku@board config:unset blog DEBUG",
    "ssh piku@board config:unset --global PIKU_DOMAIN",
  ],
  alias: ["unset", "env:unset", "config:remove", "config:rm", "config:delete"],
  args: {
    app: appArg,
    settings: {
      type: "positional",
      description: "names, one or more",
      required: false,
      many: true,
    },
    global: globalArg,
  },
  run({ args, words, host }) {
    const nothing = (keys: readonly string[]) => Object.fromEntries(keys.map((key) => [key, null]));
    const keys = args.global ? words : afterApp(words, "DEBUG");
    const existing = args.global
      ? parseSettings(host.read(pathsOf(host).settings) ?? "", pathsOf(host).settings)
      : parseServerSettings(serverSettings(host, configuredApp(host, args.app)));
    const known = keys.filter((key) => Object.hasOwn(existing, key));
    for (const key of keys) {
      if (!known.includes(key))
        voiceOf(host).warn(`'${key}' is not set for ${args.global ? "all apps" : `'${args.app}'`}`);
      else if (!args.global) voiceOf(host).log(`Unsetting ${key} for '${args.app}'`);
    }
    if (known.length === 0) return;
    if (args.global) changeGlobal(host, nothing(known));
    else change(host, configuredApp(host, args.app), "config:unset", nothing(known));
  },
});

export const configLive = command({
  name: "config:live",
  group: "Settings",
  description: "Show all settings that an app's processes get",
  examples: ["ssh piku@board config:live blog"],
  args: { app: appArg },
  run: ({ args, host }) => show(host, findApp(host, args.app), "LIVE_ENV"),
});
