import { type App, findApp, namedApp } from "../app/app.ts";
import { readBoardSettings } from "../app/board-settings.ts";
import { parseServerSettings, type Settings } from "../app/env-file.ts";
import { parseSettings } from "../app/env-grammar.ts";
import { liveSettings } from "../app/live.ts";
import { masked, type Origin, originsOf } from "../app/origins.ts";
import { liveRelease, releaseFiles } from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { fileOfCommit } from "../repository/commit.ts";
import { commitOf } from "../repository/worktree.ts";
import { Ended } from "../text/errors.ts";
import { printable } from "../text/text.ts";
import { appArg, command, jsonArg } from "./command.ts";

const settingArg = {
  type: "positional",
  description: "the setting's name",
  required: true,
} as const;

/**
 * The app of a command that also makes sense before its first push, once it has settings. Throws
 * when there is neither.
 */
export function configuredApp(host: Host, typed: string): App {
  const app = namedApp(host, typed);
  return host.stat(`${app.envs}/ENV`) ? app : findApp(host, typed);
}

const oneLine = (value: string) => value.replaceAll("\n", "\\n");

/** Prints one of an app's files of settings, in which a line break is a zero byte. */
function show(host: Host, app: App, file: string): void {
  const content = host.read(`${app.envs}/${file}`)?.trim();
  if (content) host.say(content.replaceAll("\0", "\\n"));
  else host.sayError(`Warning: app '${app.name}' has no settings on the server.`);
}

export const settingsOf = (host: Host, file: string) => parseServerSettings(host.read(file) ?? "");

/** The ENV of an app's repository, as the live release has it. */
export function shippedSettings(host: Host, app: App): Settings {
  const id = liveRelease(host, app)?.commit ?? commitOf(host, app.tree);
  return id ? parseSettings(fileOfCommit(host, { id, app }, "ENV") ?? "", "ENV") : {};
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
      host.say(`${origin.from.padEnd(10)}  ${origin.key}=${oneLine(show(origin))}`);
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

export const configGet = command({
  name: "config:get",
  group: "Settings",
  description: "Print the value of one setting",
  details: "Exit status 1 when it is not set.",
  examples: ["ssh piku@board config:get blog DEBUG"],
  alias: ["get", "env:get"],
  args: { app: appArg, setting: settingArg },
  run({ args, host }) {
    const settings = settingsOf(host, `${configuredApp(host, args.app).envs}/ENV`);
    if (!Object.hasOwn(settings, args.setting)) {
      if (host.isTerminal(2)) host.sayError(`'${printable(args.setting)}' is not set.`);
      throw new Ended(1);
    }
    host.say(settings[args.setting]!);
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
