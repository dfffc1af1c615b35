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
  commit?: string;
  commands?: string[];
  answers?: Record<string, string>;
}): Source {
  const {
    files = {},
    workers = { web: "a" },
    settings = {},
    tools = ["python3"],
    probes = [],
    commit = "c1",
    commands,
    answers = {},
  } = facts;
  return {
    workers,
    commands: commands ?? Object.values(workers),
    settings,
    names: Object.keys(files).map((name) => name.replace(/\/.*/, "/")),
    commit,
    read: (name) => files[name] ?? "",
    has: (tool) => tools.includes(tool),
    probe: (...argv) => probes.includes(argv.join(" ")),
    ask: (...argv) => answers[argv.join(" ")] ?? `answer to ${argv.join(" ")}`,
  };
}
