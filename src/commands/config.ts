import { type App, appOf, listApps, namedApp } from "../app/app.ts";
import { boardWarnings, readBoardSettings } from "../app/board-settings.ts";
import { changeServerSettings, parseServerSettings, type Settings } from "../app/env-file.ts";
import { changeSettings, parseSettings, renderAssignment } from "../app/env-grammar.ts";
import { maxImportBytes, parseAssignments, parseImport, withoutQuotes } from "../app/import.ts";
import { tightened } from "../app/limits.ts";
import { liveSettings } from "../app/live.ts";
import { withLock } from "../app/locks.ts";
import { pathsOf } from "../app/paths.ts";
import { liveRelease, nextNumber, type Release } from "../app/releases.ts";
import { layered, settingWarnings } from "../app/settings.ts";
import { limitOf } from "../app/settings-table.ts";
import { deploy } from "../deploy/deploy.ts";
import { planDeploy } from "../deploy/plan.ts";
import { recover } from "../deploy/recover.ts";
import { baseSettings } from "../deploy/source.ts";
import type { Host } from "../host/host.ts";
import { usageError } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { refuseLoosening, wallOf, whyNoWall } from "../workers/isolation.ts";
import { appArg, command, jsonArg } from "./command.ts";
import { configuredApp, settingsOf, shippedSettings } from "./config-show.ts";
import { withHashedPassword } from "./password.ts";
import { sameAgain, serverSettings } from "./redeploy.ts";

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
  const changed = () => {
    const before = serverSettings(host, app);
    const after = changeServerSettings(before, changes);
    refuseLoosening(host, parseServerSettings(before), parseServerSettings(after));
    return after;
  };
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
    const refusal =
      keys.includes("PIKU_ISOLATION") && wallOf(settings, {}) && whyNoWall(host, paths);
    if (refusal) throw refusal;
    // Refused here, since each deploy would fail with more than an app can get, or a wrong limit.
    if (keys.some((key) => changes[key] !== null)) tightened({}, layered({}, [settings]));
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
    // Of limits the lower one counts.
    return keys.filter((key) => !limitOf(key) && Object.hasOwn(settings, key));
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
    const settings = parseAssignments(args.global ? words : afterApp(words, "DEBUG=1"));
    const suspect = withoutQuotes(settings);
    if (suspect.length > 0)
      voiceOf(host).warn(
        `${suspect.join(", ")}: the quotes did not reach the server; put all of it in quotes once more: "config:set blog KEY='{"a": 1}'"`,
      );
    if (args.global) return changeGlobal(host, withHashedPassword(host, settings));
    set(host, args.app, "config:set", settings, args.restart);
  },
});

/** What `$NAME` may mean in an app's settings on the server. */
const knownSettings = (host: Host, app: App): Settings => ({
  ...baseSettings(host, app, undefined),
  ...liveSettings(host, app),
  ...settingsOf(host, `${app.envs}/ENV`),
});

export const configExport = command({
  name: "config:export",
  group: "Settings",
  description: "Print an app's settings on the server, quoted for a shell",
  examples: ["ssh piku@board config:export blog >settings.txt"],
  args: { app: appArg, json: jsonArg },
  run({ args, host }) {
    const app = configuredApp(host, args.app);
    const settings = settingsOf(host, `${app.envs}/ENV`);
    if (args.json) return host.say(JSON.stringify(settings, null, 2));
    const known = knownSettings(host, app);
    for (const [key, value] of Object.entries(settings))
      host.say(renderAssignment(key, value, known));
  },
});

export const configImport = command({
  name: "config:import",
  group: "Settings",
  description: "Set settings from stdin: lines as in ENV, or JSON",
  details: "Nothing is set when a line is wrong.",
  examples: ["ssh piku@board config:import blog <settings.txt"],
  args: { app: appArg, restart: restartArg },
  run({ args, host }) {
    const app = namedApp(host, args.app);
    if (host.isTerminal(0)) host.sayError("Type KEY=value lines, then press Return and Ctrl-D.");
    const { settings, doubts } = parseImport(host.stdin(maxImportBytes), knownSettings(host, app));
    for (const doubt of doubts) voiceOf(host).warn(doubt);
    set(host, app.name, "config:import", settings, args.restart);
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
