import { expect, test } from "bun:test";
import { parseArgs as original } from "node:util";
import { parseArgs } from "../../src/host/node-util.ts";

const options = {
  force: { type: "boolean", short: "f" },
  lines: { type: "string", short: "n", default: "100" },
} as const;

test.each([
  "",
  "demo --force",
  "demo -f -n 5",
  "--lines=7 demo",
  "--lines 7 -- --force -x",
  "--lines= a=b - --unknown --other=1",
  "demo -n5",
  "demo -n=5 -fn7 -fn 8 -n",
  "demo -json -xf --lines -f",
])("parses '%s' as node:util does", (line) => {
  const args = line.split(" ").filter(Boolean);
  const expected = original({ args, options, strict: false, allowPositionals: true });
  expect(parseArgs({ args, options })).toEqual({
    values: { ...expected.values },
    positionals: expected.positionals,
  });
});
