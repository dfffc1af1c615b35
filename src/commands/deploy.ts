import { type App, findApp, remainsOf } from "../app/app.ts";
import { callerName, callerOf } from "../app/caller.ts";
import { readScaling } from "../app/live.ts";
import { holderOf, isHeld, withLock } from "../app/locks.ts";
import { cancelFile, liveNumber } from "../app/releases.ts";
import { stop } from "../deploy/stop.ts";
import type { Host } from "../host/host.ts";
import { everyProcess, familyOf, wordsOf } from "../host/processes.ts";
import { waitUntil } from "../host/wait.ts";
import { revision } from "../repository/commit.ts";
import { branchesOf } from "../repository/push.ts";
import { PikuError } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { printable } from "../text/text.ts";
import { isUp } from "../workers/emperor.ts";
import { appArg, command } from "./command.ts";
import { choiceArgs, choicesOf, redeploy } from "./redeploy.ts";

export const deployCommand = command({
  name: "deploy",
  group: "Deploys",
  description: "Deploy the last push again, or another branch",
  examples: ["ssh piku@board deploy blog", "ssh piku@board deploy blog main"],
  alias: ["redeploy", "rebuild", "ps:rebuild"],
  args: {
    app: appArg,
    branch: {
      type: "positional",
      description: "a branch that was pushed; the live one unless given",
      required: false,
    },
    ...choiceArgs,
  },
  run({ args, host }) {
    const app = findApp(host, args.app);
    redeploy(host, app, "deploy", ({ commit, branch }) => {
      if (args.branch !== undefined) refuseUnknownBranch(host, app, args.branch);
      const wanted = args.branch ?? branch;
      const tip = revision(host, app.repo, wanted ? `refs/heads/${wanted}` : "HEAD");
      return {
        commit: { id: tip ?? commit.id, app },
        branch: wanted,
        choices: choicesOf(args),
        builds: true,
        releases: true,
      };
    });
  },
});

function refuseUnknownBranch(host: Host, app: App, branch: string): void {
  const names = branchesOf(host, app);
  if (names.includes(branch)) return;
  throw new PikuError(
    `app '${app.name}' has no branch '${printable(branch)}'`,
    names.length > 0
      ? `it has ${names.slice(0, 10).map(printable).join(", ")}`
      : `push it first: git push piku ${printable(branch)}`,
  );
}

const cancelTimeout = 60_000;
const toolTimeout = 5_000;

export const deployCancel = command({
  name: "deploy:cancel",
  group: "Deploys",
  description: "Cancel an app's deploy; what was live stays live",
  examples: ["ssh piku@board deploy:cancel blog"],
  alias: ["cancel"],
  args: { app: appArg },
  run({ args, host }) {
    const app = remainsOf(host, args.app);
    const isDeploying = () => deployerOf(host, app) !== undefined;
    if (!isDeploying()) throw new PikuError(`nothing of app '${app.name}' is being deployed`);
    const before = liveNumber(host, app);
    const voice = voiceOf(host);
    host.mkdir(app.releases, 0o700);
    host.write(cancelFile(app), callerName(callerOf(host)), 0o600);
    voice.start("Waiting for the deploy to end");
    // The next deploy removes the mark: it is not meant for that one.
    const hasEnded = waitUntil(host, () => !isDeploying() || !host.stat(cancelFile(app)), {
      every: 100,
      atMost: cancelTimeout,
      meanwhile: (passed) => passed > toolTimeout && endTools(host, app),
    });
    if (!hasEnded)
      throw new PikuError(
        "the deploy has not ended within a minute",
        "try again; it ends at its next step",
      );
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
 * The process that deploys an app, or looks at a push that it is going to deploy; undefined when
 * there is none, 0 when it has not said which it is.
 */
function deployerOf(host: Host, app: App): number | undefined {
  const holder = (turn: "deploy" | "push") =>
    isHeld(host, app.paths, turn, app) ? (holderOf(host, app.paths, turn, app) ?? 0) : undefined;
  const deploying = holder("deploy");
  if (deploying !== undefined) return deploying;
  const pushing = holder("push");
  if (!pushing) return undefined;
  const family = familyOf(everyProcess(host), [pushing]);
  return family.find(({ pid }) => wordsOf(host, pid).includes("git-hook"))?.pid;
}

/** Ends the tools that a deploy waits for: one that hangs would keep it, and its app, for ever. */
function endTools(host: Host, app: App): void {
  const deployer = deployerOf(host, app);
  if (!deployer) return;
  const every = everyProcess(host);
  const tools = every.filter(({ parent }) => parent === deployer).map(({ pid }) => pid);
  for (const { pid } of familyOf(every, tools)) host.signal(pid, "KILL");
}

export const restart = command({
  name: "restart",
  group: "Apps",
  description: "Restart an app, or start it when it is stopped",
  examples: ["ssh piku@board restart blog"],
  alias: ["start", "ps:start"],
  args: { app: appArg },
  run({ args, host }) {
    const app = findApp(host, args.app);
    voiceOf(host).log(`restarting app '${app.name}'...`);
    redeploy(host, app, "restart");
  },
});

export const psRestart = command({
  name: "ps:restart",
  group: "Apps",
  description: "Restart an app's workers of one kind",
  details: "All others keep running.",
  examples: ["ssh piku@board ps:restart blog worker"],
  args: {
    app: appArg,
    kind: { type: "positional", description: "a kind of worker, such as web", required: true },
  },
  run({ args, host }) {
    const app = findApp(host, args.app);
    const scaling = readScaling(host, app);
    const kinds = Object.keys(scaling).filter((kind) => kind !== "static" && scaling[kind]! > 0);
    if (!kinds.includes(args.kind))
      throw new PikuError(
        `app '${app.name}' has no process of kind '${printable(args.kind)}'`,
        kinds.length > 0 ? `it has ${kinds.join(", ")}` : undefined,
      );
    refuseStopped(host, app);
    const changes = { only: args.kind, changed: [args.kind] };
    redeploy(host, app, "ps:restart", () => changes);
  },
});

function refuseStopped(host: Host, app: App): void {
  if (!isUp(host, app))
    throw new PikuError(`app '${app.name}' does not run.`, `start it with: restart ${app.name}`);
}

export const stopCommand = command({
  name: "stop",
  group: "Apps",
  description: "Stop an app until it is restarted or deployed",
  details: "Until then visitors see a page that says so.",
  examples: ["ssh piku@board stop blog"],
  alias: ["ps:stop"],
  args: { app: appArg },
  run({ args, host }) {
    const app = findApp(host, args.app);
    refuseStopped(host, app);
    voiceOf(host).log(`Stopping app '${app.name}'...`);
    withLock(host, app.paths, "deploy", app, "stop", () => stop(host, findApp(host, args.app)));
  },
});
