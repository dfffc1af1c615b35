import { expect, test } from "bun:test";
import { refuseWideText } from "../../../src/app/encoding.ts";

test.each([
  ["\ufffd\ufffdA\0=\x001\0", "ENV is not UTF-8 text"],
  ["A\0=\x001\0\r\0\n\0", "ENV is not UTF-8 text"],
  ["\0A\0=\x001", "ENV is not UTF-8 text"],
])("a file of settings in UTF-16: %j", (content, message) => {
  expect(() => refuseWideText(content, "ENV")).toThrow(message);
});

test.each(["", "A=1\n", "\ufeffA=ü\n", "A=b\0c", "A=\ufffd"])("one that is not: %j", (content) => {
  expect(() => refuseWideText(content, "ENV")).not.toThrow();
});
