import { defineCommand } from "citty";
import { findApp } from "../app/app.ts";
import { isStopped } from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { closeSite, isClosed, maintenanceFile, openSite } from "../site/maintenance.ts";
import { PikuError } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { appArg } from "./arguments.ts";

export const maintenanceOn = (host: Host) =>
  defineCommand({
    meta: {
      description: "Have nginx show a page in an app's place, until maintenance:off",
      example: "piku maintenance:on blog --message 'We move house, back at noon.'",
    },
    args: { app: appArg, message: { type: "string", description: "what the page says" } },
    run({ args }) {
      const app = findApp(host, args.app);
      const site = host.read(app.site);
      if (site === undefined)
        throw new PikuError(`app '${app.name}' has no site to close`, "it has no server name");
      if (!site.includes(maintenanceFile(app)))
        throw new PikuError(
          `the site of app '${app.name}' is of an older piku`,
          `first: restart ${app.name}`,
        );
      const message = args.message || "This site is being worked on. Please come back in a while.";
      closeSite(host, app, message);
      voiceOf(host).log(
        `-----> App '${app.name}' is closed; to open it: maintenance:off ${app.name}`,
      );
    },
  });

export const maintenanceOff = (host: Host) =>
  defineCommand({
    meta: { description: "Open an app's site again", example: "piku maintenance:off blog" },
    args: { app: appArg },
    run({ args }) {
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
