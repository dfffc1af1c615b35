import { answerAbout } from "../../app/answers.ts";
import type { App } from "../../app/app.ts";
import type { Host } from "../../host/host.ts";
import { missesCommits } from "../../repository/accept.ts";
import { type Check, findings } from "./check.ts";

/**
 * Whether an app's history has holes. git goes through all of it for that, so a whole one is not
 * looked at again before one of its branches has changed.
 */
function hasHoles(host: Host, app: App): boolean {
  const ask = () => missesCommits(host, app);
  if (!host.stat(app.releases)) return ask();
  const refs = [`${app.repo}/refs/heads`, `${app.repo}/packed-refs`];
  return answerAbout(host, `${app.releases}/history`, refs, ask, (isSo) => !isSo);
}

/**
 * Whether the apps' repositories have all commits that they name: pushes from shallow clones, which
 * are refused now, once left holes.
 */
export const history: Check = (host, { apps }) =>
  findings(
    "the history of every app is whole",
    apps
      .filter((app) => hasHoles(host, app))
      .map(({ name }) => ({
        says: `the repository of app '${name}' lacks earlier commits, after a push from a shallow clone`,
        remedy: "from a clone with the whole history: git push piku :main && git push piku main",
      })),
  );
