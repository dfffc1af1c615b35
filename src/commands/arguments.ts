import { printable } from "../app.ts";
import { usageError } from "../errors.ts";

declare module "citty" {
  interface CommandMeta {
    /** A call that somebody could type, shown first in the command's help. */
    example?: string;
  }
}

/** The app of a command, its first argument. */
export const appArg = { type: "positional", description: "the app's name", required: true } as const;

/** The arguments behind the app, of a command that takes no options. Throws a usage error for an option, or for too few. */
export function wordsBehindApp(rawArgs: readonly string[], least: number, what: string): string[] {
  const words = rawArgs.filter((word) => word !== "--").slice(1);
  const option = rawArgs.find((word) => /^-[^=]*$/.test(word) && word !== "--");
  if (option) throw usageError(`there is no option '${printable(option)}'`);
  if (words.length < least) throw usageError(`${what} is missing`);
  return words;
}
