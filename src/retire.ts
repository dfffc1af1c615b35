import type { App } from "./app.ts";
import { linkEnvironment } from "./environment.ts";
import { drain, staleVassals, stopVassals } from "./generation.ts";
import { holdCommit } from "./git.ts";
import type { Host } from "./host/host.ts";
import { forgetRelease, liveRelease, numbersOf, outdated, readJournal, readRelease, releaseFiles } from "./releases.ts";
import { parseServerSettings } from "./settings.ts";
import { graceOf, runFolder } from "./uwsgi.ts";

/** Lets what is no longer live leave: in a process of its own, so that nobody has to wait for it. */
export function retireLater(host: Host, app: App): void {
  if (staleVassals(host, app).length === 0) retire(host, app);
  else host.start([host.self, "retire", app.name], { log: "/dev/null", status: `${app.releases}/retire` });
}

/** Ends the workers that belong to no live release as soon as nobody is connected to them, and removes what was theirs. */
export function retire(host: Host, app: App): void {
  const live = liveRelease(host, app);
  if (!live || readJournal(host, app)) return;
  const stale = staleVassals(host, app);
  const grace = graceOf(parseServerSettings(host.read(`${app.envs}/LIVE_ENV`) ?? ""));
  if (stale.length > 0) drain(host, app, stale, grace);
  if (liveRelease(host, app)?.number !== live.number) return;
  stopVassals(host, app, stale, grace);
  const numbers = numbersOf(host, app);
  const used = new Set(live.vassals.map((file) => Number(/-(\d+)\.ini$/.exec(file)?.[1] ?? 0)));
  for (const number of numbers) if (number < live.number && !used.has(number)) host.remove(runFolder(app, number));
  const before = numbers.filter((number) => number < live.number && host.stat(releaseFiles(app, number).record)).at(-1);
  linkEnvironment(host, app, live, before === undefined ? undefined : readRelease(host, app, before));
  for (const number of numbers.filter((one) => one < live.number)) host.remove(releaseFiles(app, number).before);
  for (const number of outdated(numbers, live.number)) {
    forgetRelease(host, app, number);
    host.remove(releaseFiles(app, number).transcript);
    holdCommit(host, app, number, undefined);
  }
}
