import type { Host } from "../host/host.ts";
import { findTool } from "../host/tools.ts";
import { pathsOf } from "./paths.ts";

/** Which file it was: another one, or a change of it, is told by these. */
const identityOf = (host: Host, path: string) => {
  const entry = host.stat(host.realPath(path) ?? path);
  return entry && [entry.inode, entry.size, entry.modified];
};

/**
 * What is known about some files, found out by `ask` when they are others than at the last time and
 * kept in `place`: programs take their time. `isKept`: whether an answer is good for more than once.
 */
export function answerAbout<T>(
  host: Host,
  place: string,
  files: readonly string[],
  ask: () => T,
  isKept: (answer: T) => boolean,
): T {
  const about = JSON.stringify(files.map((path) => [path, identityOf(host, path)]));
  try {
    const [known, answer] = host.read(place)?.split("\n") ?? [];
    if (known === about && answer) return JSON.parse(answer) as T;
  } catch {
    // A power cut has left a part of it, or somebody something else.
  }
  const fresh = ask();
  if (!isKept(fresh)) return fresh;
  try {
    host.mkdir(place.replace(/\/[^/]*$/, ""), 0o700);
    host.note(place, `${about}\n${JSON.stringify(fresh)}\n`, 0o600);
  } catch {
    // Where the disk is full it is asked for again.
  }
  return fresh;
}

/** How a program that tells about itself ended. */
export interface Told {
  status: number;
  stdout: string;
  stderr: string;
}

/**
 * What a program tells about itself, such as its version. Kept for those of the distribution, which
 * are replaced when they change; what lies elsewhere may be a script that chooses among several.
 */
export function askProgram(host: Host, argv: readonly string[]): Told {
  const path = findTool(host, argv[0]!);
  const real = path && host.realPath(path);
  const ask = () => host.capture(argv);
  if (!real || !/^\/usr\/s?bin\//.test(real) || !isBinary(host, real)) return ask();
  // What uWSGI tells of Python depends on its plugin.
  const files = [path, "/usr/lib/uwsgi/plugins"];
  const place = `${pathsOf(host).root}/answers/${argv.join(" ").replace(/[^\w.-]+/g, "!")}`;
  return answerAbout(host, place, files, ask, ({ status }) => status === 0);
}

const isBinary = (host: Host, path: string) => host.readFrom(path, 0, true, 4).text.includes("ELF");
