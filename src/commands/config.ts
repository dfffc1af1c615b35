import { defineCommand } from "citty";
import { type App, findApp, namedApp } from "../app.ts";
import { deploy } from "../deploy.ts";
import { Ended } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { withTurn } from "../locks.ts";
import type { Release } from "../releases.ts";
import { changeServerSettings, parseAssignments, parseServerSettings } from "../settings.ts";
import { voiceOf } from "../voice.ts";
import { appArg, many, wordsBehindApp } from "./arguments.ts";
import { again, serverSettings } from "./requests.ts";

const settingArg = { type: "positional", description: "the setting's name", required: true } as const;

/** The app of a command that also makes sense before its first push, once it has settings. Throws when there is neither. */
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

export const config = (host: Host) =>
  defineCommand({
    meta: { description: "Show an app's settings on the server", example: "piku config blog" },
    args: { app: appArg },
    run: ({ args }) => show(host, configuredApp(host, args.app), "ENV"),
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
 * Deploys an app with its settings changed; nothing is kept of a change with which it does not run. Before the first
 * push they are kept for it: an app may need them to start at all.
 */
function change(host: Host, app: App, cause: string, changes: Record<string, string | null>): void {
  const changed = () => changeServerSettings(serverSettings(host, app), changes);
  const isKept = withTurn(host, app.paths, "deploy", app, cause, () => {
    if (host.stat(app.tree)) return false;
    host.mkdir(app.envs);
    host.write(`${app.envs}/ENV`, changed(), 0o600);
    return true;
  });
  if (isKept) {
    voiceOf(host).log(`App '${app.name}' is not deployed yet; this is kept for its first push.`);
    return;
  }
  const request = (live: Release | undefined) => ({
    ...again(host, app, live, cause),
    serverSettings: changed(),
    builds: true,
    releases: true,
    changed: Object.keys(changes),
  });
  deploy(host, app, request, cause);
}

export const configSet = (host: Host) =>
  defineCommand({
    meta: {
      description: "Set settings of an app and deploy it with them",
      example: "piku config:set blog DEBUG=1 GREETING='good morning'",
    },
    args: {
      app: appArg,
      settings: { type: "positional", description: "KEY=value, as many as you like", required: true, ...many },
    },
    run({ args, rawArgs }) {
      const settings = parseAssignments(wordsBehindApp(rawArgs));
      for (const key of Object.keys(settings)) voiceOf(host).log(`Setting ${key} for '${args.app}'`);
      change(host, namedApp(host, args.app), "config:set", settings);
    },
  });

export const configUnset = (host: Host) =>
  defineCommand({
    meta: {
      description: "Take settings of an app away and deploy it without them",
      example: "piku config:unset blog DEBUG",
    },
    args: {
      app: appArg,
      settings: { type: "positional", description: "names, as many as you like", required: true, ...many },
    },
    run({ args, rawArgs }) {
      const keys = wordsBehindApp(rawArgs);
      const there = parseServerSettings(serverSettings(host, configuredApp(host, args.app)));
      const known = keys.filter((key) => Object.hasOwn(there, key));
      for (const key of keys) {
        if (known.includes(key)) voiceOf(host).log(`Unsetting ${key} for '${args.app}'`);
        else voiceOf(host).warn(`'${key}' is not set for '${args.app}'`);
      }
      if (known.length > 0)
        change(
          host,
          configuredApp(host, args.app),
          "config:unset",
          Object.fromEntries(known.map((key) => [key, null])),
        );
    },
  });

export const configLive = (host: Host) =>
  defineCommand({
    meta: { description: "Show all settings that an app's processes get", example: "piku config:live blog" },
    args: { app: appArg },
    run: ({ args }) => show(host, findApp(host, args.app), "LIVE_ENV"),
  });
