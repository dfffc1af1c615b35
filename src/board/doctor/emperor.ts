import { serviceCommand } from "../../host/services.ts";
import { requireEmperor, vassalsByApp } from "../../workers/emperor.ts";
import { staysAwake } from "../../workers/idle.ts";
import { processesOf } from "../../workers/stop.ts";
import { type Check, complaintsOf, findings, when } from "./check.ts";

/** Whether uWSGI's emperor runs, which starts the workers; and lets those sleep that are to. */
export const emperor: Check = (host, { expected, paths }) => {
  const vassals = vassalsByApp(host, paths);
  const cannotSleep = expected.some((app) =>
    vassals
      .get(app.name)
      ?.some((vassal) =>
        staysAwake(host, app, vassal, () => processesOf(host, app, vassal).masters[0]),
      ),
  );
  return findings("uWSGI's emperor runs", [
    ...complaintsOf(() => requireEmperor(host, paths)),
    ...when(
      cannotSleep,
      "uWSGI's emperor was started by an earlier version of piku, so no app sleeps (PIKU_IDLE)",
      `on the server, where all apps start anew: sudo ${serviceCommand(host, "restart", "uwsgi-piku")}`,
    ),
  ]);
};
