import { type ArgDef, parseArgs, runCommand } from "citty";
import { exit, host } from "#host";
import { version } from "../package.json" with { type: "json" };
import { pathsOf } from "./app/paths.ts";
import { type Commands, refuseStrayWords } from "./commands/arguments.ts";
import { renderCommandHelp, renderHelp } from "./commands/help.ts";
import { commandsOf, passesOn } from "./commands/index.ts";
import { findPlugin, listPlugins, runPlugin } from "./commands/plugins.ts";
import { refuseForeign, wordsOf } from "./commands/ssh.ts";
import type { Host } from "./host/host.ts";
import { cleanEnvironment } from "./host/tools.ts";
import { Ended, explain, PikuError, usageError } from "./text/errors.ts";
import { voiceOf } from "./text/output.ts";
import { nearest, printable } from "./text/text.ts";

/**
 * Runs the command that this call asks for, and gives the exit code. The one place that shows an
 * error.
 */
async function main(host: Host): Promise<number> {
  const env = host.env();
  host.setEnv(cleanEnvironment(env));
  const commands = commandsOf(host, env.GIT_QUARANTINE_PATH);
  let name = "";
  try {
    const [first = "help", ...rest] = wordsOf(host.args, env);
    // What sshd asks for when scp or sftp connects.
    name = /(^|\/)(internal-sftp|sftp-server)$/.test(first) ? "sftp" : first;
    await dispatch(host, commands, name, rest);
    return 0;
  } catch (error) {
    return report(host, commands, name, error);
  }
}

const versionOf = (host: Host) => `piku ${version} (${host.target}, ${host.engine})`;

async function dispatch(
  host: Host,
  commands: Commands,
  name: string,
  rest: string[],
): Promise<void> {
  const paths = pathsOf(host);
  // `in` would also find what every object has, such as `toString`.
  const pluginOf = (wanted: string) =>
    Object.hasOwn(commands, wanted) ? undefined : findPlugin(host, paths, wanted);
  const find = (wanted: string) => {
    if (Object.hasOwn(commands, wanted)) return commands[wanted]!;
    const near = nearest(wanted, [
      ...Object.keys(commands),
      ...listPlugins(host, paths).map(({ name }) => name),
    ]);
    throw usageError(
      `there is no command '${printable(wanted)}'`,
      near ? `did you mean '${near}'?` : "`help` lists them",
    );
  };
  if (name === "--version" || name === "-V") return host.say(versionOf(host));
  if (name === "--help" || name === "-h" || name === "help") {
    const [wanted] = rest;
    if (wanted === undefined)
      return host.say(renderHelp(commands, listPlugins(host, paths), versionOf(host)));
    const plugin = pluginOf(wanted);
    return host.say(renderCommandHelp(wanted, plugin ? { meta: plugin } : find(wanted)));
  }
  const plugin = pluginOf(name);
  if (plugin) {
    refuseForeign(host, name, {}, true);
    return runPlugin(host, paths, plugin, name, rest);
  }
  const command = find(name);
  const args = (command.args ?? {}) as Record<string, ArgDef>;
  const passes = passesOn.includes(name);
  if (!passes) {
    // git's own clients send whatever their user typed for an app's name.
    if (!name.startsWith("git-") && rest.some((word) => word === "--help" || word === "-h"))
      return host.say(renderCommandHelp(name, command));
    refuseStrayWords(args, rest);
  } else if (rest[0] === "--help" && rest.length === 1) {
    return host.say(renderCommandHelp(name, command));
  }
  // What the command itself will make of these words.
  refuseForeign(host, name, passes ? {} : parseArgs(rest, args), passes);
  await runCommand(command, { rawArgs: rest });
}

/** Shows an error once, as the sentence that it is, and gives the exit code that goes with it. */
function report(host: Host, commands: Commands, name: string, error: unknown): number {
  if (error instanceof Ended) return error.exitCode;
  const voice = voiceOf(host);
  const { name: kind, message } = error as Error;
  // Nobody reads any more; there is nobody to tell.
  if (/^EPIPE\b/.test(message)) return 0;
  if (kind === "CLIError") {
    voice.error(
      message.replace(
        /^Missing required positional argument: (\w+)/,
        (_, arg: string) => `<${arg.toLowerCase()}> is missing`,
      ),
    );
    if (Object.hasOwn(commands, name)) host.complain(renderCommandHelp(name, commands[name]!));
    return 2;
  }
  const told = explain(error);
  voice.error(told.message);
  if (told.hint) host.complain(`Hint: ${told.hint}`);
  return error instanceof PikuError ? error.exitCode : 1;
}

exit(await main(host));
