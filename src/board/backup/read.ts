import { pathsOf } from "../../app/paths.ts";
import type { Host } from "../../host/host.ts";
import { isDiskFull } from "../../host/space.ts";
import { PikuError } from "../../text/errors.ts";
import { printable } from "../../text/text.ts";
import { type BackupManifest, notOurs, parseManifest } from "./manifest.ts";
import readScript from "./read.sh" with { type: "text" };
import { idleSeconds, refuseIdle } from "./stage.ts";
import watchScript from "./watch.sh" with { type: "text" };

/**
 * Reads a backup from stdin, or from a file, into `stage`, and checks that it is whole. `member`:
 * unpacks nothing but this. Throws when it is cut short, damaged or something else: it may come
 * from anybody, so nothing but what a backup has may be in it, and links only among the files of
 * apps.
 */
export function readBackup(
  host: Host,
  stage: string,
  file = "",
  ...member: string[]
): BackupManifest {
  const env = { ...host.env(), LC_ALL: "C", stage, file, patience: idleSeconds };
  const status = host.run(["sh", "-c", watchScript + readScript, "sh", ...member], { env });
  refuseIdle(host, stage, "sent");
  const sum = /piku backup 1 sha256 ([0-9a-f]{64})/.exec(host.read(`${stage}/seal`) ?? "")?.[1];
  const about = `${stage}/files/piku.json`;
  const content = host.stat(about)?.type === "file" ? host.read(about) : undefined;
  const errors = host.readFrom(`${stage}/errors`, 0, true, 64 * 1024).text;
  const complaint = errors.trim().split("\n")[0];
  const isWhole = status === 0 && sum !== undefined && host.read(`${stage}/sum`)?.startsWith(sum);
  // A full disk may have no room for what tar says of it.
  if (!isWhole && (/No space left|quota/.test(errors) || isDiskFull(host, pathsOf(host).root)))
    throw new PikuError(
      "the server's disk has no room for it",
      "make room and try again; nothing was restored",
    );
  if (file === "" && content === undefined && host.stat(`${stage}/seal`)?.size === 0)
    throw new PikuError("nothing came on stdin", "ssh piku@board restore <board.tar.gz");
  if (content === undefined)
    throw new PikuError(
      "this is not a piku backup",
      complaint || "e.g.: ssh piku@board restore <backup.tar.gz",
    );
  if (!isWhole)
    throw new PikuError(
      "the backup is cut short or damaged",
      complaint || "its checksum is not that of its content",
    );
  const manifest = parseManifest(content);
  const strange = host.read(`${stage}/strange`)?.slice("files/".length).trimEnd();
  if (strange)
    throw new PikuError(`unexpected file in the backup: '${printable(strange)}'`, notOurs);
  return manifest;
}
