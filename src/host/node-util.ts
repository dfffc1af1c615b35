interface Option {
  type: "string" | "boolean";
  short?: string;
  default?: unknown;
}

/**
 * Takes the place of `node:util` on QuickJS: just enough of `parseArgs({ strict: false })` for
 * citty.
 */
export function parseArgs({
  args = [],
  options = {},
}: {
  args?: string[];
  options?: Record<string, Option>;
}) {
  const values: Record<string, unknown> = {};
  const positionals: string[] = [];
  for (const [name, option] of Object.entries(options)) {
    if (option.default !== undefined) values[name] = option.default;
  }
  const long = (short: string) =>
    Object.keys(options).find((name) => options[name]!.short === short) ?? short;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg === "--") {
      positionals.push(...args.slice(i + 1));
      break;
    }
    if (!arg.startsWith("-") || arg === "-") {
      positionals.push(arg);
      continue;
    }
    const [key, value] = arg.replace(/^--?/, "").split(/=(.*)/s) as [string, string | undefined];
    const name = arg.startsWith("--") ? key : long(key);
    const takesNext =
      value === undefined && options[name]?.type === "string" && args[i + 1] !== undefined;
    values[name] = takesNext ? args[++i] : (value ?? true);
  }
  return { values, positionals };
}
