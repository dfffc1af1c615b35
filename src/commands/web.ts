import { defineCommand } from "citty";
import { withTurn } from "../app/locks.ts";
import { pathsOf } from "../app/paths.ts";
import type { Host } from "../host/host.ts";
import { prepareWeb, tryWeb } from "../site/prepare.ts";
import { tellAside } from "../site/refused.ts";
import { PikuError } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";

export const web = (host: Host) =>
  defineCommand({
    meta: {
      description: "INTERNAL: Make ready what nginx starts with, without the sites that it refuses",
      example: "piku web",
    },
    args: {
      try: { type: "boolean", description: "say whether nginx of piku's own would take all sites" },
    },
    run({ args }) {
      const paths = pathsOf(host);
      const voice = voiceOf(host);
      withTurn(host, paths, "machine", undefined, "", () => {
        if (!args.try) return tellAside(host, prepareWeb(host, paths));
        const { aside, complaint } = tryWeb(host, paths);
        for (const path of aside)
          voice.log(
            `-----> Left aside, since it is another user's: ${path}; nobody needs it any more.`,
          );
        if (complaint)
          throw new PikuError(`an nginx of piku's own refuses the sites: ${complaint}`);
      });
    },
  });
