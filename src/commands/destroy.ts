import { type App, namedApp, remainsOf } from "../app/app.ts";
import { withLock } from "../app/locks.ts";
import { liveRelease, nextNumber } from "../app/releases.ts";
import { destroy } from "../deploy/destroy.ts";
import { bringBack, purgeKept, readKept, settleKept } from "../deploy/kept.ts";
import { planDeploy } from "../deploy/plan.ts";
import type { Host } from "../host/host.ts";
import { commitOf } from "../repository/worktree.ts";
import { settlePage } from "../site/maintenance.ts";
import { restoreSite, routeTo } from "../site/switch.ts";
import { Ended, explain, PikuError, usageError } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { appArg, command } from "./command.ts";
import { redeploy, sameAgain } from "./redeploy.ts";

export const destroyCommand = command({
  name: "destroy",
  group: "Apps",
  description: "Remove an app; its data stays",
  details:
    "On a terminal it asks for the app's name first. For a day, --undo brings back all of the app: it is kept aside as long as the disk has room for it.",
  examples: ["ssh piku@board destroy blog", "ssh piku@board destroy --undo blog"],
  alias: ["remove", "rm", "delete", "apps:destroy", "apps:delete", "apps:remove"],
  args: {
    app: appArg,
    force: { type: "boolean", description: "do not ask for the app's name on a terminal" },
    undo: { type: "boolean", description: "bring back an app that was destroyed within a day" },
    purge: {
      type: "boolean",
      description: "keep nothing to undo it; of a destroyed app: remove what is kept",
    },
  },
  run({ args, host }) {
    const { undo, purge, force } = args;
    if (undo && purge)
      throw usageError("--undo and --purge are opposites", "give one of them, or neither");
    const named = namedApp(host, args.app);
    settleKept(host, named);
    if (undo) return undoDestroy(host, named);
    const app = remainsOrKept(host, named, purge);
    const asks = !force && host.isTerminal(0);
    if (app === undefined) {
      if (asks) confirm(host, named, `This removes for good what is kept of app '${named.name}'.`);
      purgeKept(host, named);
      return voiceOf(host).log(`-----> Nothing of app '${named.name}' is kept any more.`);
    }
    const how = purge ? " for good" : "";
    if (asks) confirm(host, app, `This removes app '${app.name}'${how}, all but its data.`);
    tellGone(host, app, destroy(host, app, !purge));
  },
});

/**
 * The app that is to be destroyed; undefined if it has been, and --purge asks for what is kept of
 * it. Throws if there is neither.
 */
function remainsOrKept(host: Host, app: App, purge: boolean | undefined): App | undefined {
  const { name } = app;
  try {
    return remainsOf(host, name);
  } catch (error) {
    if (!readKept(host, app)) throw error;
    if (purge) return undefined;
    throw new PikuError(
      `app '${name}' not found.`,
      `it was destroyed, and is kept for a day; to keep nothing of it: destroy --purge ${name}; to bring it back: destroy --undo ${name}`,
    );
  }
}

/** Asks for the app's name. A shell reads it: the host reads stdin only to its end. */
function confirm(host: Host, { name }: App, what: string): void {
  const question = `${what} Type its name to confirm: `;
  const script = 'printf %s "$1" >&2; IFS= read -r typed && [ "$typed" = "$2" ]';
  if (host.run(["sh", "-c", script, "sh", question, name]) !== 0)
    throw new PikuError("that is not its name; nothing was removed");
}

/** Says what is left of an app, and what can still be done. */
function tellGone(host: Host, app: App, isKept: boolean): void {
  const { name, data } = app;
  const but = host.stat(data) ? `, all but its data in '${data}'` : "";
  const voice = voiceOf(host);
  if (isKept) {
    voice.log(
      `-----> App '${name}' is gone${but}. To bring it back within a day: destroy --undo ${name}`,
    );
    return;
  }
  voice.log(`-----> App '${name}' is gone for good${but}.`);
  if (readKept(host, app))
    voice.log(
      `       One that was destroyed before is still kept. To bring it back: destroy --undo ${name}; to keep nothing of it either: destroy --purge ${name}`,
    );
}

const cause = "destroy --undo";

/** Brings an app back and starts it, unless it had been stopped before. */
function undoDestroy(host: Host, app: App): void {
  const { name } = app;
  const voice = voiceOf(host);
  const kept = withLock(host, app.paths, "push", app, cause, () =>
    withLock(host, app.paths, "deploy", app, cause, () => bringBack(host, app)),
  );
  voice.start(`App '${name}' is back: its repository, releases, settings and logs`);
  try {
    if ((liveRelease(host, app)?.commit ?? commitOf(host, app.tree)) === undefined)
      voice.log(`-----> It has never been live; to deploy it, push it.`);
    else if (!kept.wasStopped) redeploy(host, app, cause);
    else {
      withLock(host, app.paths, "deploy", app, cause, () => openStopped(host, app));
      voice.log(`-----> It is stopped, as it was. To start it: restart ${name}`);
    }
  } catch (error) {
    const { message, hint } = explain(error);
    if (!(error instanceof Ended)) voice.error(message);
    if (!(error instanceof Ended) && hint) host.sayError(`Hint: ${hint}`);
    voice.error(
      `app '${name}' is back, but its site or its processes are not, for the reason above. Mend that, then: restart ${name}`,
    );
    throw new Ended(1);
  }
}

/** Gives a stopped app its site back, whose page says that it is stopped. */
function openStopped(host: Host, app: App): void {
  const live = liveRelease(host, app);
  if (!live) return;
  // It refuses names that another app has taken meanwhile.
  planDeploy(host, { cause, target: sameAgain(host, app, live) }, live, nextNumber(host, app));
  settlePage(host, app, true);
  routeTo(host, app, live);
  restoreSite(host, app, live);
}
