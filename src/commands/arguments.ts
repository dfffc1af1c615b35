import { parseArgs } from "citty";
import type { Host } from "../host/host.ts";
import { usageError } from "../text/errors.ts";
import { nearest, printable } from "../text/text.ts";
import type { Argument, Arguments, Command } from "./command.ts";

const helpOption: Arguments = { help: { type: "boolean", alias: "h" } };

/** The arguments of a command by their names, in order, without its options. */
export const positionalsOf = ({ args = {} }: Command): [string, Argument][] =>
  Object.entries<Argument>(args).filter(([, { type }]) => type === "positional");

/** Whether a command is about an app. */
export const takesApp = (command: Command) => positionalsOf(command)[0]?.[0] === "app";

/** The options of a command by their names. */
export const optionsOf = ({ args = {} }: Command): [string, Argument][] =>
  Object.entries<Argument>(args).filter(([, { type }]) => type !== "positional");

const aliasesOf = (option: Argument): string[] =>
  option.type === "positional" ? [] : [option.alias ?? []].flat();

/** How an option is typed, short forms first: `-n`, `--lines`; `--no-follow` of what is on. */
export const spellings = ([name, option]: [string, Argument]): string[] => {
  if ("negativeDescription" in option) return [`--no-${name}`];
  const names = [name, ...aliasesOf(option)];
  const isShort = (one: string) => one.length === 1;
  const long = names.filter((one) => !isShort(one));
  return [...names.filter(isShort).map((one) => `-${one}`), ...long.map((one) => `--${one}`)];
};

/** An argument as a usage line shows it: `<app>`, `[process]`, `<settings...>`. */
export const shownArgument = ([name, { required, many }]: [string, Argument]) => {
  const shown = many ? `${name}...` : name;
  return required ? `<${shown}>` : `[${shown}]`;
};

/** How a command is called: `logs <app> [process] [options]`. */
export const usageOf = (command: Command) =>
  [
    command.name,
    ...positionalsOf(command).map(shownArgument),
    ...(optionsOf(command).length > 0 ? ["[options]"] : []),
  ].join(" ");

/**
 * What citty will make of the words behind a command's name: its options, its arguments by their
 * names, and `help`. citty passes over what it does not know, and `apps && id` would list apps:
 * throws a usage error for a wrong option, a word too many, a missing one, and a value of the wrong
 * form.
 */
export function readWords(command: Command, words: readonly string[]): Record<string, unknown> {
  // git's own clients send whatever their user typed for an app's name.
  const explainsItself = command.group !== "Internal";
  const positionals = positionalsOf(command);
  const options = Object.fromEntries(optionsOf(command));
  const end = words.indexOf("--");
  // citty keeps arguments under `_`, and an object has a `__proto__`: no options may be called so.
  // Behind one dash citty takes each letter for an option, but behind one that has a value.
  const takesValue = (letter: string) =>
    Object.values(options).some(
      (option) => option.type === "string" && aliasesOf(option).includes(letter),
    );
  const odd = words
    .slice(0, end < 0 ? words.length : end)
    .find(
      (word) =>
        /^-[^=]*[^A-Za-z0-9=-]/.test(word) || (/^-[^-].*_/s.test(word) && !takesValue(word[1]!)),
    );
  if (odd !== undefined) throw noOption(command, odd);
  const known = explainsItself ? { ...options, ...helpOption } : options;
  const { _: given, ...found } = parseArgs([...words], known);
  if (explainsItself && found.help) return { help: true };
  refuseOptions(command, known, found, words);
  for (const [i, [name, { required }]] of positionals.entries())
    if (required && given[i] === undefined)
      throw usageError(`<${name}> is missing`, `e.g.: ${command.examples[0]}`);
  const isOpen = command.passthrough || positionals.some(([, { many }]) => many);
  if (given.length > positionals.length && !isOpen)
    throw usageError(
      `unexpected word '${printable(given[positionals.length]!)}'`,
      optionsOf(command).some(([name, { valueHint }]) => valueHint === "TEXT" && found[name])
        ? `quotes around spaces must reach the server: ${command.examples.at(-1)}`
        : `usage: ${usageOf(command)}`,
    );
  const values = {
    ...found,
    ...Object.fromEntries(positionals.map(([name], i) => [name, given[i]])),
  };
  for (const entry of [...positionals, ...optionsOf(command)]) refuseForm(entry, values[entry[0]]);
  return values;
}

/** Refuses options that a command does not have, or that lack their value. */
function refuseOptions(
  command: Command,
  options: Arguments,
  found: Readonly<Record<string, unknown>>,
  words: readonly string[],
): void {
  const known = Object.entries(options).flatMap(([name, option]) => [name, ...aliasesOf(option)]);
  const isKnown = (key: string) =>
    // citty also gives `if-time` as `ifTime`.
    known.includes(key) || known.includes(key.replace(/[A-Z]/g, (one) => `-${one.toLowerCase()}`));
  for (const [key, value] of Object.entries(found)) {
    const option = options[key];
    const isText = option?.type === "string";
    if (isText && value === "")
      throw usageError(
        `--${key} needs a value`,
        `--${key} ${option.valueHint}: ${option.description}`,
      );
    if (isKnown(key) && !(isText && value === false)) continue;
    const typed =
      words.find((word) => /^-/.test(word) && word.replace(/^--?(no-)?/, "").startsWith(key)) ??
      `-${key}`;
    throw noOption(command, typed);
  }
}

/** The error for an option that a command does not have; names the one that was meant, if any. */
function noOption(command: Command, typed: string): Error {
  const near = nearest(typed.replace(/=.*/s, ""), optionsOf(command).flatMap(spellings));
  return usageError(
    `there is no option '${printable(typed)}'`,
    near ? `did you mean '${near}'?` : `usage: ${usageOf(command)}`,
  );
}

/** Refuses a value that does not look as it must. */
function refuseForm(entry: [string, Argument], value: unknown): void {
  const [name, { type, pattern, valueHint, description }] = entry;
  if (typeof value !== "string" || !pattern || pattern.test(value)) return;
  const [what, where, form] =
    type === "positional"
      ? [name, "", shownArgument(entry)]
      : [valueHint!.toLowerCase(), ` for --${name}`, `--${name} ${valueHint}`];
  throw usageError(`invalid ${what} '${printable(value)}'${where}`, `${form}: ${description}`);
}

/** The file on the server that somebody means who typed this; an absolute path. */
export const typedPath = (host: Host, typed: string) =>
  typed.startsWith("/") ? typed : `${host.env().PWD ?? ""}/${typed}`;
