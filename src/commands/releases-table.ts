import { callerName } from "../app/caller.ts";
import type { Release } from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { widthOf } from "../text/output.ts";
import { ago, columns, shortened } from "../text/text.ts";

const maxWhat = 20;
const maxWho = 12;

/**
 * Releases as lines, newest first, a `*` at the live one: a table as wide as the terminal for
 * people, with times in ISO 8601 for everybody else.
 */
export function renderReleases(
  host: Host,
  releases: readonly Release[],
  live: number | undefined,
): string[] {
  const isForPeople = host.isTerminal(1);
  const rows = releases.map(
    ({ number, when, cause, branch = "main", commit, who = "-", ...rest }) => {
      const of = branch === "main" ? [] : [`(${branch})`];
      const what = [cause, ...rest.changed, ...of].join(" ");
      const [day, name] = isForPeople
        ? [
            when ? ago(host.now() - Date.parse(when)) : "unknown",
            shortened(callerName(who), maxWho),
          ]
        : [when?.replace(/\.\d+Z$/, "Z"), callerName(who)];
      return [
        `${number === live ? "*" : " "}${number}`,
        day ?? "before piku kept records",
        commit?.slice(0, 7) ?? "-",
        isForPeople ? shortened(what, maxWhat) : what,
        name,
        rest.subject ?? "",
      ];
    },
  );
  if (!isForPeople) return rows.map((row) => row.join("  ").trimEnd());
  const width = widthOf(host);
  return columns([[" NR", "WHEN", "COMMIT", "WHAT", "BY", "SUBJECT"], ...rows]).map((line) =>
    shortened(line, width),
  );
}
