import { expect, test } from "bun:test";
import { readBoardSettings } from "../../../src/app/board-settings.ts";
import { pathsOf } from "../../../src/app/paths.ts";
import {
  keepCurrent,
  newerRelease,
  noteRelease,
  refusedRelease,
} from "../../../src/board/newer.ts";
import { memoryHost } from "../../host/memory.ts";

const self = "/usr/local/bin/piku";

/**
 * A board with this ENV, whose releases are a directory with this version. `doctor` of the executable
 * in place says what is well.
 */
function boardWith(env: string, version: string, doctor: Record<string, readonly string[]> = {}) {
  const sum = "a".repeat(64);
  const host = memoryHost({
    env: { HOME: "/home/piku" },
    files: { [self]: "old", "/home/piku/.piku/ENV": `PIKU_RELEASES=/srv/releases\n${env}` },
    answer([program, ...words]) {
      const [from = "", to = ""] = words.filter((word) => word.startsWith("/"));
      if (program === "cp" && from.endsWith("SHA256SUMS"))
        host.write(to, `# piku ${version}\n${sum}  piku-${host.target}\n`);
      else if (program === "cp") host.write(to, "new");
      else if (program === "ln") host.write(to, host.read(from) ?? "");
      else if (program === "sha256sum")
        return { stdout: (host.read(from) === "new" ? "a" : "b").repeat(64) };
      else if (program === self && words[0] === "doctor") {
        const well = doctor[host.read(self)!] ?? [];
        const found = ["emperor", "nginx", "sites", "processes"];
        return {
          stdout: JSON.stringify(found.map((check) => ({ check, ok: well.includes(check) }))),
        };
      }
      return {};
    },
  });
  const paths = pathsOf(host);
  host.mkdir(paths.uwsgi);
  const keep = () => keepCurrent(host, paths, readBoardSettings(host, paths.settings));
  return { host, paths, keep };
}

test.each([
  ["", "99.0.0", "old", "99.0.0"],
  ["PIKU_UPDATE=check\n", "99.0.0", "old", "99.0.0"],
  ["PIKU_UPDATE=false\n", "99.0.0", "old", undefined],
  ["PIKU_UPDATE=auto\n", "0.0.1", "old", undefined],
  ["PIKU_UPDATE=auto\n", "99.0.0", "new", "99.0.0"],
])("the daily run with %j and a release %s: %s is in place", (env, version, inPlace, newer) => {
  const { host, paths, keep } = boardWith(env, version);
  keep();
  expect(host.read(self)).toBe(inPlace);
  expect(newerRelease(host, paths)).toBe(newer);
});

test("what doctor found well before and not after is a reason to take it back, once", () => {
  const { host, paths, keep } = boardWith("PIKU_UPDATE=auto\n", "99.0.0", {
    old: ["emperor", "nginx"],
    new: ["emperor", "processes"],
  });
  expect(keep).toThrow(
    "piku 99.0.0 was taken back: with it, doctor found something wrong with nginx",
  );
  expect(host.read(self)).toBe("old");
  expect(refusedRelease(host, paths)).toBe("99.0.0");
  keep();
  expect(host.read(self)).toBe("old");
});

test("a place that cannot be reached is a fault with auto only", () => {
  for (const [env, fails] of [
    ["", false],
    ["PIKU_UPDATE=auto\n", true],
  ] as const) {
    const host = memoryHost({
      env: { HOME: "/home/piku" },
      files: { "/home/piku/.piku/ENV": `PIKU_RELEASES=https://example.org\n${env}` },
      answer: () => ({ status: 6, stderr: "curl: (6) Could not resolve host" }),
    });
    const paths = pathsOf(host);
    const keep = () => keepCurrent(host, paths, readBoardSettings(host, paths.settings));
    if (fails) expect(keep).toThrow("could not download SHA256SUMS");
    else keep();
    noteRelease(host, paths, "99.0.0");
    expect(newerRelease(host, paths)).toBeUndefined();
  }
});
