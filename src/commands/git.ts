import { type App, appOf, findApp, parseAppName, refuseTwin } from "../app/app.ts";
import { type BoardSettings, readBoardSettings } from "../app/board-settings.ts";
import { boardLogin } from "../app/caller.ts";
import { parseServerSettings } from "../app/env-file.ts";
import { parseSettings } from "../app/env-grammar.ts";
import { isHeld, withLock } from "../app/locks.ts";
import { pathsOf } from "../app/paths.ts";
import { liveRelease, type Release, readableLive } from "../app/releases.ts";
import { layered, setting } from "../app/settings.ts";
import { renderUnchanged } from "../deploy/announce.ts";
import { deploy } from "../deploy/deploy.ts";
import { settleKept } from "../deploy/kept.ts";
import { withdraw } from "../deploy/recover.ts";
import type { Host } from "../host/host.ts";
import { mostReceived, parseSize, refuseLarge, refuseUnacceptable } from "../repository/accept.ts";
import { fileOf, revision } from "../repository/commit.ts";
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
  type Update,
} from "../repository/push.ts";
import { Ended, explain, PikuError } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { printable } from "../text/text.ts";
import { appArg, command } from "./command.ts";
import { redeploy, serverSettings } from "./redeploy.ts";
import { backTo } from "./releases.ts";

export const gitHook = command({
  name: "git-hook",
  group: "Internal",
  description: "Deploy a push; its pre-receive hook calls this",
  examples: ["ssh piku@board git-hook blog"],
  args: { app: appArg },
  run({ args, host, push }) {
    const app = appOf(pathsOf(host), parseAppName(args.app));
    try {
      receive(host, app, push ?? { options: [] });
    } catch (error) {
      if (error instanceof Ended) throw error;
      const { message, hint } = explain(error);
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

const quoted = (names: readonly string[]) => names.map((name) => `'${printable(name)}'`).join(", ");

/** The one branch that is deployed (PIKU_BRANCH), as the board, the commit or the app set it. */
function wantedBranch(
  host: Host,
  app: App,
  machine: BoardSettings,
  { after }: Update,
  incoming: string | undefined,
): string | undefined {
  const shipped = fileOf(host, { id: after, app, incoming }, "ENV") ?? "";
  const ofServer = parseServerSettings(serverSettings(host, app));
  const layers = [machine.settings, parseSettings(shipped, "ENV"), ofServer];
  return setting(layered({}, layers), "PIKU_BRANCH");
}

/** Says that git takes the branches of a push and that nothing is deployed. */
function sayNotDeployed(host: Host, app: App, branches: readonly string[], wanted: string): void {
  const voice = voiceOf(host);
  voice.log(
    `-----> Not deployed: only branch '${printable(wanted)}' is (PIKU_BRANCH), and this push has ${quoted(branches)}.`,
  );
  if (host.stat(app.tree))
    voice.log(
      `       To deploy it all the same: ssh ${boardLogin(host)} deploy ${app.name} ${printable(branches[0] ?? "")}`,
    );
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

/**
 * Undoes the release of a push that git has refused in the end: the hook asks for all that it can
 * ask before, but a disk may have become full since. What is said goes to stderr: git has ended,
 * and stdout was its own.
 */
function goBackIfRefused(
  host: Host,
  app: App,
  before: Release | undefined,
  hadTree: boolean,
): void {
  const live = readableLive(host, app);
  if (!live?.branch || live.cause !== "push" || live.number === before?.number) return;
  if (revision(host, app.repo, `refs/heads/${live.branch}`) === live.commit) return;
  const aside: Host = {
    ...host,
    say: host.sayError,
    writeNonBlocking(text) {
      host.sayError(text.replace(/\n$/, ""));
      return text.length;
    },
  };
  host.ignoreHangup();
  voiceOf(aside).error(`git has refused the push in the end, when release ${live.number} was live`);
  try {
    if (!before?.commit) withdraw(aside, app, live.number, hadTree);
    else
      redeploy(aside, app, "rollback", (_, release) => ({
        ...backTo(aside, app, release, before.number),
        choices: { keep: [], take: ["."] },
      }));
  } catch (error) {
    // A deploy has said by itself why it failed.
    const reason = error instanceof Ended ? "" : `: ${explain(error).message}`;
    voiceOf(aside).warn(
      `release ${live.number} stays live, since it could not be undone${reason}; once that is mended, push again.`,
    );
  }
}

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
