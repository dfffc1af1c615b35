/**
 * The tables of rooms and of the spine in docs/architecture.md, counted from the source: `bun
 * docs/rooms.ts` writes them, `bun docs/rooms.ts --check` fails where they are out of date.
 */
import fs from "node:fs";
import path from "node:path";

const source = path.join(import.meta.dir, "../src");
const page = path.join(import.meta.dir, "architecture.md");

/** The rooms of src/ from the ground up, and what each is for; a room imports from lower ones only. */
export const rooms: Record<string, string> = {
  host: "the outside world: files, processes, time; two engines behind one interface",
  text: "text, lines and colours for people, errors",
  app: "what an app is on disk: names, paths, Procfile, ENV files, settings, releases, locks",
  workers:
    "uWSGI: what a worker is, its files, the emperor, start, health, stop, ports, logs, cron",
  repository:
    "git: the bare repository and its hook, commits, work trees, checkout and the way back",
  runtimes: "languages: the ordered table of runtimes, one object each, and their dependencies",
  site: "nginx: a site's facts and text, switching, reloading, certificates, cache, maintenance",
  deploy: "the transaction: survey, plan, build, start, switch, recover, clean up, destroy",
  board: "the board as a whole: keys, doctor, status, backup, restore, take-over of the original",
  commands: "what people type: the table of commands, help, one file for each group",
  client: "the same executable on a laptop: git remotes, ssh, and what runs there",
  "main.ts": "command line to command; prints errors, sets the exit status",
};

/** What to read in an afternoon, in this order. */
const spine: Record<string, string> = {
  "main.ts": "how a call becomes a command, and an error a sentence",
  "commands/git.ts": "what a push is to the board: git's own program, and its pre-receive hook",
  "deploy/deploy.ts": "the steps of a deploy, and what happens when one fails",
  "deploy/survey.ts": "what a commit says: Procfile, ENV, runtime, settings",
  "deploy/plan.ts": "everything that is going to be done, decided before anything is touched",
  "deploy/build.ts": "preflight, dependencies, the runtime's build, the release line",
  "repository/checkout.ts": "files put in place, and back",
  "deploy/generation.ts": "new processes beside the old ones, or in their place",
  "workers/start.ts": "a worker's files written and shown to uWSGI",
  "site/switch.ts": "requests sent to the new processes",
  "app/releases.ts": "records on disk: releases, the journal, which one is live",
  "deploy/retire.ts": "what was replaced is let go",
  "workers/stop.ts": "old processes finish their requests and end",
  "deploy/recover.ts": "a deploy that failed or was killed is undone or finished",
};

interface File {
  name: string;
  room: string;
  lines: number;
  /** Lines that are neither blank nor comments. */
  code: number;
  /** Rooms that it imports from, its own left out. */
  imports: string[];
}

const roomOf = (name: string) => name.split("/")[0]!;

function readSource(name: string): File {
  const lines = fs.readFileSync(path.join(source, name), "utf8").trimEnd().split("\n");
  const comment = /\.(ts|c)$/.test(name) ? /^\s*(\/\/|\/\*|\*)/ : /^\s*#/;
  const imported = /^(?:import|export)\b[^;]*?\bfrom "(\.[^"]+)"|\bawait import\("(\.[^"]+)"\)/gm;
  const imports = [...lines.join("\n").matchAll(imported)]
    .map(([, target, later]) => roomOf(path.join(path.dirname(name), (target ?? later)!)))
    .filter((room) => room in rooms && room !== roomOf(name));
  const code = lines.filter((line) => line.trim() !== "" && !comment.test(line)).length;
  return { name, room: roomOf(name), lines: lines.length, code, imports };
}

const row = (cells: readonly (string | number)[]) => `| ${cells.join(" | ")} |`;
// Rounded, or every change of the source would change the page.
const about = (lines: number) => {
  const step = lines < 1000 ? 10 : 100;
  return Math.round(lines / step) * step;
};
const sumOf = (numbers: readonly number[]) => numbers.reduce((sum, one) => sum + one, 0);

function renderRooms(files: readonly File[]): string {
  const names = Object.keys(rooms);
  const of = (room: string) => files.filter((file) => file.room === room);
  const importsOf = (room: string) => {
    const found = new Set(of(room).flatMap(({ imports }) => imports));
    return names.filter((name) => found.has(name));
  };
  const floorOf = (room: string): number =>
    1 +
    Math.max(
      0,
      ...importsOf(room)
        .filter((name) => name !== room)
        .map(floorOf),
    );
  const sizes = (of: readonly File[]) => [
    of.length,
    about(sumOf(of.map(({ lines }) => lines))),
    about(sumOf(of.map(({ code }) => code))),
  ];
  return [
    row(["floor", "room", "what it is for", "files", "lines", "of code", "imports from"]),
    "| ---: | --- | --- | ---: | ---: | ---: | --- |",
    ...names
      .map((room) =>
        row([
          floorOf(room),
          `[${room}](../src/${room})`,
          rooms[room]!,
          ...sizes(of(room)),
          importsOf(room).join(", "),
        ]),
      )
      .reverse(),
    row([
      Math.max(...names.map(floorOf)),
      "all",
      "",
      ...sizes(files),
      `${sumOf(names.map((room) => importsOf(room).length))} imports between rooms, none upward`,
    ]),
  ].join("\n");
}

function renderSpine(files: readonly File[]): string {
  const read = Object.keys(spine).map((name) => {
    const file = files.find((file) => file.name === name);
    if (!file) throw new Error(`src/${name} is gone: say in docs/rooms.ts what took its place`);
    return file;
  });
  const sizes = (of: readonly File[]) => [
    about(sumOf(of.map(({ lines }) => lines))),
    about(sumOf(of.map(({ code }) => code))),
  ];
  return [
    row(["file", "what you learn there", "lines", "of code"]),
    "| --- | --- | ---: | ---: |",
    ...read.map((file) =>
      row([`[${file.name}](../src/${file.name})`, spine[file.name]!, ...sizes([file])]),
    ),
    row(["all", "", ...sizes(read)]),
  ].join("\n");
}

/** A page with its tables as the source is now; throws where the page has no place for one. */
export function withTables(text: string): string {
  const files = [...new Bun.Glob("**/*.{ts,c,py,sh}").scanSync(source)].map(readSource);
  const stray = files.find(({ room }) => !(room in rooms));
  if (stray) throw new Error(`src/${stray.name} is in no room of docs/rooms.ts`);
  const tables = { rooms: renderRooms(files), spine: renderSpine(files) };
  return Object.entries(tables).reduce((all, [name, table]) => {
    const place = new RegExp(`(<!-- ${name}:[^\n]*-->\n)[^]*?(\n<!-- /${name} -->)`);
    if (!place.test(all)) throw new Error(`there is no place for the table of ${name}`);
    return all.replace(place, (_, begin: string, end: string) => begin + table + end);
  }, text);
}

if (import.meta.main) {
  const text = fs.readFileSync(page, "utf8");
  const current = withTables(text);
  if (process.argv.includes("--check")) {
    if (text !== current) console.error("docs/architecture.md is out of date: bun docs/rooms.ts");
    process.exitCode = text === current ? 0 : 1;
  } else fs.writeFileSync(page, current);
}
