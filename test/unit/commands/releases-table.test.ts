import { expect, test } from "bun:test";
import type { Release } from "../../../src/app/releases.ts";
import { renderReleases } from "../../../src/commands/releases-table.ts";
import { memoryHost } from "../../host/memory.ts";

const now = Date.UTC(2026, 10, 26, 12);
const release = (number: number, more: Partial<Release> = {}) =>
  ({
    number,
    cause: "push",
    changed: [],
    commit: "ffb14e3aaaaaaaa",
    subject: "A subject that goes on for longer than a line of a terminal has room for",
    who: "teacher SHA256:BBMZMT6aI9s4vtGE2GFX7E2I8szlTAVbSDQ9GhDnGak",
    when: new Date(now - 180_000).toISOString(),
    ...more,
  }) as Release;

const all = [
  release(12, { cause: "config:set", changed: ["ONE_NAME", "ANOTHER_NAME", "A_THIRD"] }),
  release(11, { branch: "feature", when: new Date(now - 3 * 86_400_000).toISOString() }),
  release(1, { when: undefined, who: undefined, subject: undefined, commit: undefined }),
];

test("releases are a table as wide as a terminal, with keys by their names", () => {
  const host = { ...memoryHost({}), isTerminal: () => true, now: () => now };
  const lines = renderReleases(host, all, 12);
  expect(lines[0]).toMatch(/^ NR +WHEN +COMMIT +WHAT +BY +SUBJECT$/);
  expect(lines[1]).toMatch(
    /^\*12 +3 minutes ago +ffb14e3 +config:set ONE_NAME.*… +teacher +A sub.*…$/,
  );
  expect(lines[2]).toMatch(/^ 11 +3 days ago +ffb14e3 +push \(feature\) +teacher/);
  expect(lines[3]).toMatch(/^ 1 +unknown +- +push +-$/);
  for (const line of lines) expect(line.length).toBeLessThan(81);
});

test("for everybody else times are exact and nothing is cut", () => {
  const host = memoryHost({});
  host.clock = now;
  expect(renderReleases(host, all.slice(0, 1), 12)).toEqual([
    `*12  2026-11-26T11:57:00Z  ffb14e3  config:set ONE_NAME ANOTHER_NAME A_THIRD  teacher  ${all[0]!.subject}`,
  ]);
});
