import { expect, test } from "bun:test";
import * as fs from "node:fs";
import { dirname, join, normalize } from "node:path";
import { withTables } from "../../docs/rooms.ts";
import { documents, guides, readDocument } from "../e2e/docs.ts";
import { attempts } from "../machines/hostile.ts";

const root = join(import.meta.dir, "../..");
const exists = (name: string) => fs.existsSync(join(root, name));

/** The text of a document without its blocks of code. */
const proseOf = (page: string) => readDocument(page).replace(/^```[\s\S]*?^```$/gm, "");

/** What GitHub and its like call the headings of a page: `#first-app`. */
function anchorsOf(page: string): string[] {
  const names = [...proseOf(page).matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
    title!
      .toLowerCase()
      .replace(/\]\([^)]*\)/g, "")
      .replace(/[^\w\s-]/g, "")
      .replaceAll(" ", "-"),
  );
  return names.map((name, index) => {
    const before = names.slice(0, index).filter((other) => other === name).length;
    return before === 0 ? name : `${name}-${before}`;
  });
}

/** Links and pictures of a page that lead nowhere in this repository. */
function brokenLinks(page: string): string[] {
  const links = [...proseOf(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link!);
  return links
    .filter((link) => !/^(https?|mailto):/.test(link))
    .filter((link) => {
      const [file = "", anchor] = link.split("#");
      const target = file === "" ? page : normalize(join(dirname(page), file));
      return !exists(target) || (anchor !== undefined && !anchorsOf(target).includes(anchor));
    })
    .map((link) => `${page}: ${link}`);
}

test("every link between documents leads somewhere", () => {
  expect(documents.length).toBeGreaterThan(20);
  expect(documents.flatMap(brokenLinks)).toEqual([]);
});

test("every file of the source that a document names is there", () => {
  const named = documents.flatMap((page) =>
    [...proseOf(page).matchAll(/`((?:src|test|docs|examples|\.github|\.ci)\/[\w./-]+)`/g)].map(
      ([, name]) => ({ page, name: name! }),
    ),
  );
  expect(named.length).toBeGreaterThan(10);
  expect(
    named.filter(({ name }) => !exists(name)).map(({ page, name }) => `${page}: ${name}`),
  ).toEqual([]);
});

test("every document of docs/ is in its index", () => {
  const listed = [...readDocument("docs/README.md").matchAll(/\]\(([\w/-]+\.md)\)/g)];
  expect(listed.map(([, name]) => `docs/${name}`).sort()).toEqual(
    documents.filter((name) => name.startsWith("docs/") && name !== "docs/README.md"),
  );
});

test.each([["README.md", 150], ...guides.map((page): [string, number] => [page, 95])])(
  "%s is at most %d lines",
  (page, most) => {
    // What the reader copies into a file is no reading.
    const read = readDocument(page).replace(/^```file [\s\S]*?^```\n/gm, "");
    expect(read.trimEnd().split("\n").length).toBeLessThan(most + 1);
  },
);

test("the tables in docs/architecture.md are those of the source: bun docs/rooms.ts", () => {
  const page = readDocument("docs/architecture.md");
  expect(page).toBe(withTables(page));
});

test.each(attempts.map(([what]) => [what]))("SECURITY.md names what was tried: %s", (what) => {
  expect(readDocument("SECURITY.md")).toContain(what);
});
