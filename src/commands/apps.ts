import { defineCommand } from "citty";
import { appOf, findApp, listApps } from "../app.ts";
import { PikuError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { pathsOf } from "../paths.ts";
import { isUp } from "../recovery.ts";
import { appArg } from "./arguments.ts";

export const apps = (host: Host) =>
  defineCommand({
    meta: { description: "List apps; a '*' marks those that run", example: "piku apps" },
    run() {
      const paths = pathsOf(host);
      const names = listApps(host, paths);
      if (names.length === 0) host.complain("There are no applications deployed.");
      for (const name of names) host.say(`${isUp(host, appOf(paths, name)) ? "*" : " "}${name}`);
    },
  });

export const ps = (host: Host) =>
  defineCommand({
    meta: { description: "Show how many processes of each kind an app has", example: "piku ps blog" },
    args: { app: appArg },
    run({ args }) {
      const app = findApp(host, args.app);
      const scaling = host.read(`${app.envs}/SCALING`);
      if (scaling === undefined)
        throw new PikuError(
          `no workers found for app '${app.name}'.`,
          "it has never been live; push it again to see why",
        );
      host.say(scaling.trim());
    },
  });
