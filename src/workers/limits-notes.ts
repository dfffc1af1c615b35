import type { App } from "../app/app.ts";
import { bindingLimit } from "../app/limits.ts";
import { liveSettings } from "../app/live.ts";
import { readableLive } from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { memoryWords } from "./causes-limits.ts";
import { useOf } from "./limits.ts";
import { filesOf, parseVassal } from "./worker.ts";

/** What piku adds to the log of a process: that it went over its memory limit. */
export interface Note {
  label: string;
  text: string;
}

const words = new RegExp(memoryWords, "m");

/**
 * Tells, each time that it is asked, which processes have gone over their memory limit since it was
 * asked last. `lines`: what their logs say now, where nothing counts what was ended.
 */
export function noteLimits(host: Host, app: App) {
  const settings = liveSettings(host, app);
  const told = new Map<string, number>();
  const limited = (readableLive(host, app)?.vassals ?? []).flatMap((file) => {
    const vassal = parseVassal(file, `project = ${app.name}\n`);
    if (vassal?.release === undefined) return [];
    const its = { ...vassal, release: vassal.release, label: `${vassal.kind}.${vassal.ordinal}` };
    if (!host.stat(filesOf(app, its).limits)) return [];
    const limit = bindingLimit(settings, vassal.kind, "memory");
    return limit ? [{ ...its, limit }] : [];
  });
  return (lines: readonly { label: string; text: string }[]): Note[] =>
    limited.flatMap(({ label, limit, ...vassal }) => {
      const ended = useOf(host, app, vassal)?.ended ?? 0;
      const before = told.get(label) ?? 0;
      told.set(label, ended);
      if (ended > before) {
        const times = ended - before === 1 ? "a process was" : `${ended - before} processes were`;
        return [
          { label, text: `piku: ${times} ended, since more memory was needed than ${limit}` },
        ];
      }
      return ended === 0 && lines.some((line) => line.label === label && words.test(line.text))
        ? [{ label, text: `piku: more memory was needed than ${limit}` }]
        : [];
    });
}
