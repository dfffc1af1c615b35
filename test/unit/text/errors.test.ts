import { expect, test } from "bun:test";
import { failedRun, must, reasonOf } from "../../../src/text/errors.ts";
import { memoryHost } from "../../host/memory.ts";

const run = (status: number, stderr: string) =>
  must(memoryHost({ answer: () => ({ status, stdout: "out", stderr }) }), ["tar"], "tar failed");

test("a program that has to succeed: what it printed, or why it failed", () => {
  expect(run(0, "only a warning\n").stdout).toBe("out");
  expect(() => run(2, "tar: a: gone\ntar: exiting now\n")).toThrow("tar failed: tar: exiting now");
  expect(() => run(127, " \n")).toThrow("tar failed: exit status 127");
});

test.each([
  ["", "exit status 2"],
  ["fatal: bad object\n", "fatal: bad object"],
  [
    "tar: a: Cannot mkdir: No space left on device\ntar: b: Cannot open: Permission denied\ntar: Error is not recoverable: exiting now\n",
    "tar: a: Cannot mkdir: No space left on device",
  ],
  [
    "tar: b: Cannot open: Permission denied\ntar: Exiting with failure status due to previous errors\n",
    "tar: b: Cannot open: Permission denied",
  ],
  ["cp: a: Input/output error\ncp: stopped\n", "cp: a: Input/output error"],
])("a full disk was hidden behind a program's last words: %j", (stderr, expected) => {
  expect(reasonOf({ status: 2, stderr })).toBe(expected);
});

test("a program that fails for want of room says what to do", () => {
  const ran = { status: 2, stdout: "", stderr: "tar: a: No space left on device\n" };
  expect(failedRun("tar failed", ran).hint).toBe(
    "the server's disk is full; make room and try again",
  );
  expect(failedRun("tar failed", { ...ran, stderr: "no" }).hint).toBeUndefined();
});
