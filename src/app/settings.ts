import { PikuError } from "../text/errors.ts";
import { expandVars, nearest, printable } from "../text/text.ts";
import { checkSum, checkValue, isShellName, namePattern, type Settings } from "./env-file.ts";
import type { Kind } from "./setting-kinds.ts";
import { limitOf, type Row, type SettingName, table, type Value } from "./settings-table.ts";

/**
 * The settings of an app's processes: the base, then each layer, later ones winning. `$NAME` is
 * replaced by the value known so far, as the original did when it read its files. Throws for an
 * invalid value, and for more than a process can get.
 */
export function layered(base: Settings, layers: readonly Settings[]): Settings {
  const live = Object.assign(Object.create(null) as Settings, base);
  for (const layer of layers) {
    for (const [key, value] of Object.entries(layer)) {
      if (!namePattern.test(key)) continue;
      live[key] = expandVars(value, live);
      checkValue(key, live[key], "settings");
      // They become lines of nginx's and uWSGI's files.
      if (live[key].includes("\n") && isOfPiku(key))
        throw new PikuError(
          `the value of ${key} contains a line break`,
          "a setting of piku's own is one line",
        );
    }
  }
  checkSum(live);
  return { ...live };
}

/**
 * The value of a setting as its row in the table says: checked, or its default. `file`: where the
 * settings were read, for the message; `key`: what it is called there, for one of a kind of worker.
 * Throws for an invalid value.
 */
export function setting<Name extends SettingName>(
  settings: Readonly<Settings>,
  name: Name,
  file?: string,
  key: string = name,
): Value<Name> {
  const kind = table[name].kind as Kind<Value<Name>>;
  const text = settings[key]?.trim();
  if (text === undefined) return kind.initial;
  if (text === "") return kind.empty;
  const refuse = (part = text): never => {
    throw invalid(name, part, { file, key });
  };
  return text.includes("\n") ? refuse() : kind.read(text, refuse);
}

/** The error for an invalid value of a setting, with the hint of its kind or another one. */
export function invalid(
  name: SettingName,
  value: string,
  { file, hint, key = name }: { file?: string; hint?: string; key?: string } = {},
): PikuError {
  const { kind } = table[name];
  const where = file === undefined ? "" : `${file}: `;
  return new PikuError(
    `${where}${key}: invalid ${kind.noun} '${printable(value)}'`,
    hint ?? kind.hint,
  );
}

const family = /^(NGINX|UWSGI|PIKU|ACME)_/;

/**
 * Names of these families that are neither settings nor typing errors: piku and the original set
 * them themselves for apps, hooks, plugins and clients.
 */
const exported: Record<string, string> = {
  NGINX_: "ROOT SOCKET SSL HTTP2 ACL",
  PIKU_:
    "ROOT HOME APPS CACHE DATA REPOS ENVS UWSGI AVAILABLE ENABLED LOGS ACME PLUGINS SOCKETS LOCKS " +
    "WEB SETTINGS APP RELEASE CAUSE COMMIT BRANCH ERROR COMMAND KEY_ADDED KEY_APPS SERVER",
  ACME_: "WWW",
};

const names = Object.keys(table) as SettingName[];

// Each costs a comparison with all names.
const maxUnknown = 10;

/**
 * What is doubtful about settings that were put into an app's ENV or the board's: names that piku
 * does not know but should, settings of the other place, and words that are neither true nor false.
 * `texts`: where an app may use names of its own, as `$NAME`, besides the settings; only asked for
 * when there are any.
 */
export function settingWarnings(
  settings: Readonly<Settings>,
  place: "app" | "board",
  texts: () => readonly string[] = () => [],
): string[] {
  const keys = Object.keys(settings);
  const strange = keys.filter((key) => isOfPiku(key) && !isSetting(key) && !isExported(key));
  const written = strange.length > 0 ? [...Object.values(settings), ...texts()] : [];
  const used = new Set(written.flatMap(namesUsed));
  const unknown = strange.filter((key) => !used.has(key));
  return [
    ...keys.filter(isSetting).flatMap((key) => misplaced(key, place) ?? doubtful(settings, key)),
    ...unknown.slice(0, maxUnknown).map(unknownSetting),
    ...(unknown.length > maxUnknown
      ? [`${unknown.length - maxUnknown} more settings are unknown to piku`]
      : []),
  ];
}

const isSetting = (key: string): key is SettingName => Object.hasOwn(table, key);

const isOfPiku = (key: string) => isSetting(key) || (family.test(key) && isShellName(key));

function isExported(key: string): boolean {
  const { prefix, rest } = divided(key);
  if (prefix === "PIKU_" && (rest.startsWith("INTERNAL_") || limitOf(key))) return true;
  return exported[prefix]?.split(" ").includes(rest) === true;
}

/** The family of a name, and the rest of it. */
function divided(key: string): { prefix: string; rest: string } {
  const [prefix = ""] = family.exec(key) ?? [];
  return { prefix, rest: key.slice(prefix.length) };
}

const namesUsed = (text: string) =>
  [...text.matchAll(/\$\{?([A-Za-z_]\w*)/g)].map(([, name]) => name!);

function misplaced(key: SettingName, place: "app" | "board"): string[] | undefined {
  const { scope } = table[key];
  if (scope === "both" || scope === place) return undefined;
  return [
    scope === "board"
      ? `${key} counts only in the board's ENV: config:set --global ${key}=...`
      : `${key} belongs in the ENV of one app: config:set APP ${key}=...`,
  ];
}

function doubtful(settings: Readonly<Settings>, key: SettingName): string[] {
  const { kind } = table[key] as Row<unknown>;
  const value = settings[key]!.trim();
  const guess = value.includes("$") ? undefined : kind.guess?.(value);
  return guess === undefined
    ? []
    : [`${key} is '${printable(value)}', which counts as ${guess}; ${kind.hint}`];
}

function unknownSetting(key: string): string {
  const { prefix, rest } = divided(key);
  const relatives = names.filter((name) => name.startsWith(prefix));
  const near = nearest(
    rest,
    relatives.map((name) => name.slice(prefix.length)),
  );
  const meant = near ? prefix + near : names.find((name) => name.endsWith(`_${rest}`));
  const remark = meant
    ? `; did you mean ${meant}?`
    : prefix === "UWSGI_"
      ? "; uWSGI's own options go into the file of UWSGI_INCLUDE_FILE"
      : ", which piku does not use";
  return `unknown setting ${printable(key)}${remark}`;
}
