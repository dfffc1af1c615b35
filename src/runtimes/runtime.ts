import type { Settings } from "../app/env-file.ts";
import type { Workers } from "../app/procfile.ts";
import type { Cause } from "../workers/cause.ts";

/** Facts about the commit to be built, read before anything is touched. */
export interface Source {
  workers: Workers;
  /** Every command of the Procfile, those of `preflight` and `release` too. */
  commands: readonly string[];
  /** What the app's processes will get. */
  settings: Settings;
  /** Names at the top of the commit, folders with a `/` behind them. */
  names: readonly string[];
  /** Every file of the commit: its path -> its mode and the id of what it contains. */
  files(): ReadonlyMap<string, string>;
  /** The text of a file of the commit; empty when it is not there. */
  read(name: string): string;
  /** Whether a program is on the path. */
  has(tool: string): boolean;
  /** Whether a command ends well; what it prints is lost. */
  probe(...argv: string[]): boolean;
  /** What a command prints on stdout. */
  ask(...argv: string[]): string;
}

/**
 * One command of a build. It runs in the build tree, with the app's settings and the runtime's, and
 * then with `env`.
 */
export interface Step {
  title: string;
  argv: string[];
  /** Where it runs instead. */
  cwd?: string;
  env?: Settings;
}

/**
 * What the folder of dependencies is made from: the same answers, the same folder, and nothing to
 * do.
 */
export interface MadeFrom {
  /** Versions, and ways of installing. Throws for what is not on the server. */
  facts(source: Source): string[];
  /** Settings that count, by name. */
  settings?: RegExp;
  /** Files that count, by path. */
  files: RegExp;
  /** Folders of which every file counts. */
  folders?: readonly string[];
  /**
   * Which of the files may lead to others, and by which words. The group of `by` is the path of
   * what counts too, seen from the file; without a group it may be any file of the commit.
   */
  elsewhere?: { in: RegExp; by: RegExp };
  /** Whether only a build leads the app to the folder: without one it keeps the one that it has. */
  linked?: true;
}

/**
 * A language, or a way of packing an app. Everything but `build` is answered from facts.
 * A new one is a file with one of these, and a place in the list.
 */
export interface Runtime {
  name: string;
  /** Any one of these sets of tools is enough. */
  needs: string[][];
  /** What to type when they are missing. */
  remedy?: string;
  /** What its own tools print when something is wrong, before the table that all have. */
  causes?: readonly Cause[];
  detects(source: Source): boolean;
  /** Undefined for a runtime without dependencies. */
  madeFrom?: MadeFrom;
  /**
   * Settings that it adds to `base`, below the app's own; `environment` is the folder of its
   * dependencies.
   */
  settings(environment: string, base: Settings, source: Source): Settings;
  /**
   * A folder below `environment`, for what builds make on the way. An app behind a wall can write
   * there as well, where wall.sh names it.
   */
  scratch?: string;
  /** What the pusher ought to know, although it works: sentences. */
  warns?(source: Source): string[];
  /** The command of a `web` worker for a Procfile that has none; undefined when it needs none. */
  web?(source: Source): string | undefined;
  /**
   * Commands that fill the folder of dependencies, which is there and empty. They run once for each
   * folder.
   */
  install?(source: Source, environment: string): Step[];
  /**
   * Commands that make files in the build tree. They run at every deploy, in what the one before
   * left there.
   */
  build?(source: Source, environment: string): Step[];
  /**
   * Which files that git does not track go from the build tree into the app's: all of them unless
   * given.
   */
  goesLive?(name: string): boolean;
  /**
   * Which of them only a build makes: they take the place of whatever is there, and go when a build
   * makes them no more.
   */
  isOutput?(name: string): boolean;
}

/** `Ruby`, of a runtime that is called `Ruby Application` as the original calls it. */
export const shortName = ({ name }: Runtime) => name.replace(/ Application$/, "");
