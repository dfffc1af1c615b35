import { pyprojectFile } from "./pyproject.ts";
import type { Source } from "./runtime.ts";

/** Whether a pyproject.toml is written for Poetry. */
export const isPoetrys = ({ read }: Source) => /^\[tool\.poetry\b/m.test(read(pyprojectFile));

/**
 * Whether there is a pyproject.toml that says what to install: many only have settings of a linter.
 */
export const isProject = (source: Source) =>
  source.names.includes(pyprojectFile) &&
  (["poetry.lock", "uv.lock"].some((name) => source.names.includes(name)) ||
    /^\[(project|tool\.poetry|tool\.uv|build-system|dependency-groups)\b/m.test(
      source.read(pyprojectFile),
    ));
