import { command } from "../commands/command.ts";
import type { Host } from "../host/host.ts";
import { usageError } from "../text/errors.ts";
import { printable } from "../text/text.ts";
import { findPlace, type Place, requireApp, type Wanted } from "./place.ts";
import { inBrackets } from "./remotes.ts";
import { end } from "./ssh.ts";

const treeArg = {
  type: "boolean",
  description: "below the app's own directory, not that of its data",
} as const;

/**
 * A path of scp(1) below an app's data, or below its tree. Throws for one that leads out of there.
 */
export function remotePath(place: Place, file: string, tree: boolean | undefined): string {
  if (file.startsWith("/") || file.split("/").includes(".."))
    throw usageError(
      `'${printable(file)}' is not a path below the app's directory`,
      "write it as uploads/photo.jpg",
    );
  const folder = `.piku/${tree ? "apps" : "data"}/${requireApp(place)}`;
  return `${inBrackets(place.board)}:${folder}/${file}`;
}

function copy(host: Host, { board: { port } }: Place, from: string, to: string): void {
  const scp = ["scp", "-r", ...(port ? ["-P", port] : []), "--", from, to];
  end(host.run(scp));
}

export const download = (wanted: Wanted) =>
  command({
    name: "download",
    group: "Your computer",
    description: "Copy a file or a directory of the app's data here",
    examples: ["piku download uploads/photo.jpg", "piku download --tree app.log logs"],
    args: {
      file: { type: "positional", description: "below the data's directory", required: true },
      to: { type: "positional", description: "where to; here unless given", required: false },
      tree: treeArg,
    },
    run({ args, host }) {
      const place = findPlace(host, wanted);
      copy(host, place, remotePath(place, args.file, args.tree), args.to ?? ".");
    },
  });

export const upload = (wanted: Wanted) =>
  command({
    name: "upload",
    group: "Your computer",
    description: "Copy a file or a directory into the app's data",
    examples: ["piku upload photo.jpg uploads"],
    args: {
      file: { type: "positional", description: "a file or a directory here", required: true },
      to: {
        type: "positional",
        description: "below the data's directory; the directory itself unless given",
        required: false,
      },
      tree: treeArg,
    },
    run({ args, host }) {
      const place = findPlace(host, wanted);
      copy(host, place, args.file, remotePath(place, args.to ?? "", args.tree));
    },
  });
