import type { App } from "../app/app.ts";
import type { Release } from "../app/releases.ts";
import { deploy } from "../deploy/deploy.ts";
import type { Request } from "../deploy/plan.ts";
import type { Host } from "../host/host.ts";
import { commitOf } from "../repository/worktree.ts";
import { PikuError } from "../text/errors.ts";

/** An app's settings on the server, as the file holds them. */
export const serverSettings = (host: Host, app: App) => host.read(`${app.envs}/ENV`) ?? "";

/**
 * What to ask for in order to deploy the live release again. Throws when nothing was ever checked
 * out.
 */
export function redeployRequest(
  host: Host,
  app: App,
  live: Release | undefined,
  cause: string,
): Request {
  const id = live?.commit ?? commitOf(host, app.tree);
  if (!id)
    throw new PikuError(
      `app '${app.name}' has nothing to deploy`,
      `push it: git push ${app.name} main`,
    );
  return {
    cause,
    commit: { id, app },
    branch: live?.branch,
    serverSettings: serverSettings(host, app),
    builds: false,
    releases: false,
  };
}

/**
 * Deploys the live release again, but for what `change` makes of the request once it is this
 * command's turn. Throws as `deploy` does.
 */
export const redeploy = (
  host: Host,
  app: App,
  cause: string,
  change: (request: Request, live: Release | undefined) => Partial<Request> = () => ({}),
): void =>
  deploy(
    host,
    app,
    (live) => {
      const request = redeployRequest(host, app, live, cause);
      return { ...request, ...change(request, live) };
    },
    cause,
  );
