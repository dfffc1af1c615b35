import { expect, test } from "bun:test";
import { must } from "../../../src/text/errors.ts";
import { memoryHost } from "../../host/memory.ts";

const run = (status: number, stderr: string) =>
  must(memoryHost({ answer: () => ({ status, stdout: "out", stderr }) }), ["tar"], "tar failed");

test("a program that has to succeed: what it printed, or why it failed", () => {
  expect(run(0, "only a warning\n").stdout).toBe("out");
  expect(() => run(2, "tar: a: gone\ntar: exiting now\n")).toThrow("tar failed: tar: exiting now");
  expect(() => run(127, " \n")).toThrow("tar failed: exit status 127");
});
