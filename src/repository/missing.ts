import type { Host } from "../host/host.ts";
import { printable, someOf } from "../text/text.ts";
import { type Commit, entriesOf, fileOfCommit, type TreeEntry, textsOf } from "./commit.ts";
import { glanceAt } from "./glance.ts";
import { parseModules } from "./modules.ts";

/** What stands for something else in a commit. */
export interface Marks {
  /** Repositories inside the app: submodules, or what was added by mistake. */
  repositories: string[];
  /** Paths of `.htaccess` files. */
  htaccess: string[];
  attributes: TreeEntry[];
}

const blob = "^100[0-9]* blob [0-9a-f]+";
const marks = `^160000 |${blob}[[:blank:]](.*/)?\\.(htaccess|gitattributes)$`;

/** Looks for them, by at most one call of git. */
export function marksOf(host: Host, commit: Commit): Marks {
  const entries = glanceAt(host, commit)?.entries ?? entriesOf(host, commit, marks);
  const called = (name: string) => (entry: TreeEntry) =>
    entry.name.endsWith(name) &&
    `/${entry.name}`.endsWith(`/${name}`) &&
    entry.mode.startsWith("100");
  return {
    repositories: entries.filter(({ mode }) => mode === "160000").map(({ name }) => name),
    htaccess: entries.filter(called(".htaccess")).map(({ name }) => name),
    attributes: entries.filter(called(".gitattributes")),
  };
}

/** Sentences about what a push did not bring: embedded repositories, and files of Git LFS. */
export const missingWarnings = (host: Host, commit: Commit, marks: Marks): string[] => [
  ...embeddedWarnings(marks.repositories, fileOfCommit(host, commit, ".gitmodules") ?? ""),
  ...pointerWarnings(host, commit, marks.attributes),
];

/** Repositories inside the app that are no submodules: git pushes none of their files. */
export const embeddedWarnings = (repositories: readonly string[], modules: string): string[] => {
  const known = new Set(parseModules(modules).map(({ path }) => path));
  return repositories
    .filter((path) => !known.has(path))
    .slice(0, 3)
    .map(printable)
    .map(
      (path) =>
        `${path}/ has a .git of its own, so its files were not pushed; on your machine: rm -rf ${path}/.git; git rm --cached ${path}; git add ${path}`,
    );
};

// A pointer of Git LFS has 126 bytes or a few more (git-lfs, docs/spec.md).
const pointerSized = `${blob} +1[2-9][0-9][[:blank:]]`;
const pointer = /^version https:\/\/git-lfs\.github\.com\/spec\/v1\n/;
const maxCandidates = 500;

/** The first pattern of files that `.gitattributes` gives to Git LFS. */
export const lfsPattern = (attributes: string): string | undefined =>
  attributes
    .split("\n", 1000)
    .find((line) => /^\s*[^\s#].*\sfilter=lfs\b/.test(line.slice(0, 1000)))
    ?.trim()
    .split(/\s/)[0];

/** Files that are in the commit only as pointers of Git LFS. */
function pointerWarnings(host: Host, commit: Commit, attributes: readonly TreeEntry[]): string[] {
  const rules = textsOf(
    host,
    commit,
    attributes.slice(0, 20).map(({ id }) => id),
  );
  const rule = [...rules.values()].map(lfsPattern).find(Boolean);
  if (rule === undefined) return [];
  const small = entriesOf(host, commit, pointerSized, "-l").slice(0, maxCandidates);
  const texts = textsOf(host, commit, [...new Set(small.map(({ id }) => id))]);
  const found = small.filter(({ id }) => pointer.test(texts.get(id) ?? ""));
  return found.length === 0
    ? []
    : [
        `Git LFS kept the content of ${someOf(found.map(({ name }) => printable(name)))} elsewhere, and only pointers arrived; on your machine: git lfs pull; git lfs untrack '${printable(rule)}'; git add --renormalize .; git commit`,
      ];
}
