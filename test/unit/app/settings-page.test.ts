import { expect, test } from "bun:test";
import { isCurrent, settingsPage } from "../../../docs/settings.ts";

test("docs/reference/settings.md is what `bun docs/settings.ts` writes", () => {
  expect(isCurrent()).toBe(true);
});

test("a row of the page has a setting's value, default and place", () => {
  const lines = settingsPage().split("\n");
  expect(lines).toContain(
    "| `PIKU_GRACE` | number of seconds | `30` | app, board | How long an old worker may take for its last requests. |",
  );
  expect(
    lines.filter((line) => line.startsWith("| `PIKU_NGINX` | `own` or `shared` |  | board |")),
  ).not.toEqual([]);
  // A bar would begin another cell.
  for (const line of lines.filter((one) => one.startsWith("| `")))
    expect(line.split("|").length).toBe(7);
});
