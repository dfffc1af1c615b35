import { appOf } from "../app/app.ts";
import { withLock } from "../app/locks.ts";
import { pathsOf } from "../app/paths.ts";
import { dropStage } from "../board/backup/stage.ts";
import { expireKept } from "../deploy/kept.ts";
import { recover } from "../deploy/recover.ts";
import { retire } from "../deploy/retire.ts";
import { minFree } from "../deploy/space.ts";
import { Ended, explain } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { writeEmperor } from "../workers/emperor-file.ts";
import { command } from "./command.ts";

export const recoverCommand = command({
  name: "recover",
  group: "Internal",
  description: "Repair every app after a power cut",
  examples: ["ssh piku@board recover"],
  run({ host }) {
    const paths = pathsOf(host);
    let failed = false;
    // The emperor starts after this, at boot, with what a newer version says.
    if (host.stat(paths.uwsgi)) writeEmperor(host, paths);
    dropStage(host);
    expireKept(host, paths, minFree.doctor);
    for (const app of host.list(paths.releases).map((name) => appOf(paths, name))) {
      try {
        withLock(host, paths, "deploy", app, "recover", () => recover(host, app));
        retire(host, app);
      } catch (error) {
        // One app that cannot be repaired must not keep the others from it.
        failed = true;
        voiceOf(host).error(`app '${app.name}': ${explain(error).message}`);
      }
    }
    if (failed) throw new Ended(1);
  },
});
