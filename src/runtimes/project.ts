import { manifest } from "./pyproject.ts";
import type { Source } from "./runtime.ts";

/** Whether a pyproject.toml is written for Poetry. */
export const isPoetrys = ({ read }: Source) => /^\[tool\.poetry\b/m.test(read(manifest));

/**
 * Whether there is a pyproject.toml that says what to install: many only have settings of a linter.
 */
export const isProject = (source: Source) =>
  source.names.includes(manifest) &&
  (["poetry.lock", "uv.lock"].some((name) => source.names.includes(name)) ||
    /^\[(project|tool\.poetry|tool\.uv|build-system|dependency-groups)\b/m.test(
      source.read(manifest),
    ));
