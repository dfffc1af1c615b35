import { defineCommand } from "citty";
import { appOf, findApp, parseAppName, refuseTwin } from "../app/app.ts";
import { readMachine } from "../app/board-settings.ts";
import { isHeld, withTurn } from "../app/locks.ts";
import { pathsOf } from "../app/paths.ts";
import { liveRelease } from "../app/releases.ts";
import { deploy } from "../deploy/deploy.ts";
import type { Host } from "../host/host.ts";
import {
  branchName,
  branchToDeploy,
  dropStaleLocks,
  ensureRepository,
  idlePushes,
  largestUpdates,
  parseUpdates,
  pointHead,
  refuseBranch,
  refuseReferences,
  serve,
} from "../repository/push.ts";
import { Ended, PikuError } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { printable } from "../text/text.ts";
import { appArg } from "./arguments.ts";
import { serverSettings } from "./requests.ts";

/** `incoming`: the folder in which git keeps a push's objects until it is accepted. */
export const gitHook = (host: Host, incoming: string | undefined) =>
  defineCommand({
    meta: { description: "INTERNAL: Deploy what is being pushed", example: "piku git-hook blog" },
    args: { app: appArg },
    run({ args }) {
      const app = appOf(pathsOf(host), parseAppName(args.app));
      const updates = parseUpdates(host.stdin(largestUpdates));
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
      deploy(
        host,
        app,
        () => {
          refuseBranch(host, app, branch);
          const commit = { id: update.after, app, incoming };
          return {
            cause: "push",
            commit,
            branch,
            serverSettings: serverSettings(host, app),
            builds: true,
            releases: true,
          };
        },
        "push",
      );
    },
  });

export const gitReceivePack = (host: Host) =>
  defineCommand({
    meta: {
      description: "INTERNAL: Handle git pushes for an app",
      example: "piku git-receive-pack blog",
    },
    args: { app: appArg },
    run({ args }) {
      const app = appOf(pathsOf(host), parseAppName(args.app));
      refuseTwin(host, app);
      // Held until git has moved the branch, so that the next push is told the new tip.
      const receive = () => {
        ensureRepository(host, app);
        dropStaleLocks(host, app);
        const ended = serve(
          host,
          app,
          "receive-pack",
          readMachine(host, app.paths.settings).largestPush,
        );
        const live = liveRelease(host, app);
        if (ended === 0 && live?.branch) pointHead(host, app, live.branch);
        return ended;
      };
      const isDeploying = () => isHeld(host, app.paths, "deploy", app);
      const status = withTurn(
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

export const gitUploadPack = (host: Host) =>
  defineCommand({
    meta: {
      description: "INTERNAL: Handle git fetches of an app",
      example: "piku git-upload-pack blog",
    },
    args: { app: appArg },
    run({ args }) {
      const app = findApp(host, args.app.replace(/^\//, "").replace(/\.git$/, ""));
      if (!host.stat(`${app.repo}/HEAD`))
        throw new PikuError(`app '${app.name}' has no repository`);
      const status = serve(host, app, "upload-pack", "0");
      if (status !== 0) throw new Ended(status);
    },
  });
