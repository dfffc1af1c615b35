import { bindingLimit, everyResource, limitedAs, type Resource } from "../app/limits.ts";
import type { Host } from "../host/host.ts";
import { fileOfCommit } from "../repository/commit.ts";
import { gitArgv, gitEnv } from "../repository/git.ts";
import { PikuError } from "../text/errors.ts";
import { findCause, type Scene } from "../workers/cause.ts";
import { causes } from "../workers/causes.ts";
import type { Plan } from "./plan.ts";

/** What failed: a worker of the Procfile, or (`kind` is empty) a step of the build. */
export interface Failed {
  /** As people call it: `wsgi.1`, `preflight`. */
  name: string;
  kind: string;
  command: string;
  /** The folder that it ran in. */
  tree: string;
  /** What piku advises by how a process looks. */
  advice?: string;
}

/**
 * Why something failed and what to do, by what it printed: a row of the runtime's own, or of the
 * table that all have. Undefined for a mistake that no row knows.
 */
export function explainFailure(
  host: Host,
  plan: Plan,
  { name, kind, command, tree, advice }: Failed,
  log: string,
): PikuError | undefined {
  const { app, source, runtime, target } = plan;
  const scene: Scene = {
    app: app.name,
    kind,
    command,
    tree,
    advice,
    limits: limitsIn(plan, limitedAs(kind)),
    names: source.names,
    read: (path) => contentOf(host, plan, path),
    deletes: (path) => deletedBy(host, target.commit).includes(path),
  };
  const found = findCause([...(runtime.causes ?? []), ...causes], log, scene);
  if (!found) return undefined;
  const { what, next, place } = found;
  const where = [name, ...(place && !what.includes(place) ? [place] : [])].join(", ");
  // `(Procfile: …)` and `(KeyError)` tell where as well; two parentheses would read badly.
  const message = what.endsWith(")") ? `${what.slice(0, -1)}; ${where})` : `${what} (${where})`;
  return new PikuError(message, next || undefined);
}

/** The limits of what failed, and how they are changed by whoever may. */
function limitsIn({ app, settings, machine }: Plan, kind: string): Scene["limits"] {
  const limited = (resource: Resource) => {
    const setting = bindingLimit(settings, kind, resource);
    const [key = "", value] = setting?.split("=") ?? [];
    const change =
      machine.settings[key]?.trim() === value
        ? `the board allows no more; for all its apps: config:set --global ${key}=…`
        : `config:set ${app.name} ${key}=…`;
    return setting && { setting, change };
  };
  return Object.fromEntries(
    everyResource.flatMap((resource) => {
      const limit = limited(resource);
      return limit ? [[resource, limit]] : [];
    }),
  );
}

/** A file of the commit; undefined as well for one that is too large, or leads out of it. */
function contentOf(host: Host, { target }: Plan, path: string): string | undefined {
  try {
    return fileOfCommit(host, target.commit, path);
  } catch {
    return undefined;
  }
}

/** The files that a commit has deleted, by its first parent; none for a first commit. */
function deletedBy(host: Host, { app, id, incoming }: Plan["target"]["commit"]): string[] {
  const words = ["diff-tree", "-r", "--name-only", "--diff-filter=D", "-z", `${id}^`, id, "--"];
  return host
    .capture(gitArgv(app.repo, ...words), { env: gitEnv(host, incoming) })
    .stdout.split("\0");
}
