import type { BooleanArgDef, CommandContext, PositionalArgDef, StringArgDef } from "citty";
import type { Host } from "../host/host.ts";

/** The headings of the help page, in its order. */
export const groups = ["Apps", "Deploys", "Settings", "The board", "Internal"] as const;

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

/** What is known of a command without running it: its row of help, manual and completion. */
export interface Meta {
  name: string;
  /** Its heading; what nobody types is `Internal`. */
  group: (typeof groups)[number];
  /** One sentence without its full stop, short enough for a row of the help page. */
  description: string;
  /** Calls as they are typed over ssh. */
  examples: readonly [string, ...string[]];
  /** Other words that people try for it. */
  alias?: string[];
  /** Whether its words are another program's: piku reads no options among them. */
  passesOn?: true;
  /** Whether keys that are bound to apps may give it, though it is about no app. */
  forEveryKey?: true;
}

type Value<A> = A extends { type: "boolean" }
  ? boolean | undefined
  : A extends { required: true }
    ? string
    : string | undefined;

/** What a call gives to every command. */
export interface Call {
  host: Host;
  /** Where git keeps the objects of a push until it accepts them; only its hook has it. */
  incoming?: string;
}

/** What a command runs with. */
interface Context<T extends Arguments> extends Call {
  args: { [Name in keyof T]: Value<T[Name]> };
  /** The words that are no options, as they were typed. */
  words: readonly string[];
}

/** A command as citty runs it; its `data` is the call. */
export interface Command {
  meta: Meta;
  args: Arguments;
  // biome-ignore lint/suspicious/noExplicitAny: each command has arguments of its own.
  run(context: CommandContext<any>): void;
}

/** Makes a command of its row. Type inference is all that a row needs it for. */
export const command = <const T extends Arguments>({
  args,
  run,
  ...meta
}: Meta & { args?: T; run(context: Context<T>): void }): Command => ({
  meta,
  args: args ?? {},
  run: ({ args, data }) => run({ ...(data as Call), args: args as never, words: args._ }),
});

/** The app of a command, its first argument. */
export const appArg = {
  type: "positional",
  description: "the app's name",
  required: true,
} as const;

/** For a command that prints a list or a record. */
export const jsonArg = { type: "boolean", description: "print JSON" } as const;
