import { namedApp } from "../app/app.ts";
import type { Host } from "../host/host.ts";
import { PikuError } from "../text/errors.ts";
import { printable, splitWords } from "../text/text.ts";

const maxCommandLength = 256 * 1024;

/**
 * What an ssh client asked for, from `SSH_ORIGINAL_COMMAND` (sshd(8)): words with quotes read and
 * nothing expanded. The command line of `run` is kept to the letter as one word, since the app's
 * shell reads it. Throws a usage error.
 */
export function parseSshCommand(line: string): string[] {
  if (line.length > maxCommandLength)
    throw new PikuError("the command is longer than 256 KB", undefined, 2);
  const { words, rest } = splitWords(line, 2);
  if (words[0] !== "run" || words[1] === undefined) return splitWords(line).words;
  const command = rest.replace(/^--([ \t\r\n]+|$)/, "");
  return command === "" ? words : [...words, "--", command];
}

/**
 * The words of this call. As a forced command they are those of `SSH_ORIGINAL_COMMAND`: the key
 * lines of the original pass them as arguments too, split by a shell that has expanded `*`. A hook
 * below such a call has words of its own.
 */
export function calledWords(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): readonly string[] {
  const line = env.SSH_ORIGINAL_COMMAND;
  if (line === undefined) return args;
  const first = line.trim().split(/\s/)[0];
  const words = args.length === 0 || args[0] === first ? parseSshCommand(line) : args;
  // What sshd asks for when scp or sftp connects.
  const isSftp = /(^|\/)(internal-sftp|sftp-server)$/.test(words[0] ?? "");
  return isSftp ? ["sftp", ...words.slice(1)] : words;
}

/**
 * Refuses what a key that is bound to apps (`PIKU_KEY_APPS` of its line) may not do: everything but
 * a command about one of them. `args`: what the command was given; `opensAll`: whether it is a way
 * to every file, as `run` is.
 */
export function refuseForeign(
  host: Host,
  name: string,
  args: Readonly<Record<string, unknown>>,
  opensAll: boolean,
): void {
  const bound = host.env().PIKU_KEY_APPS;
  if (bound === undefined) return;
  const { app } = args;
  const typed = typeof app === "string" ? app.replace(/^\//, "").replace(/\.git$/, "") : "";
  const isOwn = bound.split(",").includes(typed) && namedApp(host, app as string).name === typed;
  if (isOwn && !args.global && !opensAll) return;
  const what =
    typeof app === "string" && !opensAll && !args.global ? `app '${printable(app)}'` : `'${name}'`;
  throw new PikuError(
    `this key is not for ${what}`,
    `it is for pushes to ${bound.replaceAll(",", ", ")}, and commands about ${bound.includes(",") ? "these apps" : "this app"} but \`run\``,
  );
}
