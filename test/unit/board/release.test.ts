import { expect, test } from "bun:test";
import {
  compareVersions,
  doubtsOfPlace,
  readPikuRelease,
  sumOf,
} from "../../../src/board/release.ts";
import { memoryHost } from "../../host/memory.ts";

test.each([
  ["0.1.0", "0.1.0", 0],
  ["0.2.0", "0.10.0", -1],
  ["1.0.0", "0.9.9", 1],
  ["1.0.0-rc.1", "1.0.0", -1],
  ["1.0.0-rc.2", "1.0.0-rc.10", -1],
  ["1.0.0-beta", "1.0.0-alpha.1", 1],
  ["1.0.0-rc", "1.0.0-rc.1", -1],
  ["1.0.0+a", "1.0.0+b", 0],
])("version %s beside %s: %d", (one, other, expected) => {
  expect(Math.sign(compareVersions(one, other))).toBe(expected);
  expect(Math.sign(compareVersions(other, one))).toBe(expected === 0 ? 0 : -expected);
});

const http = /^plain http can be read/;
test.each([
  ["/srv/piku", undefined],
  ["https://example.org/piku", undefined],
  ["http://10.1.2.3/x", http],
  ["http://127.0.0.1:8000", http],
  ["http://[fd00::1]:80/x", http],
  ["http://[::1]", http],
  ["http://box.local/piku", http],
  ["http://files.school.lan:8080/piku", http],
])("releases at %s", (from, expected) => {
  if (expected) expect(doubtsOfPlace(from)).toMatch(expected);
  else expect(doubtsOfPlace(from)).toBeUndefined();
});

const notPrivate = "is not an address of a private network";
test.each([
  ["http://example.org/x", notPrivate],
  ["http://8.8.8.8/x", notPrivate],
  ["http://10.0.0.1@example.org/", notPrivate],
  ["http://10.example.org/", notPrivate],
  ["http://10.0.0.1.example.org/", notPrivate],
  ["http://[2001:db8::1]/", notPrivate],
  ["http://local/", notPrivate],
  ["ftp://10.0.0.1/x", "neither a directory nor a URL"],
  ["file:///srv", "neither a directory nor a URL"],
  ["releases", "neither a directory nor a URL"],
])("no releases at %s", (from, message) => {
  expect(() => doubtsOfPlace(from)).toThrow(message);
});

/** A host whose ssh-keygen says this of a release with these sums. */
function hostWith(sums: string, answer: { status?: number; stderr?: string } = {}) {
  let signers = "";
  const host = memoryHost({
    answer(argv) {
      if (argv[0] === "cp") host.write(argv[2]!, argv[1]!.endsWith(".sig") ? "signature" : sums);
      if (argv[0] === "ssh-keygen") signers = host.read("/x.signers") ?? "";
      return argv[0] === "ssh-keygen" ? answer : {};
    },
  });
  return { host, signers: () => signers };
}
const line = `${"a".repeat(64)}  piku-linux-x64`;

test("a release is read once its signature is checked, with either of two keys, and leaves nothing", () => {
  const { host, signers } = hostWith(`# piku 1.2.3-rc.1\n${line}\n`);
  const release = readPikuRelease(host, "/srv", "/x", "ssh-ed25519 AAA\nssh-ed25519 BBB");
  expect(release.version).toBe("1.2.3-rc.1");
  expect(sumOf(release, "piku-linux-x64")).toBe("a".repeat(64));
  expect(() => sumOf(release, "piku-linux")).toThrow("the release at /srv has no piku-linux");
  expect(signers()).toBe(
    'piku namespaces="piku-release" ssh-ed25519 AAA\npiku namespaces="piku-release" ssh-ed25519 BBB\n',
  );
  expect(host.list("/")).toEqual([]);
});

test.each([
  [
    "not signed",
    `# piku 1.2.3\n${line}\n`,
    { status: 255, stderr: "Could not verify" },
    /is not signed with a key that this piku knows: Could not verify/,
  ],
  [
    "no ssh-keygen",
    `# piku 1.2.3\n${line}\n`,
    { status: 127, stderr: "ssh-keygen: not found" },
    /is not signed .*: ssh-keygen: not found/,
  ],
  ["no version", `${line}\n`, {}, /does not say its version/],
  ["a version further below", `${line}\n# piku 1.2.3\n`, {}, /does not say its version/],
])("a release that is refused: %s", (_, sums, answer, message) => {
  const { host } = hostWith(sums, answer);
  expect(() => readPikuRelease(host, "/srv", "/x", "ssh-ed25519 AAA")).toThrow(message);
  expect(host.list("/")).toEqual([]);
});
