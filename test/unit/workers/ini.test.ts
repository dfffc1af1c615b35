import { expect, test } from "bun:test";
import { escapeValue } from "../../../src/workers/ini.ts";

test.each([
  ["", ""],
  ["plain", "plain"],
  ["%", "%%"],
  ["%d", "%%d"],
  ["(a)", "%(pikulp)a)"],
  ["@(exec://id) $(PATH)", "@%(pikulp)exec://id) $%(pikulp)PATH)"],
  ["a ", "a %(pikunil)"],
  [" ", " %(pikunil)"],
  ["a\t", "a\t%(pikunil)"],
  ["a (", "a %(pikulp)"],
  ["\\", "\\"],
])("escapeValue(%j)", (value, expected) => {
  expect(escapeValue(value, "it")).toBe(expected);
});

test.each([
  ["a\nb", "it has a control character in it"],
  ["a\0", "it has a control character in it"],
  ["a\r", "it has a control character in it"],
  ["a\x7f", "it has a control character in it"],
  ["x%(uid) ", "it has '%(uid)' in it"],
  ["%%(log-maxsize)", "it has '%(log-maxsize)' in it"],
])("escapeValue refuses %j", (value, message) => {
  expect(() => escapeValue(value, "it")).toThrow(message);
});
