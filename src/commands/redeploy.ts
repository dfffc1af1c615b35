import type { App } from "../app/app.ts";
import type { Release } from "../app/releases.ts";
import { deploy } from "../deploy/deploy.ts";
import type { Target } from "../deploy/request.ts";
import type { Host } from "../host/host.ts";
import type { Choices } from "../repository/own.ts";
import { commitOf } from "../repository/worktree.ts";
import { PikuError } from "../text/errors.ts";

const fileOption = (description: string) =>
  ({ type: "string", description, valueHint: "file" }) as const;

/** The options of commands that check out another commit. */
export const choiceArgs = {
  keep: fileOption("a file, a directory or `.`: the app's changes to it stay"),
  take: fileOption("a file, a directory or `.`: the commit's replaces what the app wrote"),
} as const;

/** What these options say; several names with commas between. */
export const choicesOf = ({ keep = "", take = "" }: { keep?: string; take?: string }): Choices => ({
  keep: keep.split(",").filter(Boolean),
  take: take.split(",").filter(Boolean),
});

/** An app's settings on the server, as the file holds them. */
export const serverSettings = (host: Host, app: App) => host.read(`${app.envs}/ENV`) ?? "";

/** What deploys the live release again. Throws when nothing was ever checked out. */
export function sameAgain(host: Host, app: App, live: Release | undefined): Target {
  const id = live?.commit ?? commitOf(host, app.tree);
  if (!id)
    throw new PikuError(
      `app '${app.name}' has nothing to deploy`,
      `push it: git push ${app.name} main`,
    );
  return {
    commit: { id, app },
    branch: live?.branch,
    serverSettings: serverSettings(host, app),
    builds: false,
    releases: false,
  };
}

/**
 * Deploys the live release again, but for what `change` makes of it once the app's lock is held.
 * Throws as `deploy` does.
 */
export const redeploy = (
  host: Host,
  app: App,
  cause: string,
  change: (target: Target, live: Release | undefined) => Partial<Target> = () => ({}),
): void =>
  deploy(host, {
    app,
    cause,
    target(live) {
      const same = sameAgain(host, app, live);
      return { ...same, ...change(same, live) };
    },
  });
