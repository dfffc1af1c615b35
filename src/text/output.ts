import { createConsola } from "consola/core";
import type { Host } from "../host/host.ts";

const prefixes: Record<string, string> = { start: "-----> ", warn: "Warning: ", error: "Error: " };

const colours: [RegExp, number][] = [
  [/^-----> /, 32],
  [/^(Warning|Hint): /, 33],
  [/^Error: /, 31],
];

/** A line in the colour of its meaning, for a terminal. */
export function paint(line: string): string {
  const colour = colours.find(([pattern]) => pattern.test(line))?.[1];
  return colour ? `\u001b[${colour}m${line}\u001b[0m` : line;
}

const usualWidth = 80;

/** How many columns the terminal of this command has. */
export function widthOf(host: Host): number {
  const { stdout } = host.capture(["stty", "-F", "/dev/tty", "size"]);
  return Number(/^\d+ (\d+)\s*$/.exec(stdout)?.[1]) || usualWidth;
}

/**
 * Whether this descriptor is a terminal that shows colours: not a dumb one, and nobody has said
 * `--no-color` or NO_COLOR (no-color.org).
 */
export function hasColours(host: Host, descriptor: number): boolean {
  const { TERM, NO_COLOR } = host.env();
  return host.isTerminal(descriptor) && TERM !== "dumb" && !NO_COLOR;
}

/**
 * How piku speaks: `start` begins a step (`-----> …`), `log` prints a line as it is, `warn` and
 * `error` say what they are; errors go to stderr. Colour only on a terminal.
 */
export const voiceOf = (host: Host) =>
  createConsola({
    throttle: 0,
    reporters: [
      {
        log({ type, args }) {
          const line = `${prefixes[type] ?? ""}${args.join(" ")}`;
          if (type === "error") host.sayError(hasColours(host, 2) ? paint(line) : line);
          else host.say(hasColours(host, 1) ? paint(line) : line);
        },
      },
    ],
  });
