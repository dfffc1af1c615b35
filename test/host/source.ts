import type { Source } from "../../src/runtimes/runtime.ts";

/**
 * A commit with these files at its top, on a machine with these tools; `probes` are commands that
 * end well.
 */
export function sourceOf(facts: {
  files?: Record<string, string>;
  workers?: Record<string, string>;
  settings?: Record<string, string>;
  tools?: string[];
  probes?: string[];
  /** Files that are links, or submodules: their mode. */
  modes?: Record<string, string>;
  commands?: string[];
  answers?: Record<string, string>;
}): Source {
  const {
    files = {},
    workers = { web: "a" },
    settings = {},
    tools = ["python3"],
    probes = [],
    modes = {},
    commands,
    answers = {},
  } = facts;
  return {
    workers,
    commands: commands ?? Object.values(workers),
    settings,
    names: [...new Set(Object.keys(files).map((name) => name.replace(/\/.*/, "/")))],
    files: () =>
      new Map(
        Object.entries(files).map(([name, text]) => [
          name,
          `${modes[name] ?? "100644"} ${JSON.stringify(text)}`,
        ]),
      ),
    read: (name) => files[name] ?? "",
    has: (tool) => tools.includes(tool),
    probe: (...argv) => probes.includes(argv.join(" ")),
    ask: (...argv) => answers[argv.join(" ")] ?? `answer to ${argv.join(" ")}`,
  };
}
