// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are the shell's.
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
// Some shells hold these to be theirs, and end where they are set.
// A `date` in front of the real one, so that a launcher believes what day it is.
// crontab(5), and the original: a field that begins with `*` does not name days, so both must fit.
