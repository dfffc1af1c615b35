import { expect, test } from "bun:test";
import { pathsOf } from "../../../src/app/paths.ts";
import { keyLine } from "../../../src/board/keys.ts";
import { giveBack, originalOf, takeOver } from "../../../src/board/takeover.ts";
import { memoryHost } from "../../host/memory.ts";

const home = "/home/piku";
const file = `${home}/.ssh/authorized_keys`;
const repo = `${home}/.piku/repos/blog`;
const theirs = (name = "default", script = "/home/piku/piku.py") =>
  `command="FINGERPRINT=SHA256:ab+/1 NAME=${name} ${script} $SSH_ORIGINAL_COMMAND",no-agent-forwarding,no-user-rc,no-X11-forwarding,no-port-forwarding ssh-ed25519 AAAA me @home`;

function machine(lines: string, files: Record<string, string> = {}) {
  const base = {
    [file]: lines,
    [`${repo}/HEAD`]: "ref: refs/heads/master\n",
    [`${home}/.piku/apps/blog/app.py`]: "",
  };
  const host = memoryHost({ env: { HOME: home }, files: { ...base, ...files } });
  return { host: { ...host, self: `${home}/piku` }, paths: pathsOf(host) };
}

const ours = (name = "default") => {
  const { host, paths } = machine("");
  const key = {
    type: "ssh-ed25519",
    blob: "AAAA",
    comment: "me @home",
    fingerprint: "SHA256:ab+/1",
  };
  return keyLine(host, paths, key).replace("NAME=default", `NAME=${name}`);
};

test.each<[string, string, string, number]>([
  ["a line of the original", theirs(), ours(), 1],
  ["a name of its own", theirs("ann"), ours("ann"), 1],
  ["a script elsewhere", theirs("default", "/opt/piku"), ours(), 1],
  [
    "lines of others stay to the byte",
    `# mine\r\n${theirs()}\nssh-rsa BBBB x`,
    `# mine\r\n${ours()}\nssh-rsa BBBB x`,
    1,
  ],
  ["another command", theirs("default", "/usr/bin/other"), theirs("default", "/usr/bin/other"), 0],
  ["ours already", `${ours()}\n`, `${ours()}\n`, 0],
  ["none", "", "", 0],
])("takeOver, keys: %s", (_, before, after, count) => {
  const { host, paths } = machine(before);
  expect(takeOver(host, paths)).toBe(count);
  expect(host.read(file)).toBe(after);
});

test.each<[string, Record<string, string>, string, string | undefined]>([
  [
    "the original is there",
    { [`${home}/piku.py`]: "#!/usr/bin/env python3\n" },
    `${theirs("ann")}\n# x\n`,
    "is",
  ],
  ["it is not", {}, "# x\n", undefined],
])("giveBack when %s", (_, files, keys, hook) => {
  const { host, paths } = machine(`${ours("ann")}\n# x\n`, {
    ...files,
    [`${repo}/hooks/pre-receive`]: "x git-hook blog",
  });
  giveBack(host, paths);
  expect(host.read(file)).toBe(keys);
  expect(host.read(`${repo}/hooks/pre-receive`)).toBeUndefined();
  const expected = `#!/bin/sh\nPIKU_ROOT=${home}/.piku exec ${originalOf(paths)} git-hook blog\n`;
  expect(host.read(`${repo}/hooks/post-receive`)).toBe(hook && expected);
});
