/** install.sh as far as it goes without a machine of its own: that shells read it, and what it decides. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";

const script = path.resolve(import.meta.dir, "../../install.sh");
const shells = [["dash"], ["busybox", "sh"], ["bash", "--posix"]].filter(([name]) => Bun.which(name!));
// All but the last line, which calls it.
const functions = fs.readFileSync(script, "utf8").replace(/main "\$@"\n$/, "");

/** What this line of shell says after the functions of install.sh. */
function tell(shell: readonly string[], line: string) {
  const ran = spawnSync(shell[0]!, [...shell.slice(1), "-c", `${functions}\n${line}`], { encoding: "utf8" });
  return `${ran.stdout}${ran.stderr}`.trim();
}

test.skipIf(!Bun.which("shellcheck"))("shellcheck has nothing to say", () => {
  const ran = spawnSync("shellcheck", ["-s", "sh", script], { encoding: "utf8" });
  expect(ran.stdout).toBe("");
});

for (const shell of shells) {
  const name = shell[0];
  test(`${name} reads it`, () => {
    expect(spawnSync(shell[0]!, [...shell.slice(1), "-n", script], { encoding: "utf8" }).stderr).toBe("");
    expect(tell(shell, "usage")).toContain("--uninstall");
  });

  test.each([
    ["2 62 0", "x86_64", 4000, 8, "linux-x64 linux-x64-lite"],
    ["2 62 0", "x86_64", 512, 8, "linux-x64-lite linux-x64"],
    ["2 183 0", "aarch64", 8000, 8, "linux-arm64 linux-arm64-lite"],
    ["2 183 0", "aarch64", 416, 8, "linux-arm64-lite linux-arm64"],
    ["1 40 0", "armv7l", 900, 7, "linux-armv7 linux-armv6"],
    // A 64-bit kernel with a 32-bit userland.
    ["1 40 0", "aarch64", 4000, 8, "linux-armv7 linux-armv6"],
    // A Pi Zero: its cpuinfo says 7.
    ["1 40 0", "armv6l", 430, 7, "linux-armv6"],
    ["1 40 0", "armv7l", 430, 6, "linux-armv6"],
    ["1 40 0", "armv7l", 430, 5, "linux-armv6"],
    [
      "1 3 0",
      "i686",
      2000,
      8,
      "Error: there is no piku for this processor (i686)\nHint: there is one for x86-64, 64-bit ARM, ARMv7 and ARMv6",
    ],
  ])(`${name}: an ELF of %s on %s with %d MB, architecture %s`, (elf, machine, memory, architecture, expected) => {
    const world = [
      `bytes_of() { [ "$2" = 4 ] && echo ${elf.split(" ")[0]} || echo ${elf.slice(2)}; }`,
      `uname() { echo ${machine}; }`,
      `awk() { echo ${memory}; }`,
      `sed() { echo ${architecture}; }`,
    ];
    expect(tell(shell, `${world.join("\n")}\nroot= find_targets; echo "$targets"`)).toBe(expected);
  });

  test.each([
    ["ID=debian", "tried apt www-data"],
    ["ID=raspbian\nID_LIKE=debian", "tried apt www-data"],
    ["ID=ubuntu\nID_LIKE=debian", "tried apt www-data"],
    ['ID="rocky"\nID_LIKE="rhel centos fedora"', "untried dnf nginx"],
    ["ID=alpine", "untried apk nginx"],
    [
      "ID=plan9",
      "Error: there are no package names for this distribution (plan9 )\nHint: there are: debian,raspbian,ubuntu fedora,rhel,centos alpine",
    ],
  ])(`${name}: os-release says %j`, (release, expected) => {
    const root = fs.mkdtempSync("/tmp/piku-root-");
    fs.mkdirSync(`${root}/etc`);
    fs.writeFileSync(`${root}/etc/os-release`, `${release}\n`);
    expect(tell(shell, `root=${root}; find_distribution; echo $tried $manager $web`)).toBe(expected);
    fs.rmSync(root, { recursive: true });
  });

  test.each([
    ["nginx/1.18.0 (Ubuntu)", "return 444;"],
    ["nginx/1.19.3", "return 444;"],
    ["nginx/1.19.4", "ssl_reject_handshake on;"],
    ["nginx/1.22.1", "ssl_reject_handshake on;"],
    ["nginx/2.0.0", "ssl_reject_handshake on;"],
  ])(`${name}: the https server for unknown names of %s`, (version, expected) => {
    const world = `nginx() { echo "nginx version: ${version}" >&2; }\nopenssl() { :; }`;
    expect(tell(shell, `${world}\nhttps_server`)).toContain(expected);
  });

  test(`${name}: a script that was cut short anywhere does nothing`, () => {
    const text = fs.readFileSync(script, "utf8");
    for (let length = 0; length < text.length - 10; length += 251) {
      const ran = spawnSync(shell[0]!, [...shell.slice(1), "-s", "--", "--help"], {
        input: text.slice(0, length),
        encoding: "utf8",
      });
      expect([length, ran.stdout]).toEqual([length, ""]);
    }
  });
}
