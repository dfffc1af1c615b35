// biome-ignore-all lint/suspicious/noTemplateCurlyInString: what is printed is a script for bash.
import { type ArgDef, defineCommand } from "citty";
import type { Host } from "../host/host.ts";
import { usageError } from "../text/errors.ts";
import type { Commands } from "./arguments.ts";

export const completion = (host: Host, commands: () => Commands) =>
  defineCommand({
    meta: {
      description:
        "Print what makes bash complete commands and apps; zsh takes it after bashcompinit",
      example:
        "ssh piku@board completion >~/.piku-completion; echo . ~/.piku-completion >>~/.bashrc",
    },
    args: { shell: { type: "positional", description: "bash", required: false } },
    run({ args }) {
      if ((args.shell ?? "bash") !== "bash")
        throw usageError(
          "only bash's completion is known",
          "zsh takes it too: autoload -U bashcompinit && bashcompinit",
        );
      host.say(renderCompletion(commands()));
    },
  });

/**
 * The script, made from the table of commands. It asks `piku apps` for the names of apps, whatever
 * `piku` is there.
 */
export function renderCompletion(commands: Commands): string {
  const known = Object.entries(commands).filter(
    ([, { meta }]) => !/^INTERNAL/.test(descriptionOf(meta)),
  );
  const argsOf = (args: unknown) => Object.entries((args ?? {}) as Record<string, ArgDef>);
  const options = known.flatMap(([name, { args }]) => {
    const flags = argsOf(args).filter(([, { type }]) => type !== "positional");
    return flags.length > 0
      ? [`      ${name}) words="${flags.map(([flag]) => `--${flag}`).join(" ")}" ;;`]
      : [];
  });
  const forApps = known
    .filter(([, { args }]) => argsOf(args)[0]?.[0] === "app")
    .map(([name]) => name);
  return [
    "# piku for bash; zsh takes it after: autoload -U bashcompinit && bashcompinit",
    "_piku() {",
    "  local line=${COMP_LINE:0:COMP_POINT} typed words given",
    '  read -ra given <<<"$line"',
    '  case $line in *[[:blank:]]) given+=("") ;; esac',
    "  typed=${given[${#given[@]}-1]}",
    "  case ${#given[@]} in",
    `    2) words="${["help", ...known.map(([name]) => name)].join(" ")}" ;;`,
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

const descriptionOf = (meta: unknown) =>
  (meta as { description?: string } | undefined)?.description ?? "";
