import { everyProcess, isListening } from "../../host/processes.ts";
import { surveyProcesses } from "../status.ts";
import { type Check, findings } from "./check.ts";

/**
 * Whether all processes of apps that should be running are up, and listen where requests are sent.
 */
export const processes: Check = (host, { expected }) => {
  const every = everyProcess(host);
  const all = expected.flatMap((app) =>
    surveyProcesses(host, app, every).map((one) => ({
      ...one,
      // Whether a socket is served shows in nginx's answers.
      answers: !host.stat(app.site) || one.port === undefined || isListening(host, one.port),
    })),
  );
  return findings(
    `${all.length} of ${all.length} are up`,
    all
      .filter(({ up, answers }) => !up || !answers)
      .map(({ app, process, up }) => ({
        says: `${process} of app '${app}' ${up ? "does not answer" : "is down"}`,
        remedy: `logs ${app} ${process} tells why; restart ${app}`,
      })),
  );
};
