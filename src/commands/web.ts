import { withLock } from "../app/locks.ts";
import { pathsOf } from "../app/paths.ts";
import { prepareWeb, tryWeb } from "../site/prepare.ts";
import { tellAside } from "../site/refused.ts";
import { PikuError } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { command } from "./command.ts";

export const web = command({
  name: "web",
  group: "Internal",
  description: "Prepare nginx's start, without refused sites",
  examples: ["ssh piku@board web --try"],
  args: {
    try: {
      type: "boolean",
      description: "only test whether piku's own nginx takes all sites",
    },
  },
  run({ args, host }) {
    const paths = pathsOf(host);
    const voice = voiceOf(host);
    withLock(host, paths, "machine", undefined, "", () => {
      if (!args.try) return tellAside(host, prepareWeb(host, paths));
      const { aside, complaint } = tryWeb(host, paths);
      for (const path of aside)
        voice.log(`-----> Moved aside, since another user owns it: ${path}; it is not needed.`);
      if (complaint) throw new PikuError(`piku's own nginx refuses the sites: ${complaint}`);
    });
  },
});
