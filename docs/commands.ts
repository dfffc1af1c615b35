/**
 * Writes docs/reference/commands.md and the manual page docs/piku.1, made from the table of
 * commands; `--check` only says which of them is out of date.
 */
import fs from "node:fs";
import path from "node:path";
import { version } from "../package.json" with { type: "json" };
import { clientCommands } from "../src/client/client.ts";
import { optionsOf, positionalsOf, shownArgument, usageOf } from "../src/commands/arguments.ts";
import { type Command, groups } from "../src/commands/command.ts";
import { shownOption } from "../src/commands/help.ts";
import { everyCommand } from "../src/commands/index.ts";

const commands = await everyCommand();

const everything = [...clientCommands(), ...commands];
const ofGroup = (group: string) => everything.filter((one) => one.group === group);

/** The arguments and options of a command, each with what it means. */
const parts = (one: Command): (readonly [string, string])[] => [
  ...positionalsOf(one).map((entry) => [shownArgument(entry), entry[1].description ?? ""] as const),
  ...optionsOf(one).map(shownOption),
];

const sentence = (text: string) => `${text[0]!.toUpperCase()}${text.slice(1)}.`;

const explanation = ({ description, details }: Command) =>
  [`${description}.`, ...(details ? [details] : [])].join(" ");

const synonyms = ({ alias = [] }: Command) => alias;

/** docs/reference/commands.md */
export function renderReference(): string {
  const section = (one: Command) => [
    `### ${one.name}`,
    "",
    explanation(one),
    "",
    "```text",
    usageOf(one),
    "```",
    "",
    ...parts(one).map(([name, what]) => `- \`${name}\`: ${what}`),
    ...(parts(one).length > 0 ? [""] : []),
    ...(synonyms(one).length > 0
      ? [
          `Also: ${synonyms(one)
            .map((word) => `\`${word}\``)
            .join(", ")}.`,
          "",
        ]
      : []),
    "```sh",
    ...one.examples,
    "```",
    "",
  ];
  return [
    "<!-- Written by `bun docs/commands.ts`; changes are lost. -->",
    "# Commands",
    "",
    "A command is typed over ssh, with `piku@board` for the board's user and name: `ssh piku@board COMMAND`.",
    "On the board itself it is `piku COMMAND`. `<this>` must be given, `[this]` may be.",
    "`ssh piku@board help COMMAND` prints what stands here.",
    "",
    "A shell takes one pair of quotes away before ssh sends a command, and the board reads the quotes that are left:",
    "that is why some examples have two pairs.",
    "",
    "Exit status: 0 when all went well, 1 when something did not, 2 when the command was not understood;",
    "`run` and plugins end with the status of what they run.",
    "",
    "A key may do everything with every app, and `run` makes it a login. How keys are bound to apps:",
    "[keys for a class](../guides/keys-for-a-class.md); what that does not promise: [security](../../SECURITY.md).",
    "",
    ...groups.flatMap((group) => [`## ${group}`, "", ...ofGroup(group).flatMap(section)]),
  ]
    .join("\n")
    .trimEnd()
    .concat("\n");
}

/** A text in roff: nothing in it is a request or an escape, and a dash is the one that is typed. */
const roff = (text: string) =>
  text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("'", "\\(aq")
    .replaceAll("`", "\\(ga")
    .replaceAll("~", "\\(ti")
    .replaceAll("^", "\\(ha")
    .replace(/^\./gm, "\\&.");

const bold = (text: string) => `\\fB${roff(text)}\\fR`;

/** docs/piku.1, a page for man(1) in the macros of man(7). */
export function renderManual(): string {
  const entry = (one: Command) => [
    ".TP",
    `${bold(one.name)}${roff(usageOf(one).slice(one.name.length))}`,
    roff(explanation(one)),
    ...(parts(one).length > 0
      ? [
          ".RS",
          ...parts(one).flatMap(([name, what]) => [".TP", bold(name), roff(sentence(what))]),
          ".RE",
        ]
      : []),
    ".RS",
    ".PP",
    ".nf",
    ...one.examples.map(roff),
    ".fi",
    ".RE",
  ];
  return [
    '.\\" Written by "bun docs/commands.ts"; changes are lost.',
    `.TH PIKU 1 "" "piku ${version}" "User Commands"`,
    ".SH NAME",
    "piku \\- the smallest PaaS: git push to a small board",
    ".SH SYNOPSIS",
    ".nf",
    `${bold("git push")} piku@board:\\fIAPP\\fR main`,
    `${bold("ssh")} piku@board \\fICOMMAND\\fR [\\fIargument\\fR ...]`,
    `${bold("piku")} \\fICOMMAND\\fR [\\fIargument\\fR ...]`,
    ".fi",
    ".SH DESCRIPTION",
    roff(
      "piku runs the apps that are pushed to a board with git, behind nginx and under uWSGI. Commands are typed over ssh, or on the board itself by the user piku.",
    ),
    ".SH COMMANDS",
    ...groups.flatMap((group) => [`.SS ${roff(group)}`, ...ofGroup(group).flatMap(entry)]),
    ".SH EXIT STATUS",
    ...[
      ["0", "All went well."],
      ["1", "Something did not; a sentence on stderr says what, and what to do."],
      ["2", "The command was not understood."],
    ].flatMap(([status, what]) => [".TP", bold(status!), what!]),
    ".PP",
    `${bold("run")} and plugins end with the status of what they run.`,
    ".SH FILES",
    ...[
      ["~/.piku", "Everything that piku keeps: apps, repositories, settings, logs, releases."],
      ["~/.piku/ENV", "Settings of the board and of all apps."],
      ["~/.piku/plugins", "Executables that are commands of this board."],
      ["~/.piku/hooks", "Executables that are told of deploys."],
    ].flatMap(([file, what]) => [".TP", `\\fI${roff(file!)}\\fR`, what!]),
    ".SH SEE ALSO",
    `${bold("git")}(1), ${bold("ssh")}(1), ${bold("nginx")}(8), ${bold("uwsgi")}(8)`,
    "",
  ].join("\n");
}

/** The generated files by their paths below the repository. */
export const pages: Readonly<Record<string, () => string>> = {
  "docs/reference/commands.md": renderReference,
  "docs/piku.1": renderManual,
};

if (import.meta.main) {
  const root = path.join(import.meta.dir, "..");
  const isCurrent = ([name, render]: [string, () => string]) =>
    fs.existsSync(path.join(root, name)) &&
    fs.readFileSync(path.join(root, name), "utf8") === render();
  const stale = Object.entries(pages).filter((page) => !isCurrent(page));
  const checks = process.argv.includes("--check");
  for (const [name, render] of stale) {
    if (checks) console.error(`${name} is out of date: bun docs/commands.ts writes it`);
    else {
      fs.mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
      fs.writeFileSync(path.join(root, name), render());
    }
  }
  if (checks && stale.length > 0) process.exitCode = 1;
}
