import { findApp } from "../app/app.ts";
import { isStopped } from "../app/releases.ts";
import { closeSite, isClosed, maintenanceFile, openSite } from "../site/maintenance.ts";
import { PikuError } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { appArg, command } from "./command.ts";

export const maintenanceOn = command({
  name: "maintenance:on",
  group: "Apps",
  description: "Close an app's site: visitors see a maintenance page",
  details:
    "The page is sent with status 503, and stays over deploys. Without a message it is the app's own 503.html, if there is one.",
  examples: [
    "ssh piku@board maintenance:on blog",
    `ssh piku@board maintenance:on blog --message "'Back at noon.'"`,
  ],
  args: {
    app: appArg,
    message: { type: "string", valueHint: "TEXT", description: "what the page says" },
  },
  run({ args, host }) {
    const app = findApp(host, args.app);
    const site = host.read(app.site);
    if (site === undefined)
      throw new PikuError(`app '${app.name}' has no site to close`, "it has no server name");
    if (!site.includes(maintenanceFile(app)))
      throw new PikuError(
        `the site of app '${app.name}' was written by an older piku`,
        `first: restart ${app.name}`,
      );
    closeSite(host, app, args.message);
    voiceOf(host).log(
      `-----> App '${app.name}' is closed; to open it: maintenance:off ${app.name}`,
    );
  },
});

export const maintenanceOff = command({
  name: "maintenance:off",
  group: "Apps",
  description: "Open an app's site again",
  examples: ["ssh piku@board maintenance:off blog"],
  args: { app: appArg },
  run({ args, host }) {
    const app = findApp(host, args.app);
    const wasClosed = isClosed(host, app);
    const stopped = isStopped(host, app);
    openSite(host, app, stopped);
    voiceOf(host).log(
      wasClosed ? `-----> App '${app.name}' is open.` : `App '${app.name}' was not closed.`,
    );
    if (stopped) voiceOf(host).log(`-----> It is stopped; start it with: restart ${app.name}`);
  },
});
