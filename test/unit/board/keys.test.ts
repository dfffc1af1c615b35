import { afterAll, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Access, type Key, parseKeyLines } from "../../../src/app/authorized-keys.ts";
import { pathsOf } from "../../../src/app/paths.ts";
import { addKeys, fingerprintsOf, keyLine, readKeys } from "../../../src/board/keys.ts";
import { calledWords, parseSshCommand, refuseForeign } from "../../../src/commands/ssh.ts";
import { memoryHost } from "../../host/memory.ts";

test.each<[string, string[]]>([
  ["", []],
  ["apps", ["apps"]],
  ["  config:get  app  KEY ", ["config:get", "app", "KEY"]],
  ["git-receive-pack '/my app.git'", ["git-receive-pack", "/my app.git"]],
  ['config:set app "A=b  c"', ["config:set", "app", "A=b  c"]],
  ["config:set app 'A=$HOME `id` *' B=\\$x", ["config:set", "app", "A=$HOME `id` *", "B=$x"]],
  ["config:set app A='it'\\''s'", ["config:set", "app", "A=it's"]],
  ["config:set app A=* B=$HOME;id", ["config:set", "app", "A=*", "B=$HOME;id"]],
  ["config:set app A=", ["config:set", "app", "A="]],
  ["config:set app A=x\u00a0y", ["config:set", "app", "A=x\u00a0y"]],
  ["run app ls  -l  'a  b' ", ["run", "app", "--", "ls  -l  'a  b' "]],
  ["run app -- ls  -l | wc", ["run", "app", "--", "ls  -l | wc"]],
  ["run app echo it's", ["run", "app", "--", "echo it's"]],
  ["run app --help", ["run", "app", "--", "--help"]],
  ["run 'app'  --  -- x", ["run", "app", "--", "-- x"]],
  ["run app", ["run", "app"]],
  ["run app --", ["run", "app"]],
  ["run --help", ["run", "--help"]],
  ["run", ["run"]],
  ["runner app  x", ["runner", "app", "x"]],
])("parseSshCommand(%j)", (line, words) => {
  expect(parseSshCommand(line)).toEqual(words);
});

test.each([
  ["config:set app 'A=b", "a quote is not closed"],
  ["run 'app ls", "a quote is not closed"],
  ["run app'x ls", "a quote is not closed"],
  [`config:set app A=${"x".repeat(300_000)}`, "the command is longer than 256 KB"],
])("%#: a command that is refused", (line, message) => {
  expect(() => parseSshCommand(line)).toThrow(expect.objectContaining({ message, exitCode: 2 }));
});

test.each<[string[], string | undefined, string[]]>([
  // Typed on the machine.
  [["apps"], undefined, ["apps"]],
  [[], undefined, []],
  // Our own key lines: a forced command without arguments.
  [[], "config:set app 'A=b  c'", ["config:set", "app", "A=b  c"]],
  [[], "run app ls  -l", ["run", "app", "--", "ls  -l"]],
  [[], "", []],
  // The original's: arguments that its shell split, with quotes as letters and `*` expanded.
  [["config:set", "app", "'A=b", "c'"], "config:set app 'A=b  c'", ["config:set", "app", "A=b  c"]],
  [["git-receive-pack", "'blog'"], "git-receive-pack 'blog'", ["git-receive-pack", "blog"]],
  [["run", "app", "a.txt", "b.txt"], "  run app *", ["run", "app", "--", "*"]],
  [['"apps"'], '"apps"', ["apps"]],
  // Below a call by ssh, with words of their own.
  [["git-hook", "blog"], "git-receive-pack 'blog'", ["git-hook", "blog"]],
  [["retire", "blog"], "config:set blog A=1", ["retire", "blog"]],
])("wordsOf(%j, %j)", (args, line, words) => {
  expect(calledWords(args, line === undefined ? {} : { SSH_ORIGINAL_COMMAND: line })).toEqual(
    words,
  );
});

const folder = fs.mkdtempSync(join(tmpdir(), "piku-keys-"));
afterAll(() => fs.rmSync(folder, { recursive: true }));
const hasKeygen = Boolean(Bun.which("ssh-keygen"));
const withKeygen = test.skipIf(!hasKeygen);

/** A memory host whose children are real. */
const host = memoryHost({
  env: { HOME: "/home/piku" },
  answer(argv, { input = "" }) {
    const ran = Bun.spawnSync([...argv], {
      stdin: new TextEncoder().encode(input),
      stderr: "pipe",
    });
    return { status: ran.exitCode, stdout: ran.stdout.toString(), stderr: ran.stderr.toString() };
  },
});

/** A fresh public key without its comment, and its fingerprint as ssh-keygen tells it. */
function generate(type: string, ...words: string[]): Key {
  if (!hasKeygen) return { type, blob: "", comment: "", fingerprint: "" };
  const file = join(folder, `${type}${words.join("")}`);
  Bun.spawnSync(["ssh-keygen", "-q", "-t", type, ...words, "-N", "", "-C", "", "-f", file]);
  const [name, blob] = fs.readFileSync(`${file}.pub`, "utf8").trim().split(" ");
  const fingerprint = Bun.spawnSync(["ssh-keygen", "-l", "-f", `${file}.pub`])
    .stdout.toString()
    .split(" ")[1]!;
  return { type: name!, blob: blob!, comment: "", fingerprint };
}

const [ed, ecdsa, rsa] = [generate("ed25519"), generate("ecdsa"), generate("rsa", "-b", "2048")];
const lineOf = ({ type, blob }: Key) => `${type} ${blob}`;

withKeygen.each<[string, string, Key[]]>([
  ["one", lineOf(ed), [ed]],
  ["a comment of several words", `${lineOf(ed)} me at  home\n`, [{ ...ed, comment: "me at home" }]],
  [
    "several, comments, blank lines",
    `# mine\n\n${lineOf(ed)} a\n${lineOf(ecdsa)}\n  ${lineOf(rsa)} c\n`,
    [{ ...ed, comment: "a" }, ecdsa, { ...rsa, comment: "c" }],
  ],
  ["CRLF", `${lineOf(ed)} a\r\n${lineOf(rsa)}\r\n`, [{ ...ed, comment: "a" }, rsa]],
  ["BOM", `\ufeff${lineOf(ed)}`, [ed]],
  [
    "a comment with control characters",
    `${lineOf(ed)} a\x1b[31m\x00b ü`,
    [{ ...ed, comment: "a?[31m?b ü" }],
  ],
])("readKeys: %s (skipped without ssh-keygen)", (_, content, keys) => {
  expect(readKeys(host, content, "x.pub")).toEqual(keys);
});

withKeygen.each([
  ["nothing", "", "there is no public key in x.pub"],
  ["only a comment", "# here\n", "there is no public key in x.pub"],
  ["options in front", `command="sh" ${lineOf(ed)}`, "x.pub line 1 is not a public key"],
  ["an option in front", `no-pty ${lineOf(ed)}`, "x.pub line 1 is not a public key"],
  [
    "options in a later line",
    `${lineOf(ed)}\nrestrict,pty ${lineOf(rsa)}\n`,
    "x.pub line 2 is not a public key",
  ],
  ["a certificate authority", `cert-authority ${lineOf(ed)}`, "x.pub line 1 is not a public key"],
  ["garbage", "\x00\x01garbage", "x.pub line 1 is not a public key"],
  [
    "a private key",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n",
    "x.pub line 1 is not a public key",
  ],
  ["a blob that is cut", lineOf(ed).slice(0, -8), "x.pub line 1 is not a public key"],
  ["a blob of nothing", `ssh-ed25519 ${"A".repeat(68)}`, "x.pub line 1 is not a public key"],
  ["the type of another", `ssh-rsa ${ed.blob}`, "x.pub line 1 is not a public key"],
  ["a type alone", "ssh-ed25519", "x.pub line 1 is not a public key"],
  ["an old type", `ssh-dss ${rsa.blob}`, "x.pub line 1 is not a public key"],
  ["a quote in the blob", `ssh-ed25519 ${ed.blob}"`, "x.pub line 1 is not a public key"],
  ["two keys in a line behind a CR", `${lineOf(ed)}\r${lineOf(rsa)}`.replace("\r", "\x0b\r"), ""],
])("readKeys refuses %s (skipped without ssh-keygen)", (_, content, message) => {
  // What stands behind the blob is a comment, which brings no rights.
  if (message === "")
    expect(readKeys(host, content, "x.pub").map(({ blob }) => blob)).toEqual([ed.blob]);
  else expect(() => readKeys(host, content, "x.pub")).toThrow(message);
});

const key: Key = { type: "ssh-ed25519", blob: "AAAA", comment: "me", fingerprint: "SHA256:abc+/1" };
const forced = (command: string, comment = " me") =>
  `restrict,pty,command="${command}" ssh-ed25519 AAAA${comment}`;
const named = "exec env -u BUN_OPTIONS -u BUN_BE_BUN FINGERPRINT=SHA256:abc+/1 NAME=default";

test.each<[string, string, Partial<Key>, string, string]>([
  [
    "the usual root",
    "/home/piku/.piku",
    {},
    "/usr/local/bin/piku",
    forced(`${named} /usr/local/bin/piku`),
  ],
  [
    "a root of its own",
    "/srv/p",
    {},
    "/usr/local/bin/piku",
    forced(`${named} PIKU_ROOT=/srv/p /usr/local/bin/piku`),
  ],
  [
    "no comment",
    "/home/piku/.piku",
    { comment: "" },
    "/bin/piku",
    forced(`${named} /bin/piku`, ""),
  ],
  ["a path with a blank", "/home/piku/.piku", {}, "/a b/piku", forced(`${named} '/a b/piku'`)],
  ["a path with a quote", "/home/piku/.piku", {}, '/a"b/piku', forced(`${named} '/a\\"b/piku'`)],
])("keyLine: %s", (_, root, changes, self, expected) => {
  const host = { ...memoryHost({ env: { HOME: "/home/piku", PIKU_ROOT: root } }), self };
  expect(keyLine(host, pathsOf(host), { ...key, ...changes })).toBe(expected);
});

const other = { ...key, blob: "BBBB", comment: "", fingerprint: "SHA256:def" };

test.each<
  [string, string | undefined, Key[], string[], (line: (key: Key) => string) => string | undefined]
>([
  [
    "none yet",
    undefined,
    [key, other],
    ["AAAA", "BBBB"],
    (line) => `${line(key)}\n${line(other)}\n`,
  ],
  [
    "one twice",
    undefined,
    [key, { ...key, comment: "again" }],
    ["AAAA"],
    (line) => `${line(key)}\n`,
  ],
  [
    "some there",
    "# mine\r\nssh-rsa CCCC x",
    [key],
    ["AAAA"],
    (line) => `# mine\r\nssh-rsa CCCC x\n${line(key)}\n`,
  ],
  [
    "it is there",
    'command="x" ssh-ed25519 AAAA\n',
    [key],
    [],
    () => 'command="x" ssh-ed25519 AAAA\n',
  ],
  [
    "one in a comment is not there",
    "# ssh-ed25519 AAAA\n",
    [key],
    ["AAAA"],
    (line) => `# ssh-ed25519 AAAA\n${line(key)}\n`,
  ],
  ["nothing to add", undefined, [], [], () => undefined],
])("addKeys: %s", (_, before, keys, added, expected) => {
  const file = "/home/piku/.ssh/authorized_keys";
  const host = memoryHost({
    env: { HOME: "/home/piku" },
    files: before === undefined ? {} : { [file]: before },
  });
  expect(addKeys(host, keys).map(({ blob }) => blob)).toEqual(added);
  expect(host.read(file)).toBe(expected((one) => keyLine(host, pathsOf(host), one)));
  if (added.length > 0) expect(host.stat(file)?.mode).toBe(0o600);
});

test("what keyLine writes, parseKeyLines reads", () => {
  const paths = pathsOf(host);
  const accesses: Access[] = [
    { name: "anna" },
    { name: "ben@laptop", added: "2026-11-25", apps: ["a", "b.c"], until: "20270731" },
  ];
  for (const access of accesses) {
    const line = keyLine(host, paths, key, access);
    expect(parseKeyLines(line)).toEqual([
      { at: 0, hasForcedCommand: true, ...key, access: { ...nothing, ...access } },
    ]);
  }
  expect(keyLine(host, paths, key, accesses[1])).toStartWith(
    'restrict,pty,expiry-time="20270731",command="exec env ',
  );
});

const nothing = { added: undefined, apps: undefined, until: undefined };
const forcedLine =
  'command="FINGERPRINT=SHA256:x NAME=default /p/piku.py $SSH_ORIGINAL_COMMAND",no-pty';

test.each<[string, [number, string, string, string | undefined][]]>([
  ["", []],
  ["# ssh-ed25519 AAAA a\n\nnonsense\nssh-dss AAAA a", []],
  [
    "ssh-ed25519 AAAA a b \r\n  ssh-rsa BBBB==",
    [
      [0, "AAAA", "a b", undefined],
      [1, "BBBB==", "", undefined],
    ],
  ],
  [
    'from="10.0.0.1, x",command="say \\"ssh-rsa AAAA\\"" ssh-ed25519 BBBB c',
    [[0, "BBBB", "c", undefined]],
  ],
  [`\n${forcedLine} ssh-ed25519 AAAA me at home`, [[1, "AAAA", "me at home", "default"]]],
  [`${forcedLine} ssh-ed25519 AAAA`, [[0, "AAAA", "", "default"]]],
])("parseKeyLines(%j)", (content, expected) => {
  const found = parseKeyLines(content).map(({ at, blob, comment, access }) => [
    at,
    blob,
    comment,
    access?.name,
  ]);
  expect(found).toEqual(expected);
});

test.each<[string | undefined, Record<string, unknown>, boolean, string | undefined]>([
  [undefined, {}, true, undefined],
  ["a,b", { app: "a" }, false, undefined],
  ["a,b", { app: "/b.git" }, false, undefined],
  ["a,b", { app: "c" }, false, "app 'c'"],
  ["a,b", { app: "a,b" }, false, "app 'a,b'"],
  ["a,b", { app: "" }, false, "app ''"],
  ["a,b", { app: "a", global: true }, false, "'x'"],
  ["a,b", { app: "a" }, true, "'x'"],
  ["a,b", {}, false, "'x'"],
  // The original let an app be called so.
  ["c", { app: "c.git" }, false, "app 'c.git'"],
])("a key for %s, asking for %j", (apps, args, opensAll, refused) => {
  const env = { HOME: "/home/piku", ...(apps === undefined ? {} : { PIKU_KEY_APPS: apps }) };
  const host = memoryHost({ env, files: { "/home/piku/.piku/apps/c.git/x": "" } });
  const ask = () => refuseForeign(host, "x", args, opensAll);
  if (refused === undefined) ask();
  else expect(ask).toThrow(`this key is not for ${refused}`);
});

const someKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJsTV3a1tqcQ4jP1u5O4nR9yB8C6tT1u2yq3VfVn0Yk5";

test.each([
  ["a comment with blanks", `${someKey} x${" ".repeat(300_000)}y`, 1],
  ["blanks around it", `${" ".repeat(300_000)}${someKey}${" ".repeat(300_000)}`, 1],
  ["a word in front", `${"o".repeat(300_000)} ${someKey}`, 1],
  ["quotes in front", `${'a="b c",'.repeat(30_000)}d ${someKey}`, 1],
  ["a quote that is not closed", `command="${"a ".repeat(150_000)} ${someKey}`, 0],
  ["backslashes in a quote", `command="${"\\\\".repeat(150_000)}" ${someKey}`, 1],
  [
    "the beginning of our own words, again and again",
    `command="${"FINGERPRINT=".repeat(30_000)}" ${someKey}`,
    1,
  ],
  ["a key that does not end", `ssh-ed25519 ${"A".repeat(300_000)}!`, 0],
])("a line of authorized_keys with %s is read at once", (_, line, count) => {
  const start = Date.now();
  expect(parseKeyLines(line).length).toBe(count);
  expect(Date.now() - start).toBeLessThan(2000);
});

test("the fingerprints of all keys come from one call, and a key that ssh-keygen does not take has none", () => {
  const host = memoryHost({
    answer: () => ({ stdout: "256 SHA256:one 0 (ED25519)\n2048 SHA256:two 2 (RSA)\n" }),
  });
  const key = { type: "ssh-ed25519", blob: "AAAA" };
  expect(fingerprintsOf(host, [key, key, key])).toEqual(["SHA256:one", undefined, "SHA256:two"]);
  expect(fingerprintsOf(host, [])).toEqual([]);
  expect(host.ran).toEqual([["ssh-keygen", "-l", "-f", "-"]]);
});
