import { type App, appOf } from "../../app/app.ts";
import { isHeld } from "../../app/locks.ts";
import { numbersOf, readJournal } from "../../app/releases.ts";
import type { Host } from "../../host/host.ts";
import { someOf } from "../../text/text.ts";
import { listVassals } from "../../workers/emperor.ts";
import { type Check, type Examined, findings } from "./check.ts";

/** Whether anything is left of deploys that were cut off, or of apps that are gone. */
export const leftovers: Check = (host, board) => {
  const { left, waiting, tried } = namesWithoutApp(host, board);
  const notes = [
    "none",
    ...(waiting.length > 0 ? [`settings wait for a first push of ${waiting.join(", ")}`] : []),
    ...(tried.length > 0 ? [`not live yet, after pushes that failed: ${someOf(tried)}`] : []),
  ];
  return findings(notes.join("; "), [
    ...board.apps
      .filter((app) => isUnfinished(host, app) && !isHeld(host, board.paths, "deploy", app))
      .map(({ name }) => ({
        says: `a deploy of app '${name}' was cut off`,
        remedy: `recover, or restart ${name}`,
      })),
    ...left.map((name) => ({
      says: `'${name}' has settings or a repository, but is not an app`,
      remedy: `push it, or destroy ${name}`,
    })),
  ]);
};

/**
 * Names of which there is something but no app: `waiting` have nothing but settings, `tried` have
 * pushes that failed.
 */
function namesWithoutApp(host: Host, { apps, paths }: Examined) {
  const vassals = listVassals(host, paths).map(({ app }) => app);
  const begun = new Set([...host.list(paths.repos), ...vassals]);
  const names = [...new Set([...begun, ...host.list(paths.envs)])].filter((name) =>
    apps.every((app) => app.name !== name),
  );
  const isWaiting = (name: string) =>
    !begun.has(name) &&
    ["ENV", "SCALING", "ENV,SCALING"].includes(host.list(`${paths.envs}/${name}`).join());
  const isTried = (name: string) =>
    !vassals.includes(name) && numbersOf(host, appOf(paths, name)).length > 0;
  return {
    waiting: names.filter(isWaiting),
    tried: names.filter((name) => !isWaiting(name) && isTried(name)),
    left: names.filter((name) => !isWaiting(name) && !isTried(name)),
  };
}

/** Whether a deploy was cut off; also where its journal cannot be read. */
function isUnfinished(host: Host, app: App): boolean {
  try {
    return readJournal(host, app) !== undefined;
  } catch {
    return true;
  }
}
