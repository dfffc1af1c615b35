import { appOf, findApp, parseAppName, refuseTwin } from "../app/app.ts";
import { readBoardSettings } from "../app/board-settings.ts";
import { isHeld, withLock } from "../app/locks.ts";
import { pathsOf } from "../app/paths.ts";
import { liveRelease } from "../app/releases.ts";
import { deploy } from "../deploy/deploy.ts";
import { settleKept } from "../deploy/kept.ts";
import {
  branchName,
  branchToDeploy,
  dropStaleLocks,
  ensureRepository,
  idlePushes,
  maxUpdatesBytes,
  parseUpdates,
  pointHead,
  refuseBranch,
  refuseReferences,
  serve,
} from "../repository/push.ts";
import { Ended, PikuError } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { printable } from "../text/text.ts";
import { appArg, command } from "./command.ts";
import { serverSettings } from "./redeploy.ts";

export const gitHook = command({
  name: "git-hook",
  group: "Internal",
  description: "Deploy a push; its pre-receive hook calls this",
  examples: ["ssh piku@board git-hook blog"],
  args: { app: appArg },
  run({ args, host, incoming }) {
    const app = appOf(pathsOf(host), parseAppName(args.app));
    const updates = parseUpdates(host.stdin(maxUpdatesBytes));
    refuseReferences(updates);
    const { update, others } = branchToDeploy(updates);
    const voice = voiceOf(host);
    if (!update) return voice.log("-----> Only branches are deployed; this push has none.");
    const branch = branchName(update.reference);
    if (branch.includes("\ufffd"))
      throw new PikuError(
        `the name of branch '${printable(branch)}' is not UTF-8`,
        "give the branch another name",
      );
    if (others.length > 0)
      voice.log(
        `-----> Deploying branch '${branch}', not ${others.map((name) => `'${name}'`).join(", ")}.`,
      );
    if (!host.stat(app.tree)) voice.start(`Creating app '${app.name}'`);
    deploy(host, {
      app,
      cause: "push",
      target() {
        refuseBranch(host, app, branch);
        return {
          commit: { id: update.after, app, incoming },
          branch,
          serverSettings: serverSettings(host, app),
          builds: true,
          releases: true,
        };
      },
    });
  },
});

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
    const receive = () => {
      settleKept(host, app);
      ensureRepository(host, app);
      dropStaleLocks(host, app);
      const ended = serve(
        host,
        app,
        "receive-pack",
        readBoardSettings(host, app.paths.settings).largestPush,
      );
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
      receive,
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
    const status = serve(host, app, "upload-pack", "0");
    if (status !== 0) throw new Ended(status);
  },
});
