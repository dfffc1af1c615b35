// biome-ignore-all lint/suspicious/noTemplateCurlyInString: what is printed is a script for a shell.

import { shellQuote } from "../text/text.ts";
import { optionsOf, positionalsOf, spellings } from "./arguments.ts";
import { type Command, command } from "./command.ts";

export const completion = (commands: () => Promise<readonly Command[]>) =>
  command({
    name: "completion",
    group: "The board",
    description: "Print a script that completes commands in a shell",
    details:
      "It completes commands, apps, processes, branches, releases and options of `piku` and of `ssh piku@board`. Put `. ~/.piku-completion` into ~/.bashrc or ~/.zshrc. Those of fish and PowerShell are for the client, and go into ~/.config/fish/completions/piku.fish and `$PROFILE`.",
    examples: [
      "ssh piku@board completion >~/.piku-completion",
      "ssh piku@board completion zsh >~/.piku-completion",
    ],
    alias: ["completions"],
    args: {
      shell: {
        type: "positional",
        description: "bash (unless given), zsh, fish or powershell",
        required: false,
        pattern: /^(bash|zsh|fish|powershell)$/,
      },
    },
    async run({ args, host }) {
      host.say(scripts[args.shell ?? "bash"]!(await commands()).join("\n"));
    },
  });

/** What each shell is told, from the table of commands. */
const scripts: Readonly<Record<string, (commands: readonly Command[]) => string[]>> = {
  bash: (commands) => [...renderList(commands), ...bash],
  zsh: (commands) => [...renderList(commands), ...zsh],
  fish: renderFish,
  powershell: renderPowershell,
};

const typable = (commands: readonly Command[]) =>
  commands.filter(({ group }) => group !== "Internal");

/** Commands whose first word, after the app that the client fills in, is one of these. */
const taking = (commands: readonly Command[], ...names: string[]) =>
  typable(commands)
    .filter((one) => {
      const [app, next] = positionalsOf(one).map(([name]) => name);
      return app === "app" && names.includes(next ?? "");
    })
    .map(({ name }) => name);

const flagsOf = (one: Command) =>
  optionsOf(one)
    .flatMap(spellings)
    .filter((spelling) => spelling.startsWith("--"));

/** fish's own description of the client's words (fish's complete(1)). */
function renderFish(commands: readonly Command[]): string[] {
  const after = (names: readonly string[]) =>
    `complete -c piku -n '__fish_seen_subcommand_from ${names.join(" ")}'`;
  return [
    "complete -c piku -f",
    ...typable(commands).map(
      ({ name, description }) =>
        `complete -c piku -n __fish_use_subcommand -a ${name} -d ${shellQuote(description)}`,
    ),
    ...typable(commands).flatMap((one) =>
      flagsOf(one).map((flag) => `${after([one.name])} -l ${flag.slice(2)}`),
    ),
    `${after(taking(commands, "process", "kind"))} -a '(piku ps 2>/dev/null | string match -rg "^(\\S+):\\d+\\$")'`,
    `${after(taking(commands, "branch"))} -a '(piku branches 2>/dev/null | string trim -c "* ")'`,
    `${after(taking(commands, "number"))} -a '(piku releases 2>/dev/null | string match -rg "^[* ]*(\\d+)")'`,
  ];
}

/** PowerShell's (Register-ArgumentCompleter). */
function renderPowershell(commands: readonly Command[]): string[] {
  const list = (words: readonly string[]) => words.map((word) => `'${word}'`).join(",");
  const asked = (line: string, pattern: string) =>
    `@(piku ${line} 2>$null | ForEach-Object { if ($_ -match '${pattern}') { $Matches[1] } })`;
  return [
    "Register-ArgumentCompleter -Native -CommandName piku -ScriptBlock {",
    "  param($word, $line, $at)",
    '  $typed = @($line.CommandElements | ForEach-Object { "$_" })',
    "  $options = @{",
    ...typable(commands)
      .filter((one) => flagsOf(one).length > 0)
      .map((one) => `    '${one.name}' = ${list(flagsOf(one))}`),
    "  }",
    "  $words = if ($typed.Count -lt 2 -or ($typed.Count -eq 2 -and $word)) {",
    `    ${list(typable(commands).map(({ name }) => name))}`,
    "  } elseif ($word -like '-*') { $options[$typed[1]] }",
    `  elseif (${list(taking(commands, "process", "kind"))} -contains $typed[1]) { ${asked("ps", "^(\\S+):\\d+$")} }`,
    `  elseif (${list(taking(commands, "branch"))} -contains $typed[1]) { ${asked("branches", "^[* ]([\\w/.+@-]+)$")} }`,
    `  elseif (${list(taking(commands, "number"))} -contains $typed[1]) { ${asked("releases", "^[* ]*(\\d+)")} }`,
    '  $words | Where-Object { $_ -like "$word*" } | ForEach-Object { [System.Management.Automation.CompletionResult]::new($_) }',
    "}",
  ];
}

/**
 * The function that prints what may stand at a place, made from the table of commands: `HOST`, or
 * `-` for the `piku` that is here; the number of the word, from 1; and the words before it.
 */
function renderList(commands: readonly Command[]): string[] {
  const known = typable(commands);
  const whose = (at: number, ...names: string[]) =>
    known
      .filter((one) => names.includes(positionalsOf(one)[at]?.[0] ?? ""))
      .map(({ name }) => name);
  const options = known.flatMap((one) => {
    const flags = flagsOf(one);
    return flags.length > 0 ? [`      ${one.name}) words="${flags.join(" ")}" ;;`] : [];
  });
  const ask = '_piku_ask "$1"';
  return [
    "_piku_ask() {",
    "  local host=$1",
    "  shift",
    '  if [ "$host" = - ]; then piku "$@"; else ssh -o BatchMode=yes -o ConnectTimeout=3 "$host" "$@"; fi 2>/dev/null </dev/null',
    "}",
    "# HOST, or - for the piku that is here; number of the word; the word; command; app",
    "_piku_list() {",
    "  local words='' url",
    "  # A client in a checkout fills in the app.",
    '  if [ "$1" = - ] && [ "$2" -gt 1 ] && url=$(git remote get-url piku 2>/dev/null); then',
    '    set -- "${url%%:*}" $(($2 + 1)) "$3" "$4" "${url##*:}"',
    "  fi",
    "  case $3 in",
    "    -*) case $4 in",
    ...options,
    "    esac ;;",
    "    *) case $2:$4 in",
    `      1:*) words="${known.map(({ name }) => name).join(" ")}" ;;`,
    `      ${cases(2, whose(0, "app"))}) words=$(${ask} apps | tr -d ' *') ;;`,
    `      ${cases(3, whose(1, "process", "kind"))}) words=$(${ask} ps "$5" | sed -n 's/:[0-9]*$//p') ;;`,
    `      ${cases(3, whose(1, "branch"))}) words=$(${ask} branches "$5" | tr -d ' *') ;;`,
    `      ${cases(3, whose(1, "number"))}) words=$(${ask} releases "$5" | sed 's/^[* ]*\\([0-9]*\\).*/\\1/') ;;`,
    "    esac ;;",
    "  esac",
    "  # compgen expands what it gets, and a branch may be called $(id).",
    "  printf '%s\\n' \"$words\" | tr -s ' ' '\\n' | grep '^[[:alnum:]:/._+@-]*$'",
    "}",
  ];
}

const cases = (at: number, names: readonly string[]) =>
  names.map((name) => `${at}:${name}`).join("|");

const bash = [
  "_piku_reply() {",
  "  local at=$1 host=$2 typed",
  "  typed=${given[${#given[@]}-1]}",
  '  COMPREPLY=($(compgen -W "$(_piku_list "$host" $((${#given[@]} - at)) "$typed" "${given[at]}" "${given[at+1]}")" -- "$typed"))',
  "  # bash takes a colon for the end of a word.",
  '  if [[ $COMP_WORDBREAKS == *:* ]]; then COMPREPLY=("${COMPREPLY[@]#"${typed%"${typed##*:}"}"}"); fi',
  "}",
  "_piku_read() {",
  "  local line=${COMP_LINE:0:$COMP_POINT}",
  '  read -ra given <<<"$line"',
  '  case $line in *[[:blank:]]) given+=("") ;; esac',
  "}",
  "_piku() {",
  "  local given",
  "  _piku_read",
  "  _piku_reply 1 -",
  "}",
  "_piku_ssh() {",
  "  local given at",
  "  _piku_read",
  "  for ((at = 1; at < ${#given[@]} - 1; at++)); do",
  "    if [[ ${given[at]} == piku@* ]]; then",
  '      _piku_reply $((at + 1)) "${given[at]}"',
  "      return",
  "    fi",
  "  done",
  "  # What completed ssh before.",
  "  if ! declare -F _ssh >/dev/null && declare -F _completion_loader >/dev/null; then",
  "    _completion_loader ssh",
  "    complete -o default -F _piku_ssh ssh",
  "  fi",
  '  if declare -F _comp_cmd_ssh >/dev/null; then _comp_cmd_ssh "$@"; elif declare -F _ssh >/dev/null; then _ssh "$@"; fi',
  "}",
  "complete -F _piku piku",
  "complete -o default -F _piku_ssh ssh",
];

const zsh = [
  "(( $+functions[compdef] )) || { autoload -U compinit && compinit }",
  "_piku_add() {",
  '  compadd -- ${(f)"$(_piku_list "$1" $((CURRENT - $2)) "$words[CURRENT]" "$words[$2+1]" "$words[$2+2]")"}',
  "}",
  "_piku() { _piku_add - 1 }",
  "_piku_ssh() {",
  "  local at=${words[(i)piku@*]}",
  '  if (( at < CURRENT )); then _piku_add "$words[at]" $at; else _ssh "$@"; fi',
  "}",
  "compdef _piku piku",
  "compdef _piku_ssh ssh",
];
