import type { Host } from "../host/host.ts";
import type { Commit } from "../repository/commit.ts";
import { marksOf, missingWarnings } from "../repository/missing.ts";
import { refuseHerokuPhp, unreadWarnings } from "../runtimes/unread.ts";
import type { Survey } from "./survey.ts";

/**
 * Sentences about files of a new commit that piku passes over, or that did not arrive. Throws for
 * what only another host has.
 */
export function overlookedWarnings(
  host: Host,
  commit: Commit,
  { source, runtime }: Pick<Survey, "source" | "runtime">,
): string[] {
  refuseHerokuPhp(source);
  const marks = marksOf(host, commit);
  return [
    ...unreadWarnings(source, runtime, marks.htaccess),
    ...missingWarnings(host, commit, marks),
  ];
}
