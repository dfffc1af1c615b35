import { defineCommand } from "citty";
import { type App, appOf, findApp, listApps, namedApp } from "../app/app.ts";
import { boardWarnings, readMachine } from "../app/board-settings.ts";
import {
  changeServerSettings,
  changeSettings,
  parseServerSettings,
  parseSettings,
  type Settings,
} from "../app/env-file.ts";
import { maxImportBytes, parseAssignments, parseImport } from "../app/import.ts";
import { liveSettings } from "../app/live.ts";
import { withTurn } from "../app/locks.ts";
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
import { appArg, jsonArg, many, wordsBehindApp } from "./arguments.ts";
import { again, serverSettings } from "./requests.ts";

const settingArg = {
  type: "positional",
  description: "the setting's name",
  required: true,
} as const;
const globalArg = {
  type: "boolean",
  description: "for all apps, in ~/.piku/ENV; without an app's name",
} as const;
const laterArg = {
  type: "boolean",
  description: "keep them for the next deploy or restart",
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
  else host.complain(`Warning: app '${app.name}' has no settings on the server.`);
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
    host: readMachine(host, app.paths.settings).settings,
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
    host.complain(
      `Warning: app '${app.name}' gets ${waiting.join(", ")} with its next deploy or restart.`,
    );
}

export const config = (host: Host) =>
  defineCommand({
    meta: { description: "Show an app's settings on the server", example: "piku config blog" },
    args: {
      app: appArg,
      all: {
        type: "boolean",
        description: "all settings that it gets, and where each comes from; secrets masked",
      },
      reveal: { type: "boolean", description: "with --all: secrets too" },
      json: jsonArg,
    },
    run({ args }) {
      const app = configuredApp(host, args.app);
      if (args.all)
        return showOrigins(host, app, args.reveal ? ({ value }) => value : masked, args.json);
      if (args.json) return host.say(JSON.stringify(settingsOf(host, `${app.envs}/ENV`)));
      show(host, app, "ENV");
    },
  });

export const configExport = (host: Host) =>
  defineCommand({
    meta: {
      description: "Print an app's settings on the server, quoted as a shell reads them",
      example: "piku config:export blog >settings.txt",
    },
    args: { app: appArg, json: jsonArg },
    run({ args }) {
      const settings = settingsOf(host, `${configuredApp(host, args.app).envs}/ENV`);
      if (args.json) return host.say(JSON.stringify(settings, null, 2));
      for (const [key, value] of Object.entries(settings)) host.say(`${key}=${shellQuote(value)}`);
    },
  });

export const configGet = (host: Host) =>
  defineCommand({
    meta: { description: "Print the value of one setting", example: "piku config:get blog DEBUG" },
    args: { app: appArg, setting: settingArg },
    run({ args }) {
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
  const request = (live: Release | undefined) => ({
    ...again(host, app, live, cause),
    serverSettings: changed(),
    builds: true,
    releases: true,
    changed: Object.keys(changes),
  });
  const kept = withTurn(host, app.paths, "deploy", app, cause, () => {
    const isThere = host.stat(app.tree) !== undefined;
    if (isThere && !later) return undefined;
    recover(host, app);
    const live = liveRelease(host, app);
    if (isThere) planDeploy(host, request(live), live, nextNumber(host, app));
    host.mkdir(app.envs);
    host.write(`${app.envs}/ENV`, changed(), 0o600);
    for (const doubt of settingWarnings(parseServerSettings(changed()), "app"))
      voiceOf(host).warn(doubt);
    return isThere
      ? `Kept for the next deploy or restart of '${app.name}'.`
      : `App '${app.name}' is not deployed yet; this is kept for its first push.`;
  });
  if (kept) voiceOf(host).log(kept);
  else deploy(host, app, request, cause);
}

/** Changes the settings of all apps, and says which of them take it; none is deployed. */
function changeGlobal(host: Host, changes: Record<string, string | null>): void {
  const paths = pathsOf(host);
  const voice = voiceOf(host);
  const keys = Object.keys(changes);
  withTurn(host, paths, "machine", undefined, "", () => {
    const content = changeSettings(host.read(paths.settings) ?? "", changes, paths.settings);
    const { settings } = readMachine(host, paths.settings, content);
    // More than any app could get would be found out by each deploy.
    if (keys.some((key) => changes[key] !== null)) layered({}, [settings]);
    for (const doubt of boardWarnings(host, paths.settings, content)) voice.warn(doubt);
    for (const key of keys)
      voice.log(`${changes[key] === null ? "Unsetting" : "Setting"} ${key} for all apps`);
    host.write(paths.settings, content, host.stat(paths.settings)?.mode ?? 0o600);
  });
  const apps = listApps(host, paths).map((name) => appOf(paths, name));
  const own = (app: App) => {
    try {
      const settings = { ...shippedSettings(host, app), ...settingsOf(host, `${app.envs}/ENV`) };
      return keys.filter((key) => Object.hasOwn(settings, key));
    } catch {
      // The original deployed an ENV that is refused today.
      return [];
    }
  };
  const taking = apps.filter((app) => own(app).length < keys.length);
  if (taking.length > 0)
    voice.start(
      `With their next deploy or restart it is taken by: ${taking.map(({ name }) => name).join(", ")}`,
    );
  for (const app of apps) {
    const theirs = own(app);
    if (theirs.length > 0) voice.log(`       App '${app.name}' has its own ${theirs.join(", ")}.`);
  }
}

export const configSet = (host: Host) =>
  defineCommand({
    meta: {
      description: "Set settings of an app and deploy it with them",
      example: "piku config:set blog DEBUG=1 GREETING='good morning'",
    },
    args: {
      app: appArg,
      settings: {
        type: "positional",
        description: "KEY=value, as many as you like",
        required: false,
        ...many,
      },
      "no-restart": laterArg,
      global: globalArg,
    },
    run({ args, rawArgs }) {
      if (args.global) return changeGlobal(host, parseAssignments(words(rawArgs)));
      const settings = parseAssignments(some(wordsBehindApp(words(rawArgs))));
      set(host, args.app, "config:set", settings, rawArgs);
    },
  });

export const configImport = (host: Host) =>
  defineCommand({
    meta: {
      description:
        "Set settings of an app from stdin: KEY='value' lines, or a JSON object of strings",
      example: "piku config:import blog <settings.txt",
    },
    args: { app: appArg, "no-restart": laterArg },
    run({ args, rawArgs }) {
      const app = namedApp(host, args.app);
      set(host, app.name, "config:import", parseImport(host.stdin(maxImportBytes)), rawArgs);
    },
  });

function set(
  host: Host,
  typed: string,
  cause: string,
  settings: Settings,
  rawArgs: readonly string[],
): void {
  for (const key of Object.keys(settings)) voiceOf(host).log(`Setting ${key} for '${typed}'`);
  change(host, namedApp(host, typed), cause, settings, rawArgs.includes("--no-restart"));
}

/** The words of a command without its options: no setting's name begins with a dash. */
const words = (rawArgs: readonly string[]) => rawArgs.filter((word) => !word.startsWith("--"));

function some(words: string[]): string[] {
  if (words.length === 0)
    throw usageError("<settings> is missing", "e.g.: piku config:set blog DEBUG=1");
  return words;
}

export const configUnset = (host: Host) =>
  defineCommand({
    meta: {
      description: "Take settings of an app away and deploy it without them",
      example: "piku config:unset blog DEBUG",
    },
    args: {
      app: appArg,
      settings: {
        type: "positional",
        description: "names, as many as you like",
        required: false,
        ...many,
      },
      global: globalArg,
    },
    run({ args, rawArgs }) {
      const nothing = (keys: readonly string[]) =>
        Object.fromEntries(keys.map((key) => [key, null]));
      const keys = args.global ? words(rawArgs) : some(wordsBehindApp(words(rawArgs)));
      const there = args.global
        ? parseSettings(host.read(pathsOf(host).settings) ?? "", pathsOf(host).settings)
        : parseServerSettings(serverSettings(host, configuredApp(host, args.app)));
      const known = keys.filter((key) => Object.hasOwn(there, key));
      for (const key of keys) {
        if (!known.includes(key))
          voiceOf(host).warn(
            `'${key}' is not set for ${args.global ? "all apps" : `'${args.app}'`}`,
          );
        else if (!args.global) voiceOf(host).log(`Unsetting ${key} for '${args.app}'`);
      }
      if (known.length === 0) return;
      if (args.global) changeGlobal(host, nothing(known));
      else change(host, configuredApp(host, args.app), "config:unset", nothing(known));
    },
  });

export const configLive = (host: Host) =>
  defineCommand({
    meta: {
      description: "Show all settings that an app's processes get",
      example: "piku config:live blog",
    },
    args: { app: appArg },
    run: ({ args }) => show(host, findApp(host, args.app), "LIVE_ENV"),
  });
