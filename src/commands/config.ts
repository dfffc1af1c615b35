import { defineCommand } from "citty";
import { type App, findApp } from "../app.ts";
import { deploy } from "../deploy.ts";
import type { Host } from "../host/host.ts";
import { changeServerSettings, parseAssignments, parseServerSettings } from "../settings.ts";
import { voiceOf } from "../voice.ts";
import { appArg, wordsBehindApp } from "./arguments.ts";
import { again, serverSettings } from "./requests.ts";

const settingArg = { type: "positional", description: "the setting's name", required: true } as const;

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
    run: ({ args }) => show(host, findApp(host, args.app), "ENV"),
  });

export const configGet = (host: Host) =>
  defineCommand({
    meta: { description: "Print the value of one setting", example: "piku config:get blog DEBUG" },
    args: { app: appArg, setting: settingArg },
    run({ args }) {
      const settings = parseServerSettings(serverSettings(host, findApp(host, args.app)));
      if (Object.hasOwn(settings, args.setting)) host.say(settings[args.setting]!);
    },
  });

/** Deploys an app with its settings changed; nothing is kept of a change with which it does not run. */
function change(host: Host, typed: string, cause: string, changes: Record<string, string | null>): void {
  const app = findApp(host, typed);
  const changed = Object.keys(changes);
  deploy(
    host,
    app,
    (live) => ({
      ...again(host, app, live, cause),
      serverSettings: changeServerSettings(serverSettings(host, app), changes),
      builds: true,
      changed,
    }),
    cause,
  );
}

export const configSet = (host: Host) =>
  defineCommand({
    meta: {
      description: "Set settings of an app and deploy it with them",
      example: "piku config:set blog DEBUG=1 GREETING='good morning'",
    },
    args: {
      app: appArg,
      settings: { type: "positional", description: "KEY=value, as many as you like", required: true },
    },
    run({ args, rawArgs }) {
      const settings = parseAssignments(wordsBehindApp(rawArgs, 1, "KEY=value"));
      for (const key of Object.keys(settings)) voiceOf(host).log(`Setting ${key} for '${args.app}'`);
      change(host, args.app, "config:set", settings);
    },
  });

export const configUnset = (host: Host) =>
  defineCommand({
    meta: {
      description: "Take settings of an app away and deploy it without them",
      example: "piku config:unset blog DEBUG",
    },
    args: { app: appArg, settings: { type: "positional", description: "names, as many as you like", required: true } },
    run({ args, rawArgs }) {
      const keys = wordsBehindApp(rawArgs, 1, "the name of a setting");
      const there = parseServerSettings(serverSettings(host, findApp(host, args.app)));
      const known = keys.filter((key) => Object.hasOwn(there, key));
      for (const key of keys) {
        if (known.includes(key)) voiceOf(host).log(`Unsetting ${key} for '${args.app}'`);
        else voiceOf(host).warn(`'${key}' is not set for '${args.app}'`);
      }
      if (known.length > 0) change(host, args.app, "config:unset", Object.fromEntries(known.map((key) => [key, null])));
    },
  });

export const configLive = (host: Host) =>
  defineCommand({
    meta: { description: "Show all settings that an app's processes get", example: "piku config:live blog" },
    args: { app: appArg },
    run: ({ args }) => show(host, findApp(host, args.app), "LIVE_ENV"),
  });
