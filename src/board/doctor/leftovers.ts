import type { App } from "../../app/app.ts";
import { isHeld } from "../../app/locks.ts";
import { readJournal } from "../../app/releases.ts";
import type { Host } from "../../host/host.ts";
import { listVassals } from "../../workers/emperor.ts";
import { type Board, type Check, findings } from "./check.ts";

/** Whether anything is left of deploys that were cut off, or of apps that are gone. */
export const leftovers: Check = (host, board) => {
  const { left, waiting } = withoutApp(host, board);
  return findings(
    waiting.length > 0 ? `none; settings wait for a first push of ${waiting.join(", ")}` : "none",
    [
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
    ],
  );
};

/** Names of which there is something but no app: `waiting` have nothing but settings. */
function withoutApp(host: Host, { apps, paths }: Board): { left: string[]; waiting: string[] } {
  const vassals = listVassals(host, paths).map(({ app }) => app);
  const begun = new Set([...host.list(paths.repos), ...vassals]);
  const names = [...new Set([...begun, ...host.list(paths.envs)])].filter((name) =>
    apps.every((app) => app.name !== name),
  );
  const isWaiting = (name: string) =>
    !begun.has(name) &&
    ["ENV", "SCALING", "ENV,SCALING"].includes(host.list(`${paths.envs}/${name}`).join());
  return { left: names.filter((name) => !isWaiting(name)), waiting: names.filter(isWaiting) };
}

/** Whether a deploy was cut off; also where its journal cannot be read. */
function isUnfinished(host: Host, app: App): boolean {
  try {
    return readJournal(host, app) !== undefined;
  } catch {
    return true;
  }
}
