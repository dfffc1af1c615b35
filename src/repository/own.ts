import type { App } from "../app/app.ts";
import { readRelease, recordedNumbers, releaseFiles, type Took } from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { PikuError } from "../text/errors.ts";
import { printable, someOf } from "../text/text.ts";
import { keptList, type Made, sameSecond } from "./build-tree.ts";
import { type Commit, entriesOf } from "./commit.ts";
import { git, gitEnv, treeArgv } from "./git.ts";
import { changedFiles } from "./worktree.ts";

/**
 * Whose version of a file wins that both the app and the commit have changed: names of files and
 * directories, or `.` for all.
 */
export interface Choices {
  /** The app's stays. */
  keep: readonly string[];
  /** The commit's replaces it. */
  take: readonly string[];
}

/**
 * The choices that push options make, `keep=FILE` and `take=FILE` (git-push(1): -o). Throws for
 * any other.
 */
export function parseChoices(options: readonly string[]): Choices {
  const choices: { keep: string[]; take: string[] } = { keep: [], take: [] };
  for (const option of options) {
    const [, verb, name] = /^(keep|take)=(.+)$/s.exec(option) ?? [];
    if (!verb || !name)
      throw new PikuError(
        `there is no push option '${printable(option)}'`,
        "there are keep=FILE and take=FILE, for a file that the app has changed",
      );
    choices[verb as keyof Choices].push(name);
  }
  return choices;
}

const covers = (chosen: readonly string[] = [], name: string) =>
  chosen.some(
    (one) => one === "." || one === name || name.startsWith(`${one.replace(/\/+$/, "")}/`),
  );

// What Python writes whenever a program starts; many a first commit has it.
const isRewritten = (name: string) => /(^|\/)__pycache__\/|\.py[co]$/.test(name);

const hashable = (name: string) => !/\n|^"/.test(name);

/** The ids of the blobs that files have in a commit, one call of git for all. */
function blobsIn(
  host: Host,
  { app, id, incoming }: Commit,
  names: readonly string[],
): Map<string, string> {
  const asked = names.filter(hashable);
  if (asked.length === 0) return new Map();
  const input = asked.map((name) => `${id}:${name}\n`).join("");
  const lines = git(host, app.repo, ["cat-file", "--batch-check"], incoming, {
    input,
  }).stdout.split("\n");
  return new Map(
    asked.flatMap((name, i) => {
      const [, blob] = /^([0-9a-f]+) blob \d+$/.exec(lines[i] ?? "") ?? [];
      return blob === undefined ? [] : [[name, blob] as const];
    }),
  );
}

/** The same, and for files in submodules the ids of these. */
function versionsIn(host: Host, commit: Commit, names: readonly string[]): Map<string, string> {
  const blobs = blobsIn(host, commit, names);
  if (blobs.size === names.length) return blobs;
  for (const { name, id } of entriesOf(host, commit, "^160000 "))
    for (const file of names) if (file.startsWith(`${name}/`)) blobs.set(file, id);
  return blobs;
}

/** The ids that files of a work tree would have as blobs; `filter`: as a commit would have them. */
function hashesOf(host: Host, dir: string, names: readonly string[], filter: boolean) {
  if (names.length === 0) return new Map<string, string>();
  const words = ["hash-object", ...(filter ? [] : ["--no-filters"]), "--stdin-paths"];
  const input = names.map((name) => `${name}\n`).join("");
  // A file that cannot be read ends it; the rest counts as changed.
  const lines = host.capture(treeArgv(host, dir, ...words), { env: gitEnv(host), input }).stdout;
  return new Map(lines.split("\n").map((hash, i) => [names[i], hash] as const));
}

/**
 * Which of these files differ from those of a commit in what they hold: neither times, rights nor
 * ends of lines that git converts count.
 */
export function differing(host: Host, commit: Commit, names: readonly string[]): string[] {
  const dir = commit.app.tree;
  const blobs = blobsIn(host, commit, names);
  const links = new Set(names.filter((name) => host.stat(`${dir}/${name}`)?.type === "link"));
  const files = [...blobs.keys()].filter((name) => !links.has(name));
  const same = (filter: boolean, among: readonly string[]) => {
    const hashes = hashesOf(host, dir, among, filter);
    return among.filter((name) => hashes.get(name) === blobs.get(name));
  };
  const plain = new Set(same(false, files));
  const converted = new Set(
    same(
      true,
      files.filter((name) => !plain.has(name)),
    ),
  );
  const isSameLink = (name: string) =>
    links.has(name) &&
    blobs.has(name) &&
    git(host, commit.app.repo, ["cat-file", "blob", blobs.get(name)!], commit.incoming).stdout ===
      host.readLink(`${dir}/${name}`);
  return names.filter((name) => !plain.has(name) && !converted.has(name) && !isSameLink(name));
}

/**
 * Whether a file is still as a build or the release line has left it; `same` compares times of
 * change.
 */
export function isAsMade(
  host: Host,
  app: App,
  made: readonly Made[],
  same: (a: number, b: number) => boolean = sameSecond,
): (name: string) => boolean {
  const known = new Map(made.map((one) => [one.name, one]));
  return (name) => {
    const was = known.get(name);
    const now = was && host.stat(`${app.tree}/${name}`);
    return now !== undefined && now.size === was!.size && same(now.modified, was!.modified);
  };
}

/** The same of the files that release lines have changed: theirs are not from a tar file. */
export const isAsReleased = (host: Host, app: App, release: number | undefined) =>
  isAsMade(host, app, changedByRelease(host, app, release), (a, b) => a === b);

/** Tracked files that the release lines up to this release have changed. */
const changedByRelease = (host: Host, app: App, release: number | undefined): Made[] =>
  keptList(host, app, release, "outputs");

/**
 * Runs the Procfile's release line (`action`), and records which tracked files are as it has left
 * them: a later commit may replace those, since the app has not written into them. `action`
 * undefined: what is known of earlier ones still holds.
 */
export function recordOutputs(
  host: Host,
  app: App,
  { number, live }: { number: number; live: number | undefined },
  action: (() => void) | undefined,
): void {
  const former = changedByRelease(host, app, live);
  const asMade = isAsReleased(host, app, live);
  const own = new Set(action ? changedFiles(host, app.tree).filter((name) => !asMade(name)) : []);
  action?.();
  const changed = action ? changedFiles(host, app.tree) : [];
  const outputs = changed
    .filter((name) => !own.has(name))
    .flatMap((name) => {
      const entry = host.stat(`${app.tree}/${name}`);
      return entry ? [{ name, size: entry.size, modified: entry.modified }] : [];
    });
  const all = action ? outputs : former;
  if (all.length > 0) host.note(releaseFiles(app, number).outputs, JSON.stringify(all), 0o600);
}

/** The files that both the app and a commit have changed, and what becomes of them. */
export interface Own {
  /** The app's stay, though the commit has others, or none. */
  stay: string[];
  /** Those among them that the commit removes. */
  removed: string[];
  /** The commit's replace them, since that was asked for. */
  taken: string[];
}

/** What a checkout would do to files that the app has written. */
export interface Clash {
  commit: Commit;
  shown?: string;
  /** Tracked files that the app may have changed, those of submodules too. */
  changed: readonly string[];
  /** The submodules that are there. */
  modules: readonly string[];
  added: readonly string[];
  modified: readonly string[];
  deleted: readonly string[];
  /** Files that come and that are there already, without git knowing them. */
  present: readonly string[];
  isOutput(name: string): boolean;
  choices?: Choices;
  /** Of a rollback, whose files stay where git did not know them: a push had removed them. */
  back?: number;
  again(choice: string, files: string): string;
}

/** The submodule that a file lies in. */
export const submoduleOf = (modules: readonly string[], name: string): string | undefined =>
  modules.find((module) => name.startsWith(`${module}/`));

/**
 * Decides about files in submodules to which the commit gives another commit. What that would do to
 * each file is not known before it is fetched, so a submodule stays, or is replaced, as a whole.
 */
function planModules({ changed, modules, added, modified, deleted, choices, isOutput }: Clash) {
  const isWritten = (name: string) => !isRewritten(name) && !isOutput(name);
  const below = (some: readonly string[]) =>
    changed.filter((name) => submoduleOf(some, name) !== undefined && isWritten(name));
  const moved = modules.filter((module) => modified.includes(module) || added.includes(module));
  const both = below(moved);
  const kept = moved.filter((module) =>
    below([module]).some((name) => covers(choices?.keep, name) && !covers(choices?.take, name)),
  );
  const rest = both.filter((name) => submoduleOf(kept, name) === undefined);
  return {
    kept,
    removed: below(modules.filter((module) => deleted.includes(module))),
    taken: rest.filter((name) => covers(choices?.take, name)),
    open: rest.filter((name) => !covers(choices?.take, name)),
  };
}

/**
 * Decides about files that the app has written. Throws where it and the commit have both changed
 * one and nobody has said whose stays.
 */
export function planOwn(host: Host, clash: Clash): Own {
  const { commit, shown, choices, back, isOutput } = clash;
  const changed = new Set(clash.changed);
  const written = (names: readonly string[]) =>
    names.filter(
      (name) =>
        changed.has(name) && !name.includes("\ufffd") && !isRewritten(name) && !isOutput(name),
    );
  const [modified, deleted] = [written(clash.modified), written(clash.deleted)];
  const really = new Set(
    shown ? differing(host, { ...commit, id: shown }, [...modified, ...deleted]) : [],
  );
  const present = clash.present.filter((name) => !isRewritten(name) && !isOutput(name));
  const both = differing(host, commit, [
    ...modified.filter((name) => really.has(name)),
    ...present,
  ]);
  const removed = deleted.filter((name) => really.has(name) && !covers(choices?.take, name));
  const stays = (name: string) =>
    !covers(choices?.take, name) &&
    (covers(choices?.keep, name) || (back !== undefined && present.includes(name)));
  const stay = both.filter(stays);
  const taken = both.filter((name) => covers(choices?.take, name));
  // A name that is not UTF-8 cannot be told from others of its kind: only all of them can be taken.
  const strange = [...clash.modified, ...clash.deleted].filter(
    (name) => name.includes("\ufffd") && changed.has(name) && !choices?.take.includes("."),
  );
  const within = planModules(clash);
  const open = [
    ...both.filter((name) => !stays(name) && !taken.includes(name)),
    ...strange,
    ...within.open,
  ];
  if (open.length > 0) throw refusal(clash, open);
  const dropped = deleted.filter((name) => really.has(name) && covers(choices?.take, name));
  return {
    stay: [...stay, ...removed, ...within.kept],
    removed: [...removed, ...within.removed],
    taken: [...taken, ...dropped, ...within.taken],
  };
}

/** The two ways on. */
function refusal({ again, commit, back }: Clash, names: readonly string[]): PikuError {
  const shown = someOf(names.map((name) => `'${printable(name)}'`));
  const files = names.length === 1 && /^[\w@%+=:,./-]+$/.test(names[0]!) ? names[0]! : ".";
  const other = back === undefined ? "the commit has" : "that release has";
  return new PikuError(
    `the app '${commit.app.name}' has written into ${shown} since, and ${other} something else there`,
    `to replace what the app wrote: ${again("take", files)}; to keep it: ${again("keep", files)}`,
  );
}

/**
 * What the app had written when a release was live, and later releases replaced: where it is kept,
 * file -> number of the release that replaced it.
 */
export function keptOf(host: Host, commit: Commit, back: number): Map<string, number> {
  const kept = new Map<string, number>();
  for (const number of recordedNumbers(host, commit.app).filter((number) => number > back)) {
    const took: Took | undefined = readRelease(host, commit.app, number).took;
    if (!took || !host.stat(releaseFiles(commit.app, number).own)) continue;
    const [then, now] = [took.over, commit.id].map((id) =>
      versionsIn(host, { app: commit.app, id }, took.names),
    );
    for (const name of took.names)
      if (!kept.has(name) && then!.has(name) && then!.get(name) === now!.get(name))
        kept.set(name, number);
  }
  return kept;
}
