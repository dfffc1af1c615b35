import { readMachine } from "../../app/board-settings.ts";
import { type Check, complaintsOf, findings } from "./check.ts";

/** Whether the settings of all apps, and of piku itself, can be read. */
export const settings: Check = (host, { paths }) =>
  findings(
    "settings of all apps can be read",
    complaintsOf(() => readMachine(host, paths.settings)),
  );
