import { type App, appOf, findApp, parseAppName, refuseTwin } from "../app/app.ts";
import { readBoardSettings } from "../app/board-settings.ts";
import { isHeld, withLock } from "../app/locks.ts";
import { pathsOf } from "../app/paths.ts";
import { liveRelease, readableLive } from "../app/releases.ts";
import { renderUnchanged } from "../deploy/announce.ts";
import { deploy } from "../deploy/deploy.ts";
import { settleKept } from "../deploy/kept.ts";
import { cancellation, forgetCancellation } from "../deploy/progress.ts";
import type { Host } from "../host/host.ts";
import { mostReceived, parseSize, refuseLarge, refuseUnacceptable } from "../repository/accept.ts";
import { parseChoices } from "../repository/own.ts";
import {
  branchName,
  branchToDeploy,
  dropStaleLocks,
  ensureRepository,
  idlePushes,
  maxUpdatesBytes,
  type Push,
  parseUpdates,
  pointHead,
  refuseBranch,
  refuseReferences,
  serve,
} from "../repository/push.ts";
import { Ended, explain, PikuError } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { printable } from "../text/text.ts";
import { appArg, command } from "./command.ts";
import { goBackIfRefused, quoted, sayNotDeployed, wantedBranch } from "./pushed.ts";
import { serverSettings } from "./redeploy.ts";

export const gitHook = command({
  name: "git-hook",
  group: "Internal",
  description: "Deploy a push; its pre-receive hook calls this",
  examples: ["ssh piku@board git-hook blog"],
  args: { app: appArg },
  run({ args, host, push }) {
    const app = appOf(pathsOf(host), parseAppName(args.app));
    forgetCancellation(host, app);
    try {
      receive(host, app, push ?? { options: [] });
    } catch (error) {
      if (error instanceof Ended) throw error;
      const { message, hint } = explain(cancellation(host, app) ?? error);
      voiceOf(host).error(message);
      if (hint) host.sayError(`Hint: ${hint}`);
      host.sayError(renderUnchanged(host, app));
      throw new Ended(1);
    }
  },
});

/** Looks at a push and deploys it. Throws what refuses it, and `Ended` where that has been said. */
function receive(host: Host, app: App, { incoming, options }: Push): void {
  const updates = parseUpdates(host.stdin(maxUpdatesBytes));
  refuseReferences(updates);
  const choices = parseChoices(options);
  const voice = voiceOf(host);
  const first = branchToDeploy(updates).update;
  if (!first) {
    voice.log("-----> Only branches are deployed; this push has none.");
    return;
  }
  const machine = readBoardSettings(host, app.paths.settings);
  const wanted = wantedBranch(host, app, machine, first, incoming);
  const { update, others } = branchToDeploy(updates, wanted);
  if (!update) {
    sayNotDeployed(host, app, others, wanted ?? "");
    return;
  }
  const branch = branchName(update.reference);
  if (branch.includes("\ufffd"))
    throw new PikuError(
      `the name of branch '${printable(branch)}' is not UTF-8`,
      "give the branch another name",
    );
  refuseBranch(host, app, branch);
  refuseLarge(host, app, update, incoming, parseSize(machine.largestPush));
  refuseUnacceptable(host, app, updates, incoming);
  const cancelled = cancellation(host, app);
  if (cancelled) throw cancelled;
  if (others.length > 0) voice.log(`-----> Deploying branch '${branch}', not ${quoted(others)}.`);
  if (!host.stat(app.tree)) voice.start(`Creating app '${app.name}'`);
  deploy(host, {
    app,
    cause: "push",
    target: () => ({
      commit: { id: update.after, app, incoming },
      branch,
      choices,
      serverSettings: serverSettings(host, app),
      builds: true,
      releases: true,
    }),
  });
}

export const gitReceivePack = command({
  name: "git-receive-pack",
  group: "Internal",
  description: "Handle git pushes for an app",
  examples: ["ssh piku@board git-receive-pack blog"],
  args: { app: appArg },
  run({ args, host }) {
    const app = appOf(pathsOf(host), parseAppName(args.app));
    refuseTwin(host, app);
    // Held until git has moved the branch, so that the next push is told the new tip.
    const serveGit = () => {
      settleKept(host, app);
      ensureRepository(host, app);
      dropStaleLocks(host, app);
      const { largestPush } = readBoardSettings(host, app.paths.settings);
      const most = mostReceived(parseSize(largestPush), host.free(app.paths.root).bytes);
      const before = readableLive(host, app);
      const hadTree = host.stat(app.tree) !== undefined;
      const ended = serve(host, app, "receive-pack", most);
      goBackIfRefused(host, app, before, hadTree);
      const live = liveRelease(host, app);
      if (ended === 0 && live?.branch) pointHead(host, app, live.branch);
      return ended;
    };
    const isDeploying = () => isHeld(host, app.paths, "deploy", app);
    const status = withLock(
      host,
      app.paths,
      "push",
      app,
      "push",
      serveGit,
      idlePushes(host, app, isDeploying),
    );
    if (status !== 0) throw new Ended(status);
  },
});

export const gitUploadPack = command({
  name: "git-upload-pack",
  group: "Internal",
  description: "Handle git fetches of an app",
  examples: ["ssh piku@board git-upload-pack blog"],
  args: { app: appArg },
  run({ args, host }) {
    const app = findApp(host, args.app.replace(/^\//, "").replace(/\.git$/, ""));
    if (!host.stat(`${app.repo}/HEAD`)) throw new PikuError(`app '${app.name}' has no repository`);
    const status = serve(host, app, "upload-pack", 0);
    if (status !== 0) throw new Ended(status);
  },
});
