// biome-ignore-all lint/suspicious/noTemplateCurlyInString: what is printed is a script for a shell.
import { optionsOf, positionalsOf, spellings } from "./arguments.ts";
import { type Command, command } from "./command.ts";

export const completion = (commands: () => readonly Command[]) =>
  command({
    name: "completion",
    group: "The board",
    description: "Print a script that completes commands in bash or zsh",
    details:
      "It completes commands, apps, processes, releases and options of `piku` and of `ssh piku@board`. Put `. ~/.piku-completion` into ~/.bashrc or ~/.zshrc.",
    examples: [
      "ssh piku@board completion >~/.piku-completion",
      "ssh piku@board completion zsh >~/.piku-completion",
    ],
    alias: ["completions"],
    args: {
      shell: {
        type: "positional",
        description: "bash (unless given) or zsh",
        required: false,
        pattern: /^(bash|zsh)$/,
      },
    },
    run({ args, host }) {
      host.say([...renderList(commands()), ...(args.shell === "zsh" ? zsh : bash)].join("\n"));
    },
  });

/**
 * The function that prints what may stand at a place, made from the table of commands: `HOST`, or
 * `-` for the `piku` that is here; the number of the word, from 1; and the words before it.
 */
function renderList(commands: readonly Command[]): string[] {
  const known = commands.filter(({ group }) => group !== "Internal");
  const whose = (at: number, ...names: string[]) =>
    known
      .filter((one) => names.includes(positionalsOf(one)[at]?.[0] ?? ""))
      .map(({ name }) => name);
  const options = known.flatMap((one) => {
    const flags = optionsOf(one)
      .flatMap(spellings)
      .filter((spelling) => spelling.startsWith("--"));
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
    `      ${cases(3, whose(1, "number"))}) words=$(${ask} releases "$5" | sed 's/^[* ]*\\([0-9]*\\).*/\\1/') ;;`,
    "    esac ;;",
    "  esac",
    "  printf '%s\\n' \"$words\" | tr -s ' ' '\\n'",
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
