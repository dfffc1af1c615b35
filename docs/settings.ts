/**
 * Writes docs/reference/settings.md from the table of settings: `bun docs/settings.ts`; with
 * `--check` it only says whether the page is current.
 */
import * as fs from "node:fs";
import { join } from "node:path";
import { type Row, sections } from "../src/app/settings-table.ts";

const page = join(import.meta.dir, "reference/settings.md");

const introduction = `# Settings

<!-- Written by docs/settings.ts from src/app/settings-table.ts; changes are lost. -->

The settings that piku itself reads; all others are for your app alone. [How to set them](../guides/settings.md); \`config APP --all\` shows all that an app gets.

Settings come from three places, later ones win: \`~/.piku/ENV\` on the board (for all apps), \`ENV\` in the repository, \`config:set\`. \`$NAME\` and \`\${NAME}\` of known settings are replaced when an app is deployed, others stay as they are, \`\${NAME:-default}\` and \`\${NAME-default}\` are as in a shell, and \`\\$\` is a dollar sign. A name that comes twice is used each time with what is known then. A value from \`config:set\` is kept exactly as typed.

What \`ENV\` files and \`config:import\` read:

| the value | written |
|---|---|
| as it is, up to a comment: a blank and \`#\` | \`A=two words\`, \`A={"a": 1}\`, \`A=it's\` |
| as it is; nothing is replaced | \`A='$b \\n'\` |
| as it is, but \`$b\` is replaced, \`\\n\` is a line break; \`\\"\`, \`\\\\\` and \`\\$\` are the characters, any other backslash stays | \`A="$b\\n"\` |
| quotes right behind each other, as in a shell: \`I'm\` | \`A='I'"'"'m'\` |
| up to the closing quote, over several lines | \`A="-----BEGIN\` … |
| a leading \`export\` is left out: \`b\` | \`export A=b\` |
| with the quotes, since they are not around all of it; backticks stay, too | \`A="a b" --flag\` |

A value of several lines reaches every process; a \`wsgi\`, \`php\`, \`rwsgi\` or \`jwsgi\` worker gets it without blanks and line breaks at its end. Settings of piku's own have one line. A name may have dots and dashes, as Spring's do (\`spring.datasource.url\`); an app that has such a setting runs its commands by \`bash\`, since \`sh\` cannot hand it on.

- **app**: in the \`ENV\` of the repository, or by \`config:set APP\`. **board**: only in \`~/.piku/ENV\`, or by \`config:set --global\`. **app, board**: in either; the board's is for all apps without one of their own.
- An empty value is as if the setting were not there; for true or false it is false.
- *true or false* is written \`true\`, \`1\`, \`yes\`, \`on\`, \`y\`, or \`false\`, \`0\`, \`no\`, \`off\`, \`n\`, in upper or lower case.
- A name that begins with \`NGINX_\`, \`UWSGI_\`, \`PIKU_\` or \`ACME_\` and is not here is probably a typing error: a push and \`config:set\` warn of it.
`;

const scopes = { app: "app", board: "board", both: "app, board" };

const defaultOf = ({ kind: { initial } }: Row<unknown>) =>
  initial === undefined || Array.isArray(initial) ? "" : `\`${initial}\``;

const renderRow = ([name, row]: [string, Row<unknown>]) =>
  `| \`${name}\` | ${row.kind.title ?? row.kind.noun} | ${defaultOf(row)} | ${scopes[row.scope]} | ${row.says} |\n`;

const renderSection = ([title, rows]: [string, Record<string, Row<unknown>>]) =>
  `\n## ${title}\n\n| setting | value | default | for | what it does |\n|---|---|---|---|---|\n${Object.entries(rows).map(renderRow).join("")}`;

/** The text of the page. */
export const settingsPage = () =>
  introduction + Object.entries(sections).map(renderSection).join("");

/** Whether the page is what the table says. */
export const isCurrent = () => fs.readFileSync(page, "utf8") === settingsPage();

if (import.meta.main) {
  if (!process.argv.includes("--check")) fs.writeFileSync(page, settingsPage());
  else if (!isCurrent()) {
    console.error("docs/reference/settings.md is not current: bun docs/settings.ts writes it");
    process.exit(1);
  }
}
