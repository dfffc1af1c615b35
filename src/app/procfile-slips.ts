import { printable } from "../text/text.ts";

const kinds = "web|wsgi|jwsgi|rwsgi|php|static|worker|clock|release|preflight|cron\\w*";

/** A pattern for words whose letters may be capitals. */
const anyCase = (words: string) =>
  words.replace(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}]`);

/** A line as it should be. */
const asItShouldBe = (kind: string, command: string) =>
  `write it as \`${kind.toLowerCase()}: ${printable(command)}\`, commit and push`;

/**
 * Slips of the pen in a line of a Procfile: the pattern, what is wrong, and what to write instead.
 * None of these lines ever did what was meant.
 */
const slips: readonly (readonly [
  line: RegExp,
  what: (found: readonly string[]) => string,
  next: (found: readonly string[]) => string,
])[] = [
  [
    /^([\w-]+)\s*(?:=>|:=|=|;|：|->)\s*(\S.*)$/,
    ([line, kind]) =>
      `'${printable(
        line!
          .slice(kind!.length)
          .trim()
          .match(/^(=>|:=|->|.)/u)![0],
      )}' stands where a colon should be`,
    ([, kind, command]) => asItShouldBe(kind!, command!),
  ],
  [
    new RegExp(`^(${kinds})[ \\t]+([^\\s:].*)$`, "i"),
    ([, kind]) => `a colon is missing behind '${kind}'`,
    ([, kind, command]) => asItShouldBe(kind!, command!),
  ],
  [
    /^["'`](\w[\w-]*)["'`]?\s*:\s*["'`]?(.*?)["'`,]*$/,
    () => "quotes do not belong around a line",
    ([, kind, command]) => asItShouldBe(kind!, command!),
  ],
  [
    /^[-*+]\s+(\w[\w-]*)\s*:\s*(.+)$/,
    ([line]) => `'${line![0]}' does not belong in front of a line`,
    ([, kind, command]) => asItShouldBe(kind!, command!),
  ],
  [
    new RegExp(
      `^(?=\\w*[A-Z])(${anyCase("web|wsgi|jwsgi|rwsgi|php|static|release|preflight|cron")})[ \\t]*:[ \\t]*(.+)$`,
    ),
    ([, kind]) => `'${kind}' is written in small letters`,
    ([, kind, command]) => asItShouldBe(kind!, command!),
  ],
  [
    new RegExp(`^([\\w-]+)\\s*:\\s*([^'"]*?)(?:[ \\t]|\\\\n[ \\t]*)((?:${kinds})\\s*:\\s+\\S.*)$`),
    ([, , , other]) =>
      `there are two processes on one line: '${/^\w+/.exec(other!)![0]}' begins a line of its own`,
    ([, kind, command, other]) =>
      `write \`${kind}: ${printable(command!)}\`, and below it \`${printable(other!)}\`; commit and push`,
  ],
  [
    /^((?:python3?|node|npm|ruby|php|gunicorn|uvicorn|streamlit|java|\.\/\S+)\s[^:]*)$/,
    () => "the kind is missing in front of the command",
    ([, command]) => asItShouldBe("web", command!),
  ],
  [
    /^(```.*|~~~.*)$/,
    () => "this line is none of a Procfile",
    () => "take it out, commit and push",
  ],
];

// A pattern must not take long, and nobody slips in such a line.
const maxSlipLetters = 2000;

/** The slip in a line of a Procfile, if there is one. */
export function slipIn(line: string): { what: string; next: string } | undefined {
  if (line.length > maxSlipLetters) return undefined;
  for (const [pattern, what, next] of slips) {
    const found = pattern.exec(line);
    if (found) return { what: what(found), next: next(found) };
  }
  return undefined;
}

/** What looks wrong in a command, but may be meant. */
export const slipWarnings = (command: string): string[] => [
  ...(/[“”„‘’]/.test(command)
    ? ["the quotes are those of a text, not of a shell; write \" or ' instead."]
    : []),
  ...(/\s[–—]/.test(command)
    ? ["there is a dash that is longer than a hyphen; options begin with - or --."]
    : []),
];
