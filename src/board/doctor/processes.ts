import { type App, readOfAny } from "../../app/app.ts";
import { liveSettings } from "../../app/live.ts";
import type { Host } from "../../host/host.ts";
import { everyProcess, isListening, isReached } from "../../host/processes.ts";
import { straysOf } from "../../workers/detached.ts";
import { lookAtAll, type ProcessStatus, surveyProcesses } from "../status.ts";
import { type Check, findings } from "./check.ts";

/**
 * Whether all processes of apps that should be running are up, and listen where requests are sent;
 * and whether none is left that should have ended.
 */
export const processes: Check = (host, { expected, paths }) => {
  const every = everyProcess(host);
  const seen = lookAtAll(host, paths, every);
  const all = expected.flatMap((app) =>
    surveyProcesses(host, app, seen).map((one) => ({ ...one, fault: faultOf(host, app, one) })),
  );
  return findings(`${all.length} of ${all.length} are up`, [
    ...all.flatMap(({ app, process, fault }) =>
      fault === undefined
        ? []
        : [
            {
              says: `${process} of app '${app}' ${fault}`,
              remedy: `logs ${app} ${process} tells why; restart ${app}`,
            },
          ],
    ),
    ...straysOf(host, paths, every)
      .filter(({ isLeft }) => isLeft)
      .map(({ app, pid, program, process }) => ({
        says: process
          ? `${program} still runs, which ${process} of app '${app}' has left behind`
          : `${program} runs in the directory of app '${app}', and nobody looks after it`,
        remedy: `end it on the server: kill ${pid}`,
      })),
  ]);
};

/** What is wrong with a process; undefined when it is up and reached. */
function faultOf(host: Host, app: App, { up, asleep, port }: ProcessStatus): string | undefined {
  if (!up) return "is down";
  if (asleep) return undefined;
  // Whether a socket is served shows in nginx's answers.
  if (!host.stat(app.site) || port === undefined) return undefined;
  const address = liveSettings(host, app, readOfAny).BIND_ADDRESS ?? "127.0.0.1";
  if (isReached(host, address, port)) return undefined;
  return isListening(host, port)
    ? `listens on port ${port} of another address than ${address}, where nginx asks`
    : "does not answer";
}
