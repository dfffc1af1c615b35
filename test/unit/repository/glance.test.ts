import { expect, test } from "bun:test";
import { appOf } from "../../../src/app/app.ts";
import { pathsOf } from "../../../src/app/paths.ts";
import { fileOfCommit, namesOf, subjectOf } from "../../../src/repository/commit.ts";
import { memoryHost } from "../../host/memory.ts";

const id = "a".repeat(40);
const blob = "b".repeat(40);
const entry = (mode: string, kind: string, name: string) => `${mode} ${kind} ${blob}\t${name}\0`;

/** A commit with this message, this Procfile, a link, and a folder with a file. */
function commitWith(message: string, procfile = "web: a\n", head = "") {
  const host = memoryHost({
    env: { HOME: "/home/piku" },
    files: { "/proc/sys/kernel/random/uuid": "mark\n" },
    answer: (argv, { input = "" }) => {
      if (argv.includes("log")) return { stdout: "by git\n" };
      if (argv.includes("ls-tree"))
        return {
          stdout: [
            entry("100644", "blob", "Procfile"),
            entry("120000", "blob", "ENV"),
            entry("040000", "tree", "src"),
            entry("100644", "blob", "src/a"),
          ].join(""),
        };
      const objects: Record<string, string> = {
        [id]: `commit ${message.length}\ntree ${blob}\n${head}author x\n\n${message}`,
        [blob]: `blob ${procfile.length}\n${procfile}`,
      };
      const answers = input.trim().split("\n");
      return {
        stdout: answers
          .map((one) => (objects[one] ? `${one} ${objects[one]}\n` : `${one} missing\n`))
          .join(""),
      };
    },
  });
  return { host, commit: { id, app: appOf(pathsOf(host), "blog") } };
}

test.each([
  ["One\n", "One"],
  ["One\n\nTwo\n", "One"],
  ["\n\nOne\nmore\n\nTwo\n", "One more"],
  ["", ""],
])("the subject of %j", (message, subject) => {
  const { host, commit } = commitWith(message);
  namesOf(host, commit);
  expect(subjectOf(host, commit)).toBe(subject);
});

test("the subject of a message in another encoding is asked of git", () => {
  const { host, commit } = commitWith("One", undefined, "encoding latin1\n");
  namesOf(host, commit);
  expect(subjectOf(host, commit)).toBe("by git");
});

test("names and usual files need two calls of git, however often they are asked for", () => {
  const { host, commit } = commitWith("One");
  for (let i = 0; i < 3; i++) {
    expect(namesOf({ ...host }, commit)).toEqual(["Procfile", "ENV", "src/"]);
    expect(fileOfCommit(host, commit, "Procfile")).toBe("web: a\n");
    expect(fileOfCommit(host, commit, "src/none")).toBeUndefined();
    expect(fileOfCommit(host, commit, "package.json")).toBeUndefined();
  }
  expect(host.ran.length).toBe(2);
});

test("a file cannot speak for another", () => {
  const { host, commit } = commitWith("One", "mark missing\nx blob 1\ny\n");
  // It is told by a look of its own then.
  expect(() => namesOf(host, commit)).not.toThrow();
  expect(fileOfCommit(host, commit, "package.json")).toBeUndefined();
});
