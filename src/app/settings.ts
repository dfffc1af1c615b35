import { PikuError } from "../text/errors.ts";
import { expandVars, printable } from "../text/text.ts";
import { checkSum, checkValue, keyPattern, type Settings } from "./env-file.ts";

/**
 * What an app's processes get: the layers one after the other, the later ones winning, `$NAME`
 * replaced by what is known so far, as the original did when it read its files. Throws for a value
 * that cannot be, or more than a process can get.
 */
export function layered(base: Settings, layers: readonly Settings[]): Settings {
  const live = Object.assign(Object.create(null) as Settings, base);
  for (const layer of layers) {
    for (const [key, value] of Object.entries(layer)) {
      if (!keyPattern.test(key)) continue;
      live[key] = expandVars(value, live);
      checkValue(key, live[key], "settings");
    }
  }
  checkSum(live);
  return { ...live };
}

/** A setting that is a whole number, or what it usually is. Throws for one that is none. */
export function wholeNumberIn<Key extends string>(
  settings: Settings,
  usual: Readonly<Record<Key, string>>,
  key: Key,
) {
  const value = settings[key] ?? usual[key];
  if (!/^\d{1,9}$/.test(value))
    throw new PikuError(
      `${key} is '${printable(value)}'`,
      `it must be a whole number, such as ${usual[key]}`,
    );
  return Number(value);
}
