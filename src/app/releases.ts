import type { Host } from "../host/host.ts";
import { PikuError } from "../text/errors.ts";
import { type App, appOf, readOfAny } from "./app.ts";
import type { Paths } from "./paths.ts";
import type { Scaling, Workers } from "./procfile.ts";

/** One of an app's two sets of ports. */
export type Slot = "a" | "b";

/**
 * The record of a release, with all that is needed to bring it back. Contains names of settings,
 * never values.
 */
export interface Release {
  number: number;
  /** What was asked for: `push`, `deploy`, `config:set`, ... */
  cause: string;
  commit?: string;
  branch?: string;
  subject?: string;
  /** The key's fingerprint and name, as the key line gives them. */
  who?: string;
  /** When it went live, ISO 8601. */
  when?: string;
  /** Names of the settings, or kinds of workers, that were changed by it. */
  changed: string[];
  slot: Slot;
  /** The key of the folder of dependencies, `envs/<app>/.<key>`. */
  environment?: string;
  workers: Workers;
  scaling: Scaling;
  /** The vassals of this release: its own, and those carried over from an earlier one. */
  vassals: string[];
  /**
   * For vassals that were carried over: the keys of the dependency folders they use
   * (PIKU_AUTO_RESTART).
   */
  held?: Record<string, string>;
  /** What it replaced of the app's own, in spite of what the app had written there. */
  took?: Took;
  /** How long each step took, in milliseconds. */
  steps: { title: string; milliseconds: number }[];
}

/** Files that the app had written and a release replaced. */
export interface Took {
  /** The commit whose files they were. */
  over: string;
  names: string[];
}

/** Removes all files of a release but its transcript. */
export function forgetRelease(host: Host, app: App, number: number): void {
  const { transcript, ...files } = releaseFiles(app, number);
  for (const file of Object.values(files)) host.remove(file);
}

/** What a checkout changes in a work tree, in order to undo it. */
export interface TreeUndo {
  /** The commit that the work tree showed before. */
  shown?: string;
  /** Names of the files that were not there before. */
  added: string[];
  /** Names of the tracked files that are changed. */
  modified: string[];
}

/** A deploy under way: written before anything that runs is touched, gone when it has ended. */
export interface Journal {
  release: number;
  cause: string;
  /** Whether the work tree was made by it. */
  made: boolean;
  /** How to restore the work tree, if the deploy changes it. */
  tree?: TreeUndo;
}

const below = (app: App, name: string | number) => `${app.releases}/${name}`;

/**
 * The files of a release: its record, its transcript, and copies of the files that belong to it.
 */
export const releaseFiles = (app: App, number: number) => ({
  record: below(app, `${number}.json`),
  transcript: below(app, `${number}.log`),
  /** ENV as it was before this release. */
  former: below(app, `${number}.former`),
  /** Copies of ENV, LIVE_ENV and of the site, as this release has them. */
  settings: below(app, `${number}.ENV`),
  live: below(app, `${number}.LIVE_ENV`),
  site: below(app, `${number}.conf`),
  /** Files of the work tree as they were before this release was checked out. */
  before: below(app, `${number}.before.tar`),
  /**
   * The zero-terminated names of changed files that are not valid UTF-8, and those files as they
   * were before.
   */
  strange: below(app, `${number}.strange`),
  strangeKept: below(app, `${number}.strange.tar`),
  /** What the app had written and this release replaced (`Release.took`). */
  own: below(app, `${number}.own.tar`),
  /** Files that builds made, up to this release. */
  made: below(app, `${number}.made`),
  /** Tracked files that the Procfile's `release` has changed, up to this release. */
  outputs: below(app, `${number}.outputs`),
});

/**
 * The site that an app's live release was deployed with; undefined if there is none or its record
 * is damaged.
 */
export function releasedSite(host: Host, paths: Paths, name: string): string | undefined {
  const app = appOf(paths, name);
  const number = readableNumber(host, app);
  return number === undefined
    ? undefined
    : readOfAny(host, releaseFiles(app, number).site) || undefined;
}

/**
 * Brings all that belongs to an app to the disk, by whomever it was written: git, tar, what builds
 * made. A board may have its folders on several disks.
 */
export const syncApp = (host: Host, { tree, repo, envs, releases, paths }: App) =>
  host.sync([paths.root, paths.enabled, tree, repo, envs, releases]);

const journalFile = (app: App) => below(app, "journal.json");
const liveFile = (app: App) => below(app, "live");

/** The number of the live release. It is authoritative: whatever disagrees with it is repaired. */
export function liveNumber(host: Host, app: App): number | undefined {
  const number = Number(host.read(liveFile(app))?.trim() || Number.NaN);
  return Number.isInteger(number) ? number : undefined;
}

export const writeLive = (host: Host, app: App, number: number) =>
  host.write(liveFile(app), `${number}\n`);

/** From now on no release is live. */
export const removeLive = (host: Host, app: App) => host.remove(liveFile(app));

/** The record of a release. Throws when it cannot be read. */
export function readRelease(host: Host, app: App, number: number): Release {
  const content = host.read(releaseFiles(app, number).record);
  if (content === undefined) throw new PikuError(`app '${app.name}' has no release ${number}`);
  return JSON.parse(content) as Release;
}

/** Writes the record of a release; whoever makes it the live one syncs it before. */
export const writeRelease = (host: Host, app: App, release: Release) =>
  host.note(releaseFiles(app, release.number).record, `${JSON.stringify(release, null, 1)}\n`);

/** The live release, if there is one. */
export function liveRelease(host: Host, app: App): Release | undefined {
  const number = liveNumber(host, app);
  return number === undefined ? undefined : readRelease(host, app, number);
}

/**
 * The number of the live release, or undefined if it cannot be read; used when all apps are
 * examined.
 */
export function readableNumber(host: Host, app: App): number | undefined {
  try {
    return liveNumber(host, app);
  } catch {
    return undefined;
  }
}

/**
 * The live release, or undefined if its record cannot be read: one app's damage must not hide the
 * others.
 */
export function readableLive(host: Host, app: App): Release | undefined {
  try {
    return liveRelease(host, app);
  } catch {
    return undefined;
  }
}

/** The numbers of all releases and failed deploys of which any file exists, ascending. */
export const numbersOf = (host: Host, app: App): number[] =>
  [
    ...new Set(
      host.list(app.releases).flatMap((name) => /^(?:run-)?(\d+)(?:\.|$)/.exec(name)?.[1] ?? []),
    ),
  ]
    .map(Number)
    .sort((a, b) => a - b);

/** The numbers of the releases that have been live, ascending. */
export const recordedNumbers = (host: Host, app: App): number[] =>
  numbersOf(host, app).filter((number) => host.stat(releaseFiles(app, number).record));

/** The number that the next release gets. */
export const nextNumber = (host: Host, app: App) => (numbersOf(host, app).at(-1) ?? 0) + 1;

// It may contain the names of some hundred thousand files.
const maxJournalBytes = 64 * 1024 * 1024;

export function readJournal(host: Host, app: App): Journal | undefined {
  const content = host.read(journalFile(app), maxJournalBytes);
  if (content === undefined) return undefined;
  try {
    const journal = JSON.parse(content) as Journal & { tree?: TreeUndo | boolean };
    const { tree } = journal;
    return {
      ...journal,
      tree: tree === true ? formerUndo(host, app, journal.release) : tree || undefined,
    };
  } catch {
    // The disk is damaged; the journal belongs to the latest deploy.
    const release = numbersOf(host, app).at(-1) ?? 0;
    return { release, cause: "", made: false, tree: { added: [], modified: [] } };
  }
}

/**
 * The same as piku 0.1 wrote it, in files beside its journal: it may have been updated after a
 * power cut.
 */
function formerUndo(host: Host, app: App, release: number): TreeUndo {
  const kept = (name: string) => host.read(below(app, `${release}.${name}`), maxJournalBytes);
  const names = (name: string) => JSON.parse(kept(name) ?? "[]") as string[];
  return {
    shown: kept("shown") || undefined,
    added: names("added"),
    modified: names("modified"),
  };
}

/** Writes the journal; to be synced before anything is touched. */
export const writeJournal = (host: Host, app: App, journal: Journal) =>
  host.note(journalFile(app), JSON.stringify(journal));

export const removeJournal = (host: Host, app: App) => host.remove(journalFile(app));

/** The job that the current deploy is running; it is ended before the next deploy begins. */
export const jobFile = (app: App) => below(app, "job");

/** Created by deploy:cancel to end the current deploy; contains who cancelled it. */
export const cancelFile = (app: App) => below(app, "cancel");

const keptReleases = 20;

/** The numbers whose files can be deleted: all but the last 20 and the live one. */
export const outdated = (numbers: readonly number[], live: number | undefined) =>
  numbers.slice(0, Math.max(0, numbers.length - keptReleases)).filter((number) => number !== live);

/** The mark of a stopped app, which only a deploy or a restart starts again. */
export const stoppedFile = (app: App) => `${app.releases}/stopped`;

/** Whether an app was stopped. */
export const isStopped = (host: Host, app: App) => host.stat(stoppedFile(app)) !== undefined;
