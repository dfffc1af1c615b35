/** Faults that test/fuzz has found, or whoever wrote it: each stays mended. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are the settings'.
import { expect, test } from "bun:test";
import { appOf } from "../../src/app/app.ts";
import { readBoardSettings } from "../../src/app/board-settings.ts";
import { changeServerSettings } from "../../src/app/env-file.ts";
import { parseSettings } from "../../src/app/env-grammar.ts";
import { parseAssignments } from "../../src/app/import.ts";
import { pathsOf } from "../../src/app/paths.ts";
import { parseProcfile } from "../../src/app/procfile.ts";
import { layered } from "../../src/app/settings.ts";
import { addKeys } from "../../src/board/keys.ts";
import { takeOver } from "../../src/board/takeover.ts";
import { parseSshCommand } from "../../src/commands/ssh.ts";
import { planCache } from "../../src/site/cache.ts";
import { readInclude } from "../../src/site/site.ts";
import { parseMappings } from "../../src/site/static.ts";
import { expandVars, literal, nearest, printable, splitWords } from "../../src/text/text.ts";
import { escapeValue } from "../../src/workers/ini.ts";
import { execLine } from "../../src/workers/launcher.ts";
import { memoryHost } from "../host/memory.ts";

const app = appOf(pathsOf(memoryHost({ env: { HOME: "/home/piku" } })), "blog");
const kilobytes = (one: string, count: number) =>
  one.repeat(Math.floor((count * 1000) / one.length));

test.each<[string, () => unknown]>([
  [
    "a Procfile line of blanks without a colon",
    () => parseProcfile(`web: a\nb${kilobytes(" ", 60)}c`),
  ],
  ["an ENV line of blanks without an equals sign", () => parseSettings(`A${kilobytes(" ", 60)}b`)],
  ["an ENV value of blanks", () => parseSettings(`A=b${kilobytes(" ", 60)}c`)],
  ["an ENV value of blanks behind quotes", () => parseSettings(`A="b"${kilobytes(" ", 60)}c`)],
  [
    "an ENV value of escaped quotes behind quotes",
    () => parseSettings(`A="b"c"${kilobytes('\\"', 60)}`),
  ],
  [
    "PIKU_DOMAIN",
    () =>
      readBoardSettings(
        memoryHost({ files: { "/ENV": `PIKU_DOMAIN=${"a".repeat(60)}_` } }),
        "/ENV",
      ),
  ],
  ["a value of backslashes", () => expandVars(kilobytes("\\", 100), {})],
  ["a value of open braces", () => expandVars(kilobytes("${", 100), {})],
  ["a quoted value of backslashes", () => literal(kilobytes("\\", 100))],
  ["a command of open brackets for uWSGI", () => escapeValue(kilobytes("%(", 100), "it")],
  ["a command of assignments and another line", () => execLine(`${kilobytes("A=1 ", 60)}b\u2028c`)],
  [
    "a static worker of slashes",
    () => parseMappings(app, { static: `a${kilobytes("/", 60)}b` }, {}),
  ],
  [
    "a mapping of slashes",
    () => parseMappings(app, {}, { NGINX_STATIC_PATHS: `/a:b${kilobytes("/", 60)}b` }),
  ],
  [
    "a cache of slashes",
    () =>
      planCache(app, { NGINX_CACHE_PREFIXES: "a", NGINX_CACHE_PATH: `/a${kilobytes("/", 60)}b` }),
  ],
  [
    "a command that does not exist",
    () => nearest(kilobytes("a", 250), ["apps", "config:set", "destroy"]),
  ],
  ["a command line of one word", () => splitWords(kilobytes("@(exec://id)", 250))],
])("%s, within a second (it took up to minutes)", (_, work) => {
  const start = Date.now();
  try {
    work();
  } catch (error) {
    expect((error as Error).name).toBe("PikuError");
  }
  expect(Date.now() - start).toBeLessThan(1000);
});

test("thousands of escaped `\\${` are read without running out of stack", () => {
  expect(expandVars(`${"\\${".repeat(30_000)}}`, {})).toBe(`${"${".repeat(30_000)}}`);
});

test("settings that double each other are refused before they fill the memory", () => {
  const lines = Array.from({ length: 40 }, (_, i) => `A${i + 1}=$A${i}$A${i}`);
  expect(() => layered({}, [parseSettings(["A0=0123456789", ...lines].join("\n"))])).toThrow(
    /the value of A\d+ is larger than 100 KB/,
  );
});

test("settings that no process could be started with are refused (execve said: argument list too long)", () => {
  const one = "x".repeat(99_000);
  const many = Array.from({ length: 11 }, (_, i) => `A${i}=${one}`).join("\n");
  expect(() => layered({}, [parseSettings(many)])).toThrow(
    "the settings together are larger than 1 MB",
  );
  expect(() => parseAssignments([`A=${"é".repeat(40_000)}`])).toThrow(
    "the value of A is larger than 100 KB",
  );
});

test("an include file cannot grow without end by the settings in it", () => {
  const content = "$A ".repeat(20_000);
  const host = memoryHost({
    answer: (argv) => ({
      stdout: argv.includes("--batch-check") ? `abc blob ${content.length}\n` : content,
    }),
  });
  const settings = { NGINX_INCLUDE_FILE: "x.conf", A: "x".repeat(100_000) };
  expect(() => readInclude(host, { id: "abc", app }, settings)).toThrow("becomes larger than 1 MB");
});

test("a value that is no UTF-8 is refused, not changed into another one", () => {
  expect(() => parseAssignments(["A=caf\ufffd"])).toThrow("the value of A is not UTF-8");
  expect(() => parseSettings("B=1\nA=caf\ufffd")).toThrow(
    "ENV line 2: the value of A is not UTF-8",
  );
  expect(() => changeServerSettings("# caf\ufffd\nA=1\n", { A: "2" })).toThrow("is not UTF-8");
});

test("config:set leaves the lines of other settings as they were written", () => {
  expect(changeServerSettings(" B = 1 \n  #=\n =\nA=1\n", { A: "2" })).toBe(
    " B = 1 \n  #=\n =\nA=2\n",
  );
});

test("a command of `run` that begins with a blank of another kind comes to the letter", () => {
  expect(parseSshCommand("run blog -- \u00a0x")).toEqual(["run", "blog", "--", "\u00a0x"]);
});

const keys = (content: string) =>
  memoryHost({
    env: { HOME: "/home/piku" },
    files: { "/home/piku/.ssh/authorized_keys": content },
  });
const key = { type: "ssh-ed25519", blob: "AAAA1", comment: "", fingerprint: "SHA256:abc" };

test("a key that stands in a comment line is not let in by it, so it is added", () => {
  const host = keys("# restrict,command=old ssh-ed25519 AAAA1 laptop\n");
  expect(addKeys(host, [key])).toEqual([key]);
});

test("authorized_keys with a name in Latin-1 is left alone, not written back as something else", () => {
  const line =
    'command="FINGERPRINT=a NAME=b /p/piku.py $SSH_ORIGINAL_COMMAND",no-agent-forwarding,no-user-rc,no-X11-forwarding,no-port-forwarding ssh-rsa AAAA2 caf\ufffd\n';
  const host = keys(line);
  for (const change of [() => addKeys(host, [key]), () => takeOver(host, pathsOf(host))]) {
    expect(change).toThrow("authorized_keys line 1 is not UTF-8");
    expect(host.read("/home/piku/.ssh/authorized_keys")).toBe(line);
  }
  expect(takeOver(keys("ssh-rsa AAAA2 caf\ufffd\n"), pathsOf(host))).toBe(0);
});

test("a text that turns letters round is not shown as it was typed", () => {
  expect(printable("a\u202eb\u2066c\u2028d\u001b[2Je")).toBe("a?b?c?d?[2Je");
});
