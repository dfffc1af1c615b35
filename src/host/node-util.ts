interface Option {
  type: "string" | "boolean";
  short?: string;
  default?: unknown;
}

/**
 * Takes the place of `node:util` on QuickJS: just enough of `parseArgs({ strict: false })` for
 * citty, with short options as there: `-n 5`, `-n5`, `-tn5`.
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
  // Looked up once: a word may be hundreds of thousands of short options.
  const byShort = new Map(Object.entries(options).map(([name, { short }]) => [short, name]));
  const long = (short: string) => byShort.get(short) ?? short;
  const takesValue = (name: string) => options[name]?.type === "string";
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    const next = (name: string) => (takesValue(name) && i + 1 < args.length ? args[++i] : true);
    if (arg === "--") {
      positionals.push(...args.slice(i + 1));
      break;
    }
    if (!arg.startsWith("-") || arg === "-") {
      positionals.push(arg);
    } else if (arg.startsWith("--")) {
      const [name, value] = arg.slice(2).split(/=(.*)/s) as [string, string | undefined];
      values[name] = value ?? next(name);
    } else {
      let at = 1;
      for (; at < arg.length - 1 && !takesValue(long(arg[at]!)); at++)
        values[long(arg[at]!)] = true;
      const name = long(arg[at]!);
      values[name] = arg.slice(at + 1) || next(name);
    }
  }
  return { values, positionals };
}
