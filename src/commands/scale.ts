import { type App, findApp, namedApp } from "../app/app.ts";
import { readScaling } from "../app/live.ts";
import { withLock } from "../app/locks.ts";
import { parseScale, renderScaling, type Scaling } from "../app/procfile.ts";
import { recover } from "../deploy/recover.ts";
import type { Host } from "../host/host.ts";
import { voiceOf } from "../text/output.ts";
import { appArg, command } from "./command.ts";
import { redeploy } from "./redeploy.ts";

export const psScale = command({
  name: "ps:scale",
  group: "Apps",
  description: "Set how many processes of a kind an app has",
  details: "This also works before an app's first push.",
  examples: ["ssh piku@board ps:scale blog web=2 worker=1"],
  alias: ["scale"],
  args: {
    app: appArg,
    settings: {
      type: "positional",
      description: "KIND=COUNT, one or more; 0 stops a kind",
      required: true,
      many: true,
    },
  },
  run({ args, words, host }) {
    const scaling = parseScale(words.slice(1));
    const app = namedApp(host, args.app);
    if (keptForFirstPush(host, app, scaling)) {
      voiceOf(host).log(`App '${app.name}' is not deployed yet; this is kept for its first push.`);
      return;
    }
    const changes = { scaling, changed: Object.keys(scaling) };
    redeploy(host, findApp(host, args.app), "ps:scale", () => changes);
  },
});

/**
 * Keeps the numbers for the first push of an app that was never live; whether it was none. Its kinds
 * are looked at then: the Procfile has not come yet.
 */
const keptForFirstPush = (host: Host, app: App, scaling: Scaling): boolean =>
  withLock(host, app.paths, "deploy", app, "ps:scale", () => {
    if (host.stat(app.tree)) return false;
    recover(host, app);
    host.mkdir(app.envs);
    host.write(`${app.envs}/SCALING`, renderScaling({ ...readScaling(host, app), ...scaling }));
    return true;
  });
