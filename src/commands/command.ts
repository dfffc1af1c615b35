import type { BooleanArgDef, PositionalArgDef, StringArgDef } from "citty";
import type { Host } from "../host/host.ts";
import type { Push } from "../repository/push.ts";

/** The headings of the help page, in its order. */
export const groups = [
  "Your computer",
  "Apps",
  "Deploys",
  "Settings",
  "The board",
  "Internal",
] as const;

/** An argument or an option, as citty declares it, and what a value of it must look like. */
export type Argument = (
  | (PositionalArgDef & { type: "positional"; required: boolean })
  | (StringArgDef & { type: "string"; valueHint: string })
  | (BooleanArgDef & { type: "boolean" })
) & {
  /** A positional that takes all the words that are left. */
  many?: true;
  pattern?: RegExp;
};
export type Arguments = Record<string, Argument>;

type ArgumentValue<A> = A extends { type: "boolean" }
  ? boolean | undefined
  : A extends { required: true }
    ? string
    : string | undefined;

/** What a call gives to every command. */
export interface Call {
  host: Host;
  /** What git tells its hook of a push; nobody else has it. */
  push?: Push;
}

/** What a command runs with. */
interface Context<T extends Arguments> extends Call {
  args: { [Name in keyof T]: ArgumentValue<T[Name]> };
  /** The words that are no options, as they were typed. */
  words: readonly string[];
}

/**
 * What people type: a row of the table of commands, of which help, manual and completion are made.
 */
// biome-ignore lint/suspicious/noExplicitAny: each command has arguments of its own.
export interface Command<T extends Arguments = any> {
  name: string;
  /** Its heading; what nobody types is `Internal`. */
  group: (typeof groups)[number];
  /** One sentence without its full stop, short enough for a row of the help page. */
  description: string;
  /** What else there is to know, in a sentence or three. */
  details?: string;
  /** Calls as they are typed over ssh. */
  examples: readonly [string, ...string[]];
  /** Other words that people try for it. */
  alias?: string[];
  /** Whether its words are another program's: piku reads no options among them. */
  passthrough?: true;
  /** Whether keys that are bound to apps may give it, though it is about no app. */
  forEveryKey?: true;
  args?: T;
  run(context: Context<T>): void | Promise<void>;
}

/** Gives a row as it is; its arguments tell TypeScript what `run` gets. */
export const command = <const T extends Arguments>(row: Command<T>): Command => row;

/** The app of a command, its first argument. */
export const appArg = {
  type: "positional",
  description: "the app's name",
  required: true,
} as const;

/** For a command that prints a list or a record. */
export const jsonArg = { type: "boolean", description: "print JSON" } as const;
