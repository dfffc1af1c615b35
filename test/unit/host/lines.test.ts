import { expect, test } from "bun:test";
import { restOfLine } from "../../../src/host/lines.ts";

test.each<[string, string, string | undefined]>([
  ["VmRSS:\t 12 kB\nThreads:\t1\n", "VmRSS:", "\t 12 kB"],
  ["Name:\tVmRSS:\nVmRSS:\t7 kB", "VmRSS:", "\t7 kB"],
  ["a = 1\nb = \n", "b = ", ""],
  ["xVmRSS: 1\n", "VmRSS:", undefined],
  ["", "VmRSS:", undefined],
])("in %j what follows %j is %j", (text, start, rest) => {
  expect(restOfLine(text, start)).toBe(rest);
});
