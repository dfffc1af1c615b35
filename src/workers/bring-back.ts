import type { App } from "../app/app.ts";
import { isUwsgiKind } from "../app/procfile.ts";
import type { Host } from "../host/host.ts";
import { isListening, isSocketHeld } from "../host/processes.ts";
import { waitUntil } from "../host/wait.ts";
import { emperors, wakeEmperor, wakingEmperor } from "./emperor.ts";
import { holdSocket } from "./idle.ts";
import { portOf } from "./stop.ts";
import { filesOf, parseVassal, runFolder, socketOf, type Vassal } from "./worker.ts";

/**
 * Restores vassals that were removed, from their copies, and waits at most 3 seconds until they
 * answer.
 */
export function restoreVassals(host: Host, app: App, files: readonly string[]): void {
  const missing = files.filter((file) => !host.stat(`${app.paths.enabled}/${file}`));
  const back: Vassal[] = [];
  for (const file of missing) {
    const content = copyOf(host, app, file);
    if (content === undefined) continue;
    const vassal = parseVassal(file, content);
    if (vassal?.release !== undefined) {
      const worker = { ...vassal, release: vassal.release };
      const { ready, heldCopy } = filesOf(app, worker);
      // One that sleeps stays asleep, as ready as it was.
      if (!host.stat(heldCopy)) host.remove(ready);
      holdSocket(host, app, worker, "write");
    }
    host.write(`${app.paths.enabled}/${file}`, content, 0o600);
    if (vassal) back.push(vassal);
  }
  // At boot the emperor starts later.
  if (back.length === 0 || emperors(host, app.paths).length === 0) return;
  wakeEmperor(host, app.paths);
  waitUntil(host, () => back.every((vassal) => answersAgain(host, app, vassal)), {
    every: 100,
    atMost: restoreTimeout,
    meanwhile: wakingEmperor(host, app.paths),
  });
}

// Enough for what was healthy before; a command must not wait long for what may never recover.
const restoreTimeout = 3000;

/** Whether a restored worker accepts requests, if it is one that does. */
function answersAgain(host: Host, app: App, { kind, ordinal, release }: Vassal): boolean {
  if (release === undefined) return true;
  const { held, ready } = filesOf(app, { kind, ordinal, release });
  if (host.stat(held)) return isSocketHeld(host, socketOf(app, ordinal, release));
  if (isUwsgiKind(kind)) return host.stat(ready) !== undefined;
  const port = portOf(host, app, { kind, ordinal, release });
  return port === undefined || isListening(host, port);
}

/** The copy in its own release's folder: into others an app may write. */
const copyOf = (host: Host, app: App, file: string) =>
  host.read(`${runFolder(app, Number(/-(\d+)\.ini$/.exec(file)?.[1] ?? 0))}/${file}`);
