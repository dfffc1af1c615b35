import type { ArgDef, CommandDef } from "citty";
import type { Commands } from "./arguments.ts";
import type { Plugin } from "./plugins.ts";

const rows = (
  pairs: readonly (readonly [string, string])[],
  width = Math.max(...pairs.map(([name]) => name.length)),
) => {
  return pairs.map(([name, what]) => `  ${name.padEnd(width)}  ${what}`);
};

type Meta = { description?: string; example?: string };

/** Definitions here are plain objects, never promises or functions as citty would allow. */
const metaOf = (command: CommandDef) => (command.meta ?? {}) as Meta;
const argsOf = (command: CommandDef) => (command.args ?? {}) as Record<string, ArgDef>;

/** What the help page shows together, by the part of a command's name before its colon. */
const groups: readonly [string, readonly string[]][] = [
  ["Apps", ["apps", "ps", "logs", "run", "restart", "stop", "destroy", "maintenance"]],
  ["Deploys", ["deploy", "releases", "rollback"]],
  ["Settings", ["config"]],
  ["The board", ["doctor", "keys", "backup", "restore", "setup", "update", "completion"]],
];

/**
 * The help page. Its internal lines say so, since the original's client script leaves them out by
 * that word; a command of no group stands with them.
 */
export function renderHelp(
  commands: Commands,
  plugins: readonly Plugin[],
  version: string,
): string {
  const entries = Object.entries(commands).map(
    ([name, command]) => [name, metaOf(command).description ?? ""] as const,
  );
  const groupOf = (name: string) =>
    groups.find(([, names]) => names.includes(name.split(":")[0]!))?.[0];
  const width = Math.max(
    ...[...entries, ...plugins.map(({ name }) => [name])].map(([name]) => name!.length),
  );
  const section = (title: string, pairs: readonly (readonly [string, string])[]) =>
    pairs.length > 0 ? ["", `${title}:`, ...rows(pairs, width)] : [];
  return [
    `${version}: the smallest PaaS you've ever seen`,
    "",
    "e.g.: git push piku@host:blog main",
    "      ssh piku@host logs blog",
    "      ssh piku@host config:set blog DEBUG=1",
    "      ssh piku@host rollback blog",
    ...groups.flatMap(([title]) =>
      section(
        title,
        entries.filter(([name]) => groupOf(name) === title),
      ),
    ),
    ...section(
      "Plugins",
      plugins.map(({ name, description }) => [name, description] as const),
    ),
    ...section(
      "Internal",
      entries.filter(([name]) => groupOf(name) === undefined),
    ),
    "",
    "`help COMMAND` or `COMMAND --help` shows an example of each.",
  ].join("\n");
}

/** The help of one command: an example first. */
export function renderCommandHelp(name: string, command: CommandDef): string {
  const { description, example } = metaOf(command);
  const args = Object.entries(argsOf(command)).map(
    ([arg, { type, required, description: what }]) => {
      const shown = type === "positional" ? arg : `--${arg}`;
      return [type === "positional" && required ? `<${shown}>` : `[${shown}]`, what ?? ""] as const;
    },
  );
  return [
    `e.g.: ${example ?? `piku ${name}`}`,
    "",
    `${description}.`,
    ...(args.length > 0 ? ["", ...rows(args)] : []),
  ].join("\n");
}
