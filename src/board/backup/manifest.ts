import { isCommit } from "../../repository/commit.ts";
import { PikuError } from "../../text/errors.ts";

/** What a backup says of itself, in `piku.json`, its first member. */
export interface BackupManifest {
  format: 1;
  /** The piku that wrote it, and when (ISO 8601). */
  piku: string;
  created: string;
  /**
   * Whether it has what belongs to no app: settings of all apps, keys, plugins, accounts of
   * authorities.
   */
  board: boolean;
  /** The apps, with the commit that was live; one that was never deployed has none. */
  apps: { name: string; commit?: string; branch?: string }[];
}

/** What to say of a backup that piku did not write. */
export const notOurs = "it was made or changed by something else; nothing was restored";

/** Reads `piku.json`. Throws for what piku never wrote. */
export function parseManifest(content: string): BackupManifest {
  let manifest: BackupManifest | undefined;
  try {
    manifest = JSON.parse(content) as BackupManifest;
  } catch {
    // Told below.
  }
  if (Number(manifest?.format) > 1)
    throw new PikuError("the backup was made by a newer piku", "update this one");
  const apps = Array.isArray(manifest?.apps) ? manifest.apps : [undefined];
  const texts = [
    manifest?.created,
    ...apps.flatMap((app) => [app?.name, app?.commit ?? "", app?.branch ?? ""]),
  ];
  if (
    !texts.every((text) => typeof text === "string") ||
    !apps.every((app) => !app?.commit || isCommit(app.commit))
  )
    throw new PikuError("the backup's piku.json is damaged", notOurs);
  return manifest!;
}
