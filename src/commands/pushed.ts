import type { App } from "../app/app.ts";
import type { BoardSettings } from "../app/board-settings.ts";
import { boardLogin } from "../app/caller.ts";
import { parseServerSettings } from "../app/env-file.ts";
import { parseSettings } from "../app/env-grammar.ts";
import { type Release, readableLive } from "../app/releases.ts";
import { layered, setting } from "../app/settings.ts";
import { withdraw } from "../deploy/recover.ts";
import type { Host } from "../host/host.ts";
import { fileOfCommit } from "../repository/commit.ts";
import { branchTip, type Update } from "../repository/push.ts";
import { Ended, explain } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { printable } from "../text/text.ts";
import { redeploy, serverSettings } from "./redeploy.ts";
import { backTo } from "./rollback.ts";

export const quoted = (names: readonly string[]) =>
  names.map((name) => `'${printable(name)}'`).join(", ");

/** The one branch that is deployed (PIKU_BRANCH), as the board, the commit or the app set it. */
export function wantedBranch(
  host: Host,
  app: App,
  machine: BoardSettings,
  { after }: Update,
  incoming: string | undefined,
): string | undefined {
  const shipped = fileOfCommit(host, { id: after, app, incoming }, "ENV") ?? "";
  const ofServer = parseServerSettings(serverSettings(host, app));
  const layers = [machine.settings, parseSettings(shipped, "ENV"), ofServer];
  return setting(layered({}, layers), "PIKU_BRANCH");
}

/** Says that git takes the branches of a push and that nothing is deployed. */
export function sayNotDeployed(
  host: Host,
  app: App,
  branches: readonly string[],
  wanted: string,
): void {
  const voice = voiceOf(host);
  voice.log(
    `-----> Not deployed: only branch '${printable(wanted)}' is (PIKU_BRANCH), and this push has ${quoted(branches)}.`,
  );
  if (host.stat(app.tree))
    voice.log(
      `       To deploy it all the same: ssh ${boardLogin(host)} deploy ${app.name} ${printable(branches[0] ?? "")}`,
    );
}

/**
 * Undoes the release of a push that git has refused in the end: the hook asks for all that it can
 * ask before, but a disk may have become full since. What is said goes to stderr: git has ended,
 * and stdout was its own.
 */
export function goBackIfRefused(
  host: Host,
  app: App,
  before: Release | undefined,
  hadTree: boolean,
): void {
  const live = readableLive(host, app);
  if (!live?.branch || live.cause !== "push" || live.number === before?.number) return;
  if (branchTip(host, app, live.branch) === live.commit) return;
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
