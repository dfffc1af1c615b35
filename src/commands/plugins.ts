import { type Paths, pathVariables } from "../app/paths.ts";
import type { Host } from "../host/host.ts";
import { isExecutable } from "../host/tools.ts";
import { Ended } from "../text/errors.ts";

/** An executable in `~/.piku/plugins`: the command of its name, and each `NAME:…`. */
export interface Plugin {
  name: string;
  file: string;
  /** Its first comment line, for the help page. */
  description: string;
}

/**
 * The plugins of this board, or those of some names. The original's, which are folders of Python,
 * are none.
 */
export const listPlugins = (host: Host, paths: Paths, names = host.list(paths.plugins)): Plugin[] =>
  names
    .filter(
      (name) => /^[a-z][\w-]{0,99}$/.test(name) && isExecutable(host, `${paths.plugins}/${name}`),
    )
    .map((name) => ({
      name,
      file: `${paths.plugins}/${name}`,
      description: describePlugin(host, `${paths.plugins}/${name}`),
    }));

/** The plugin that a command such as `dns` or `dns:add` is for. */
export const findPlugin = (host: Host, paths: Paths, command: string): Plugin | undefined =>
  listPlugins(host, paths, [command.split(":")[0]!])[0];

/**
 * Runs a plugin with the words behind its name. Throws `Ended` with its exit status unless that is
 * 0.
 */
export function runPlugin(
  host: Host,
  paths: Paths,
  plugin: Plugin,
  command: string,
  words: readonly string[],
): void {
  const env = { ...host.env(), ...pathVariables(host, paths), PIKU_COMMAND: command };
  const status = host.run([plugin.file, ...words], { env });
  if (status !== 0) throw new Ended(status);
}

function describePlugin(host: Host, file: string): string {
  const { stdout } = host.capture(["head", "-c", "1000", file]);
  return /^#!.*\n#+ *([^\n]+?)\.?\n/.exec(stdout)?.[1] ?? "A plugin of this board";
}
