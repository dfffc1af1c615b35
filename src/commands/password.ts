import type { Settings } from "../app/env-file.ts";
import { isPasswordHash } from "../app/setting-kinds.ts";
import type { Host } from "../host/host.ts";
import { must } from "../text/errors.ts";

/** Settings with the hash of PIKU_PASSWORD in the place of a word (openssl-passwd(1)). */
export function withHashedPassword(host: Host, settings: Settings): Settings {
  const { PIKU_PASSWORD: word } = settings;
  if (!word || isPasswordHash(word)) return settings;
  const hash = must(host, ["openssl", "passwd", "-apr1", "-stdin"], "cannot hash the password", {
    input: `${word}\n`,
  });
  return { ...settings, PIKU_PASSWORD: hash.stdout.trim() };
}
