import { version as number } from "../../package.json" with { type: "json" };
import { withLock } from "../app/locks.ts";
import { pathsOf } from "../app/paths.ts";
import { noteRelease } from "../board/newer.ts";
import { compareVersions, readPikuRelease } from "../board/release.ts";
import { getExecutable, refuseOlder, releasesAt, replaceSelf, takeOld } from "../board/self.ts";
import { voiceOf } from "../text/output.ts";
import { command } from "./command.ts";

/** How an offered version stands to this one, as a sentence. */
function compared(offered: string): string {
  const difference = compareVersions(offered, number);
  if (difference === 0) return `This is piku ${number}, the newest.`;
  return difference > 0
    ? `piku ${offered} is out, and this is ${number}. To update: update`
    : `This is piku ${number}, which is newer than the ${offered} there.`;
}

export const update = command({
  name: "update",
  group: "The board",
  description: "Update piku, or go back to the release before",
  details:
    "A release has to be signed with a key that this piku knows, and may not be older than it. The one that is replaced is kept beside it, as piku.old.",
  examples: [
    "ssh piku@board update --check",
    "ssh piku@board update",
    "ssh piku@board update --rollback",
  ],
  alias: ["upgrade"],
  args: {
    from: {
      type: "string",
      valueHint: "URL",
      description:
        "a URL, or a directory on the board, with SHA256SUMS and the executables; PIKU_RELEASES in ~/.piku/ENV unless given",
    },
    check: { type: "boolean", description: "only say whether there is a newer release" },
    force: { type: "boolean", description: "take an older release too" },
    rollback: { type: "boolean", description: "go back to the release that was replaced last" },
  },
  run({ args, host }) {
    const paths = pathsOf(host);
    withLock(host, paths, "update", undefined, "", () => {
      const fresh = `${host.self}.new`;
      // One that was cut off may have left the earlier release under this name, and a download
      // would be written into it.
      host.remove(fresh);
      try {
        if (args.rollback) takeOld(host, fresh);
        else {
          const from = releasesAt(host, args.from);
          if (!args.check) voiceOf(host).log("Updating piku...");
          const release = readPikuRelease(host, from, fresh);
          if (args.from === undefined) noteRelease(host, paths, release.version);
          if (args.check) return host.say(compared(release.version));
          if (!args.force) refuseOlder(release);
          if (!getExecutable(host, release, fresh))
            return host.say(`This is piku ${number} already.`);
        }
        replaceSelf(host, fresh, args.rollback ? "Back again" : "Update successful");
      } finally {
        host.remove(fresh);
      }
      voiceOf(host).log("Done.");
    });
  },
});
