import type { App } from "../../app/app.ts";
import type { Host } from "../../host/host.ts";
import { serviceCommand } from "../../host/services.ts";
import { listVassals, requireEmperor } from "../../workers/emperor.ts";
import { staysAwake } from "../../workers/idle.ts";
import { processesOf } from "../../workers/stop.ts";
import { type Check, complaintsOf, findings, when } from "./check.ts";

/** Whether uWSGI's emperor runs, which starts the workers; and lets those sleep that are to. */
export const emperor: Check = (host, { expected, paths }) =>
  findings("uWSGI's emperor runs", [
    ...complaintsOf(() => requireEmperor(host, paths)),
    ...when(
      expected.some((app) => cannotSleep(host, app)),
      "uWSGI's emperor was started by an earlier version of piku, so no app sleeps (PIKU_IDLE)",
      `on the server, where all apps start anew: sudo ${serviceCommand(host, "restart", "uwsgi-piku")}`,
    ),
  ]);

const cannotSleep = (host: Host, app: App) =>
  listVassals(host, app.paths, app.name).some((vassal) =>
    staysAwake(host, app, vassal, () => processesOf(host, app, vassal).masters[0]),
  );
