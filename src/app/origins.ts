import { expandVars } from "../text/text.ts";
import type { Settings } from "./env-file.ts";
import { limitOf } from "./settings-table.ts";

/** Where the value of a setting comes from. */
export interface Origin {
  key: string;
  value: string;
  /** The name of its layer, or `piku`. */
  from: string;
  /** Whether the app's processes have this value; false while it waits for the next deploy. */
  isLive: boolean;
}

// piku decides these at a deploy, whatever the layers say.
const addresses = ["PORT", "BIND_ADDRESS"];

/**
 * Where each setting of an app comes from. `live`: LIVE_ENV; `layers`: the files, by name, the
 * later ones winning; `deployed`: the server's settings as the live release has them.
 */
export function originsOf(
  live: Settings,
  layers: Readonly<Record<string, Settings>>,
  deployed: Settings,
): Origin[] {
  const names = Object.keys(layers);
  const keys = [
    ...new Set([live, ...Object.values(layers)].flatMap((settings) => Object.keys(settings))),
  ];
  return keys.map((key): Origin => {
    const layer = names.findLast((name) => Object.hasOwn(layers[name]!, key));
    const raw = layer === undefined ? undefined : layers[layer]![key]!;
    const now = Object.hasOwn(live, key) ? live[key]! : undefined;
    if (
      layer === undefined ||
      raw === undefined ||
      (addresses.includes(key) && now !== undefined && now !== raw)
    )
      return { key, value: now ?? "", from: "piku", isLive: true };
    // A limit of the board's counts where the app asks for more.
    const [first] = names;
    if (limitOf(key) && now !== undefined && now !== raw && layers[first!]![key] === now)
      return { key, value: now, from: first!, isLive: true };
    // Whether a value with `$NAME` in it has changed does not show in the value alone.
    const isLive =
      now !== undefined &&
      (raw.includes("$") ? layer !== names.at(-1) || deployed[key] === raw : now === raw);
    return { key, value: isLive ? now : expandVars(raw, live), from: layer, isLive };
  });
}

const secretName = /SECRET|TOKEN|PASS|PWD|CREDENTIAL|PRIVATE|SALT|AUTH(?!OR)|KEYS?(_|\d|$)/i;

/**
 * A value as it may be shown: hidden where the name of the setting says that it is a secret, and
 * without the password of an address.
 */
export const masked = ({ key, value, from }: Origin): string =>
  value === "" || from === "piku"
    ? value
    : secretName.test(key)
      ? "********"
      : value.replace(/\S+/g, maskedPassword);

/**
 * A word without the password of the address in it. Not by one pattern, which would search for the
 * `@` again from each `://`.
 */
function maskedPassword(word: string): string {
  const found = /:\/\/[^/:@]*:/.exec(word);
  const [from, to] = found ? [found.index + found[0].length, word.lastIndexOf("@")] : [0, 0];
  return from < to ? `${word.slice(0, from)}********${word.slice(to)}` : word;
}
