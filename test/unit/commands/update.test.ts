import { expect, test } from "bun:test";
import { dispatch } from "../../../src/commands/index.ts";
import { memoryHost } from "../../host/memory.ts";

test("a new release took its place before it was on the disk, and was empty after a power cut", async () => {
  const self = "/usr/local/bin/piku";
  const host = memoryHost({
    env: { HOME: "/home/piku" },
    files: { [self]: "new", [`${self}.old`]: "old" },
    answer(argv) {
      if (argv[0] === "ln") host.write(argv.at(-1)!, host.read(argv.at(-2)!) ?? "");
      if (argv[0] === "sync") expect(host.read(self)).toBe("new");
      return {};
    },
  });
  await dispatch(host, ["update", "--rollback"]);
  expect(host.ran.filter(([program]) => program === "sync")).toEqual([["sync", `${self}.new`]]);
  expect([host.read(self), host.read(`${self}.old`)]).toEqual(["old", "new"]);
});
