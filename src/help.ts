import type { ArgDef, CommandDef } from "citty";
import type { Commands } from "./cli.ts";

const rows = (pairs: readonly (readonly [string, string])[]) => {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, what]) => `  ${name.padEnd(width)}  ${what}`);
};

type Meta = { description?: string; example?: string };

/** Definitions here are plain objects, never promises or functions as citty would allow. */
const metaOf = (command: CommandDef) => (command.meta ?? {}) as Meta;
const argsOf = (command: CommandDef) => (command.args ?? {}) as Record<string, ArgDef>;

/** The help page. Its internal lines say so, since the original's client script leaves them out by that word. */
export const renderHelp = (commands: Commands, version: string) =>
  [
    `${version}: the smallest PaaS you've ever seen`,
    "",
    "e.g.: git push piku@host:blog main",
    "      ssh piku@host logs blog",
    "",
    "Commands:",
    ...rows(Object.entries(commands).map(([name, command]) => [name, metaOf(command).description ?? ""] as const)),
    "",
    "`help COMMAND` or `COMMAND --help` shows an example of each.",
  ].join("\n");

/** The help of one command: an example first. */
export function renderCommandHelp(name: string, command: CommandDef): string {
  const { description, example } = metaOf(command);
  const args = Object.entries(argsOf(command)).map(([arg, { type, required, description: what }]) => {
    const shown = type === "positional" ? arg : `--${arg}`;
    return [type === "positional" && required ? `<${shown}>` : `[${shown}]`, what ?? ""] as const;
  });
  return [
    `e.g.: ${example ?? `piku ${name}`}`,
    "",
    `${description}.`,
    ...(args.length > 0 ? ["", ...rows(args)] : []),
  ].join("\n");
}
