import { printable } from "../text/text.ts";
import type { Settings } from "./env-file.ts";
import { setting } from "./settings.ts";
import { type limitNames, limitOf } from "./settings-table.ts";

/** What processes may use together, or one of them where nothing counts them together. */
export interface Limits {
  /** Bytes. */
  memory?: number;
  /** How many, threads included. */
  processes?: number;
  /** Percent of all processors. */
  cpu?: number;
}

/** What is limited, and the name of the setting that says so. */
const resources = {
  memory: "PIKU_MEMORY",
  processes: "PIKU_PROCESSES",
  cpu: "PIKU_CPU",
} as const satisfies Record<keyof Limits, (typeof limitNames)[number]>;

export type Resource = keyof Limits;
const all = Object.entries(resources) as [Resource, (typeof resources)[Resource]][];

/** Everything that can be limited. */
export const everyResource = all.map(([resource]) => resource);

/** What piku itself runs for an app, which has limits like a kind of worker. */
export type LimitedStep = "build" | "release" | "run";
const steps: readonly string[] = ["build", "release", "run"] satisfies LimitedStep[];

/** What a line of the Procfile is limited as; without one it is a step of a build. */
export const limitedAs = (kind: string) => (kind === "" || kind === "preflight" ? "build" : kind);

/** The end of the settings of one kind of worker: `my-worker` is limited by `PIKU_MEMORY_MY_WORKER`. */
const suffixOf = (kind: string) => `_${kind.toUpperCase().replaceAll("-", "_")}`;

const read = (settings: Settings, suffix = ""): Limits =>
  Object.fromEntries(
    all.map(([resource, name]) => [resource, setting(settings, name, undefined, name + suffix)]),
  );

/** The smaller one of two limits. */
const least = (a: number | undefined, b: number | undefined) =>
  a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);

/** The limits of a worker: those of its app, which count for all of it, and its kind's own. */
export interface WorkerLimits {
  app: Limits;
  own: Limits;
}

/** The limits of a kind of worker. Throws for an invalid value. */
export const limitsOf = (settings: Settings, kind: string): WorkerLimits => ({
  app: read(settings),
  own: read(settings, suffixOf(kind)),
});

/** The smaller one of both, of each. */
export const leastOf = ({ app, own }: WorkerLimits): Limits =>
  Object.fromEntries(all.map(([resource]) => [resource, least(app[resource], own[resource])]));

/** The limits of a step: `PIKU_MEMORY_BUILD`, or else the app's. Throws for an invalid value. */
export function stepLimits(settings: Settings, step: LimitedStep): Limits {
  const { app, own } = limitsOf(settings, step);
  return Object.fromEntries(all.map(([resource]) => [resource, own[resource] ?? app[resource]]));
}

/** What is limited at all. */
export const limited = (limits: Limits): Resource[] =>
  everyResource.filter((resource) => limits[resource] !== undefined);

/** What these settings limit, for any kind of worker. */
export const limitedIn = (settings: Settings): Resource[] =>
  all.flatMap(([resource, name]) =>
    Object.keys(settings).some((key) => limitOf(key) === name) ? [resource] : [],
  );

/** The setting that limits a worker or a step the most, and its value: `PIKU_MEMORY=200M`. */
export function bindingLimit(
  settings: Settings,
  kind: string,
  resource: Resource,
): string | undefined {
  const name = resources[resource];
  const own = name + suffixOf(kind);
  const [ofApp, ofKind] = [name, own].map((key) => setting(settings, name, undefined, key));
  if (ofApp === undefined && ofKind === undefined) return undefined;
  const isOwn = ofKind !== undefined && (steps.includes(kind) || ofKind <= (ofApp ?? ofKind));
  const key = isOwn ? own : name;
  return `${key}=${settings[key]!.trim()}`;
}

/**
 * The settings of an app, with the board's limits where its own are looser: what the board says is
 * the least that holds. `board`: the board's settings alone. Throws for an invalid value.
 */
export function tightened(settings: Settings, board: Settings): Settings {
  const changes = Object.keys({ ...board, ...settings }).flatMap((key) => {
    const name = limitOf(key);
    if (!name) return [];
    const amount = (layer: Settings, of: string) => setting(layer, name, undefined, of);
    const isStep = steps.some((step) => key === name + suffixOf(step));
    const from = isStep && amount(board, key) === undefined ? name : key;
    const most = amount(board, from);
    const own = amount(settings, key);
    return most === undefined || (own !== undefined && own <= most)
      ? []
      : [[key, board[from]!.trim()]];
  });
  return { ...settings, ...Object.fromEntries(changes) };
}

/**
 * What is doubtful about an app's limits: those that the board's take the place of, and those of
 * kinds that it does not have. `own`: what it says itself; `live`: what counts.
 */
export function limitWarnings(own: Settings, live: Settings, kinds: readonly string[]): string[] {
  const known = [...steps, ...kinds].map(suffixOf);
  return Object.keys(own).flatMap((key) => {
    const name = limitOf(key);
    if (!name || own[key]!.includes("$")) return [];
    if (key !== name && !known.includes(key.slice(name.length)))
      return [`${key} limits nothing: the Procfile has no line of that kind`];
    return live[key]?.trim() === own[key]!.trim()
      ? []
      : [`the board allows less than ${key}=${printable(own[key]!)}: ${live[key]} counts`];
  });
}
