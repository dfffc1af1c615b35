// biome-ignore-all lint/suspicious/noTemplateCurlyInString: what is printed is a script for bash.
import { usageError } from "../text/errors.ts";
import { optionsOf, positionalsOf, spellings } from "./arguments.ts";
import { type Command, command } from "./command.ts";

export const completion = (commands: () => readonly Command[]) =>
  command({
    name: "completion",
    group: "The board",
    description: "Print a script that completes commands and apps in bash",
    details:
      "Add `. ~/.piku-completion` to ~/.bashrc; in zsh, after `autoload -U bashcompinit && bashcompinit`.",
    examples: ["ssh piku@board completion >~/.piku-completion"],
    alias: ["completions"],
    args: {
      shell: {
        type: "positional",
        description: "bash; zsh takes it after bashcompinit",
        required: false,
      },
    },
    run({ args, host }) {
      if ((args.shell ?? "bash") !== "bash")
        throw usageError(
          "there is a completion script for bash only",
          "zsh takes it too, after: autoload -U bashcompinit && bashcompinit",
        );
      host.say(renderCompletion(commands()));
    },
  });

/**
 * The script, made from the table of commands. It asks `piku apps` for the names of apps, whatever
 * `piku` is there.
 */
function renderCompletion(commands: readonly Command[]): string {
  const known = commands.filter(({ group }) => group !== "Internal");
  const names = known.map(({ name }) => name);
  const options = known.flatMap((one) => {
    const flags = optionsOf(one)
      .flatMap(spellings)
      .filter((spelling) => spelling.startsWith("--"));
    return flags.length > 0 ? [`      ${one.name}) words="${flags.join(" ")}" ;;`] : [];
  });
  const forApps = known
    .filter((one) => positionalsOf(one)[0]?.[0] === "app")
    .map(({ name }) => name);
  return [
    "# piku for bash; zsh takes it after: autoload -U bashcompinit && bashcompinit",
    "_piku() {",
    "  local line=${COMP_LINE:0:COMP_POINT} typed words given",
    '  read -ra given <<<"$line"',
    '  case $line in *[[:blank:]]) given+=("") ;; esac',
    "  typed=${given[${#given[@]}-1]}",
    "  case ${#given[@]} in",
    `    2) words="${names.join(" ")}" ;;`,
    `    3) case \${given[1]} in ${forApps.join("|")}) words=$(piku apps 2>/dev/null | tr -d ' *') ;; esac ;;`,
    "  esac",
    "  if [[ $typed == -* ]]; then",
    "    case ${given[1]} in",
    ...options,
    "    esac",
    "  fi",
    '  COMPREPLY=($(compgen -W "$words" -- "$typed"))',
    "  # bash takes a colon for the end of a word.",
    '  if [[ $COMP_WORDBREAKS == *:* ]]; then COMPREPLY=("${COMPREPLY[@]#"${typed%"${typed##*:}"}"}"); fi',
    "}",
    "complete -F _piku piku",
  ].join("\n");
}
