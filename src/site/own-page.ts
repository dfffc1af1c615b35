import type { App } from "../app/app.ts";
import { liveSettings } from "../app/live.ts";
import { readableLive } from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { fileOfCommit } from "../repository/commit.ts";
import { type Mapping, parseMappings } from "./static.ts";

/** The file of an app that visitors see while it does not run or answer. */
export const ownPageName = "503.html";

/**
 * The folders of an app where its own page may be, the first one first: its static root, and the
 * top of its tree.
 */
const pageFolders = ({ tree }: App, statics: readonly Mapping[]) => [
  ...statics.filter(({ url, folder }) => url === "" && folder.startsWith(`${tree}/`)),
  { folder: tree },
];

/** Where the page is in a folder of the tree, as the commit names it. */
const pageIn = ({ tree }: App, folder: string) => `${folder}/${ownPageName}`.slice(tree.length + 1);

/**
 * The folder of the app's own page for visitors while it does not run or answer, its `503.html`.
 * `isTracked`: whether the commit has a file of this name.
 */
export const ownPageFolder = (
  app: App,
  statics: readonly Mapping[],
  isTracked: (name: string) => boolean,
): string | undefined =>
  pageFolders(app, statics)
    .map(({ folder }) => folder)
    .find((folder) => isTracked(pageIn(app, folder)));

/** The app's own page, as its live commit has it; undefined if it has none that can be read. */
export function ownPage(host: Host, app: App): string | undefined {
  try {
    const live = readableLive(host, app);
    if (live?.commit === undefined) return undefined;
    const commit = { id: live.commit, app };
    const statics = parseMappings(app, live.workers, liveSettings(host, app));
    for (const { folder } of pageFolders(app, statics)) {
      const page = fileOfCommit(host, commit, pageIn(app, folder));
      if (page !== undefined) return page;
    }
    return undefined;
  } catch {
    // A page of piku's own is better than none.
    return undefined;
  }
}
