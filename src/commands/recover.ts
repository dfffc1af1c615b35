import { defineCommand } from "citty";
import { appOf } from "../app/app.ts";
import { withTurn } from "../app/locks.ts";
import { pathsOf } from "../app/paths.ts";
import { dropStage } from "../board/backup/stage.ts";
import { recover } from "../deploy/recover.ts";
import { retire } from "../deploy/retire.ts";
import type { Host } from "../host/host.ts";
import { Ended, explain } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";

export const recoverAll = (host: Host) =>
  defineCommand({
    meta: {
      description: "INTERNAL: Put every app right after a power cut",
      example: "piku recover",
    },
    run() {
      const paths = pathsOf(host);
      let failed = false;
      dropStage(host);
      for (const app of host.list(paths.releases).map((name) => appOf(paths, name))) {
        try {
          withTurn(host, paths, "deploy", app, "recover", () => recover(host, app));
          retire(host, app);
        } catch (error) {
          // One app that cannot be put right must not keep the others from it.
          failed = true;
          voiceOf(host).error(`app '${app.name}': ${explain(error).message}`);
        }
      }
      if (failed) throw new Ended(1);
    },
  });
