import { missesCommits } from "../../repository/accept.ts";
import { type Check, findings } from "./check.ts";

/**
 * Whether the apps' repositories have all commits that they name: pushes from shallow clones, which
 * are refused now, once left holes.
 */
export const history: Check = (host, { apps }) =>
  findings(
    "the history of every app is whole",
    apps
      .filter((app) => missesCommits(host, app))
      .map(({ name }) => ({
        says: `the repository of app '${name}' lacks earlier commits, after a push from a shallow clone`,
        remedy: "from a clone with the whole history: git push piku :main && git push piku main",
      })),
  );
