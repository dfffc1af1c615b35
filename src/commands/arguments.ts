import type { ArgDef, CommandDef } from "citty";
import { usageError } from "../text/errors.ts";
import { printable } from "../text/text.ts";

declare module "citty" {
  interface CommandMeta {
    /** A call that somebody could type, shown first in the command's help. */
    example?: string;
  }
}

/** Commands by name, in the order of the help page. */
// biome-ignore lint/suspicious/noExplicitAny: each command has arguments of its own.
export type Commands = Record<string, CommandDef<any>>;

/** The app of a command, its first argument. */
export const appArg = {
  type: "positional",
  description: "the app's name",
  required: true,
} as const;

/** Where a list or a record comes out. */
export const jsonArg = { type: "boolean", description: "as one JSON text" } as const;

/** What makes the last positional argument of a command stand for as many words as there are. */
export const many = { valueHint: "..." } as const;

/**
 * Refuses words that a command has no use for: an option that it does not know, or one word too
 * many. citty passes over both, and `apps && id` would list apps.
 */
export function refuseStrayWords(
  args: Readonly<Record<string, ArgDef>>,
  words: readonly string[],
): void {
  const positionals = Object.values(args).filter(({ type }) => type === "positional");
  const isMany = positionals.some(({ valueHint }) => valueHint === many.valueHint);
  let left = positionals.length;
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const option = /^--?([^=]+)/.exec(word)?.[1];
    if (word === "--") continue;
    if (option !== undefined) {
      const name = Object.keys(args).find(
        (one) => one === option || (args[one] as { alias?: string }).alias === option,
      );
      if (name === undefined) throw usageError(`there is no option '${printable(word)}'`);
      if (args[name]!.type === "string" && !word.includes("=")) i++;
    } else if (left-- <= 0 && !isMany) {
      throw usageError(`'${printable(word)}' is one word too many`);
    }
  }
}

/** The words behind the app of a command that takes many. */
export const wordsBehindApp = (rawArgs: readonly string[]) =>
  rawArgs.filter((word) => word !== "--").slice(1);
