/**
 * The clients for laptops. Windows' runs under Wine, with stand-ins for ssh and git; macOS's runs
 * nowhere here, but its signature, without which a Mac with Apple's processor ends it, is checked.
 */
import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { ok, quote } from "../e2e/board.ts";
import { dist, machines } from "./machine.ts";

machines([{ arch: "amd64", suite: "trixie" }], (machine, story) => {
  const piku = async (words: readonly string[], input = "") => {
    const line = ["wine", "piku.exe", ...words].map(quote).join(" ");
    const ran = await machine.sh(
      `cd /root && printf %s ${quote(input)} | WINEDEBUG=-all ${line} 2>/dev/null; echo "= $?"`,
    );
    return ran.stdout.replaceAll("\r\n", "\n").trimEnd().split("\n");
  };

  story("windows-x64 starts without a home that Linux knows", async () => {
    await machine.boot();
    const packages = "wine64 wine gcc-mingw-w64-x86-64-win32";
    ok(
      await machine.sh(
        `apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ${packages}`,
      ),
    );
    const standIn = path.join(import.meta.dir, "stand-in.c");
    ok(await machine.machine("copy", `${dist}/piku-windows-x64.exe`, standIn, "/root"));
    ok(
      await machine.sh(
        "cd /root && mv piku-windows-x64.exe piku.exe && x86_64-w64-mingw32-gcc -o ssh.exe stand-in.c && cp ssh.exe git.exe && cp ssh.exe scp.exe",
      ),
    );
    expect((await piku(["--version"]))[0]).toContain("(windows-x64, bun ");
  });

  const lines: [string[], string][] = [
    [["logs", "web"], "logs blog web"],
    [["config:set", "A=x y"], "config:set blog 'A=x y'"],
    [["config:set", 'A=it\'s "so" \\'], `config:set blog 'A=it'\\''s "so" \\'`],
    [["run", "--", "echo", "a b", "c\\"], "run blog -- echo 'a b' 'c\\'"],
    [["run", 'echo "%PATH%" $HOME'], 'run blog -- echo "%PATH%" $HOME'],
    [["apps"], "apps"],
  ];
  story(
    "what is typed on Windows arrives at the board, and its exit status comes back",
    async () => {
      for (const [words, line] of lines)
        expect(await piku(words)).toEqual(["[--]", "[piku@board]", `[${line}]`, "= 7"]);
    },
  );

  story("bytes stream through on Windows, and files are copied", async () => {
    expect((await piku(["restore"], "what comes in\n")).slice(-2)).toEqual([
      "what comes in",
      "= 7",
    ]);
    expect(await piku(["download", "a b.txt"])).toContain("[piku@board:.piku/data/blog/a b.txt]");
    expect(await piku(["deploy"])).toContain("[HEAD:refs/heads/main]");
  });
});

/** Reads the signature of a program for macOS: its flags, and the pages whose hash is not theirs. */
function readSignature(file: string) {
  const program = fs.readFileSync(file);
  let command = 32;
  // LC_CODE_SIGNATURE of <mach-o/loader.h>
  while (program.readUInt32LE(command) !== 0x1d) command += program.readUInt32LE(command + 4);
  const place = program.readUInt32LE(command + 8);
  // The first blob is the code directory: cs_blobs.h of Apple's kernel; big-endian.
  const directory = program.subarray(place + program.readUInt32BE(place + 16));
  expect(directory.readUInt32BE(0)).toBe(0xfade0c02);
  const [flags, hashes, pages, end] = [12, 16, 28, 32].map((at) => directory.readUInt32BE(at));
  const [size, page] = [directory[36]!, 1 << directory[39]!];
  const wrong = Array.from({ length: pages! }, (_, i) => i).filter((i) => {
    const bytes = program.subarray(i * page, Math.min((i + 1) * page, end!));
    const hash = directory.subarray(hashes! + i * size, hashes! + (i + 1) * size);
    return !createHash("sha256").update(bytes).digest().equals(hash);
  });
  return { isAdHoc: (flags! & 2) !== 0, pages: pages!, wrong, isAll: end === place };
}

test.each([["arm64"], ["x64"]])(
  "darwin-%s is signed ad hoc, and every page is as it was signed",
  (machine) => {
    const { isAdHoc, pages, wrong, isAll } = readSignature(`${dist}/piku-darwin-${machine}`);
    expect(isAll).toBe(true);
    expect(isAdHoc).toBe(true);
    expect(pages).toBeGreaterThan(10_000);
    expect(wrong).toEqual([]);
  },
);
