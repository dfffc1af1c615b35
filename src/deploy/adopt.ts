import type { App } from "../app/app.ts";
import { readScaling } from "../app/live.ts";
import { liveRelease, releaseFiles, syncApp, writeLive, writeRelease } from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { commitOf } from "../repository/worktree.ts";
import { listVassals } from "../workers/emperor.ts";
import { runFolder } from "../workers/worker.ts";

/**
 * Records an app that the original deployed as release 0, so that there is something to roll back
 * to.
 */
export function adopt(host: Host, app: App): void {
  if (liveRelease(host, app) || !host.stat(`${app.tree}/.git`)) return;
  const vassals = listVassals(host, app.paths, app.name);
  host.mkdir(runFolder(app, 0), 0o700);
  for (const { file } of vassals)
    host.write(
      `${runFolder(app, 0)}/${file}`,
      host.read(`${app.paths.enabled}/${file}`) ?? "",
      0o600,
    );
  const files = releaseFiles(app, 0);
  const copy = (from: string, to: string) => {
    const content = host.read(from);
    if (content !== undefined) host.write(to, content, 0o600);
  };
  copy(`${app.envs}/ENV`, files.settings);
  copy(`${app.envs}/LIVE_ENV`, files.live);
  copy(app.site, files.site);
  const scaling = readScaling(host, app);
  writeRelease(host, app, {
    number: 0,
    cause: "piku.py",
    commit: commitOf(host, app.tree),
    changed: [],
    slot: "a",
    workers: Object.fromEntries(Object.keys(scaling).map((kind) => [kind, ""])),
    scaling,
    vassals: vassals.map(({ file }) => file),
    steps: [],
  });
  syncApp(host, app);
  writeLive(host, app, 0);
}
