import { defineCommand } from "citty";
import { type App, findApp, remainsOf } from "../app/app.ts";
import { callerOf } from "../app/caller.ts";
import { readScaling } from "../app/live.ts";
import { holdersOf, isHeld, withTurn } from "../app/locks.ts";
import { parseScale } from "../app/procfile.ts";
import { cancelFile, liveNumber } from "../app/releases.ts";
import { isUp } from "../board/status.ts";
import { deploy } from "../deploy/deploy.ts";
import { retire } from "../deploy/retire.ts";
import { stop } from "../deploy/stop.ts";
import type { Host } from "../host/host.ts";
import { everyProcess, familyOf } from "../host/processes.ts";
import { revision } from "../repository/commit.ts";
import { PikuError } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { printable } from "../text/text.ts";
import { appArg, many, wordsBehindApp } from "./arguments.ts";
import { again } from "./requests.ts";

export const deployAgain = (host: Host) =>
  defineCommand({
    meta: { description: "Deploy what was pushed last once more", example: "piku deploy blog" },
    args: { app: appArg },
    run({ args }) {
      const app = findApp(host, args.app);
      deploy(
        host,
        app,
        (live) => {
          const request = again(host, app, live, "deploy");
          const tip = revision(host, app.repo, live?.branch ? `refs/heads/${live.branch}` : "HEAD");
          return {
            ...request,
            commit: { id: tip ?? request.commit.id, app },
            builds: true,
            releases: true,
          };
        },
        "deploy",
      );
    },
  });

const cancelPatience = 60_000;
const toolPatience = 5_000;

export const deployCancel = (host: Host) =>
  defineCommand({
    meta: {
      description: "End the deploy of an app that is under way",
      example: "piku deploy:cancel blog",
    },
    args: { app: appArg },
    run({ args }) {
      const app = remainsOf(host, args.app);
      const isDeploying = () => isHeld(host, app.paths, "deploy", app);
      if (!isDeploying()) throw new PikuError(`nothing of app '${app.name}' is being deployed`);
      const before = liveNumber(host, app);
      const voice = voiceOf(host);
      host.write(cancelFile(app), callerOf(host), 0o600);
      voice.start("Waiting for the deploy to end");
      // The next deploy removes the mark: it is not meant for that one.
      for (
        const start = host.ticks();
        isDeploying() && host.stat(cancelFile(app));
        host.sleep(100)
      ) {
        if (host.ticks() - start > cancelPatience)
          throw new PikuError(
            "the deploy has not ended within a minute",
            "try again; it ends at its next step",
          );
        if (host.ticks() - start > toolPatience) endTools(host, app);
      }
      host.remove(cancelFile(app));
      const live = liveNumber(host, app);
      if (live !== before)
        throw new PikuError(`it was too late: release ${live} is live`, `rollback ${app.name}`);
      voice.log(
        live === undefined
          ? `-----> Nothing of app '${app.name}' is live.`
          : `-----> Release ${live} is live.`,
      );
    },
  });

/**
 * Ends the tools that an app's deploy waits for: one that hangs would keep it, and all that wait
 * for their turn, for ever.
 */
function endTools(host: Host, app: App): void {
  const holders = holdersOf(host, app.paths, "deploy", app);
  const every = everyProcess(host);
  const tools = every.filter(({ parent }) => holders.includes(parent)).map(({ pid }) => pid);
  for (const { pid } of familyOf(every, tools)) host.signal(pid, "KILL");
}

export const scale = (host: Host) =>
  defineCommand({
    meta: {
      description: "Set how many processes of a kind an app has",
      example: "piku ps:scale blog web=2 worker=1",
    },
    args: {
      app: appArg,
      settings: {
        type: "positional",
        description: "kind=count, as many as you like",
        required: true,
        ...many,
      },
    },
    run({ args, rawArgs }) {
      const scaling = parseScale(wordsBehindApp(rawArgs));
      const app = findApp(host, args.app);
      deploy(
        host,
        app,
        (live) => ({
          ...again(host, app, live, "ps:scale"),
          scaling,
          changed: Object.keys(scaling),
        }),
        "ps:scale",
      );
    },
  });

export const restart = (host: Host) =>
  defineCommand({
    meta: {
      description: "Restart an app; start it when it was stopped",
      example: "piku restart blog",
    },
    args: { app: appArg },
    run({ args }) {
      const app = findApp(host, args.app);
      voiceOf(host).log(`restarting app '${app.name}'...`);
      deploy(host, app, (live) => again(host, app, live, "restart"), "restart");
    },
  });

export const restartKind = (host: Host) =>
  defineCommand({
    meta: {
      description: "Restart an app's workers of one kind",
      example: "piku ps:restart blog worker",
    },
    args: {
      app: appArg,
      kind: { type: "positional", description: "a kind of worker", required: true },
    },
    run({ args }) {
      const app = findApp(host, args.app);
      const scaling = readScaling(host, app);
      const kinds = Object.keys(scaling).filter((kind) => kind !== "static" && scaling[kind]! > 0);
      if (!kinds.includes(args.kind))
        throw new PikuError(
          `app '${app.name}' has no process of kind '${printable(args.kind)}'`,
          kinds.length > 0 ? `it has ${kinds.join(", ")}` : undefined,
        );
      if (!isUp(host, app))
        throw new PikuError(
          `app '${app.name}' does not run.`,
          `start it with: restart ${app.name}`,
        );
      deploy(
        host,
        app,
        (live) => ({
          ...again(host, app, live, "ps:restart"),
          only: args.kind,
          changed: [args.kind],
        }),
        "ps:restart",
      );
    },
  });

export const stopApp = (host: Host) =>
  defineCommand({
    meta: {
      description: "Stop an app until it is restarted or deployed",
      example: "piku stop blog",
    },
    args: { app: appArg },
    run({ args }) {
      const app = findApp(host, args.app);
      if (!isUp(host, app))
        throw new PikuError(
          `app '${app.name}' does not run.`,
          `start it with: restart ${app.name}`,
        );
      voiceOf(host).log(`Stopping app '${app.name}'...`);
      withTurn(host, app.paths, "deploy", app, "stop", () => stop(host, findApp(host, args.app)));
    },
  });

export const retireApp = (host: Host) =>
  defineCommand({
    meta: {
      description: "INTERNAL: End what an app's last deploy has replaced",
      example: "piku retire blog",
    },
    args: { app: appArg },
    run: ({ args }) => retire(host, findApp(host, args.app)),
  });
