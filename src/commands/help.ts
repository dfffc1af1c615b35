import { version as number } from "../../package.json" with { type: "json" };
import { boundApps } from "../app/caller.ts";
import { pathsOf } from "../app/paths.ts";
import type { Host } from "../host/host.ts";
import {
  optionsOf,
  positionalsOf,
  shownArgument,
  spellings,
  takesApp,
  usageOf,
} from "./arguments.ts";
import { type Argument, type Command, command, groups } from "./command.ts";
import { listPlugins, type Plugin } from "./plugins.ts";

const width = 80;

/** A text in lines of at most so many columns; a longer word has a line of its own. */
const wrapped = (text: string, columns: number): string[] =>
  text.match(new RegExp(`\\S.{0,${columns - 1}}(?= |$)|\\S+`, "g")) ?? [""];

type NamedRow = readonly [string, string];

/** Names and what they are, below each other. */
const rows = (
  pairs: readonly NamedRow[],
  column = Math.max(...pairs.map(([name]) => name.length)),
) =>
  pairs.flatMap(([name, what]) =>
    wrapped(what, width - column - 4).map(
      (line, i) => `  ${(i === 0 ? name : "").padEnd(column)}  ${line}`,
    ),
  );

const pikuVersion = (host: Host) => `piku ${number} (${host.target}, ${host.engine})`;

/**
 * The help page, with internal commands only when `all` is set. Their lines say so besides, since
 * the original's client script leaves out lines with that word.
 */
export function renderHelp(
  commands: readonly Command[],
  plugins: readonly Plugin[],
  version: string,
  all = false,
): string {
  const shown = commands.filter(({ group }) => all || group !== "Internal");
  const column = Math.max(...shown.map(({ name }) => name.length));
  const section = (title: string, pairs: readonly NamedRow[]) =>
    pairs.length > 0 ? ["", `${title}:`, ...rows(pairs, column)] : [];
  const ofGroup = (title: string) =>
    section(
      title,
      shown.filter(({ group }) => group === title).map((one) => [one.name, describe(one)]),
    );
  return [
    `${version}: the smallest PaaS you've ever seen`,
    "",
    "e.g.: git push piku@board:blog main",
    "      ssh piku@board logs blog",
    "      ssh piku@board config:set blog DEBUG=1",
    "      ssh piku@board rollback blog",
    ...groups.filter((group) => group !== "Internal").flatMap(ofGroup),
    ...section(
      "Plugins",
      plugins.map(({ name, description }) => [name, description]),
    ),
    ...ofGroup("Internal"),
    "",
    "`help COMMAND` or `COMMAND --help` shows an example of each.",
    "`--no-color` behind any of them leaves colours out.",
  ].join("\n");
}

const describe = ({ group, description }: Command) =>
  group === "Internal" ? `INTERNAL: ${description}` : description;

/** An option as it is typed, with what its value stands for, and what it does. */
export const shownOption = (entry: readonly [string, Argument]): NamedRow => {
  const [name, option] = entry;
  const value = option.type === "string" ? ` ${option.valueHint}` : "";
  const what = "negativeDescription" in option ? option.negativeDescription : option.description;
  return [`${spellings([name, option]).join(", ")}${value}`, what ?? ""];
};

/** The help of one command: examples first. */
export function renderCommandHelp(one: Command): string {
  const pairs: NamedRow[] = [
    ...positionalsOf(one).map(
      (entry): NamedRow => [shownArgument(entry), entry[1].description ?? ""],
    ),
    ...optionsOf(one).map(shownOption),
  ];
  return [
    ...one.examples.map((example, i) => `${i === 0 ? "e.g.:" : "     "} ${example}`),
    "",
    ...wrapped([`${describe(one)}.`, one.details ?? ""].join(" ").trim(), width),
    "",
    `usage: ${usageOf(one)}`,
    ...(pairs.length > 0 ? ["", ...rows(pairs)] : []),
  ].join("\n");
}

/** The help of a plugin, of which only its description is known. */
const renderPluginHelp = ({ name, description }: Plugin) =>
  `e.g.: ssh piku@board ${name}\n\n${description}.`;

/** `find`: the command or the plugin of a name; throws when there is none. */
export const help = (
  commands: () => Promise<readonly Command[]>,
  find: (host: Host, name: string) => Promise<Command | Plugin>,
) =>
  command({
    name: "help",
    group: "The board",
    description: "List all commands, or explain one",
    examples: ["ssh piku@board help", "ssh piku@board help config:set"],
    alias: ["--help", "-h"],
    forEveryKey: true,
    args: {
      command: {
        type: "positional",
        description: "a command's name; all of them unless given",
        required: false,
      },
      all: { type: "boolean", description: "list internal commands as well" },
    },
    async run({ args, host }) {
      if (args.command === undefined) {
        const isBound = boundApps(host) !== undefined;
        const shown = (await commands()).filter(
          (one) => !isBound || one.forEveryKey || (takesApp(one) && !one.passthrough),
        );
        const plugins = isBound ? [] : listPlugins(host, pathsOf(host));
        return host.say(renderHelp(shown, plugins, pikuVersion(host), args.all));
      }
      const found = await find(host, args.command);
      host.say("group" in found ? renderCommandHelp(found) : renderPluginHelp(found));
    },
  });

export const version = command({
  name: "--version",
  group: "The board",
  description: "Show piku's version, its target and its engine",
  examples: ["ssh piku@board --version"],
  alias: ["-V", "-v", "version"],
  forEveryKey: true,
  run: ({ host }) => host.say(pikuVersion(host)),
});
