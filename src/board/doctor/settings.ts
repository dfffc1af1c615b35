import { boardWarnings, readBoardSettings } from "../../app/board-settings.ts";
import { type Check, complaintsOf, findings } from "./check.ts";

/** Whether the settings of all apps, and of piku itself, can be read, and are known ones. */
export const settings: Check = (host, { paths }) => {
  const unreadable = complaintsOf(() => readBoardSettings(host, paths.settings));
  const doubts = unreadable.length > 0 ? [] : boardWarnings(host, paths.settings);
  return findings("settings of all apps can be read", [
    ...unreadable,
    ...doubts.map((doubt) => ({
      says: `${paths.settings}: ${doubt}`,
      remedy: `change ${paths.settings}`,
    })),
  ]);
};
