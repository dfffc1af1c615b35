/** The documents, and the command lines that they show. */
import fs from "node:fs";
import path from "node:path";

const root = path.resolve(import.meta.dir, "../..");

/** Who types a block, by the words behind its fence. */
const typists = [
  "sh",
  "sh fails",
  "sh board",
  "sh client",
  "sh laptop",
  "sh root",
  "sh checkout",
] as const;

/** Command lines, and what is shown of their output: lines in which `…` stands for anything. */
export interface Block {
  /**
   * `sh`: a person at the client; `sh fails`: the same, and the last command fails; `sh board`: the
   * board's user, on the board; `sh client`: a person who has the original's client script; `sh
   * laptop`: one who has piku's own client; `sh root`: root of some machine; `sh checkout`: whoever has piku's source.
   */
  typist: (typeof typists)[number];
  text: string;
  shows: string[];
  /** The file and the line, for a test's message. */
  where: string;
}

/** Every document for people: at the top, and below these directories. */
export const documents = [".", "docs", ".github"]
  .flatMap((folder) =>
    fs
      .readdirSync(path.join(root, folder), { recursive: folder !== "." })
      .map((name) => path.join(folder, String(name))),
  )
  .filter((name) => name.endsWith(".md"))
  .sort();

/** The guides, in the order of the index: later ones continue with the apps of those before. */
export const guides = [
  ...new Set(
    [...readDocument("docs/README.md").matchAll(/\((guides\/[\w-]+\.md)/g)].map(
      ([, name]) => `docs/${name}`,
    ),
  ),
];

/** Made from the table of commands, whose examples name apps of their own. */
const generated = ["docs/reference/commands.md"];

/** The documents whose commands are typed, in this order: the guides, then the others. */
export const pages = [
  ...guides,
  ...documents.filter((name) => !guides.includes(name) && !generated.includes(name)),
];

/** The text of a document. */
export function readDocument(name: string): string {
  return fs.readFileSync(path.join(root, name), "utf8");
}

/** Fences of what is not typed. */
const shown = ["ts"];

/**
 * The blocks of command lines of a page, in order. Throws for a fence of another kind, or output
 * without a command in front.
 */
export function blocksOf(page: string): Block[] {
  const blocks: Block[] = [];
  let open: { info: string; lines: string[]; where: string } | undefined;
  let behind = false;
  for (const [index, line] of readDocument(page).split("\n").entries()) {
    if (open && line === "```") {
      const { info, lines, where } = open;
      const typist = typists.find((one) => one === info);
      if (typist) blocks.push({ typist, text: lines.join("\n"), shows: [], where });
      else if (info === "text" && behind) blocks.at(-1)!.shows = lines;
      else if (!shown.includes(info))
        throw new Error(
          `${where}: a block is one of ${[...typists, ...shown].join(", ")}, or text right behind one of the former`,
        );
      behind = typist !== undefined;
      open = undefined;
    } else if (open) open.lines.push(line);
    else if (line.startsWith("```"))
      open = { info: line.slice(3).trim(), lines: [], where: `${page}:${index + 1}` };
    else if (line.trim() !== "") behind = false;
  }
  const mute = blocks.find(({ typist, shows }) => typist === "sh fails" && shows.length === 0);
  if (mute) throw new Error(`${mute.where}: what fails has to show how`);
  if (open) throw new Error(`${open.where}: the block is not closed`);
  return blocks;
}

/** The only block of a page with these words in it. */
export function blockWith(page: string, words: string | RegExp): Block {
  const found = blocksOf(page).filter(({ text }) =>
    typeof words === "string" ? text.includes(words) : words.test(text),
  );
  if (found.length !== 1)
    throw new Error(`${page} has ${found.length} blocks with '${words}' in them`);
  return found[0]!;
}

/**
 * The first of these lines that does not occur in the output behind those before it; undefined when
 * all do.
 */
export function missing(output: string, shows: readonly string[]): string | undefined {
  const lines = output.split("\n").map((line) => line.trimEnd());
  let at = 0;
  return shows
    .map((line) => line.trimEnd())
    .filter((line) => line !== "")
    .find((line) => {
      const escaped = line.split("…").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
      const pattern = new RegExp(`^${escaped.join(".*")}$`);
      const found = lines.findIndex((one, index) => index >= at && pattern.test(one));
      at = found + 1;
      return found < 0;
    });
}
